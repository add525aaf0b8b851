//! The workspaces of a Coder server.
//!
//! A plan reads no secret, so it can't ask Coder for them; it counts what their templates put into
//! the cluster, by the labels that Coder's templates give. Those that run elsewhere, or are stopped
//! and have no volume, show only when Coder is asked, which is the first thing that a destroy does:
//! nothing else goes before the workspaces are gone, for their templates' providers need the
//! server, its database and the way out. What the plan could not show, nobody has consented to, so
//! the destroy stops there, with everything as it was. So it does where Coder gives no answer:
//! silence is no proof that there are none.
//! <https://coder.com/docs/reference/api/builds#create-workspace-build>
//!
//! Deleting is Coder's: a build of each workspace destroys what its template made. Where there is no
//! server to ask, or it gives no answer and the workspaces may go unseen, what is in the cluster
//! goes by itself.

mod builds;
mod objects;

use super::{Allowed, not_wanted, owner};
use crate::aws::eks::access::Access;
use crate::coderd::Place;
use crate::coderd::owner::Owner;
use crate::kind::{
    self, Change, Class, Consent, CreateIs, Cx, Diff, Error, Found, Held, Kind, Listed, Nature,
    Ownership, Result, Seen, Status, Typical, Wanted,
};
use crate::kube::Object;
use crate::kube::client::Kube;
use crate::kube::object::Type;
use crate::kube::places::{Wants, places};
use crate::name::PhysicalId;
use builds::Server;
use objects::{Objects, Scope};
use serde::Serialize;
use std::collections::BTreeSet;

/// The workspaces of a Coder server. Nobody's spec asks for them.
#[derive(Clone, Debug, Serialize)]
pub struct Workspaces {}

/// The workspaces that there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// The cluster that they are in.
    access: Option<Access>,
    /// Where they are.
    scope: Scope,
    /// The server that knows them; none where nobody owns one.
    server: Option<Server>,
    /// What the cluster shows of them.
    objects: Objects,
}

impl Live {
    /// Whether a claim is of a workspace.
    pub(super) fn has_claim(&self, namespace: &str, claim: &str) -> bool {
        self.objects.claims.contains(&(namespace.to_owned(), claim.to_owned()))
    }
}

impl Kind for Workspaces {
    const NAME: &'static str = "coderd.workspaces";
    const TITLE: &'static str = "workspaces of Coder";
    const NATURE: Nature = Nature {
        scope: kind::Scope::Global,
        // After the owner, who may ask for them.
        wave: 4,
        is_guest: true,
        taggable: false,
        create_is: CreateIs::Named,
        typical: Typical { create: 0, update: 0, delete: 20 },
        actions: &["secretsmanager:GetSecretValue"],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, _: &Live, _: &mut Diff<'_>) {
        let Self {} = self;
    }

    fn consent(live: &Live) -> Consent {
        if live.objects.held.is_empty() { Consent::None } else { Consent::Others }
    }

    fn goes_first(_: &Live) -> bool {
        true
    }

    fn holds(live: &Live) -> Vec<Held> {
        live.objects.held.clone()
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("workspaces", live.objects.held.len().to_string())]
    }

    async fn list(cx: &Cx, _: &[Wanted<'_, Self>], seen: &dyn Seen) -> Result<Listed<Self>> {
        let servers = kind::seen::<Owner>(seen);
        let of_type = |of: Type| {
            let all = kind::seen::<Object>(seen).into_iter();
            all.filter(move |(_, _, live)| live.of == of)
        };
        let occupied: BTreeSet<String> = OF_SERVERS
            .into_iter()
            .flat_map(of_type)
            .map(|(_, _, live)| live.namespace.clone())
            .collect();
        let own: BTreeSet<String> =
            of_type(Type::Namespace).map(|(_, _, live)| live.name.clone()).collect();
        let inside = servers
            .first()
            .map(|(_, owner, _)| *owner)
            .or_else(|| of_type(Type::Namespace).next().map(|(_, owner, _)| owner));
        let mut listed = Listed::default();
        let Some(inside) = inside else { return Ok(listed) };
        for place in places(cx, Wants::NoneGiven, seen)? {
            let kube = Kube::of(cx, place.access.as_ref())?;
            let scope = Scope {
                only: own.difference(&occupied).cloned().collect(),
                // A cluster that the user names may be others' as well.
                labelled: place.access.is_none().then(|| own.clone()),
            };
            let objects = Objects::read(cx, &kube, &scope).await?;
            let server = servers
                .iter()
                .map(|(_, _, live)| live)
                .find(|live| live.place().access == place.access)
                .map(|live| Server {
                    place: live.place().clone(),
                    token_secret: live.token_secret.clone(),
                    has_had_a_token: live.has_had_a_token(),
                });
            if server.is_none() && objects.held.is_empty() {
                continue;
            }
            listed.ours.push(Found {
                id: PhysicalId::new("coder/workspaces"),
                owner: owner(&cx.region, "coder/workspaces", inside),
                status: Status::Ready,
                parents: needed(seen),
                tags: kind::Tags::new(),
                live: Live { access: place.access.clone(), scope, server, objects },
            });
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, before: &Found<Self>) -> Result<Option<Found<Self>>> {
        let kube = Kube::of(cx, before.live.access.as_ref())?;
        let objects = Objects::read(cx, &kube, &before.live.scope).await?;
        if objects.held.is_empty() && before.live.server.is_none() {
            return Ok(None);
        }
        let live = Live { objects, ..before.live.clone() };
        Ok(Some(Found { live, ..before.clone() }))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        Err(not_wanted(cx))
    }

    async fn update(&self, cx: &Cx, _: &Found<Self>, _: &[Change]) -> Result<()> {
        Err(not_wanted(cx))
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let Live { access, scope, server, objects } = &found.live;
        let consented = Allowed::covers(cx, &found.owner.address);
        if let Some(server) = server {
            let known = match builds::all(cx, server).await {
                Err(error) if error.class == Class::Interrupted => return Err(error),
                Err(error) if consented => {
                    cx.progress(&format!("Coder can not be asked for its workspaces: {error}"));
                    None
                }
                Err(error) => return Err(unanswered(&error, &server.place)),
                Ok(known) => known,
            };
            if let Some(workspaces) = &known {
                if !consented && !workspaces.is_empty() {
                    return Err(unseen(workspaces.iter().map(|it| it.to_string())));
                }
                builds::delete(cx, server, workspaces).await?;
            }
        }
        if !consented && !objects.held.is_empty() {
            return Err(unseen(objects.held.iter().map(|held| held.name.clone())));
        }
        let kube = Kube::of(cx, access.as_ref())?;
        objects::clear(cx, &kube, scope, objects).await
    }

    async fn find_foreign(_: &Cx, _: &PhysicalId, _: &Ownership) -> Result<Option<Found<Self>>> {
        Err(Error::local("workspaces can not be adopted"))
    }
}

/// What only the namespace of a server has, and that of workspaces never: one that a destroy has
/// left half empty is not taken for the other.
const OF_SERVERS: [Type; 4] =
    [Type::Deployment, Type::Service, Type::PodDisruptionBudget, Type::Secret];

/// The kinds of all that a build takes which deletes a workspace: the server, its database, leave to
/// use the cluster, the way out.
const NEEDED: [&str; 18] = [
    "aws.iam.role",
    "aws.kms.key",
    "aws.secretsmanager.secret",
    "aws.ec2.internet_gateway",
    "aws.ec2.subnet",
    "aws.ec2.nat_gateway",
    "aws.ec2.route_table",
    "aws.ec2.security_group",
    "aws.ec2.security_group_rule",
    "aws.ec2.vpc_endpoint",
    "aws.eks.cluster",
    "aws.eks.access_entry",
    "aws.eks.addon",
    "aws.eks.pod_identity_association",
    "aws.eks.node_group",
    "aws.rds.cluster",
    "aws.rds.instance",
    "kube.object",
];

fn needed(seen: &dyn Seen) -> Vec<PhysicalId> {
    let all = NEEDED.into_iter().flat_map(|kind| seen.of(kind));
    let owners = seen.of(Owner::NAME);
    all.chain(owners).map(|(id, _, _)| id.clone()).collect()
}

/// The refusal to delete what nobody has consented to.
fn unseen(names: impl Iterator<Item = String>) -> Error {
    let names: Vec<String> = names.collect();
    let why = format!("there are workspaces that the plan did not show: {}", names.join(", "));
    Error::of(Class::Refused, why)
        .hint("nothing has been destroyed; if they may go: --allow-delete workspaces")
}

/// The refusal to take silence for consent: what only Coder knows of would lose its server.
fn unanswered(error: &Error, place: &Place) -> Error {
    let Place { namespace, .. } = place;
    let why = format!("Coder can not be asked which workspaces there are: {error}");
    // Never the class of something that is gone: whatever is there stays.
    let class = if error.class == Class::NotFound { Class::Refused } else { error.class };
    Error::of(class, why).hint(format!(
        "let it answer, and run the same command again: kubectl -n {namespace} get pods shows \
         whether it runs, coderctl apply renews its owner's token; if workspaces that nobody can \
         see may go: --allow-delete workspaces"
    ))
}
