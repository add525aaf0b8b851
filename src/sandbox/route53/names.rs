//! Domain names as Route 53 writes them: in lower case, with a dot at the end, what is not a
//! letter, digit, hyphen or underscore as `\052`.

/// A name as Route 53 keeps it.
pub(super) fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 1);
    let mut rest = name.trim_end_matches('.');
    while let Some(letter) = rest.chars().next() {
        let escaped = rest.get(..4).filter(|four| {
            four.starts_with('\\') && four.bytes().skip(1).all(|byte| byte.is_ascii_digit())
        });
        if let Some(escaped) = escaped {
            out.push_str(escaped);
            rest = &rest[4..];
            continue;
        }
        if letter.is_ascii_alphanumeric() || "-_.".contains(letter) {
            out.push(letter.to_ascii_lowercase());
        } else {
            let mut bytes = [0; 4];
            for byte in letter.encode_utf8(&mut bytes).bytes() {
                out.push_str(&format!("\\{byte:03o}"));
            }
        }
        rest = &rest[letter.len_utf8()..];
    }
    out.push('.');
    out
}

/// What names are ordered by: their labels from the last to the first.
pub(super) fn order(name: &str) -> String {
    let mut labels: Vec<&str> = name.trim_end_matches('.').split('.').collect();
    labels.reverse();
    labels.join(".")
}

/// Whether `name` is the zone's own name or below it. Both as Route 53 keeps them.
pub(super) fn is_in(name: &str, zone: &str) -> bool {
    name == zone || name.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
}
