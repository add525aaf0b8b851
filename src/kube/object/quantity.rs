//! Quantities, which the server writes in a form of its own: `1000m` comes back as `1`.
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>

/// Whether the field holds a quantity.
pub(super) fn is_at(field: &str) -> bool {
    ["limits.", "requests.", "sizeLimit", "divisor"].iter().any(|part| field.contains(part))
}

/// Whether two texts are the same quantity. What is none is compared as text.
pub(super) fn same(one: &str, other: &str) -> bool {
    match (thousandths(one), thousandths(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

const SUFFIXES: &[(&str, i128)] = &[
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
    ("Ei", 1 << 60),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000),
];

/// The quantity in thousandths; `None` for what is finer than that, or no quantity.
fn thousandths(text: &str) -> Option<i128> {
    if let Some(number) = text.strip_suffix('m') {
        return number.parse().ok();
    }
    let (number, factor) = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)))
        .unwrap_or((text, 1));
    let (whole, rest) = number.split_once('.').unwrap_or((number, ""));
    if rest.len() > 9 || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let scale = 10_i128.checked_pow(u32::try_from(rest.len()).ok()?)?;
    let digits: i128 = format!("{whole}{rest}").parse().ok()?;
    let value = digits.checked_mul(factor)?.checked_mul(1000)?;
    (value % scale == 0).then(|| value / scale)
}
