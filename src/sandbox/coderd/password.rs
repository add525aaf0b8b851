//! Which passwords coderd takes.

/// Why a password is refused. Coder asks for enough entropy (`go-password-validator`, 52 bits):
/// the number of distinct classes of letters, times the length without repetitions.
pub(super) fn weakness(password: &str) -> Option<String> {
    if password.chars().count() > 64 {
        return Some("password must be no more than 64 characters".to_owned());
    }
    let has = |test: fn(char) -> bool| password.chars().any(test);
    let classes = [
        (has(|c| c.is_ascii_lowercase()), 26),
        (has(|c| c.is_ascii_uppercase()), 26),
        (has(|c| c.is_ascii_digit()), 10),
        (has(|c| !c.is_ascii_alphanumeric()), 32),
    ];
    let base: u32 = classes.iter().filter(|(there, _)| *there).map(|(_, size)| size).sum();
    let mut letters: Vec<char> = password.chars().collect();
    // A letter that stands three times in a row says nothing new.
    letters.dedup();
    let length = u32::try_from(letters.len()).unwrap_or(u32::MAX);
    let bits = f64::from(length) * f64::from(base.max(1)).log2();
    let common = ["password", "12345", "qwerty", "abcdef"];
    let easy = common.iter().any(|word| password.to_lowercase().contains(word));
    (bits < 52.0 || (easy && length < 16)).then(|| {
        "insecure password, try including more special characters, using uppercase letters, using \
         numbers or using a longer password"
            .to_owned()
    })
}
