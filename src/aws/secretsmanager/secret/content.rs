//! What a secret holds when it is made: nothing yet, or a value that nobody has seen.

use crate::kind::{Error, Result};
use crate::secret::Secret;
use rand::TryRng;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the secret holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Nothing: something else puts its value in later.
    Empty,
    /// A random value, made once, when the secret is made. It is never shown, and never made anew
    /// while there is one.
    Generated {
        /// How many characters it has.
        length: usize,
        /// Which characters.
        charset: Charset,
        /// The JSON object that it stands in; the value is the whole text without.
        as_json: Option<Fields>,
    },
}

/// The JSON object that a generated value stands in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fields {
    /// The key of the generated value: `password`.
    pub key: String,
    /// The other members, which are no secret: `username`.
    pub beside: BTreeMap<String, String>,
}

/// Characters that a value is made of. All of them can stand in a URL, a shell word and a YAML
/// string as they are, and Aurora accepts all of them in a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Charset {
    /// Letters and digits: 5.95 bits each.
    Alphanumeric,
    /// Digits and the letters a to f: 4 bits each.
    Hex,
}

impl Charset {
    fn characters(self) -> &'static [u8] {
        match self {
            Charset::Alphanumeric => {
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
            }
            Charset::Hex => b"0123456789abcdef",
        }
    }

    /// `length` characters from the operating system's generator, each equally likely.
    fn random(self, length: usize) -> Result<String> {
        let characters = self.characters();
        // Bytes at or above the largest multiple are thrown away, or the first characters would
        // be likelier than the last.
        let fair = 256 - 256 % characters.len();
        let mut text = String::with_capacity(length);
        let mut bytes = [0_u8; 64];
        while text.len() < length {
            SysRng.try_fill_bytes(&mut bytes).map_err(|error| {
                Error::local(format!("the system's random generator failed: {error}"))
            })?;
            let fair = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
            let missing = length - text.len();
            let drawn = fair.filter_map(|byte| characters.get(byte % characters.len()));
            text.extend(drawn.take(missing).map(|byte| char::from(*byte)));
        }
        Ok(text)
    }
}

impl Content {
    /// A fresh value with all that must be masked of it: the whole text, and the part of it that
    /// is random. `None` for [`Content::Empty`].
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub(super) fn fresh(&self) -> Result<Option<(Secret, Secret)>> {
        let Content::Generated { length, charset, as_json } = self else { return Ok(None) };
        let value = charset.random(*length)?;
        let text = match as_json {
            None => value.clone(),
            Some(Fields { key, beside }) => {
                let mut members = beside.clone();
                members.insert(key.clone(), value.clone());
                serde_json::to_string(&members)
                    .map_err(|error| Error::local(format!("writing the value: {error}")))?
            }
        };
        Ok(Some((Secret::new(text), Secret::new(value))))
    }
}
