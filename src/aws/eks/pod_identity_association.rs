//! The pod identity association: which IAM role the pods of a service account have.
//!
//! EKS gives it an id, but takes one a service account only, so a second create is refused. The
//! role can be exchanged in place. The pods need the add-on `eks-pod-identity-agent` on their
//! node, and the role must trust `pods.eks.amazonaws.com` with `sts:AssumeRole` and
//! `sts:TagSession`.
//! <https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html>

use super::cluster::{Cluster, physical_id};
use super::update::token;
use super::{
    BUSY, Eks, IN_PROGRESS, absent_is_fine, clusters, each, fresh, from_eks, id_of, in_each,
    is_elsewhere, last_part, parts, retag, tags_on_create, told, touches,
};
use crate::aws::call::{Passing, Repeat, call, pages, safe};
use crate::aws::settle::until_seen;
use crate::aws::tags::{foreign, made_before};
use crate::kind::{
    Change, Clash, Class, CreateIs, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership,
    Result, Seen, Status, Tags, Typical, Wanted,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_eks::types::{PodIdentityAssociation as EksAssociation, PodIdentityAssociationSummary};
use serde::Serialize;

/// Which IAM role the pods of a service account have.
#[derive(Clone, Debug, Serialize)]
pub struct PodIdentityAssociation {
    /// The cluster, which must be ready.
    pub cluster: In<Id<Cluster>>,
    /// The namespace of the service account; fixed. It need not be there yet.
    pub namespace: String,
    /// The service account; fixed. It need not be there yet.
    pub service_account: String,
    /// The ARN of the role.
    pub role: In<String>,
}

/// A live pod identity association.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its id, `a-…`.
    pub id: Id<PodIdentityAssociation>,
    /// The cluster.
    pub cluster: Id<Cluster>,
    /// Its ARN.
    pub arn: String,
    /// The namespace of the service account.
    pub namespace: String,
    /// The service account.
    pub service_account: String,
    /// The ARN of the role.
    pub role: String,
}

/// What EKS says of a role that IAM has not spread yet.
const FRESH: &[Passing] = &[fresh("role"), fresh("Role"), IN_PROGRESS];

const SORT: &str = "podidentityassociation";

impl Kind for PodIdentityAssociation {
    const NAME: &'static str = "aws.eks.pod_identity_association";
    const TITLE: &'static str = "pod identity association";
    const NATURE: Nature = Nature {
        // Looks into the clusters that were found.
        wave: 1,
        create_is: CreateIs::Named,
        typical: Typical { create: 2, update: 1, delete: 1 },
        actions: &[
            "eks:CreatePodIdentityAssociation",
            "eks:ListPodIdentityAssociations",
            "eks:DescribePodIdentityAssociation",
            "eks:UpdatePodIdentityAssociation",
            "eks:DeletePodIdentityAssociation",
            "eks:TagResource",
            "eks:UntagResource",
            "iam:GetRole",
            "iam:PassRole",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { cluster, namespace, service_account, role } = self;
        diff.parent("cluster", cluster, &live.cluster);
        diff.replaces("namespace", namespace, &live.namespace);
        diff.replaces("service_account", service_account, &live.service_account);
        diff.input("role", role, &live.role);
    }

    fn summary(&self) -> String {
        format!("{}/{}", self.namespace, self.service_account)
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![
            ("id", live.id.to_string()),
            ("service_account", format!("{}/{}", live.namespace, live.service_account)),
            ("role", live.role.clone()),
        ]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], found: &dyn Seen) -> Result<Listed<Self>> {
        let within = clusters(found, wanted, |wanted| &wanted.cluster);
        let all =
            in_each(within, |cluster: String| async move { summaries(cx, &cluster, None).await })
                .await?;
        // Those with an owner are an add-on's own.
        let free = all.into_iter().filter(|(_, it)| it.owner_arn().is_none()).collect();
        let associations = each(free, |(cluster, it)| async move {
            match it.association_id() {
                Some(id) => read_one(cx, &cluster, id).await,
                None => Ok(None),
            }
        })
        .await?;
        let mut listed = Listed::default();
        for Reading { tags, live } in associations {
            let id = id_of(SORT, live.cluster.as_str(), live.id.as_str());
            if let Some(owner) = foreign(cx, &tags) {
                let wants = wanted.iter().find(|wanted| {
                    let Self { namespace, service_account, cluster, .. } = wanted.desired;
                    let elsewhere = is_elsewhere(cluster, &live.cluster);
                    (namespace, service_account) == (&live.namespace, &live.service_account)
                        && !elsewhere
                });
                let clash = wants.map(|wants| Clash { address: wants.address.clone(), id, owner });
                listed.clashes.extend(clash);
                continue;
            }
            let parents = parents(&live);
            listed.add(cx, id.as_str(), tags, Status::Ready, parents, live);
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        let now = read_one(cx, found.live.cluster.as_str(), found.live.id.as_str()).await?;
        Ok(now.map(|now| now.owned(&found.owner)))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let eks = cx.api::<Eks>()?;
        let Self { namespace, service_account, .. } = self;
        let cluster = cx.get(&self.cluster)?;
        let role = cx.get(&self.role)?;
        let tags = tags_on_create(cx)?;
        let step = cx.step()?;
        let made = call(cx, "eks:CreatePodIdentityAssociation", Repeat::Safe, FRESH, || {
            eks.0
                .create_pod_identity_association()
                .cluster_name(cluster.as_str())
                .namespace(namespace)
                .service_account(service_account)
                .role_arn(&role)
                .client_request_token(&step.token)
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await;
        let made = match made {
            Err(error) if error.class == Class::InUse => {
                let look = || async {
                    let account = Some((namespace.as_str(), service_account.as_str()));
                    let there = summaries(cx, cluster.as_str(), account).await?;
                    match there.first().and_then(|it| it.association_id()) {
                        Some(id) => read_one(cx, cluster.as_str(), id).await,
                        None => Ok(None),
                    }
                };
                let there = until_seen(cx, look).await?.ok_or(error)?;
                let id = id_of(SORT, cluster.as_str(), there.live.id.as_str());
                let owner = made_before(cx, Self::TITLE, id.as_str(), &there.tags)?;
                return Ok(there.owned(&owner));
            }
            made => made?,
        };
        let made = made.association().ok_or_else(|| {
            Error::local("CreatePodIdentityAssociation answered without an association")
        })?;
        let Reading { live, .. } = reading(made)?;
        let id = id_of(SORT, cluster.as_str(), live.id.as_str());
        Found::created(cx, id.as_str(), Status::Ready, parents(&live), live)
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let Live { cluster, id, arn, .. } = &found.live;
        if touches(changes, "role") {
            let eks = cx.api::<Eks>()?;
            let role = cx.get(&self.role)?;
            let token = token();
            call(cx, "eks:UpdatePodIdentityAssociation", Repeat::Safe, FRESH, || {
                eks.0
                    .update_pod_identity_association()
                    .cluster_name(cluster.as_str())
                    .association_id(id.as_str())
                    .role_arn(&role)
                    .client_request_token(&token)
                    .send()
            })
            .await?;
        }
        retag(cx, arn, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let eks = cx.api::<Eks>()?;
        let Live { cluster, id, .. } = &found.live;
        absent_is_fine(
            call(cx, "eks:DeletePodIdentityAssociation", Repeat::Safe, &[BUSY], || {
                let request = eks.0.delete_pod_identity_association();
                request.cluster_name(cluster.as_str()).association_id(id.as_str()).send()
            })
            .await,
        )?;
        Ok(())
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let (cluster, id) = parts(SORT, id)?;
        Ok(read_one(cx, cluster, id).await?.map(|there| there.owned(owner)))
    }
}

fn parents(live: &Live) -> Vec<PhysicalId> {
    vec![physical_id(live.cluster.as_str()), last_part(&live.role)]
}

/// An association, whoever owns it.
struct Reading {
    tags: Tags,
    live: Live,
}

impl Reading {
    fn owned(self, owner: &Ownership) -> Found<PodIdentityAssociation> {
        let Reading { tags, live } = self;
        let id = id_of(SORT, live.cluster.as_str(), live.id.as_str());
        let parents = parents(&live);
        Found { id, owner: owner.clone(), status: Status::Ready, parents, tags, live }
    }
}

/// The associations of a cluster, or of one namespace and service account in it; without roles and
/// tags.
async fn summaries(
    cx: &Cx,
    cluster: &str,
    account: Option<(&str, &str)>,
) -> Result<Vec<PodIdentityAssociationSummary>> {
    let eks = cx.api::<Eks>()?;
    let pages = pages(
        cx,
        "eks:ListPodIdentityAssociations",
        |token| {
            eks.0
                .list_pod_identity_associations()
                .cluster_name(cluster)
                .set_namespace(account.map(|(namespace, _)| namespace.to_owned()))
                .set_service_account(account.map(|(_, name)| name.to_owned()))
                .set_next_token(token)
                .send()
        },
        |page| page.next_token(),
    );
    let pages = absent_is_fine(pages.await)?.unwrap_or_default();
    Ok(pages.into_iter().flat_map(|page| page.associations.unwrap_or_default()).collect())
}

async fn read_one(cx: &Cx, cluster: &str, id: &str) -> Result<Option<Reading>> {
    let eks = cx.api::<Eks>()?;
    let answer = absent_is_fine(
        safe(cx, "eks:DescribePodIdentityAssociation", || {
            let request = eks.0.describe_pod_identity_association();
            request.cluster_name(cluster).association_id(id).send()
        })
        .await,
    )?;
    answer.as_ref().and_then(|answer| answer.association()).map(reading).transpose()
}

fn reading(association: &EksAssociation) -> Result<Reading> {
    let live = Live {
        id: Id::new(told(association.association_id(), "id of a pod identity association")?),
        cluster: Id::new(told(association.cluster_name(), "cluster of an association")?),
        arn: told(association.association_arn(), "arn of an association")?.to_owned(),
        namespace: association.namespace().unwrap_or_default().to_owned(),
        service_account: association.service_account().unwrap_or_default().to_owned(),
        role: association.role_arn().unwrap_or_default().to_owned(),
    };
    Ok(Reading { tags: from_eks(association.tags()), live })
}
