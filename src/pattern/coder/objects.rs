//! The objects in the order in which they need each other.

use super::environment::{DATABASE, GITHUB, OIDC};
use super::{access, namespaces, network_policy, server, service, storage};
use crate::aws::eks::access::Access;
use crate::graph::Handle;
use crate::kube::object::{DatabaseUrl, Entry};
use crate::kube::{Content, Holes, Manifest, Object};
use crate::pattern::{Draft, Unbuildable};
use crate::secret::SecretRef;
use crate::spec::types::cluster::NodeGroup;
use crate::spec::types::coder::Coder;
use crate::spec::types::ingress::{Dns, Ingress};
use crate::value::{In, Need};
use ipnet::Ipv4Net;
use serde::Serialize;
use std::collections::BTreeMap;

/// What the objects are made from.
pub(in crate::pattern) struct Wanted<'a> {
    pub(in crate::pattern) coder: &'a Coder,
    pub(in crate::pattern) dns: &'a Dns,
    pub(in crate::pattern) ingress: &'a Ingress,
    /// The group of nodes that the server runs on, with its name.
    pub(in crate::pattern) group: (&'a str, &'a NodeGroup),
    pub(in crate::pattern) vpc: Ipv4Net,
    pub(in crate::pattern) cluster: In<Access>,
    pub(in crate::pattern) database: DatabaseUrl,
}

/// Adds the objects, and gives the server.
///
/// # Errors
/// When one of them can not be written as a manifest: a fault of this program.
pub(in crate::pattern) fn add(
    draft: &mut Draft<'_>,
    wanted: &Wanted<'_>,
) -> Result<Handle<Object>, Vec<Unbuildable>> {
    let coder = wanted.coder;
    put(draft, wanted, "storage-class/gp3", &storage::class())?;
    let home = put(draft, wanted, "namespace/server", &namespaces::server(coder))?;
    let workspaces = put(draft, wanted, "namespace/workspaces", &namespaces::workspaces(coder))?;
    let account =
        put_in(draft, wanted, "service-account/server", &access::service_account(coder), home)?;
    put_in(draft, wanted, "role/workspaces", &access::role(coder), workspaces)?;
    let binding =
        put_in(draft, wanted, "role-binding/workspaces", &access::role_binding(coder), workspaces)?;
    let policy = network_policy::server(coder, wanted.vpc);
    let guarded = put_in(draft, wanted, "network-policy/server", &policy, home)?;
    let policy = network_policy::workspaces(coder, wanted.vpc);
    put_in(draft, wanted, "network-policy/workspaces", &policy, workspaces)?;
    let reached =
        put_in(draft, wanted, "service/server", &service::server(coder, wanted.ingress), home)?;
    if coder.prometheus {
        put_in(draft, wanted, "service/metrics", &service::metrics(coder), home)?;
    }
    let budget = service::disruption_budget(coder);
    put_in(draft, wanted, "disruption-budget/server", &budget, home)?;

    let secrets = secrets(coder, &wanted.database);
    let region = draft.region.clone();
    let mut read = Vec::new();
    for (name, content) in &secrets {
        let object = Object {
            cluster: Some(wanted.cluster.clone()),
            namespace: coder.namespace.clone(),
            name: name.clone(),
            content: content.clone(),
        };
        let address = draft.here(&format!("kubernetes/secret/{name}"));
        let secret = draft.graph.add(&region, address, "coder", object);
        draft.graph.after(secret, home, Need::Ready, IN_ITS_NAMESPACE);
        read.push(secret);
    }
    let deployment = server::deployment(coder, wanted.dns, wanted.ingress, wanted.group);
    let object =
        object(wanted, &deployment)?.reading_at_start(secrets).never_older(INSTEAD_OF_OLDER);
    let address = draft.here("kubernetes/deployment/server");
    let server = draft.graph.add(&region, address, "coder", object);
    draft.graph.after(server, home, Need::Ready, IN_ITS_NAMESPACE);
    draft.graph.after(
        server,
        account,
        Need::Ready,
        "pods of an account that is missing are refused",
    );
    draft.graph.after(server, binding, Need::Ready, "its builds use what this allows at once");
    draft.graph.after(server, guarded, Need::Ready, "nobody reaches it before it is guarded");
    draft.graph.after(server, reached, Need::Ready, "workspaces find it by this name");
    for secret in read {
        draft.graph.after(server, secret, Need::Ready, "it reads the secret when it starts");
    }
    Ok(server)
}

const IN_ITS_NAMESPACE: &str = "Kubernetes refuses objects in a namespace that is not there";

/// What to do instead of going back to an older version, which can not read the database that a newer
/// one has changed: <https://coder.com/docs/install/upgrade>.
const INSTEAD_OF_OLDER: &str = "set coder.version to at least the live one; an older one takes a database from a snapshot of its \
     time: coderctl destroy, then coderctl apply --set database.from_snapshot=NAME";

/// The Secrets that the server reads, by name.
fn secrets(coder: &Coder, database: &DatabaseUrl) -> BTreeMap<String, Content> {
    let one = |(name, key): (&str, &str), entry: Entry| {
        let content = Content::Secret {
            kind: "Opaque".to_owned(),
            string_data: [(key.to_owned(), entry)].into(),
        };
        (name.to_owned(), content)
    };
    let reference = |reference: &SecretRef| Entry::Reference(reference.clone());
    let mut all: BTreeMap<String, Content> =
        [one(DATABASE, Entry::DatabaseUrl(database.clone()))].into();
    all.extend(coder.oidc.as_ref().map(|oidc| one(OIDC, reference(&oidc.client_secret))));
    all.extend(coder.github.as_ref().map(|github| one(GITHUB, reference(&github.client_secret))));
    all
}

fn put<T: Serialize>(
    draft: &mut Draft<'_>,
    wanted: &Wanted<'_>,
    place: &str,
    object: &T,
) -> Result<Handle<Object>, Vec<Unbuildable>> {
    let object = self::object(wanted, object)?;
    let region = draft.region.clone();
    let address = draft.here(&format!("kubernetes/{place}"));
    Ok(draft.graph.add(&region, address, "coder", object))
}

fn put_in<T: Serialize>(
    draft: &mut Draft<'_>,
    wanted: &Wanted<'_>,
    place: &str,
    object: &T,
    namespace: Handle<Object>,
) -> Result<Handle<Object>, Vec<Unbuildable>> {
    let object = put(draft, wanted, place, object)?;
    draft.graph.after(object, namespace, Need::Ready, IN_ITS_NAMESPACE);
    Ok(object)
}

fn object<T: Serialize>(wanted: &Wanted<'_>, object: &T) -> Result<Object, Vec<Unbuildable>> {
    let manifest = Manifest::new(object, Holes::default()).map_err(|error| {
        vec![Unbuildable {
            path: "coder".to_owned(),
            why: error.to_string(),
            hint: "this is a fault in coderctl; please report it".to_owned(),
        }]
    })?;
    Ok(Object::of_manifest(Some(wanted.cluster.clone()), manifest))
}
