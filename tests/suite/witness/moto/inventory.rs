//! Everything that an account holds, whoever made it.

use super::super::program::Keys;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ec2::types::{NatGatewayState, ResourceType, Tag, TagSpecification};
use aws_sdk_kms::types::KeyState;
use std::collections::{BTreeMap, BTreeSet};

/// Clients of the test itself.
pub(super) fn sdk(endpoint: &str, keys: &Keys) -> SdkConfig {
    let credentials = Credentials::new(&keys.id, &keys.secret, keys.session.clone(), None, "tests");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// What looks like the deployment's and is not: a VPC that has its name but none of its tags, and
/// one that another deployment owns.
pub(super) async fn decoys(config: &SdkConfig, deployment: &str) {
    let ec2 = aws_sdk_ec2::Client::new(config);
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let other = format!("{deployment}-2");
    for tags in [
        vec![tag("Name", deployment)],
        vec![
            tag("coderctl:deployment", &other),
            tag("coderctl:uid", "another"),
            tag("coderctl:address", "us-east-1/network/vpc"),
            tag("coderctl:generation", "1"),
        ],
    ] {
        let tagged = TagSpecification::builder()
            .resource_type(ResourceType::Vpc)
            .set_tags(Some(tags))
            .build();
        ec2.create_vpc()
            .cidr_block("10.99.0.0/16")
            .tag_specifications(tagged)
            .send()
            .await
            .unwrap();
    }
    let logs = aws_sdk_cloudwatchlogs::Client::new(config);
    logs.create_log_group().log_group_name("/coder/not-ours").send().await.unwrap();
    let iam = aws_sdk_iam::Client::new(config);
    iam.create_role()
        .role_name(format!("{deployment}-not-ours"))
        .assume_role_policy_document(r#"{"Version":"2012-10-17","Statement":[]}"#)
        .send()
        .await
        .unwrap();
}

/// The ids of everything that is live, by what it is.
pub(super) async fn inventory(config: &SdkConfig) -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut all: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    let mut put = |what: &'static str, ids: Vec<Option<&str>>| {
        all.insert(what, ids.into_iter().flatten().map(str::to_owned).collect());
    };
    let ec2 = aws_sdk_ec2::Client::new(config);
    let vpcs = ec2.describe_vpcs().send().await.unwrap();
    put("vpcs", vpcs.vpcs().iter().map(|one| one.vpc_id()).collect());
    let subnets = ec2.describe_subnets().send().await.unwrap();
    put("subnets", subnets.subnets().iter().map(|one| one.subnet_id()).collect());
    let gateways = ec2.describe_internet_gateways().send().await.unwrap();
    let gateways = gateways.internet_gateways().iter().map(|one| one.internet_gateway_id());
    put("internet gateways", gateways.collect());
    let addresses = ec2.describe_addresses().send().await.unwrap();
    put("addresses", addresses.addresses().iter().map(|one| one.allocation_id()).collect());
    let nats = ec2.describe_nat_gateways().send().await.unwrap();
    let nats = nats.nat_gateways().iter();
    let nats = nats.filter(|one| one.state() != Some(&NatGatewayState::Deleted));
    put("nat gateways", nats.map(|one| one.nat_gateway_id()).collect());
    let tables = ec2.describe_route_tables().send().await.unwrap();
    put("route tables", tables.route_tables().iter().map(|one| one.route_table_id()).collect());
    let groups = ec2.describe_security_groups().send().await.unwrap();
    put("security groups", groups.security_groups().iter().map(|one| one.group_id()).collect());
    let endpoints = ec2.describe_vpc_endpoints().send().await.unwrap();
    let endpoints = endpoints.vpc_endpoints().iter();
    let endpoints =
        endpoints.filter(|one| one.state().is_none_or(|state| state.as_str() != "deleted"));
    put("endpoints", endpoints.map(|one| one.vpc_endpoint_id()).collect());
    let flow_logs = ec2.describe_flow_logs().send().await.unwrap();
    put("flow logs", flow_logs.flow_logs().iter().map(|one| one.flow_log_id()).collect());
    let iam = aws_sdk_iam::Client::new(config);
    let roles = iam.list_roles().send().await.unwrap();
    put("roles", roles.roles().iter().map(|one| Some(one.role_name())).collect());
    let logs = aws_sdk_cloudwatchlogs::Client::new(config);
    let groups = logs.describe_log_groups().send().await.unwrap();
    put("log groups", groups.log_groups().iter().map(|one| one.log_group_name()).collect());
    let kms = aws_sdk_kms::Client::new(config);
    let aliases = kms.list_aliases().send().await.unwrap();
    put("aliases", aliases.aliases().iter().map(|one| one.alias_name()).collect());
    let mut keys = Vec::new();
    for key in kms.list_keys().send().await.unwrap().keys() {
        let id = key.key_id().unwrap();
        let about = kms.describe_key().key_id(id).send().await.unwrap();
        // A key is never gone at once.
        if about.key_metadata().unwrap().key_state() != Some(&KeyState::PendingDeletion) {
            keys.push(id.to_owned());
        }
    }
    put("keys", keys.iter().map(|id| Some(id.as_str())).collect());
    all
}
