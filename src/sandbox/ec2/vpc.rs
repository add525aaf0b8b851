//! VPCs.

use super::model::{Ec2, Tags, Vpc};
use super::resource::{self, Fields, Listing, Resource, dry_run};
use super::tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use ipnet::Ipv4Net;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a VPC is `pending`.
const PENDING: Duration = Duration::from_secs(1);

impl Resource for Vpc {
    const PREFIX: &'static str = "vpc";
    const TYPE: &'static str = "vpc";
    const NOT_FOUND: &'static str = "InvalidVpcID.NotFound";
    const NOUN: &'static str = "vpc ID";
    const FIELDS: Fields<Self> = &[
        ("vpc-id", |_, vpc| vec![vpc.id.clone()]),
        ("cidr", |_, vpc| vec![vpc.cidr.to_string()]),
        ("cidr-block", |_, vpc| vec![vpc.cidr.to_string()]),
        ("cidr-block-association.cidr-block", |_, vpc| vec![vpc.cidr.to_string()]),
        ("cidr-block-association.association-id", |_, vpc| vec![vpc.association.clone()]),
        ("cidr-block-association.state", |_, _| vec!["associated".to_owned()]),
        ("dhcp-options-id", |view, _| vec![dhcp_options(view)]),
        ("is-default", |_, vpc| vec![vpc.is_default.to_string()]),
        ("isDefault", |_, vpc| vec![vpc.is_default.to_string()]),
        ("owner-id", |view, _| vec![view.scope.account.clone()]),
        ("state", |view, vpc| vec![state(view, vpc).to_owned()]),
    ];

    fn all(ec2: &Ec2) -> &BTreeMap<String, Self> {
        &ec2.vpcs
    }

    fn all_mut(ec2: &mut Ec2) -> &mut BTreeMap<String, Self> {
        &mut ec2.vpcs
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn tags_mut(&mut self) -> &mut Tags {
        &mut self.tags
    }

    fn write(&self, view: &View<'_>) -> Value {
        json!({
            "vpcId": self.id,
            "ownerId": view.scope.account,
            "state": state(view, self),
            "cidrBlock": self.cidr,
            "cidrBlockAssociationSet": [{
                "associationId": self.association,
                "cidrBlock": self.cidr,
                "cidrBlockState": { "state": "associated" },
            }],
            "dhcpOptionsId": dhcp_options(view),
            "instanceTenancy": self.tenancy,
            "isDefault": self.is_default,
            "tagSet": tags::write(&self.tags),
        })
    }
}

fn state(view: &View<'_>, vpc: &Vpc) -> &'static str {
    if view.now < vpc.available { "pending" } else { "available" }
}

/// The region's default set of DHCP options, which every VPC has.
fn dhcp_options(view: &View<'_>) -> String {
    let text = format!("dopt/{}/{}", view.scope.account, view.scope.region);
    format!("dopt-0{:016x}", crate::sandbox::store::number(&text))
}

pub(super) fn describe_all(view: &View<'_>, params: &Params) -> Answer {
    const LISTING: Listing = Listing { ids: "VpcIds", filters: "Filters", set: "vpcSet" };
    resource::describe::<Vpc>(view, params, &LISTING)
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let cidr = network(params.text("CidrBlock"), "InvalidVpc.Range")?;
    let tags = tags::given(params, Vpc::TYPE)?;
    let limit = cx.knobs.vpcs_per_region;
    if cx.ec2().vpcs.len() >= limit {
        let message = "The maximum number of VPCs has been reached.";
        return Err(Failure::new("VpcLimitExceeded", message));
    }
    dry_run(params)?;
    let vpc = Vpc {
        id: cx.new_id("vpc"),
        cidr,
        association: cx.new_id("vpc-cidr-assoc"),
        tenancy: params.text("InstanceTenancy").unwrap_or("default").to_owned(),
        dns_support: true,
        dns_hostnames: false,
        address_usage_metrics: false,
        is_default: false,
        available: cx.now.plus(PENDING),
        tags,
    };
    let answer = json!({ "vpc": vpc.write(&cx.view()) });
    cx.ec2().vpcs.insert(vpc.id.clone(), vpc);
    Ok(answer.into())
}

/// Reads a block of a VPC or subnet: /16 to /28, host bits cut off as AWS does.
pub(super) fn network(text: Option<&str>, range_code: &str) -> Result<Ipv4Net, Failure> {
    let Some(text) = text else {
        let message = "The request must contain the parameter CidrBlock";
        return Err(Failure::new("MissingParameter", message));
    };
    let cidr: Ipv4Net = text.parse().map_err(|_| {
        let message = format!(
            "Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
        );
        Failure::new("InvalidParameterValue", message)
    })?;
    if !(16..=28).contains(&cidr.prefix_len()) {
        return Err(Failure::new(range_code, format!("The CIDR '{text}' is invalid.")));
    }
    Ok(cidr.trunc())
}
