//! An object as the cluster reports it.

use super::entry::Source;
use super::types::Type;
use crate::aws::eks::access::Access;
use crate::kind::{Error, Result, TAG_ADDRESS, TAG_DEPLOYMENT, TAG_GENERATION, TAG_UID, Tags};
use crate::kube::client::MANAGER;
use crate::name::PhysicalId;
use crate::secret::SecretRef;
use crate::value::Known;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The label that our objects carry.
pub(super) const LABEL: &str = "app.kubernetes.io/managed-by";
/// The annotation with a Secret's [`Source`]s.
pub(super) const SOURCES: &str = "coderctl.dev/sources";
/// The annotation with a Secret's type, which its metadata does not tell.
pub(super) const SECRET_TYPE: &str = "coderctl.dev/secret-type";

/// The annotations that say whose an object is, with the tags that they stand for.
pub(crate) const IDENTITY: [(&str, &str); 4] = [
    ("coderctl.dev/deployment", TAG_DEPLOYMENT),
    ("coderctl.dev/uid", TAG_UID),
    ("coderctl.dev/address", TAG_ADDRESS),
    ("coderctl.dev/generation", TAG_GENERATION),
];

/// Whether a field says whose an object is, or that it is managed: it is compared otherwise, or
/// not at all.
pub(super) fn says_whose(field: &str) -> bool {
    field.starts_with("annotations.coderctl.dev/") || field == format!("labels.{LABEL}")
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
    /// What has a manifest: the whole object.
    pub(super) object: Value,
    /// Why the cluster would refuse to make it as wanted, as far as that was asked.
    pub(super) refusal: Option<String>,
    /// How the cluster is reached that it is in; `None` for the one that the user names.
    pub(super) access: Option<Access>,
    /// The live resources that can not go before it.
    pub(super) parents: Vec<PhysicalId>,
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
            _ => BTreeMap::new(),
        };
        let whole = match of {
            Type::ConfigMap | Type::Secret => Value::Null,
            _ => object.clone(),
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
            object: whole,
            refusal: None,
            access: None,
            parents: Vec::new(),
        })
    }

    /// How the cluster is reached that it is in; `None` for the one that the user names.
    pub(crate) fn access(&self) -> Option<&Access> {
        self.access.as_ref()
    }

    /// The whole object, where it has a manifest.
    pub(crate) fn object(&self) -> &Value {
        &self.object
    }

    /// `v1/ConfigMap/coder/settings`.
    pub(super) fn id(&self) -> PhysicalId {
        PhysicalId::new(self.of.id(&self.namespace, &self.name))
    }

    /// The names of its entries.
    pub(super) fn keys(&self) -> Vec<String> {
        match self.of {
            Type::Secret => self.owners.keys().cloned().collect(),
            _ => self.data.keys().cloned().collect(),
        }
    }

    /// Where the entries came from; of all that `asked` names.
    pub(super) fn references(&self, asked: impl Fn(&str) -> bool) -> Vec<SecretRef> {
        let sources = self.sources.iter().filter(|(key, _)| asked(key));
        sources.map(|(_, source)| source.reference.clone()).collect()
    }

    /// How an entry from `source` reads if it is as it is there now.
    pub(super) fn current(&self, source: Source) -> Known<String> {
        if source.version.is_some() {
            return Known::Yes(source.shown());
        }
        match (self.versions.get(&source.reference.to_string()), &source.reference) {
            (Some(version), _) => Known::Yes(Source { version: version.clone(), ..source }.shown()),
            // Not looked up: only that it is another one is known.
            (None, SecretRef::SecretsManager(_)) => Known::AfterApply,
            (None, _) => Known::Yes(source.shown()),
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
                Type::Secret if !self.is_owned(&key) => {
                    format!("set by {}", self.other_managers(&key)?)
                }
                Type::Secret => self
                    .sources
                    .get(&key)
                    .map_or_else(|| "of unknown origin".to_owned(), Source::shown),
                _ => self.data.get(&key)?.clone(),
            };
            Some((key, reads_as))
        })
        .collect()
    }
}

/// The tags that an object's annotations stand for.
pub(crate) fn tags_of(object: &Value) -> Tags {
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

/// The fields of `object` that coderctl has applied, as `fieldsV1`.
pub(super) fn applied(object: &Value) -> Value {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let is_ours = |entry: &&Value| entry["manager"] == MANAGER && entry["operation"] == "Apply";
    entries.filter(is_ours).map(|entry| entry["fieldsV1"].clone()).next().unwrap_or_default()
}

/// The managers other than coderctl that own the leaf with this name.
pub(super) fn others_own(object: &Value, field: &str) -> Option<String> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let names: BTreeSet<&str> = entries
        .filter(|entry| entry["manager"] != MANAGER || entry["operation"] != "Apply")
        .filter(|entry| super::fields::owned_leaves(object, &entry["fieldsV1"]).contains(field))
        .filter_map(|entry| entry["manager"].as_str())
        .collect();
    (!names.is_empty()).then(|| names.into_iter().collect::<Vec<_>>().join(" and "))
}
