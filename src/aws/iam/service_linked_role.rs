//! The service-linked role: the role that AWS itself defines for one of its services.
//!
//! There is one an account for each service, shared by all that use the service, so it is nobody's
//! property. It is made if it is not there, taken as it is if it is, and never deleted, whoever
//! made it. That is why it is listed only while something wants it: neither a destroy nor an
//! orphan ever sees one.
//!
//! Most services make theirs by themselves when they first need it. One must be there before: a
//! KMS key's policy can not name a role that does not exist yet.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceLinkedRole.html>

use super::Iam;
use crate::aws::call::{pages, safe};
use crate::aws::settle::until_seen;
use crate::graph::Handle;
use crate::kind::{
    Change, CreateIs, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership, Result, Scope, Seen,
    Status, Tags, Typical, Wanted,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_iam::types::Role as IamRole;
use serde::{Deserialize, Serialize};

/// A service's own role.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceLinkedRole {
    /// Whose it is.
    pub service: Service,
}

/// A service with a role of its own.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// EKS control planes.
    Eks,
    /// EKS managed node groups.
    EksNodegroup,
    /// EC2 Auto Scaling.
    AutoScaling,
    /// EC2 Spot.
    Spot,
    /// Elastic Load Balancing.
    ElasticLoadBalancing,
    /// RDS, which is Aurora too.
    Rds,
}

impl Service {
    /// The service's principal, by which IAM knows the role to make.
    pub fn principal(self) -> &'static str {
        match self {
            Service::Eks => "eks.amazonaws.com",
            Service::EksNodegroup => "eks-nodegroup.amazonaws.com",
            Service::AutoScaling => "autoscaling.amazonaws.com",
            Service::Spot => "spot.amazonaws.com",
            Service::ElasticLoadBalancing => "elasticloadbalancing.amazonaws.com",
            Service::Rds => "rds.amazonaws.com",
        }
    }

    /// The role's name.
    pub fn role_name(self) -> &'static str {
        match self {
            Service::Eks => "AWSServiceRoleForAmazonEKS",
            Service::EksNodegroup => "AWSServiceRoleForAmazonEKSNodegroup",
            Service::AutoScaling => "AWSServiceRoleForAutoScaling",
            Service::Spot => "AWSServiceRoleForEC2Spot",
            Service::ElasticLoadBalancing => "AWSServiceRoleForElasticLoadBalancing",
            Service::Rds => "AWSServiceRoleForRDS",
        }
    }
}

/// A live service-linked role.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its name.
    pub name: Id<ServiceLinkedRole>,
    /// Its ARN.
    pub arn: String,
}

impl Handle<ServiceLinkedRole> {
    /// Its ARN.
    pub fn arn(&self) -> In<String> {
        self.output("service-linked role arn", |live| Some(live.arn.clone()))
    }
}

/// Where IAM keeps all service-linked roles.
const PATH: &str = "/aws-service-role/";

impl Kind for ServiceLinkedRole {
    const NAME: &'static str = "aws.iam.service_linked_role";
    const TITLE: &'static str = "service-linked role";
    const NATURE: Nature = Nature {
        scope: Scope::Global,
        taggable: false,
        create_is: CreateIs::Named,
        typical: Typical { create: 2, update: 1, delete: 1 },
        actions: &["iam:CreateServiceLinkedRole", "iam:ListRoles", "iam:GetRole"],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { service } = self;
        diff.replaces("name", &service.role_name().to_owned(), &live.name.to_string());
    }

    fn summary(&self) -> String {
        format!("{}, if it is not there", self.service.role_name())
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("name", live.name.to_string()), ("arn", live.arn.clone())]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let mut listed = Listed::default();
        // It has no tag to say whose it is. Before the first apply there is no uid either, and
        // making one up would make it the deployment's.
        let Some(uid) = cx.deployment.uid.clone().filter(|_| !wanted.is_empty()) else {
            return Ok(listed);
        };
        let iam = cx.api::<Iam>()?;
        let pages = pages(
            cx,
            "iam:ListRoles",
            |marker| iam.0.list_roles().path_prefix(PATH).set_marker(marker).send(),
            |page| page.marker(),
        )
        .await?;
        for role in pages.iter().flat_map(|page| page.roles()) {
            let name = role.role_name();
            let wants = wanted.iter().find(|it| it.desired.service.role_name() == name);
            let owner = wants.map(|wants| Ownership {
                address: wants.address.clone(),
                generation: 1,
                uid: uid.clone(),
            });
            listed.ours.extend(owner.map(|owner| whole(role, owner)));
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        let role = read_one(cx, found.live.name.as_str()).await?;
        Ok(role.map(|role| whole(&role, found.owner.clone())))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let iam = cx.api::<Iam>()?;
        let made = safe(cx, "iam:CreateServiceLinkedRole", || {
            iam.0.create_service_linked_role().aws_service_name(self.service.principal()).send()
        })
        .await;
        let role = match made {
            Ok(made) => made.role,
            Err(error) if error.is_code("InvalidInput") && error.message.contains("taken") => {
                let look = || read_one(cx, self.service.role_name());
                Some(until_seen(cx, look).await?.ok_or(error)?)
            }
            Err(error) => return Err(error),
        };
        let role =
            role.ok_or_else(|| Error::local("CreateServiceLinkedRole answered without a role"))?;
        let live = Live { name: Id::new(role.role_name()), arn: role.arn().to_owned() };
        Found::created(cx, role.role_name(), Status::Ready, Vec::new(), live)
    }

    async fn update(&self, _: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        Err(Error::local(format!("service-linked role {} is AWS's to change", found.id)))
    }

    /// Refuses: it is shared by all of the account.
    async fn delete(_: &Cx, found: &Found<Self>) -> Result<()> {
        Err(Error::local(format!(
            "service-linked role {} is shared by all of the account and stays",
            found.id
        )))
    }
}

async fn read_one(cx: &Cx, name: &str) -> Result<Option<IamRole>> {
    let iam = cx.api::<Iam>()?;
    let answer = crate::aws::call::gone_is_fine(
        safe(cx, "iam:GetRole", || iam.0.get_role().role_name(name).send()).await,
    )?;
    Ok(answer.and_then(|answer| answer.role))
}

fn whole(role: &IamRole, owner: Ownership) -> Found<ServiceLinkedRole> {
    let live = Live { name: Id::new(role.role_name()), arn: role.arn().to_owned() };
    Found {
        id: PhysicalId::new(role.role_name()),
        owner,
        status: Status::Ready,
        parents: Vec::new(),
        tags: Tags::new(),
        live,
    }
}
