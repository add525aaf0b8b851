//! Random passwords. They depend on the sandbox's seed, and are not secret.

use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx};
use crate::sandbox::wire::params::Params;
use serde_json::json;

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// A number below `end`, which is not 0.
fn below(cx: &mut Cx<'_>, end: usize) -> usize {
    let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
    usize::try_from(cx.store.random() % end).unwrap_or(0)
}

fn pick(cx: &mut Cx<'_>, letters: &[char]) -> Option<char> {
    let at = below(cx, letters.len());
    letters.get(at).copied()
}

pub(super) fn get(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let length = usize::try_from(params.number("PasswordLength").unwrap_or(32)).unwrap_or(32);
    let left_out = params.text("ExcludeCharacters").unwrap_or_default();
    let out = |member: &str| params.flag(member).unwrap_or(false);
    let mut sets: Vec<Vec<char>> = Vec::new();
    for (member, letters) in [
        ("ExcludeLowercase", LOWER),
        ("ExcludeUppercase", UPPER),
        ("ExcludeNumbers", DIGITS),
        ("ExcludePunctuation", PUNCTUATION),
    ] {
        if !out(member) {
            sets.push(letters.chars().filter(|letter| !left_out.contains(*letter)).collect());
        }
    }
    if out("IncludeSpace") && !left_out.contains(' ') {
        sets.push(vec![' ']);
    }
    sets.retain(|set| !set.is_empty());
    let each = params.flag("RequireEachIncludedType").unwrap_or(true);
    if sets.is_empty() || (each && sets.len() > length) {
        let message = "No password can be made of the characters that are left.";
        return Err(Failure::new("InvalidParameterException", message));
    }
    let all: Vec<char> = sets.iter().flatten().copied().collect();
    let mut password: Vec<char> = Vec::with_capacity(length);
    if each {
        for set in &sets {
            password.extend(pick(cx, set));
        }
    }
    while password.len() < length {
        password.extend(pick(cx, &all));
    }
    for at in (1..password.len()).rev() {
        let other = below(cx, at + 1);
        password.swap(at, other);
    }
    Ok(json!({ "RandomPassword": password.into_iter().collect::<String>() }).into())
}
