//! The VPC endpoint: a gateway in route tables, or network interfaces in subnets.
//!
//! `CreateVpcEndpoint` takes a client token, which the SDK does not fill in. A gateway is there at
//! once; an interface endpoint takes a minute or two, and its interfaces keep subnets and
//! security groups from going until it is really gone. An endpoint without a policy of its own
//! has the one that allows everything.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html>

mod parts;

use super::route_table::RouteTable;
use super::security_group::SecurityGroup;
use super::subnet::Subnet;
use super::vpc::Vpc;
use super::{Ec2, Reading, filter, fresh, from_ec2, ours, retag, tag_on_create, told};
use crate::aws::call::{Passing, Repeat, call, pages, safe};
use crate::aws::policy::{Document, FULL_ACCESS, same};
use crate::aws::settle::{Patience, until_ready};
use crate::aws::tags::touches;
use crate::graph::Handle;
use crate::kind::{
    Change, Class, Cx, Diff, Effect, Error, Found, Kind, Listed, Nature, Ownership, Result, Seen,
    Status, Typical, Wanted, seconds,
};
use crate::name::PhysicalId;
use crate::value::{Id, In, Text};
use aws_sdk_ec2::types::{
    Filter, ResourceType, State, VpcEndpoint as Ec2VpcEndpoint, VpcEndpointType,
};
use serde::Serialize;
use std::collections::BTreeSet;

/// A VPC endpoint.
#[derive(Clone, Debug, Serialize)]
pub struct VpcEndpoint {
    /// The VPC it is a part of.
    pub vpc: In<Id<Vpc>>,
    /// The service it leads to: `com.amazonaws.us-east-1.s3`; fixed.
    pub service: String,
    /// How it gets there.
    pub via: Via,
    /// What can be done through it: a policy document. Everything without.
    pub policy: Option<Text>,
}

/// How an endpoint leads to its service; one can not become the other.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// By routes. Free, but only S3 and DynamoDB have it.
    Gateway {
        /// The tables that get the routes.
        route_tables: Vec<In<Id<RouteTable>>>,
    },
    /// By network interfaces; paid by the hour for each availability zone.
    Interface {
        /// Where the interfaces are; at most one subnet in a zone.
        subnets: Vec<In<Id<Subnet>>>,
        /// What guards them; at least one.
        security_groups: Vec<In<Id<SecurityGroup>>>,
        /// Whether the service's public name leads to them within the VPC, which needs both DNS
        /// attributes of the VPC.
        private_dns: bool,
    },
}

impl Via {
    fn kind(&self) -> VpcEndpointType {
        match self {
            Via::Gateway { .. } => VpcEndpointType::Gateway,
            Via::Interface { .. } => VpcEndpointType::Interface,
        }
    }
}

/// A live VPC endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its id.
    pub id: Id<VpcEndpoint>,
    /// The VPC it is a part of.
    pub vpc: Id<Vpc>,
    /// The service it leads to.
    pub service: String,
    /// `Gateway` or `Interface`.
    pub kind: String,
    /// The tables that have its routes.
    pub route_tables: BTreeSet<Id<RouteTable>>,
    /// Where its interfaces are.
    pub subnets: BTreeSet<Id<Subnet>>,
    /// What guards them.
    pub security_groups: BTreeSet<Id<SecurityGroup>>,
    /// Whether the service's public name leads to it.
    pub private_dns: bool,
    /// What can be done through it.
    pub policy: Document,
}

impl Handle<VpcEndpoint> {
    /// The endpoint's id.
    pub fn id(&self) -> In<Id<VpcEndpoint>> {
        self.output("vpc endpoint id", |live| Some(live.id.clone()))
    }
}

/// An endpoint that is still carrying out an earlier change.
const BUSY: Passing = Passing {
    code: "IncorrectState",
    message: "",
    seconds: 300,
    waiting_for: "an earlier change of the endpoint",
};

/// How long an interface endpoint may take to go.
const LEAVING: Patience = Patience { every: 5, at_most: 900 };

impl Kind for VpcEndpoint {
    const NAME: &'static str = "aws.ec2.vpc_endpoint";
    const TITLE: &'static str = "vpc endpoint";
    const NATURE: Nature = Nature {
        batch_delete: true,
        typical: Typical { create: 90, update: 30, delete: 90 },
        actions: &[
            "ec2:CreateVpcEndpoint",
            "ec2:DescribeVpcEndpoints",
            "ec2:ModifyVpcEndpoint",
            "ec2:DeleteVpcEndpoints",
            "ec2:CreateTags",
            "ec2:DeleteTags",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { vpc, service, via, policy } = self;
        diff.parent("vpc", vpc, &live.vpc);
        diff.replaces("service", service, &live.service);
        diff.replaces("type", &via.kind().as_str().to_owned(), &live.kind);
        match via {
            Via::Gateway { route_tables } => {
                diff.set("route_tables", route_tables, &live.route_tables);
            }
            Via::Interface { subnets, security_groups, private_dns } => {
                diff.set("subnets", subnets, &live.subnets);
                diff.set("security_groups", security_groups, &live.security_groups);
                diff.in_place("private_dns", private_dns, &live.private_dns);
            }
        }
        let policy = policy.clone().unwrap_or_else(|| Text::new(FULL_ACCESS));
        diff.text("policy", &policy, live.policy.as_str(), same, Effect::InPlace);
    }

    fn typical(&self) -> Typical {
        match self.via {
            // A gateway endpoint is a route, and there at once.
            Via::Gateway { .. } => Typical { create: 2, update: 1, delete: 2 },
            Via::Interface { .. } => Self::NATURE.typical,
        }
    }

    fn summary(&self) -> String {
        format!("{}  {}", self.service, self.via.kind().as_str().to_lowercase())
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("id", live.id.to_string()), ("service", live.service.clone())]
    }

    async fn list(cx: &Cx, _: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let mut listed = Listed::default();
        for endpoint in endpoints(cx, ours(cx)).await? {
            if let Some(reading) = reading(&endpoint)? {
                reading.list(cx, &mut listed);
            }
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Self::find_foreign(cx, &found.id, &found.owner).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let ec2 = cx.api::<Ec2>()?;
        let vpc = cx.get(&self.vpc)?;
        let parts = parts::wanted(cx, &self.via)?;
        let policy = self.policy.as_ref().map(|policy| cx.text(policy)).transpose()?;
        let private_dns = match &self.via {
            Via::Gateway { .. } => None,
            Via::Interface { private_dns, .. } => Some(*private_dns),
        };
        let tags = tag_on_create(cx, ResourceType::VpcEndpoint)?;
        let token = &cx.step()?.token;
        let made = call(cx, "ec2:CreateVpcEndpoint", Repeat::Safe, parts::FRESH, || {
            ec2.0
                .create_vpc_endpoint()
                .client_token(token)
                .vpc_id(vpc.as_str())
                .service_name(&self.service)
                .vpc_endpoint_type(self.via.kind())
                .set_route_table_ids(parts.route_tables.clone())
                .set_subnet_ids(parts.subnets.clone())
                .set_security_group_ids(parts.security_groups.clone())
                .set_private_dns_enabled(private_dns)
                .set_policy_document(policy.clone())
                .tag_specifications(tags.clone())
                .send()
        })
        .await?;
        made.vpc_endpoint()
            .map(reading)
            .transpose()?
            .flatten()
            .ok_or_else(|| {
                Error::local("CreateVpcEndpoint answered without an endpoint, or a deleted one")
            })?
            .created(cx)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        until_ready(cx, found, Patience { every: 5, at_most: 900 }).await
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let ec2 = cx.api::<Ec2>()?;
        let id = found.live.id.as_str();
        let fresh = [&[BUSY, fresh("InvalidVpcEndpointId.NotFound")], parts::FRESH].concat();
        let fields = ["route_tables", "subnets", "security_groups"];
        if fields.iter().any(|field| touches(changes, field)) {
            let moved = parts::moved(cx, &self.via, &found.live)?;
            call(cx, "ec2:ModifyVpcEndpoint", Repeat::Safe, &fresh, || {
                ec2.0
                    .modify_vpc_endpoint()
                    .vpc_endpoint_id(id)
                    .set_add_route_table_ids(moved.added.route_tables.clone())
                    .set_remove_route_table_ids(moved.removed.route_tables.clone())
                    .set_add_subnet_ids(moved.added.subnets.clone())
                    .set_remove_subnet_ids(moved.removed.subnets.clone())
                    .set_add_security_group_ids(moved.added.security_groups.clone())
                    .set_remove_security_group_ids(moved.removed.security_groups.clone())
                    .send()
            })
            .await?;
        }
        if let Via::Interface { private_dns, .. } = &self.via
            && touches(changes, "private_dns")
        {
            call(cx, "ec2:ModifyVpcEndpoint", Repeat::Safe, &fresh, || {
                let request = ec2.0.modify_vpc_endpoint().vpc_endpoint_id(id);
                request.private_dns_enabled(*private_dns).send()
            })
            .await?;
        }
        if touches(changes, "policy") {
            let policy = self.policy.as_ref().map(|policy| cx.text(policy)).transpose()?;
            let reset = policy.is_none().then_some(true);
            call(cx, "ec2:ModifyVpcEndpoint", Repeat::Safe, &fresh, || {
                let request = ec2.0.modify_vpc_endpoint().vpc_endpoint_id(id);
                request.set_reset_policy(reset).set_policy_document(policy.clone()).send()
            })
            .await?;
        }
        retag(cx, id, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        Self::delete_many(cx, &[found]).await.pop().unwrap_or(Ok(()))
    }

    async fn delete_many(cx: &Cx, found: &[&Found<Self>]) -> Vec<Result<()>> {
        let refused = match delete(cx, found).await {
            Ok(refused) => refused,
            Err(error) => return found.iter().map(|_| Err(error.clone())).collect(),
        };
        let started = cx.clock.now();
        let going: Vec<&str> = found
            .iter()
            .map(|found| found.live.id.as_str())
            .filter(|id| !refused.iter().any(|(refused, _)| refused == id))
            .collect();
        let mut stuck = Ok(BTreeSet::new());
        while !going.is_empty() {
            stuck = left(cx, &going).await;
            let elapsed = cx.clock.now().duration_since(started).unwrap_or_default();
            match &stuck {
                Ok(left) if left.is_empty() => break,
                Ok(_) if elapsed < seconds(LEAVING.at_most) => {}
                _ => break,
            }
            cx.progress("deleting");
            if let Err(error) = cx.pause(seconds(LEAVING.every)).await {
                stuck = Err(error);
                break;
            }
        }
        let result = |found: &&Found<Self>| {
            let id = found.live.id.as_str();
            if let Some((_, error)) = refused.iter().find(|(refused, _)| refused == id) {
                return Err(error.clone());
            }
            match &stuck {
                Err(error) => Err(error.clone()),
                Ok(left) if left.contains(id) => {
                    let message = format!("vpc endpoint {id} is still being deleted");
                    Err(Error::of(Class::TimedOut, message))
                }
                Ok(_) => Ok(()),
            }
        };
        found.iter().map(result).collect()
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let endpoint = endpoints(cx, filter("vpc-endpoint-id", [id.as_str()])).await?.pop();
        let reading = endpoint.as_ref().map(reading).transpose()?.flatten();
        Ok(reading.map(|reading| reading.owned(owner)))
    }
}

/// Starts the deletion of several with one call; what AWS refuses comes back by id. What is gone
/// already is not refused.
async fn delete(cx: &Cx, found: &[&Found<VpcEndpoint>]) -> Result<Vec<(String, Error)>> {
    let ec2 = cx.api::<Ec2>()?;
    let ids: Vec<String> = found.iter().map(|found| found.live.id.to_string()).collect();
    let answer = safe(cx, "ec2:DeleteVpcEndpoints", || {
        ec2.0.delete_vpc_endpoints().set_vpc_endpoint_ids(Some(ids.clone())).send()
    })
    .await;
    let answer = match answer {
        // One that is unknown may fail the whole call.
        Err(error) if error.class == Class::NotFound && ids.len() <= 1 => return Ok(Vec::new()),
        answer => answer?,
    };
    let refused = answer.unsuccessful().iter().filter_map(|item| {
        let error = item.error();
        let code = error.and_then(|error| error.code()).unwrap_or("Unsuccessful");
        if code.ends_with(".NotFound") {
            return None;
        }
        let message = error.and_then(|error| error.message()).unwrap_or("no reason was given");
        let error = Error {
            operation: Some("ec2:DeleteVpcEndpoints".to_owned()),
            code: Some(code.to_owned()),
            attempts: 1,
            ..Error::of(Class::Refused, cx.masks.clean(message))
        };
        Some((item.resource_id().unwrap_or_default().to_owned(), error))
    });
    Ok(refused.collect())
}

/// Those of `ids` that are still there in some way.
async fn left(cx: &Cx, ids: &[&str]) -> Result<BTreeSet<String>> {
    let there = endpoints(cx, filter("vpc-endpoint-id", ids.iter().copied())).await?;
    let there = there.iter().filter(|endpoint| !is(endpoint, &State::Deleted));
    Ok(there.filter_map(|endpoint| endpoint.vpc_endpoint_id()).map(str::to_owned).collect())
}

async fn endpoints(cx: &Cx, by: Filter) -> Result<Vec<Ec2VpcEndpoint>> {
    let ec2 = cx.api::<Ec2>()?;
    let pages = pages(
        cx,
        "ec2:DescribeVpcEndpoints",
        |token| ec2.0.describe_vpc_endpoints().filters(by.clone()).set_next_token(token).send(),
        |page| page.next_token(),
    )
    .await?;
    Ok(pages.into_iter().flat_map(|page| page.vpc_endpoints.unwrap_or_default()).collect())
}

/// EC2 writes states of endpoints with a capital in its model and without on the wire.
fn is(endpoint: &Ec2VpcEndpoint, state: &State) -> bool {
    endpoint.state().is_some_and(|it| it.as_str().eq_ignore_ascii_case(state.as_str()))
}

/// `None` for one that is gone and only still shown.
fn reading(endpoint: &Ec2VpcEndpoint) -> Result<Option<Reading<VpcEndpoint>>> {
    if is(endpoint, &State::Deleted) {
        return Ok(None);
    }
    let id = told(endpoint.vpc_endpoint_id(), "id of a vpc endpoint")?;
    let vpc = told(endpoint.vpc_id(), "vpc of a vpc endpoint")?;
    let failures = [State::Failed, State::Rejected, State::Expired];
    let status = if is(endpoint, &State::Available) {
        Status::Ready
    } else if is(endpoint, &State::Deleting) {
        Status::Leaving
    } else if failures.iter().any(|state| is(endpoint, state)) {
        let last = endpoint.last_error();
        let code = last.and_then(|error| error.code());
        let message = last.and_then(|error| error.message()).or(endpoint.failure_reason());
        let state = endpoint.state().map(State::as_str);
        let why: Vec<&str> = [state, code, message].into_iter().flatten().collect();
        Status::Failed(why.join(": "))
    } else {
        Status::Busy(endpoint.state().map_or("pending", State::as_str).to_owned())
    };
    let live = Live {
        id: Id::new(id),
        vpc: Id::new(vpc),
        service: endpoint.service_name().unwrap_or_default().to_owned(),
        kind: endpoint.vpc_endpoint_type().map_or("Gateway", VpcEndpointType::as_str).to_owned(),
        route_tables: endpoint.route_table_ids().iter().map(Id::new).collect(),
        subnets: endpoint.subnet_ids().iter().map(Id::new).collect(),
        security_groups: endpoint
            .groups()
            .iter()
            .filter_map(|group| group.group_id())
            .map(Id::new)
            .collect(),
        private_dns: endpoint.private_dns_enabled().unwrap_or(false),
        policy: Document::new(endpoint.policy_document().unwrap_or(FULL_ACCESS)),
    };
    Ok(Some(Reading {
        id: id.to_owned(),
        status,
        parents: parts::parents(&live),
        tags: from_ec2(endpoint.tags()),
        live,
    }))
}
