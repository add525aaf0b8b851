//! Whose a record is. Records carry no tags, so a TXT record beside each says it, written in the
//! same batch:
//!
//! ```text
//! coderctl-owner-a.coder.example.com.  TXT
//!   "heritage=coderctl,deployment=coder-prod,uid=…,address=global/dns/coder,generation=1"
//! ```
//!
//! The label names the type, and `_wildcard` stands for `*`. A record that several deployments
//! share (the CNAME that validates certificates) has one value for each; `shared=true` says so,
//! and `kept=true` that the record was there before any of them.

use super::RecordType;
use crate::kind::{
    Error, Ownership, Result, TAG_ADDRESS, TAG_DEPLOYMENT, TAG_GENERATION, TAG_UID, Tags,
};

const LABEL: &str = "coderctl-owner-";
const HERITAGE: &str = "heritage=coderctl";
const WILDCARD: &str = "_wildcard";
/// How many characters one string of a TXT record holds.
const STRING: usize = 255;

/// One owner of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// The identity tags that it stands for.
    pub(super) tags: Tags,
    /// Whether others may own the record as well.
    pub(super) shared: bool,
    /// Whether the record was there before any owner.
    pub(super) kept: bool,
}

/// The name of the TXT record beside a record, without a final dot.
pub(super) fn beside(name: &str, kind: RecordType) -> String {
    let kind = kind.as_str().to_lowercase();
    let name = match name.strip_prefix('*') {
        Some(rest) => format!("{WILDCARD}{rest}"),
        None => name.to_owned(),
    };
    format!("{LABEL}{kind}.{name}")
}

/// The record that a TXT record is beside of, by its plain name.
pub(super) fn of(txt: &str) -> Option<(String, RecordType)> {
    let (kind, name) = txt.strip_prefix(LABEL)?.split_once('.')?;
    let kind = RecordType::ALL.into_iter().find(|one| one.as_str().eq_ignore_ascii_case(kind))?;
    let name = match name.strip_prefix(WILDCARD) {
        Some(rest) => format!("*{rest}"),
        None => name.to_owned(),
    };
    Some((name, kind))
}

impl Owner {
    /// The owner that the identity tags in `tags` name.
    pub(super) fn new(tags: &Tags, shared: bool, kept: bool) -> Owner {
        let identity = [TAG_DEPLOYMENT, TAG_UID, TAG_ADDRESS, TAG_GENERATION];
        let tags = tags.iter().filter(|(key, _)| identity.contains(&key.as_str()));
        Owner {
            tags: tags.map(|(key, value)| (key.clone(), value.clone())).collect(),
            shared,
            kept,
        }
    }

    /// Whether this is the owner that `ownership` names, in the deployment `name`.
    pub(super) fn is(&self, name: &str, ownership: &Ownership) -> bool {
        self.tags.get(TAG_DEPLOYMENT).map(String::as_str) == Some(name)
            && Ownership::from_tags(&self.tags).is_ok_and(|owner| owner == *ownership)
    }

    /// As a value of the TXT record.
    ///
    /// # Errors
    /// When a name has characters that would end the text.
    pub(super) fn to_txt(&self) -> Result<String> {
        let mut text = HERITAGE.to_owned();
        for (key, value) in &self.tags {
            let key = key.trim_start_matches("coderctl:");
            let plain = |c: char| c.is_ascii_graphic() && !matches!(c, ',' | '"' | '\\');
            if !value.chars().all(plain) {
                return Err(Error::local(format!("{value:?} can not stand in a TXT record")));
            }
            text.push_str(&format!(",{key}={value}"));
        }
        for (key, on) in [("shared", self.shared), ("kept", self.kept)] {
            if on {
                text.push_str(&format!(",{key}=true"));
            }
        }
        // ASCII only, so every byte is a character.
        let strings: Vec<String> = text
            .as_bytes()
            .chunks(STRING)
            .map(|part| format!("\"{}\"", String::from_utf8_lossy(part)))
            .collect();
        Ok(strings.join(" "))
    }

    /// The owner that a value of a TXT record names; `None` when it is another's heritage.
    pub(super) fn from_txt(value: &str) -> Option<Owner> {
        let text = value.trim().trim_matches('"').replace("\" \"", "");
        let fields = text.strip_prefix(HERITAGE)?;
        let (mut tags, mut shared, mut kept) = (Tags::new(), false, false);
        for (key, value) in fields.split(',').filter_map(|field| field.split_once('=')) {
            match key {
                "shared" => shared = value == "true",
                "kept" => kept = value == "true",
                key => {
                    tags.insert(format!("coderctl:{key}"), value.to_owned());
                }
            }
        }
        Some(Owner { tags, shared, kept })
    }
}
