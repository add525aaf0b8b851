//! Secrets: values that never print, and the text filter that keeps them out of other people's
//! messages.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Arc, RwLock};

/// What stands where a secret stood.
pub const MASK: &str = "(secret)";

/// A value that does not print, does not serialise and is not compared by `==` in the open.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a value. Whoever resolves a reference also registers it with [`Masks::add`].
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Secret(value.into())
    }

    /// The value itself; to be handed to the provider's API and to nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Where a secret is; the only way to write one in a spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretRef {
    /// The ARN or name of a Secrets Manager secret; its current version's string is the value.
    SecretsManager(String),
    /// The name of an environment variable of the process that runs `coderctl`.
    Env(String),
    /// A file's path, relative to the spec; a final newline is not part of the value.
    File(String),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::SecretsManager(arn) => write!(f, "secrets manager {arn}"),
            SecretRef::Env(name) => write!(f, "environment variable {name}"),
            SecretRef::File(path) => write!(f, "file {path}"),
        }
    }
}

/// Every secret value this process has seen. Text from elsewhere (AWS errors quote the values
/// that they refuse) goes through [`Masks::clean`] before it is kept or shown.
#[derive(Clone, Default)]
pub struct Masks(Arc<RwLock<Vec<Secret>>>);

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masks")
    }
}

impl Masks {
    /// From now on, `secret` is masked, also as it looks URL-encoded, base64-encoded or quoted
    /// inside JSON. Values shorter than four characters are not: masking them would garble
    /// everything and protect nothing.
    pub fn add(&self, secret: &Secret) {
        use base64::Engine;
        let value = secret.expose();
        if value.len() < 4 {
            return;
        }
        let quoted = serde_json::Value::from(value).to_string();
        let quoted = quoted.trim_matches('"');
        let encoded =
            percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        let mut forms = vec![
            value.to_owned(),
            quoted.to_owned(),
            encoded.to_string(),
            form_urlencoded::byte_serialize(value.as_bytes()).collect(),
            base64::engine::general_purpose::STANDARD.encode(value),
        ];
        forms.sort();
        forms.dedup();
        let mut known = self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.extend(forms.into_iter().map(Secret::new));
        // The longest first, so that a secret within a secret leaves no remainder.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
    }

    /// `text` with every known secret replaced by [`MASK`].
    pub fn clean(&self, text: &str) -> String {
        let known = self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), MASK))
    }
}
