//! Internet gateways.

use super::model::{InternetGateway, Vpc};
use super::resource::{
    self, Fields, Listing, Resource, dependency, dry_run, find, find_mut, stored,
};
use super::{network_interface, tags};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

impl Resource for InternetGateway {
    const PREFIX: &'static str = "igw";
    const TYPE: &'static str = "internet-gateway";
    const NOT_FOUND: &'static str = "InvalidInternetGatewayID.NotFound";
    const NOUN: &'static str = "internetGateway ID";
    const FIELDS: Fields<Self> = &[
        ("internet-gateway-id", |_, gateway| vec![gateway.id.clone()]),
        ("attachment.vpc-id", |_, gateway| gateway.vpc.iter().cloned().collect()),
        ("attachment.state", |_, gateway| {
            gateway.vpc.iter().map(|_| "available".to_owned()).collect()
        }),
        ("owner-id", |view, _| vec![view.scope.account.clone()]),
    ];

    stored!(internet_gateways);

    fn write(&self, view: &View<'_>) -> Value {
        let attachments: Vec<Value> =
            self.vpc.iter().map(|vpc| json!({ "vpcId": vpc, "state": "available" })).collect();
        json!({
            "internetGatewayId": self.id,
            "ownerId": view.scope.account,
            "attachmentSet": attachments,
            "tagSet": tags::write(&self.tags),
        })
    }
}

pub(super) fn describe_all(view: &View<'_>, params: &Params) -> Answer {
    const LISTING: Listing =
        Listing { ids: "InternetGatewayIds", filters: "Filters", set: "internetGatewaySet" };
    resource::describe::<InternetGateway>(view, params, &LISTING)
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let tags = tags::given(params, InternetGateway::TYPE)?;
    dry_run(params)?;
    let gateway = InternetGateway { id: cx.new_id("igw"), vpc: None, tags };
    let answer = json!({ "internetGateway": gateway.write(&cx.view()) });
    cx.ec2().internet_gateways.insert(gateway.id.clone(), gateway);
    Ok(answer.into())
}

pub(super) fn attach(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (id, vpc, now) = (params.required("InternetGatewayId"), params.required("VpcId"), cx.now);
    let ec2 = cx.ec2();
    let gateway = find::<InternetGateway>(ec2, id, now)?;
    find::<Vpc>(ec2, vpc, now)?;
    if let Some(other) = &gateway.vpc {
        let message = format!("resource {id} is already attached to network {other}");
        return Err(Failure::new("Resource.AlreadyAssociated", message));
    }
    let has_one = ec2.internet_gateways.values().any(|gateway| gateway.vpc.as_deref() == Some(vpc));
    if has_one {
        let message = format!("Network {vpc} already has an internet gateway attached");
        return Err(Failure::new("InvalidParameterValue", message));
    }
    dry_run(params)?;
    find_mut::<InternetGateway>(ec2, id, now)?.vpc = Some(vpc.to_owned());
    Ok(json!({ "return": true }).into())
}

pub(super) fn detach(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (id, vpc, now) = (params.required("InternetGatewayId"), params.required("VpcId"), cx.now);
    let ec2 = cx.ec2();
    let gateway = find::<InternetGateway>(ec2, id, now)?;
    find::<Vpc>(ec2, vpc, now)?;
    if gateway.vpc.as_deref() != Some(vpc) {
        let message = format!("resource {id} is not attached to network {vpc}");
        return Err(Failure::new("Gateway.NotAttached", message));
    }
    if network_interface::any_public_address(ec2, vpc) {
        let message = format!(
            "Network {vpc} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."
        );
        return Err(dependency(message));
    }
    dry_run(params)?;
    find_mut::<InternetGateway>(ec2, id, now)?.vpc = None;
    Ok(json!({ "return": true }).into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (id, now) = (params.required("InternetGatewayId"), cx.now);
    let ec2 = cx.ec2();
    if find::<InternetGateway>(ec2, id, now)?.vpc.is_some() {
        let message = format!("The internetGateway '{id}' has dependencies and cannot be deleted.");
        return Err(dependency(message));
    }
    dry_run(params)?;
    ec2.internet_gateways.remove(id);
    Ok(json!({ "return": true }).into())
}
