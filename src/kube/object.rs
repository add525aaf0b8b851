//! Objects of a cluster, applied server-side.
//!
//! An object is ours by its annotations; the label only makes the list short. What is compared is
//! what coderctl owns in `managedFields`: fields that others put there, or that the server fills
//! in, are not ours to judge.
//!
//! The values of a Secret are not compared, and while planning they are not even read: an
//! annotation keeps where each entry came from and in which version, and `managedFields` tells
//! whether somebody else has written it since. A value from an environment variable or a file has
//! no version: it is written when its entry is made and when the reference changes.
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/>

mod apply;
mod body;
mod checksum;
mod entry;
mod fields;
mod image;
mod list;
mod live;
mod manifest;
mod quantity;
mod rehearse;
mod render;
mod types;

pub(crate) use entry::field_of;
pub use entry::{DatabaseUrl, Entry, Stored};
pub use live::Live;
pub(crate) use live::{IDENTITY, tags_of};
pub use manifest::{Holes, Manifest};
pub use render::Named;
pub use types::Type;

use super::client::{Kube, MANAGER};
use super::rollout;
use crate::aws::eks::access::Access;
use crate::kind::{
    Change, Class, Consent, CreateIs, Cx, Diff, Effect, Error, Found, Kind, Listed, Nature,
    ReplaceOrder, Result, Scope, Seen, Status, Typical, Wanted, Whose,
};
use crate::value::{In, Known};
use live::{LABEL, applied, others_own};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// An object.
#[derive(Clone, Debug, Serialize)]
pub struct Object {
    /// The cluster of the deployment that it is in; `None` for the one that `--kubeconfig` names,
    /// which also goes before any other.
    pub cluster: Option<In<Access>>,
    /// Its namespace, which must exist; empty where its type has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it holds.
    pub content: Content,
}

/// What an object holds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A ConfigMap.
    ConfigMap {
        /// Its entries.
        data: BTreeMap<String, String>,
    },
    /// A Secret.
    Secret {
        /// Its type, `Opaque`; fixed.
        kind: String,
        /// Its entries, each with where its value is.
        string_data: BTreeMap<String, Entry>,
    },
    /// Any other type.
    Manifest {
        /// What it should be.
        manifest: Manifest,
        /// What the pods of a Deployment read when they start, by any name: when it changes, they
        /// are started anew.
        read_at_start: BTreeMap<String, Content>,
        /// For a Deployment that must not go back to an older image: what to do instead.
        instead_of_older: Option<String>,
    },
}

impl Content {
    /// Which type of object holds it.
    pub fn object_type(&self) -> Type {
        match self {
            Content::ConfigMap { .. } => Type::ConfigMap,
            Content::Secret { .. } => Type::Secret,
            Content::Manifest { manifest, .. } => manifest.object_type(),
        }
    }
}

impl Object {
    /// The object that a manifest describes, in a cluster of the deployment.
    pub fn of_manifest(cluster: Option<In<Access>>, manifest: Manifest) -> Object {
        Object {
            cluster,
            namespace: manifest.namespace().to_owned(),
            name: manifest.name().to_owned(),
            content: Content::Manifest {
                manifest,
                read_at_start: BTreeMap::new(),
                instead_of_older: None,
            },
        }
    }

    /// The same; its pods are started anew when one of `contents` changes.
    #[must_use]
    pub fn reading_at_start(mut self, contents: BTreeMap<String, Content>) -> Object {
        if let Content::Manifest { read_at_start, .. } = &mut self.content {
            *read_at_start = contents;
        }
        self
    }

    /// The same; a plan refuses to put an older image in the place of the live one, and says what to
    /// do `instead`.
    #[must_use]
    pub fn never_older(mut self, instead: impl Into<String>) -> Object {
        if let Content::Manifest { instead_of_older, .. } = &mut self.content {
            *instead_of_older = Some(instead.into());
        }
        self
    }

    fn is_at(&self, live: &Live) -> bool {
        let of = self.content.object_type();
        of == live.of
            && self.name == live.name
            && (self.namespace == live.namespace || !of.is_namespaced())
    }

    /// How it is reached within a step.
    fn access(&self, cx: &Cx) -> Result<Option<Access>> {
        if cx.connector::<super::Cluster>().is_some() {
            return Ok(None);
        }
        self.cluster.as_ref().map(|cluster| cx.get(cluster)).transpose()
    }

    /// Compares the entries of a ConfigMap or Secret. A Secret's is where it comes from; unknown
    /// where the current version of that was not looked up.
    fn diff_entries(&self, live: &Live, diff: &mut Diff<'_>) {
        let wanted: BTreeMap<String, Known<String>> = match &self.content {
            Content::ConfigMap { data } => {
                data.iter().map(|(key, text)| (key.clone(), Known::Yes(text.clone()))).collect()
            }
            Content::Secret { string_data, .. } => string_data
                .iter()
                .map(|(key, entry)| (key.clone(), origin(entry, live, diff)))
                .collect(),
            Content::Manifest { .. } => return,
        };
        let have = live.entries_for(wanted.keys().collect());
        for (key, want) in &wanted {
            if have.get(key) != want.yes()
                && let Some(other) = live.other_managers(key)
            {
                diff.note(format!("data.{key} is set by {other}"));
            }
        }
        diff.exclusive("data", &wanted, &have);
    }
}

/// How an entry of a Secret reads if it is as it is at its source now.
fn origin(entry: &Entry, live: &Live, diff: &Diff<'_>) -> Known<String> {
    match entry.source(|input| diff.known(input)) {
        Known::Yes(source) => live.current(source),
        Known::AfterApply => Known::AfterApply,
    }
}

/// Compares what a manifest says, leaf by leaf.
fn diff_manifest(
    manifest: &Manifest,
    read_at_start: &BTreeMap<String, Content>,
    live: &Live,
    diff: &mut Diff<'_>,
) {
    let (mut wanted, mut unknown) = manifest.known(diff);
    let origins: BTreeMap<String, Known<String>> = checksum::entries(read_at_start)
        .map(|(key, entry)| (key, origin(entry, live, diff)))
        .collect();
    let is_whole =
        checksum::put(&mut wanted, read_at_start, |key| origins.get(key)?.yes().cloned());
    if !is_whole {
        unknown.push(checksum::POINTER.to_owned());
    }
    let (mut want, mut have) = (BTreeMap::new(), BTreeMap::new());
    for leaf in fields::leaves(&wanted, &live.object, &applied(&live.object)) {
        if live::says_whose(&leaf.field) {
            continue;
        }
        let is_same = leaf.is_same();
        let fields::Leaf { field, wanted, live: there } = leaf;
        if !is_same && let Some(other) = others_own(&live.object, &field) {
            diff.note(format!("{field} is set by {other}"));
        }
        match wanted {
            Some((pointer, value)) => {
                // What reads otherwise and says the same is the same.
                if let Some(there) = if is_same { Some(value.clone()) } else { there } {
                    have.insert(field.clone(), there);
                }
                want.insert(field, manifest::known_at(&value, &pointer, &unknown));
            }
            None => {
                if let Some(there) = there {
                    have.insert(field, there);
                }
            }
        }
    }
    if let Some(refusal) = &live.refusal {
        diff.note(format!("the cluster would refuse this: {refusal}"));
    }
    diff.tree(
        &want,
        &have,
        |field| {
            if live.of.fixes(field) { Effect::Replace } else { Effect::InPlace }
        },
    );
}

impl Kind for Object {
    const NAME: &'static str = "kube.object";
    const TITLE: &'static str = "object";
    const NATURE: Nature = Nature {
        scope: Scope::Global,
        // After the clusters that they are in, and the node groups.
        wave: 2,
        taggable: false,
        // What can not be changed keeps its name, so the old one goes first.
        replace: ReplaceOrder::DeleteFirst,
        create_is: CreateIs::Named,
        typical: Typical { create: 1, update: 1, delete: 1 },
        actions: &["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { cluster, namespace, name, content } = self;
        match (cluster, &live.access) {
            (Some(cluster), Some(access)) => {
                let wanted = cluster.clone().map(|access| access.cluster);
                diff.parent("cluster", &wanted, &access.cluster);
            }
            // Reached by another way: that it belongs to the deployment's cluster is noted all
            // the same, so that without that way it is not looked for anywhere else.
            (Some(cluster), None) => {
                if let Known::Yes(access) = diff.known(cluster) {
                    diff.in_place("cluster", &access.cluster, &access.cluster);
                }
            }
            (None, _) => {}
        }
        diff.replaces("kind", &content.object_type(), &live.of);
        if content.object_type().is_namespaced() {
            diff.replaces("namespace", namespace, &live.namespace);
        }
        diff.replaces("name", name, &live.name);
        if !self.is_at(live) {
            return;
        }
        if let Content::Secret { kind, .. } = content {
            diff.replaces("type", kind, &live.secret_type);
        }
        diff.in_place(&format!("labels.{LABEL}"), &MANAGER.to_owned(), &live.label);
        match content {
            Content::Manifest { manifest, read_at_start, instead_of_older } => {
                // One that doesn't run may be taken back: mostly it never ran.
                if let Some(instead) = instead_of_older
                    && rollout::Replicas::of(&live.object).are_ready()
                    && let Some(older) = image::older(&manifest.known(diff).0, &live.object)
                {
                    let image::Older { field, live, wanted } = older;
                    let why = format!("{live} is live, and {wanted} is older");
                    diff.refuse(field, why, instead);
                }
                diff_manifest(manifest, read_at_start, live, diff);
            }
            _ => self.diff_entries(live, diff),
        }
    }

    fn summary(&self) -> String {
        let of = self.content.object_type();
        if of.is_namespaced() {
            format!("{of} {}/{}", self.namespace, self.name)
        } else {
            format!("{of} {}", self.name)
        }
    }

    fn typical(&self) -> Typical {
        match self.content.object_type() {
            // Its pods: pulling the image, starting, being ready; and going, with their grace.
            Type::Deployment => Typical { create: 60, update: 90, delete: 60 },
            Type::Namespace => Typical { create: 1, update: 1, delete: 15 },
            _ => Self::NATURE.typical,
        }
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        let mut described = vec![("kind", live.of.to_string())];
        if live.of.is_namespaced() {
            described.push(("namespace", live.namespace.clone()));
        }
        described.push(("name", live.name.clone()));
        if matches!(live.of, Type::ConfigMap | Type::Secret) {
            described.push(("keys", live.keys().join(", ")));
        }
        if live.of == Type::Deployment {
            described.push(("replicas", rollout::Replicas::of(&live.object).to_string()));
        }
        described
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], seen: &dyn Seen) -> Result<Listed<Self>> {
        list::all(cx, wanted, seen).await
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        let Live { of, namespace, name, .. } = &found.live;
        let kube = Kube::of(cx, found.live.access.as_ref())?;
        let Some(object) = list::look(cx, &kube, *of, namespace, name).await? else {
            return Ok(None);
        };
        let again = list::found_again(cx, &found.live, &object).await?;
        // What is about to be changed is not waited for: the change may be what mends it.
        Ok(again.map(|again| match again.status {
            Status::Busy(_) => Found { status: Status::Ready, ..again },
            _ => again,
        }))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let of = self.content.object_type();
        let access = self.access(cx)?;
        let kube = Kube::of(cx, access.as_ref())?;
        if let Some(object) = list::look(cx, &kube, of, &self.namespace, &self.name).await? {
            let ours = matches!(Whose::of(&tags_of(&object), &cx.deployment),
                Whose::Ours(owner) if owner.address == cx.step()?.address);
            if !ours {
                let why = format!("{} exists and is not ours", Live::read(of, &object)?.id());
                return Err(Error::of(Class::Exists, why)
                    .hint("delete it, or choose another name for ours"));
            }
        }
        let payload = self.wanted_now(cx).await?;
        let object = apply::send(cx, &kube, self, payload, &[]).await?;
        let mut live = Live::read(of, &object)?;
        live.access = access;
        match list::found_again(cx, &live, &object).await? {
            Some(found) => Ok(found),
            None => Err(Error::local("the cluster answered with another object than was applied")),
        }
    }

    /// A namespace goes with all that others put into it.
    fn consent(live: &Live) -> Consent {
        if live.of == Type::Namespace { Consent::Data } else { Consent::None }
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        if !matches!(found.status, Status::Busy(_)) {
            return Ok(found);
        }
        let Live { namespace, name, access, .. } = &found.live;
        let kube = Kube::of(cx, access.as_ref())?;
        let object = rollout::wait(cx, &kube, namespace, name).await?;
        match list::found_again(cx, &found.live, &object).await? {
            Some(found) => Ok(found),
            None => Ok(found),
        }
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let live = &found.live;
        let kube = Kube::of(cx, live.access.as_ref())?;
        let is_due = |field: &str| changes.iter().any(|change| change.field == field);
        let payload = self.due(cx, live, is_due).await?;
        apply::send(cx, &kube, self, payload, changes).await?;
        if live.of == Type::Deployment {
            rollout::wait(cx, &kube, &live.namespace, &live.name).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        apply::delete(cx, &found.live).await
    }
}

/// How a live object is doing.
fn status(of: Type, object: &Value) -> Status {
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Status::Leaving;
    }
    match of {
        Type::Deployment => match rollout::Replicas::of(object) {
            replicas if replicas.are_ready() => Status::Ready,
            replicas => Status::Busy(replicas.to_string()),
        },
        _ => Status::Ready,
    }
}
