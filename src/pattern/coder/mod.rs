//! Coder itself, as objects of Kubernetes: what runs, what may be done, who may talk to whom.

mod access;
mod environment;
mod labels;
mod namespaces;
mod network_policy;
pub(super) mod objects;
pub(super) mod server;
mod service;
mod storage;

use super::cluster::Made as Cluster;
use super::database::Made as Database;
use super::network::Made as Network;
use super::{Draft, Unbuildable};
use crate::aws::secretsmanager::secret::{Charset, Content, ManagedSecret};
use crate::coderd::Server;
use crate::coderd::license::License;
use crate::coderd::owner::{Owner, Password};
use crate::graph::Handle;
use crate::kube::object::Stored;
use crate::spec::types::coder::Coder;
use crate::spec::types::ingress::{Dns, Ingress};
use crate::value::Need;
use labels::SERVER;

/// The name of the Secret with the database's URL.
pub(super) const DATABASE_SECRET: &str = environment::DATABASE.0;

/// Adds the objects, the server among them, then its owner and licence. Gives the owner, without
/// whom nobody else must get in.
///
/// # Errors
/// When an object can not be written: a fault of this program.
pub(super) fn add(
    draft: &mut Draft<'_>,
    wanted: &Coder,
    (ingress, dns): (&Ingress, &Dns),
    network: &Network<'_>,
    cluster: &Cluster<'_>,
    database: &Database,
) -> Result<Option<Handle<Owner>>, Vec<Unbuildable>> {
    let spec = draft.spec;
    // A checked spec has the group.
    let groups = spec.cluster.as_ref().map(|cluster| &cluster.node_groups);
    let Some(group) = groups.and_then(|groups| groups.get(&wanted.node_group)) else {
        return Ok(None);
    };
    let access = cluster.cluster.access();
    let server = objects::add(
        draft,
        &objects::Wanted {
            coder: wanted,
            dns,
            ingress,
            group: (&wanted.node_group, group),
            vpc: network.network.vpc_cidr,
            cluster: access.clone(),
            database: database.url.clone(),
        },
    )?;
    for (name, addon) in &cluster.addons {
        let reason = match *name {
            "coredns" => "it finds its database by name",
            "aws-ebs-csi-driver" => continue,
            _ => "its pod needs an address",
        };
        draft.graph.after(server, *addon, Need::Ready, reason);
    }
    if let Some(nodes) = cluster.groups.get(wanted.node_group.as_str()) {
        draft.graph.after(server, *nodes, Need::Ready, "it runs on them");
    }
    for instance in &database.instances {
        let reason = "it ends at once when its database does not answer";
        draft.graph.after(server, *instance, Need::Ready, reason);
    }
    Ok(Some(owner(draft, wanted, &access, server)))
}

fn owner(
    draft: &mut Draft<'_>,
    wanted: &Coder,
    access: &crate::value::In<crate::aws::eks::access::Access>,
    deployment: Handle<crate::kube::Object>,
) -> Handle<Owner> {
    let region = draft.region.clone();
    let mut secret = |name: &str, what: &str, content: Content| {
        let address = draft.here(&format!("coder/secret/{name}"));
        let secret = ManagedSecret {
            name: draft.physical(&address, format!("{}/{name}", draft.deployment)),
            description: format!("{what} of {}", draft.deployment),
            key: None,
            recovery_window_days: 7,
            content,
        };
        draft.graph.add(&region, address, "coder.owner", secret)
    };
    let password = match &wanted.owner.password {
        Some(reference) => Password::Reference(reference.clone()),
        None => {
            let content =
                Content::Generated { length: 32, charset: Charset::Alphanumeric, as_json: None };
            let made = secret("owner-password", "the first user's password", content);
            Password::Stored(Stored {
                secret: made.arn().map(|arn| arn.to_string()).ready(),
                field: None,
                version: None,
            })
        }
    };
    let token = secret("owner-token", "the token of the first user", Content::Empty);
    let token_secret = token.arn().map(|arn| arn.to_string()).ready();
    if let Password::Stored(stored) = &password {
        draft.graph.show("owner_password_secret_arn", stored.secret.clone());
    }
    draft.graph.show("owner_token_secret_arn", token_secret.clone());
    let server = Server {
        cluster: Some(access.clone()),
        namespace: wanted.namespace.clone(),
        deployment: SERVER.to_owned(),
        port: 8080,
    };
    let owner = Owner {
        server: server.clone(),
        email: wanted.owner.email.clone(),
        username: wanted.owner.username.clone(),
        full_name: wanted.owner.name.clone(),
        password,
        token_secret: token_secret.clone(),
    };
    let address = draft.here("coder/owner");
    let owner = draft.graph.add(&region, address, "coder.owner", owner);
    draft.graph.after(owner, deployment, Need::Ready, "it is asked through the server");
    if let Some(jwt) = &wanted.license {
        let license = License { server, token_secret, jwt: jwt.clone() };
        let address = draft.here("coder/license");
        let license = draft.graph.add(&region, address, "coder.license", license);
        draft.graph.after(license, owner, Need::Ready, "only an owner may upload it");
    }
    owner
}
