//! What coderd keeps in a database.

use super::workspace::Workspace;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// All databases, by `host/name`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Databases(pub(super) BTreeMap<String, Database>);

/// One database.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Database {
    /// The version of the coderd that migrated it last: `2.30.1`.
    pub(super) version: String,
    /// When its migrations are done, in milliseconds since 1970.
    pub(super) migrated_at: u64,
    /// How many ids were given.
    pub(super) ids: u64,
    pub(super) users: Vec<User>,
    pub(super) keys: Vec<Key>,
    pub(super) licenses: Vec<License>,
    #[serde(default)]
    pub(super) workspaces: Vec<Workspace>,
    /// Times of the logins of the last minute, in milliseconds since 1970.
    pub(super) logins: Vec<u64>,
}

/// A user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) email: String,
    pub(super) username: String,
    pub(super) name: String,
    /// Salted with the id.
    pub(super) password_digest: String,
    pub(super) created_at: u64,
}

/// An API key: a session, or a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Key {
    /// Ten letters; the key that a client sends is `ID-SECRET`.
    pub(super) id: String,
    pub(super) secret_digest: String,
    pub(super) user: String,
    /// `password` for a session, `token` for a token.
    pub(super) login_type: String,
    pub(super) token_name: String,
    pub(super) created_at: u64,
    pub(super) expires_at: u64,
}

/// A licence.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct License {
    pub(super) id: u64,
    pub(super) uuid: String,
    pub(super) uploaded_at: u64,
    pub(super) claims: serde_json::Value,
    /// So that the same one is not taken twice.
    pub(super) digest: String,
}

impl Database {
    /// A new id: the same for the same database and number.
    pub(super) fn uuid(&mut self, salt: &str) -> String {
        let hex = self.random(salt);
        format!(
            "{}-{}-4{}-8{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[13..16],
            &hex[17..20],
            &hex[20..32]
        )
    }

    /// 64 letters that nothing else has.
    pub(super) fn random(&mut self, salt: &str) -> String {
        self.ids += 1;
        digest(&["coderd", salt, &self.ids.to_string()])
    }
}

/// What is stored in the place of a secret.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hex::encode(hasher.finalize())
}
