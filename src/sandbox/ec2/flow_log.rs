//! Flow logs.

use super::model::{Ec2, FlowLog, NetworkInterface, Subnet, Tags, Vpc};
use super::resource::{self, Fields, Listing, Resource, dry_run, find, stored};
use super::{tags, token};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// The fields of a record where the request names none.
const DEFAULT_FORMAT: &str = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}";

impl Resource for FlowLog {
    const PREFIX: &'static str = "fl";
    const TYPE: &'static str = "vpc-flow-log";
    const NOT_FOUND: &'static str = "InvalidFlowLogId.NotFound";
    const NOUN: &'static str = "flow log ID";
    const FIELDS: Fields<Self> = &[
        ("flow-log-id", |_, log| vec![log.id.clone()]),
        ("resource-id", |_, log| vec![log.resource.clone()]),
        ("traffic-type", |_, log| log.traffic.iter().cloned().collect()),
        ("log-group-name", |_, log| log.log_group.iter().cloned().collect()),
        ("log-destination-type", |_, log| vec![log.destination_type.clone()]),
        ("deliver-log-status", |_, _| vec!["SUCCESS".to_owned()]),
    ];

    stored!(flow_logs);

    fn write(&self, _view: &View<'_>) -> Value {
        let options = self.options.as_ref().map(|(format, hive, hourly)| {
            json!({
                "fileFormat": format, "hiveCompatiblePartitions": hive,
                "perHourPartition": hourly,
            })
        });
        json!({
            "flowLogId": self.id,
            "flowLogStatus": "ACTIVE",
            "resourceId": self.resource,
            "trafficType": self.traffic,
            "logDestinationType": self.destination_type,
            "logDestination": self.destination,
            "logGroupName": self.log_group,
            "deliverLogsPermissionArn": self.role,
            "deliverLogsStatus": "SUCCESS",
            "logFormat": self.format,
            "maxAggregationInterval": self.aggregation,
            "destinationOptions": options,
            "creationTime": self.created.iso(),
            "tagSet": tags::write(&self.tags),
        })
    }
}

pub(super) fn describe_all(view: &View<'_>, params: &Params) -> Answer {
    const LISTING: Listing = Listing { ids: "FlowLogIds", filters: "Filter", set: "flowLogSet" };
    resource::describe::<FlowLog>(view, params, &LISTING)
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    token::once(cx, "CreateFlowLogs", params, make)
}

fn invalid(message: &str) -> Failure {
    Failure::new("InvalidParameter", message)
}

/// What a request says about all its flow logs; `id` and `resource` are yet to come.
fn described(cx: &Cx<'_>, params: &Params) -> Result<FlowLog, Failure> {
    let destination_type = params.text("LogDestinationType").unwrap_or("cloud-watch-logs");
    let destination = params.text("LogDestination");
    let role = params.text("DeliverLogsPermissionArn");
    let mut log_group = params.text("LogGroupName");
    if destination_type == "cloud-watch-logs" {
        if role.is_none() {
            return Err(invalid(
                "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.",
            ));
        }
        if log_group.is_some() && destination.is_some() {
            return Err(Failure::new(
                "InvalidParameterCombination",
                "Please only provide LogGroupName or only provide LogDestination.",
            ));
        }
        if let Some(arn) = destination {
            // arn:aws:logs:us-east-1:123456789012:log-group:NAME, perhaps with `:*` behind it.
            let name = arn.split(":log-group:").nth(1);
            log_group = name.map(|name| name.trim_end_matches(":*"));
        }
        if log_group.is_none_or(str::is_empty) {
            return Err(invalid("LogDestination or LogGroupName must name a log group."));
        }
    } else {
        if role.is_some() {
            return Err(invalid(
                "DeliverLogsPermissionArn is not applicable for this LogDestinationType.",
            ));
        }
        if destination.is_none() {
            return Err(invalid("LogDestination can't be empty."));
        }
    }
    let aggregation = params.number("MaxAggregationInterval").unwrap_or(600);
    if aggregation != 60 && aggregation != 600 {
        return Err(invalid("Invalid Flow Log Max Aggregation Interval"));
    }
    let traffic = params.text("TrafficType");
    let on_a_network =
        matches!(params.required("ResourceType"), "VPC" | "Subnet" | "NetworkInterface");
    if on_a_network && traffic.is_none() {
        return Err(Failure::new("MissingParameter", "TrafficType can't be empty."));
    }
    let options = params.get("DestinationOptions").map(|options| {
        let flag = |member: &str| options.get(member).and_then(Value::as_bool).unwrap_or(false);
        let format = options.get("FileFormat").and_then(Value::as_str).unwrap_or("plain-text");
        (format.to_owned(), flag("HiveCompatiblePartitions"), flag("PerHourPartition"))
    });
    Ok(FlowLog {
        id: String::new(),
        resource: String::new(),
        traffic: traffic.map(str::to_owned),
        destination_type: destination_type.to_owned(),
        destination: destination.map(str::to_owned),
        log_group: log_group.map(str::to_owned),
        role: role.map(str::to_owned),
        format: params.text("LogFormat").unwrap_or(DEFAULT_FORMAT).to_owned(),
        aggregation,
        options,
        created: cx.now,
        tags: Tags::new(),
    })
}

/// Makes one flow log per resource; those that fail come back in `Unsuccessful`, with HTTP 200.
fn make(cx: &mut Cx<'_>, params: &Params) -> Result<Value, Failure> {
    let tags = tags::given(params, FlowLog::TYPE)?;
    let wanted = described(cx, params)?;
    dry_run(params)?;
    let (mut made, mut unsuccessful) = (Vec::new(), Vec::new());
    let now = cx.now;
    for resource in params.texts("ResourceIds") {
        let fits = if let Some(message) = role_refusal(cx, wanted.role.as_deref()) {
            Err(invalid(&message))
        } else {
            check(cx.ec2(), params.required("ResourceType"), resource, &wanted, now)
        };
        if let Err(failure) = fits {
            unsuccessful.push(json!({
                "resourceId": resource,
                "error": { "code": failure.code, "message": failure.message },
            }));
            continue;
        }
        let log = FlowLog {
            id: cx.new_id("fl"),
            resource: resource.to_owned(),
            tags: tags.clone(),
            ..wanted.clone()
        };
        made.push(log.id.clone());
        cx.ec2().flow_logs.insert(log.id.clone(), log);
    }
    Ok(json!({ "flowLogIdSet": made, "unsuccessful": unsuccessful }))
}

/// Why the flow-logs service can't take on the role, if it can't: it is not there, does not trust
/// the service, or is too new for the news of it to have spread.
fn role_refusal(cx: &Cx<'_>, role: Option<&str>) -> Option<String> {
    let role = role?;
    let iam = cx.store.iam(cx.scope);
    let assumable = iam.role_is_assumable(role, "vpc-flow-logs.amazonaws.com", cx.now);
    (!assumable).then(|| format!("Unable to assume given IAM role: {role}"))
}

fn check(
    ec2: &Ec2,
    resource_type: &str,
    id: &str,
    wanted: &FlowLog,
    now: Millis,
) -> Result<(), Failure> {
    match resource_type {
        "VPC" => find::<Vpc>(ec2, id, now).map(drop)?,
        "Subnet" => find::<Subnet>(ec2, id, now).map(drop)?,
        "NetworkInterface" => find::<NetworkInterface>(ec2, id, now).map(drop)?,
        other => return Err(invalid(&format!("The sandbox has no flow logs of {other}."))),
    }
    let same = |log: &FlowLog| {
        log.resource == id
            && log.traffic == wanted.traffic
            && log.destination_type == wanted.destination_type
            && log.destination == wanted.destination
            && log.log_group == wanted.log_group
    };
    if ec2.flow_logs.values().any(same) {
        let message =
            "Error. There is an existing Flow Log with the same configuration and log destination.";
        return Err(Failure::new("FlowLogAlreadyExists", message));
    }
    Ok(())
}

/// Deletes those that are there; the others come back in `Unsuccessful`, with HTTP 200.
pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    dry_run(params)?;
    let mut unsuccessful = Vec::new();
    let ec2 = cx.ec2();
    for id in params.texts("FlowLogIds") {
        if ec2.flow_logs.remove(id).is_none() {
            let failure = resource::not_found::<FlowLog>(id);
            unsuccessful.push(json!({
                "resourceId": id,
                "error": { "code": failure.code, "message": failure.message },
            }));
        }
    }
    Ok(json!({ "unsuccessful": unsuccessful }).into())
}
