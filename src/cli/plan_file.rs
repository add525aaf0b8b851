//! The file that `plan --out` writes and `apply FILE` reads.
//!
//! It holds the merged spec (secrets as references), the facts, and the plan, so that `apply` can
//! make the plan again and hold the two against each other. It holds no secret.

use super::exit::Exit;
use super::failure::{Failure, Result};
use crate::name::Uid;
use crate::pattern::Facts;
use crate::plan::Plan;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::Path;

const FORMAT: &str = "coderctl-plan/1";

/// A saved plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanFile {
    /// The format.
    pub format: String,
    /// The version of the program that made it.
    pub coderctl: String,
    /// The deployment's uid, if it had one.
    pub uid: Option<Uid>,
    /// The merged spec; none for a destroy without one.
    pub spec: Option<Value>,
    /// What the graph was built with.
    pub facts: Facts,
    /// The plan.
    pub plan: Plan,
    /// A digest of all the rest.
    pub digest: String,
}

impl PlanFile {
    /// A file for a plan that was just made.
    pub fn new(uid: Option<Uid>, spec: Option<Value>, facts: Facts, plan: Plan) -> Self {
        let mut file = PlanFile {
            format: FORMAT.to_owned(),
            coderctl: env!("CARGO_PKG_VERSION").to_owned(),
            uid,
            spec,
            facts,
            plan,
            digest: String::new(),
        };
        file.digest = file.digest_now();
        file
    }

    fn digest_now(&self) -> String {
        let bare = PlanFile { digest: String::new(), ..self.clone() };
        // Through a value, so that the order of a map's keys does not count.
        let text = serde_json::to_value(&bare).map(|value| canonical(&value)).unwrap_or_default();
        hex::encode(Sha256::digest(text.as_bytes()))
    }

    /// Writes the file, whole or not at all, readable by its owner only.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new(
                Exit::Failed,
                format!("writing the plan to {}: {error}", path.display()),
                "name a file in a folder that you may write to",
            )
        };
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(&error))?;
        file.write_all(&text).map_err(|error| failed(&error))?;
        file.write_all(b"\n").map_err(|error| failed(&error))?;
        file.as_file().sync_all().map_err(|error| failed(&error))?;
        file.persist(path).map_err(|error| failed(&error))?;
        Ok(())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it is not there, is cut off, was edited, or was made by a newer program.
    pub fn read(path: &Path) -> Result<PlanFile> {
        let shown = path.display();
        let again = "make the plan again: coderctl plan --out FILE";
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(Exit::Spec, format!("reading the plan file {shown}: {error}"), again)
        })?;
        let value: Value = serde_json::from_str(&text).map_err(|error| {
            let what = if error.is_eof() { "it is cut off" } else { "it is not JSON" };
            Failure::new(
                Exit::Spec,
                format!("reading the plan file {shown}: {what} ({error})"),
                again,
            )
        })?;
        match value.get("format").and_then(Value::as_str) {
            Some(FORMAT) => {}
            Some(other) => {
                return Err(Failure::new(
                    Exit::Spec,
                    format!(
                        "the plan file {shown} has the format {other:?}; this program reads {FORMAT:?}"
                    ),
                    "use the program that made it, or make the plan again",
                ));
            }
            None => {
                let message = format!("{shown} is not a plan file");
                return Err(Failure::new(Exit::Spec, message, again));
            }
        }
        let made_by = value.get("coderctl").and_then(Value::as_str).unwrap_or_default().to_owned();
        if is_newer(&made_by, env!("CARGO_PKG_VERSION")) {
            return Err(Failure::new(
                Exit::Spec,
                format!(
                    "the plan file {shown} was made by coderctl {made_by}, and this is {}",
                    env!("CARGO_PKG_VERSION")
                ),
                "apply it with the version that made it, or a newer one",
            ));
        }
        let file: PlanFile = serde_json::from_value(value).map_err(|error| {
            Failure::new(Exit::Spec, format!("reading the plan file {shown}: {error}"), again)
        })?;
        if file.digest != file.digest_now() {
            return Err(Failure::new(
                Exit::Spec,
                format!("the plan file {shown} was changed after it was written"),
                "a plan is applied as it was made, or not at all; make it again",
            ));
        }
        Ok(file)
    }
}

/// JSON with every map's keys sorted.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            let inner: Vec<String> = keys
                .into_iter()
                .map(|key| format!("{}:{}", Value::from(key.as_str()), canonical(&map[key])))
                .collect();
            format!("{{{}}}", inner.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// Whether version `a` is newer than `b`; what is no version is not.
pub(crate) fn is_newer(a: &str, b: &str) -> bool {
    let parse = |text: &str| -> Option<Vec<u64>> {
        let core = text.split(['-', '+']).next()?;
        core.split('.').map(|part| part.parse().ok()).collect()
    };
    matches!((parse(a), parse(b)), (Some(a), Some(b)) if a > b)
}
