//! An object as the cluster reports it.

use crate::kind::{Error, Result, TAG_ADDRESS, TAG_DEPLOYMENT, TAG_GENERATION, TAG_UID, Tags};
use crate::kube::client::MANAGER;
use crate::name::PhysicalId;
use crate::secret::SecretRef;
use crate::value::Known;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The label that our objects carry.
pub(super) const LABEL: &str = "app.kubernetes.io/managed-by";
/// The annotation with a Secret's [`Source`]s.
pub(super) const SOURCES: &str = "coderctl.dev/sources";
/// The annotation with a Secret's type, which its metadata does not tell.
pub(super) const SECRET_TYPE: &str = "coderctl.dev/secret-type";

/// The annotations that say whose an object is, with the tags that they stand for.
pub(super) const IDENTITY: [(&str, &str); 4] = [
    ("coderctl.dev/deployment", TAG_DEPLOYMENT),
    ("coderctl.dev/uid", TAG_UID),
    ("coderctl.dev/address", TAG_ADDRESS),
    ("coderctl.dev/generation", TAG_GENERATION),
];

/// The types of objects that are managed, all of `v1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Type {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl Type {
    pub(super) fn plural(self) -> &'static str {
        match self {
            Type::ConfigMap => "configmaps",
            Type::Secret => "secrets",
        }
    }

    pub(super) fn path(self, namespace: &str, name: Option<&str>) -> String {
        // Names are those of DNS, or the spec would not have passed; this holds for any.
        let part = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
                .replace("%2D", "-")
                .replace("%2E", ".")
        };
        let mut path = format!("/api/v1/namespaces/{}/{}", part(namespace), self.plural());
        if let Some(name) = name {
            path.push('/');
            path.push_str(&part(name));
        }
        path
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Type::ConfigMap => "ConfigMap",
            Type::Secret => "Secret",
        })
    }
}

/// Where an entry of a Secret came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    pub(super) reference: SecretRef,
    /// The version that was written, where the source has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
}

/// How a source shows in a plan.
fn shown(reference: &SecretRef, version: Option<&str>) -> String {
    match version {
        Some(version) => format!("{reference}, version {version}"),
        None => format!("{reference} (unversioned)"),
    }
}

/// A live object.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its type.
    pub of: Type,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The cluster's own id of it: an object that is made anew under the same name has another.
    pub uid: String,
    /// The value of our label.
    pub(super) label: String,
    /// The type of a Secret, as we made it.
    pub(super) secret_type: String,
    /// The entries of a ConfigMap.
    data: BTreeMap<String, String>,
    /// Where the entries of a Secret came from.
    pub(super) sources: BTreeMap<String, Source>,
    /// Which managers own each entry.
    owners: BTreeMap<String, BTreeSet<Owner>>,
    /// The current versions of references.
    pub(super) versions: BTreeMap<String, Option<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Us,
    Other(String),
}

impl Live {
    /// Reads an object. What is said of its entries comes from its metadata; a Secret's values are
    /// not looked at even where they are there.
    pub(super) fn read(of: Type, object: &Value) -> Result<Live> {
        let metadata = &object["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (name, uid) = (text(&metadata["name"]), text(&metadata["uid"]));
        if name.is_empty() || uid.is_empty() {
            return Err(Error::local(format!("the cluster answered a {of} without name or uid")));
        }
        let annotations = &metadata["annotations"];
        let data = match of {
            Type::ConfigMap => strings(&object["data"]),
            Type::Secret => BTreeMap::new(),
        };
        // An annotation that somebody has broken makes every entry come from nowhere: they are
        // written again.
        let sources = annotations[SOURCES]
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        Ok(Live {
            of,
            namespace: text(&metadata["namespace"]),
            name,
            uid,
            label: text(&metadata["labels"][LABEL]),
            secret_type: text(&annotations[SECRET_TYPE]),
            data,
            sources,
            owners: owners(&metadata["managedFields"]),
            versions: BTreeMap::new(),
        })
    }

    /// `v1/ConfigMap/coder/settings`.
    pub(super) fn id(&self) -> PhysicalId {
        PhysicalId::new(format!("v1/{}/{}/{}", self.of, self.namespace, self.name))
    }

    /// The names of its entries.
    pub(super) fn keys(&self) -> Vec<String> {
        match self.of {
            Type::ConfigMap => self.data.keys().cloned().collect(),
            Type::Secret => self.owners.keys().cloned().collect(),
        }
    }

    pub(super) fn references(&self) -> Vec<SecretRef> {
        self.sources.values().map(|source| source.reference.clone()).collect()
    }

    /// How an entry from `reference` reads if it is as it is there now.
    pub(super) fn current(&self, reference: &SecretRef) -> Known<String> {
        match (self.versions.get(&reference.to_string()), reference) {
            (Some(version), _) => Known::Yes(shown(reference, version.as_deref())),
            // Not looked up: only that it is another one is known.
            (None, SecretRef::SecretsManager(_)) => Known::AfterApply,
            (None, _) => Known::Yes(shown(reference, None)),
        }
    }

    /// The entry is ours, and nobody has written it since.
    pub(super) fn is_owned(&self, key: &str) -> bool {
        self.owners.get(key).is_some_and(|owners| owners.contains(&Owner::Us))
    }

    /// The others that own an entry, if any do.
    pub(super) fn other_managers(&self, key: &str) -> Option<String> {
        let names: Vec<&str> = self
            .owners
            .get(key)?
            .iter()
            .filter_map(|owner| match owner {
                Owner::Us => None,
                Owner::Other(name) => Some(name.as_str()),
            })
            .collect();
        (!names.is_empty()).then(|| names.join(" and "))
    }

    /// The value of a ConfigMap's entry.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.data.get(key).map(String::as_str)
    }

    /// The entries to compare: those that are wanted, and those that we own and nobody wants.
    pub(super) fn entries_for(&self, wanted: BTreeSet<&String>) -> BTreeMap<String, String> {
        let keys = self.keys().into_iter().filter(|key| wanted.contains(key) || self.is_owned(key));
        keys.filter_map(|key| {
            let reads_as = match self.of {
                Type::ConfigMap => self.data.get(&key)?.clone(),
                Type::Secret if !self.is_owned(&key) => {
                    format!("set by {}", self.other_managers(&key)?)
                }
                Type::Secret => self.sources.get(&key).map_or_else(
                    || "of unknown origin".to_owned(),
                    |source| shown(&source.reference, source.version.as_deref()),
                ),
            };
            Some((key, reads_as))
        })
        .collect()
    }
}

/// The tags that an object's annotations stand for.
pub(super) fn tags_of(object: &Value) -> Tags {
    IDENTITY
        .iter()
        .filter_map(|(annotation, tag)| {
            let value = object["metadata"]["annotations"][*annotation].as_str()?;
            Some(((*tag).to_owned(), value.to_owned()))
        })
        .collect()
}

fn strings(object: &Value) -> BTreeMap<String, String> {
    let entries = object.as_object().into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// Who owns each entry of `data`.
fn owners(managed: &Value) -> BTreeMap<String, BTreeSet<Owner>> {
    let mut owners: BTreeMap<String, BTreeSet<Owner>> = BTreeMap::new();
    for entry in managed.as_array().into_iter().flatten() {
        let manager = entry["manager"].as_str().unwrap_or("an unnamed manager");
        // What our name wrote otherwise than by apply (`kubectl edit --field-manager`) is not
        // what an apply of ours would take back.
        let owner = match entry["operation"].as_str() {
            Some("Apply") if manager == MANAGER => Owner::Us,
            _ => Owner::Other(manager.to_owned()),
        };
        for field in entry["fieldsV1"]["f:data"].as_object().into_iter().flatten() {
            if let Some(key) = field.0.strip_prefix("f:") {
                owners.entry(key.to_owned()).or_default().insert(owner.clone());
            }
        }
    }
    owners
}
