//! ConfigMaps and Secrets, applied server-side.
//!
//! An object is ours by its annotations; the label only makes the list short. What is compared is
//! what coderctl owns in `managedFields`: entries that others put there are not ours to judge.
//!
//! The values of a Secret are not compared, and while planning they are not even read: an
//! annotation keeps where each entry came from and in which version, and `managedFields` tells
//! whether somebody else has written it since. A value from an environment variable or a file has
//! no version: it is written when its entry is made and when the reference changes.
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/>

mod body;
mod live;

pub use live::{Live, Type};

use super::client::{Applied, Call, ClusterExpected, Kube, MANAGER, no_cluster};
use crate::aws::secrets;
use crate::kind::CreateIs;
use crate::kind::{
    Change, Clash, Class, Cx, Damaged, Diff, Error, Found, Kind, Listed, Nature, ReplaceOrder,
    Result, Scope, Seen, Status, Typical, Wanted, Whose, seconds,
};
use crate::name::PhysicalId;
use crate::secret::SecretRef;
use crate::value::Known;
use futures::future::{join_all, try_join_all};
use http::Method;
use live::{LABEL, tags_of};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// An object in the cluster that `--kubeconfig` names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Object {
    /// Its namespace, which must exist.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it holds.
    pub content: Content,
}

/// What an object holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
        /// Its entries, each a reference to where the value is.
        string_data: BTreeMap<String, SecretRef>,
    },
}

impl Content {
    /// Which type of object holds it.
    pub fn object_type(&self) -> Type {
        match self {
            Content::ConfigMap { .. } => Type::ConfigMap,
            Content::Secret { .. } => Type::Secret,
        }
    }
}

impl Object {
    fn is_at(&self, live: &Live) -> bool {
        self.content.object_type() == live.of
            && self.namespace == live.namespace
            && self.name == live.name
    }

    /// The entries as they are compared. A Secret's is where it comes from; unknown where the
    /// current version of that was not looked up.
    fn wanted(&self, live: &Live) -> BTreeMap<String, Known<String>> {
        match &self.content {
            Content::ConfigMap { data } => {
                data.iter().map(|(key, text)| (key.clone(), Known::Yes(text.clone()))).collect()
            }
            Content::Secret { string_data, .. } => string_data
                .iter()
                .map(|(key, reference)| (key.clone(), live.current(reference)))
                .collect(),
        }
    }
}

impl Kind for Object {
    const NAME: &'static str = "kube.object";
    const TITLE: &'static str = "object";
    const NATURE: Nature = Nature {
        scope: Scope::Global,
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
        let Self { namespace, name, content } = self;
        diff.replaces("kind", &content.object_type(), &live.of);
        diff.replaces("namespace", namespace, &live.namespace);
        diff.replaces("name", name, &live.name);
        if !self.is_at(live) {
            return;
        }
        if let Content::Secret { kind, .. } = content {
            diff.replaces("type", kind, &live.secret_type);
        }
        diff.in_place(&format!("labels.{LABEL}"), &MANAGER.to_owned(), &live.label);
        let wanted = self.wanted(live);
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

    fn summary(&self) -> String {
        format!("{} {}/{}", self.content.object_type(), self.namespace, self.name)
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![
            ("kind", live.of.to_string()),
            ("namespace", live.namespace.clone()),
            ("name", live.name.clone()),
            ("keys", live.keys().join(", ")),
        ]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        if cx.connector::<super::Cluster>().is_none() {
            let expected = cx.connector::<ClusterExpected>().is_some() || !wanted.is_empty();
            return if expected { Err(no_cluster()) } else { Ok(Listed::default()) };
        }
        let all = try_join_all([Type::ConfigMap, Type::Secret].map(|of| labelled(cx, of))).await?;
        let mut lives: Vec<(Live, Value)> = Vec::new();
        for (of, objects) in [Type::ConfigMap, Type::Secret].into_iter().zip(all) {
            for object in objects {
                lives.push((Live::read(of, &object)?, object));
            }
        }
        // What is wanted and does not carry the label: not there, somebody else's, or ours with
        // the label taken off.
        let missing = wanted
            .iter()
            .filter(|wanted| !lives.iter().any(|(live, _)| wanted.desired.is_at(live)))
            .map(|wanted| async move {
                let Object { namespace, name, content } = wanted.desired;
                let there = look(cx, content.object_type(), namespace, name).await?;
                Ok::<_, Error>((wanted, there))
            });
        let mut found: Vec<(Live, Value)> = Vec::new();
        for (_, there) in try_join_all(missing).await? {
            found.extend(there);
        }
        lives.extend(found);
        let references = references(wanted, &lives);
        let versions = versions(cx, references).await?;
        let mut listed = Listed::default();
        for (mut live, object) in lives {
            live.versions = versions.clone();
            add(cx, wanted, &mut listed, live, &object);
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        let Live { of, namespace, name, .. } = &found.live;
        let Some((live, object)) = look(cx, *of, namespace, name).await? else {
            return Ok(None);
        };
        as_found(cx, live, &object).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let of = self.content.object_type();
        if let Some((live, object)) = look(cx, of, &self.namespace, &self.name).await? {
            let ours = matches!(Whose::of(&tags_of(&object), &cx.deployment),
                Whose::Ours(owner) if owner.address == cx.step()?.address);
            if !ours {
                let why = format!("{} exists and is not ours", live.id());
                return Err(Error::of(Class::Exists, why)
                    .hint("delete it, or choose another name for ours"));
            }
        }
        let entries = self.resolved(cx, |_| true).await?;
        let object = apply(cx, self, entries, &[]).await?;
        let live = Live::read(of, &object)?;
        match as_found(cx, live, &object).await? {
            Some(found) => Ok(found),
            None => Err(Error::local("the cluster answered with another object than was applied")),
        }
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let live = &found.live;
        let is_due = |key: &str| changes.iter().any(|change| change.field == format!("data.{key}"));
        // An apply takes away what it does not name, so what stays must be named as it is.
        let mut entries = self.kept(cx, live, is_due).await?;
        entries.extend(self.resolved(cx, is_due).await?);
        apply(cx, self, entries, changes).await?;
        Ok(())
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let kube = cx.api::<Kube>()?;
        let Live { of, namespace, name, uid, .. } = &found.live;
        let call = Call {
            method: Method::DELETE,
            body: Some(("application/json", json!({"preconditions": {"uid": uid}}))),
            operation: format!("delete {}", of.plural()),
            ..Call::get(of.path(namespace, Some(name)), of.plural(), false)
        };
        match kube.send(cx, &call).await {
            Ok(_) => {}
            Err(error) if error.class == Class::NotFound => return Ok(()),
            // Another object has the name by now; ours is gone.
            Err(error) if error.is_code("Conflict") => return Ok(()),
            Err(error) => return Err(error),
        }
        for _ in 0..60 {
            match look(cx, *of, namespace, name).await? {
                Some((live, _)) if live.uid == *uid => {
                    cx.progress("waiting for its finalizers");
                    cx.pause(seconds(2)).await?;
                }
                _ => return Ok(()),
            }
        }
        let why = format!("{} is still there after two minutes", found.id);
        Err(Error::of(Class::TimedOut, why)
            .hint(format!("see its finalizers: kubectl -n {namespace} get {of} {name} -o yaml")))
    }
}

/// All objects of a type that carry our label, in every namespace.
async fn labelled(cx: &Cx, of: Type) -> Result<Vec<Value>> {
    let kube = cx.api::<Kube>()?;
    let mut objects = Vec::new();
    let mut token = String::new();
    loop {
        let mut call =
            Call::get(format!("/api/v1/{}", of.plural()), of.plural(), of == Type::Secret);
        call.operation = format!("list {}", of.plural());
        call.query = vec![("labelSelector", format!("{LABEL}={MANAGER}")), ("limit", "500".into())];
        if !token.is_empty() {
            call.query.push(("continue", token.clone()));
        }
        let mut page = kube.send(cx, &call).await?;
        match page.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => objects.extend(items),
            _ => return Err(Error::local(format!("a list of {} without items", of.plural()))),
        }
        token = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        if token.is_empty() {
            return Ok(objects);
        }
    }
}

/// One object; of a Secret only its metadata.
async fn look(cx: &Cx, of: Type, namespace: &str, name: &str) -> Result<Option<(Live, Value)>> {
    let kube = cx.api::<Kube>()?;
    let call = Call::get(of.path(namespace, Some(name)), of.plural(), of == Type::Secret);
    match kube.send(cx, &call).await {
        Ok(object) => Ok(Some((Live::read(of, &object)?, object))),
        Err(error) if error.class == Class::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Every reference whose version may be asked for.
fn references(wanted: &[Wanted<'_, Object>], lives: &[(Live, Value)]) -> Vec<SecretRef> {
    let of_wanted = wanted.iter().flat_map(|wanted| match &wanted.desired.content {
        Content::Secret { string_data, .. } => string_data.values().cloned().collect(),
        Content::ConfigMap { .. } => Vec::new(),
    });
    // The versions of what is live and not wanted do not matter.
    let of_live = lives
        .iter()
        .filter(|(live, _)| wanted.iter().any(|wanted| wanted.desired.is_at(live)))
        .flat_map(|(live, _)| live.references());
    of_wanted.chain(of_live).collect()
}

/// The current version of each reference, by what it reads like.
async fn versions(cx: &Cx, references: Vec<SecretRef>) -> Result<BTreeMap<String, Option<String>>> {
    let mut seen = BTreeSet::new();
    let distinct = references.into_iter().filter(|reference| seen.insert(reference.to_string()));
    let looked = distinct.map(|reference| async move {
        let version = secrets::version(cx, &reference).await?;
        Ok::<_, Error>((reference.to_string(), version))
    });
    join_all(looked).await.into_iter().collect()
}

/// Sorts an object into the list.
fn add(
    cx: &Cx,
    wanted: &[Wanted<'_, Object>],
    listed: &mut Listed<Object>,
    live: Live,
    object: &Value,
) {
    let id = live.id();
    match Whose::of(&tags_of(object), &cx.deployment) {
        Whose::Ours(owner) => listed.ours.push(Found {
            id,
            owner,
            status: status(object),
            parents: Vec::new(),
            tags: tags_of(object),
            live,
        }),
        Whose::Damaged(why) => listed.damaged.push(Damaged { id, why, mend: None }),
        Whose::Foreign(owner) => {
            let wants = wanted.iter().find(|wanted| wanted.desired.is_at(&live));
            if let Some(wants) = wants {
                listed.clashes.push(Clash { address: wants.address.clone(), id, owner });
            }
        }
    }
}

/// An object by itself; `None` when it is not ours any more.
async fn as_found(cx: &Cx, mut live: Live, object: &Value) -> Result<Option<Found<Object>>> {
    let Whose::Ours(owner) = Whose::of(&tags_of(object), &cx.deployment) else {
        return Ok(None);
    };
    live.versions = versions(cx, live.references()).await?;
    Ok(Some(Found {
        id: live.id(),
        owner,
        status: status(object),
        parents: Vec::<PhysicalId>::new(),
        tags: tags_of(object),
        live,
    }))
}

fn status(object: &Value) -> Status {
    match object["metadata"]["deletionTimestamp"] {
        Value::Null => Status::Ready,
        _ => Status::Leaving,
    }
}

/// Applies the object with these entries and no others. Where other managers are in the way, their
/// fields are taken only if `changes`, which the plan has shown, names each of them.
async fn apply(
    cx: &Cx,
    object: &Object,
    entries: body::Entries,
    changes: &[Change],
) -> Result<Value> {
    let kube = cx.api::<Kube>()?;
    let of = object.content.object_type();
    let mut call = Call {
        method: Method::PATCH,
        body: Some(("application/apply-patch+yaml", body::body(cx, object, entries)?)),
        operation: format!("patch {}", of.plural()),
        query: vec![("fieldManager", MANAGER.to_owned()), ("force", "false".to_owned())],
        ..Call::get(of.path(&object.namespace, Some(&object.name)), of.plural(), false)
    };
    let conflicts = match kube.apply(cx, &call).await {
        Ok(Applied::Done(object)) => return Ok(object),
        Ok(Applied::Conflicts(conflicts)) => conflicts,
        Err(error) if error.class == Class::NotFound => {
            let why = format!("the namespace {} does not exist", object.namespace);
            return Err(Error { class: Class::Refused, message: why, ..error }
                .hint(format!("kubectl create namespace {}", object.namespace)));
        }
        Err(error) => return Err(error),
    };
    let is_shown = |field: &str| {
        let field = field.strip_prefix("metadata.").unwrap_or(field);
        changes.iter().any(|change| change.field == field)
    };
    if let Some(conflict) = conflicts.iter().find(|conflict| !is_shown(&conflict.field)) {
        let why = format!("{}: {}", conflict.field, conflict.with);
        return Err(Error {
            operation: Some(format!("kubernetes:{}", call.operation)),
            code: Some("Conflict".to_owned()),
            ..Error::of(Class::Refused, why)
        }
        .hint("plan again: it shows what somebody else has set"));
    }
    call.query = vec![("fieldManager", MANAGER.to_owned()), ("force", "true".to_owned())];
    match kube.apply(cx, &call).await? {
        Applied::Done(object) => Ok(object),
        Applied::Conflicts(_) => Err(Error::local("a forced apply can not meet a conflict")),
    }
}
