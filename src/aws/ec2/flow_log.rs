//! The flow log of a VPC, into CloudWatch Logs.
//!
//! Nothing but its tags can be changed. `CreateFlowLogs` and `DeleteFlowLogs` answer with success
//! and say in `Unsuccessful` what failed; a role that IAM has not spread yet fails there. While a
//! flow log lives, its log group comes back when it is deleted, so flow logs go before log groups.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html>

use super::vpc::Vpc;
use super::{Ec2, Reading, filter, fresh, from_ec2, ours, retag, tag_on_create, told};
use crate::aws::call::{Passing, Repeat, call, pages, safe};
use crate::aws::iam::role::Role;
use crate::aws::logs::log_group::LogGroup;
use crate::aws::settle::{Patience, until_gone, until_ready, until_seen};
use crate::aws::tags::made_before;
use crate::graph::Handle;
use crate::kind::{
    Change, Class, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership, Result, Seen, Status,
    Typical, Wanted, seconds,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_ec2::types::{
    Filter, FlowLog as Ec2FlowLog, FlowLogsResourceType, LogDestinationType, ResourceType,
    TrafficType, UnsuccessfulItem,
};
use serde::Serialize;

/// A flow log of a VPC.
#[derive(Clone, Debug, Serialize)]
pub struct FlowLog {
    /// The VPC whose traffic is logged.
    pub vpc: In<Id<Vpc>>,
    /// The log group that it writes to.
    pub log_group: In<Id<LogGroup>>,
    /// The ARN of the role that it writes with; the role trusts
    /// `vpc-flow-logs.amazonaws.com`.
    pub role: In<String>,
    /// Which traffic.
    pub traffic: Traffic,
    /// Over how many seconds packets are summed up: 60 or 600.
    pub aggregation_seconds: i32,
}

/// Which traffic a flow log logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Traffic {
    /// All of it.
    All,
    /// What was let through.
    Accept,
    /// What was not.
    Reject,
}

impl Traffic {
    /// As EC2 writes it.
    fn as_str(self) -> &'static str {
        match self {
            Traffic::All => "ALL",
            Traffic::Accept => "ACCEPT",
            Traffic::Reject => "REJECT",
        }
    }
}

/// A live flow log.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its id.
    pub id: Id<FlowLog>,
    /// What is logged: a VPC.
    pub vpc: Id<Vpc>,
    /// The log group that it writes to; `None` for one that writes elsewhere.
    pub log_group: Option<Id<LogGroup>>,
    /// The ARN of the role that it writes with.
    pub role: Option<String>,
    /// Which traffic, in EC2's own word.
    pub traffic: String,
    /// Over how many seconds packets are summed up.
    pub aggregation_seconds: i32,
    /// Why it can not deliver, in EC2's own words: `Access error`.
    pub delivery_error: Option<String>,
}

impl Handle<FlowLog> {
    /// The flow log's id.
    pub fn id(&self) -> In<Id<FlowLog>> {
        self.output("flow log id", |live| Some(live.id.clone()))
    }
}

impl Kind for FlowLog {
    const NAME: &'static str = "aws.ec2.flow_log";
    const TITLE: &'static str = "flow log";
    const NATURE: Nature = Nature {
        typical: Typical { create: 12, update: 1, delete: 1 },
        actions: &[
            "ec2:CreateFlowLogs",
            "ec2:DescribeFlowLogs",
            "ec2:DeleteFlowLogs",
            "ec2:CreateTags",
            "ec2:DeleteTags",
            "iam:PassRole",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { vpc, log_group, role, traffic, aggregation_seconds } = self;
        diff.parent("vpc", vpc, &live.vpc);
        diff.replaces_input("log_group", &log_group.clone().map(Some), &live.log_group);
        diff.replaces_input("role", &role.clone().map(Some), &live.role);
        diff.replaces("traffic", &traffic.as_str().to_owned(), &live.traffic);
        diff.replaces("aggregation_seconds", aggregation_seconds, &live.aggregation_seconds);
        if let Some(why) = &live.delivery_error {
            diff.note(format!("flow log {} does not deliver: {why}", live.id));
        }
    }

    fn summary(&self) -> String {
        let Self { traffic, aggregation_seconds, .. } = self;
        format!("{} traffic, every {aggregation_seconds} s", traffic.as_str().to_lowercase())
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        let delivery = live.delivery_error.clone().unwrap_or_else(|| "ok".to_owned());
        vec![("id", live.id.to_string()), ("delivery", delivery)]
    }

    async fn list(cx: &Cx, _: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let mut listed = Listed::default();
        for flow_log in flow_logs(cx, &[ours(cx)]).await? {
            reading(&flow_log)?.list(cx, &mut listed);
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Self::find_foreign(cx, &found.id, &found.owner).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let (vpc, log_group, role) =
            (cx.get(&self.vpc)?, cx.get(&self.log_group)?, cx.get(&self.role)?);
        let started = cx.clock.now();
        let mut refusals = 0;
        let id = loop {
            let (code, message) = match self.send(cx, &vpc, &log_group, &role, refusals).await? {
                Ok(id) => break id,
                Err(refusal) => refusal,
            };
            let elapsed = cx.clock.now().duration_since(started).unwrap_or_default();
            if !message.contains(ROLE.message) || elapsed >= seconds(ROLE.seconds) {
                let message = cx.masks.clean(&message);
                let error = Error {
                    operation: Some("ec2:CreateFlowLogs".to_owned()),
                    code: Some(code),
                    attempts: refusals + 1,
                    ..Error::of(Class::Refused, message)
                };
                if error.is_code("FlowLogAlreadyExists") {
                    return self.made_already(cx, &vpc, &log_group, error).await;
                }
                return Err(error);
            }
            refusals += 1;
            cx.progress(&format!("waiting for {}", ROLE.waiting_for));
            cx.pause(seconds(3)).await?;
        };
        let live = Live {
            id: Id::new(&id),
            vpc,
            log_group: Some(log_group),
            role: Some(role),
            traffic: self.traffic.as_str().to_owned(),
            aggregation_seconds: self.aggregation_seconds,
            delivery_error: None,
        };
        let status = Status::Busy("not visible yet".to_owned());
        Found::created(cx, id, status, parents(&live), live)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        until_ready(cx, found, Patience { every: 1, at_most: 120 }).await
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        retag(cx, found.live.id.as_str(), changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let ec2 = cx.api::<Ec2>()?;
        let id = found.live.id.as_str();
        let answer =
            safe(cx, "ec2:DeleteFlowLogs", || ec2.0.delete_flow_logs().flow_log_ids(id).send())
                .await;
        match answer {
            Err(error) if error.class == Class::NotFound => return Ok(()),
            answer => {
                if let Some((code, message)) = refusal(answer?.unsuccessful())
                    && !code.ends_with(".NotFound")
                {
                    let message = cx.masks.clean(&message);
                    return Err(Error {
                        operation: Some("ec2:DeleteFlowLogs".to_owned()),
                        code: Some(code),
                        attempts: 1,
                        ..Error::of(Class::Refused, message)
                    });
                }
            }
        }
        until_gone(cx, found, Patience { every: 2, at_most: 120 }).await
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let flow_log = flow_logs(cx, &[filter("flow-log-id", [id.as_str()])]).await?.pop();
        Ok(flow_log.as_ref().map(reading).transpose()?.map(|reading| reading.owned(owner)))
    }
}

/// A role that was just made. It is refused as an error of the call, or in `Unsuccessful`.
const ROLE: Passing = Passing {
    code: "InvalidParameter",
    message: "Unable to assume given IAM role",
    seconds: 120,
    waiting_for: "IAM to let the role be assumed",
};

impl FlowLog {
    /// Sends the create call. After each refusal the token is another: it stands for the request
    /// and its answer, and the answer was no.
    async fn send(
        &self,
        cx: &Cx,
        vpc: &Id<Vpc>,
        log_group: &Id<LogGroup>,
        role: &str,
        refusals: u32,
    ) -> Result<std::result::Result<String, (String, String)>> {
        let ec2 = cx.api::<Ec2>()?;
        let tags = tag_on_create(cx, ResourceType::VpcFlowLog)?;
        let token = match refusals {
            0 => cx.step()?.token.clone(),
            refusals => format!("{}-{refusals}", cx.step()?.token),
        };
        let passing = [fresh("InvalidVpcId.NotFound"), fresh("InvalidVpcID.NotFound"), ROLE];
        let answer = call(cx, "ec2:CreateFlowLogs", Repeat::Safe, &passing, || {
            ec2.0
                .create_flow_logs()
                .client_token(&token)
                .resource_type(FlowLogsResourceType::Vpc)
                .resource_ids(vpc.as_str())
                .traffic_type(TrafficType::from(self.traffic.as_str()))
                .log_destination_type(LogDestinationType::CloudWatchLogs)
                .log_group_name(log_group.as_str())
                .deliver_logs_permission_arn(role)
                .max_aggregation_interval(self.aggregation_seconds)
                .tag_specifications(tags.clone())
                .send()
        })
        .await?;
        if let Some(refusal) = refusal(answer.unsuccessful()) {
            return Ok(Err(refusal));
        }
        Ok(Ok(
            told(answer.flow_log_ids().first().map(String::as_str), "id of a flow log")?.to_owned()
        ))
    }

    /// The equal flow log that is there already, if an earlier attempt of this step made it.
    async fn made_already(
        &self,
        cx: &Cx,
        vpc: &Id<Vpc>,
        log_group: &Id<LogGroup>,
        error: Error,
    ) -> Result<Found<Self>> {
        let filters = [
            filter("resource-id", [vpc.as_str()]),
            filter("log-group-name", [log_group.as_str()]),
            filter("traffic-type", [self.traffic.as_str()]),
        ];
        let look = || async { Ok(flow_logs(cx, &filters).await?.pop()) };
        let there = until_seen(cx, look).await?.ok_or(error)?;
        let reading = reading(&there)?;
        let owner = made_before(cx, Self::TITLE, &reading.id, &reading.tags)?;
        Ok(reading.owned(&owner))
    }
}

/// Code and message of the first item that failed.
fn refusal(items: &[UnsuccessfulItem]) -> Option<(String, String)> {
    let error = items.first()?.error();
    let code = error.and_then(|error| error.code()).unwrap_or("Unsuccessful");
    let message = error.and_then(|error| error.message()).unwrap_or("no reason was given");
    Some((code.to_owned(), message.to_owned()))
}

async fn flow_logs(cx: &Cx, filters: &[Filter]) -> Result<Vec<Ec2FlowLog>> {
    let ec2 = cx.api::<Ec2>()?;
    let pages = pages(
        cx,
        "ec2:DescribeFlowLogs",
        |token| {
            let request = ec2.0.describe_flow_logs().set_next_token(token);
            request.set_filter(Some(filters.to_vec())).send()
        },
        |page| page.next_token(),
    )
    .await?;
    Ok(pages.into_iter().flat_map(|page| page.flow_logs.unwrap_or_default()).collect())
}

/// The ids of VPC, log group and role. The role is known by its name, which ends its ARN.
fn parents(live: &Live) -> Vec<PhysicalId> {
    let role: Option<Id<Role>> =
        live.role.as_ref().and_then(|arn| arn.rsplit('/').next()).map(Id::new);
    [
        Some(live.vpc.as_str()),
        live.log_group.as_ref().map(Id::as_str),
        role.as_ref().map(Id::as_str),
    ]
    .into_iter()
    .flatten()
    .map(PhysicalId::new)
    .collect()
}

fn reading(flow_log: &Ec2FlowLog) -> Result<Reading<FlowLog>> {
    let id = told(flow_log.flow_log_id(), "id of a flow log")?;
    let live = Live {
        id: Id::new(id),
        vpc: Id::new(told(flow_log.resource_id(), "resource of a flow log")?),
        log_group: flow_log.log_group_name().map(Id::new),
        role: flow_log.deliver_logs_permission_arn().map(str::to_owned),
        traffic: flow_log.traffic_type().map_or("ALL", TrafficType::as_str).to_owned(),
        // What AWS takes when nothing is said.
        aggregation_seconds: flow_log.max_aggregation_interval().unwrap_or(600),
        delivery_error: flow_log.deliver_logs_error_message().map(str::to_owned),
    };
    Ok(Reading {
        id: id.to_owned(),
        // It recovers when its role or log group does, so it never counts as failed.
        status: Status::Ready,
        parents: parents(&live),
        tags: from_ec2(flow_log.tags()),
        live,
    })
}
