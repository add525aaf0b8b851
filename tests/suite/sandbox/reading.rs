//! Tags, filters, pages, accounts and regions.

use super::*;

#[tokio::test(start_paused = true)]
async fn accounts_and_regions_are_apart_and_start_with_a_default_vpc() {
    let sandbox = sandbox();
    let here = client(&sandbox);
    let elsewhere = Client::new(&config(&sandbox, "AKIDSANDBOX", "eu-west-1"));
    let stranger = Client::new(&config(&sandbox, "210987654321", "us-east-1"));
    vpc(&here, "10.0.0.0/16").await;
    let count = async |client: &Client| client.describe_vpcs().send().await.unwrap().vpcs().len();
    assert_eq!((count(&here).await, count(&elsewhere).await, count(&stranger).await), (2, 1, 1));
    let subnets = here.describe_subnets().send().await.unwrap();
    assert_eq!(subnets.subnets().len(), 6);
    assert!(subnets.subnets().iter().all(|subnet| subnet.default_for_az() == Some(true)));
    let zones = here.describe_availability_zones().send().await.unwrap();
    let ids: Vec<_> = zones.availability_zones().iter().filter_map(|z| z.zone_id()).collect();
    assert_eq!(ids[..2], ["use1-az1", "use1-az2"]);
    let regions = here.describe_regions().send().await.unwrap();
    assert!(regions.regions().iter().any(|region| region.region_name() == Some("us-east-1")));
}

#[tokio::test(start_paused = true)]
async fn tags_and_filters() {
    let sandbox = sandbox();
    let ec2 = client(&sandbox);
    let create = ec2.create_vpc().cidr_block("10.0.0.0/16");
    let ours = create.clone().tag_specifications(tagged("vpc", "Name", "my vpc"));
    let id = ours.send().await.unwrap().vpc().unwrap().vpc_id().unwrap().to_owned();
    let wrong = create.clone().tag_specifications(tagged("subnet", "Name", "x"));
    assert_eq!(code(wrong.send().await), "InvalidParameterValue");
    let reserved = create.tag_specifications(tagged("vpc", "aws:x", "x"));
    assert_eq!(code(reserved.send().await), "InvalidParameterValue");
    let found = async |name: &str, value: &str| {
        let seen = ec2.describe_vpcs().filters(filter(name, value)).send().await.unwrap();
        seen.vpcs().iter().map(|vpc| vpc.vpc_id().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (name, value, expected) in [
        ("tag:Name", "my vpc", 1),
        ("tag:Name", "my*", 1),
        ("tag:Name", "m? vp?", 1),
        ("tag:Name", "my", 0),
        ("tag:name", "my vpc", 0),
        ("tag-key", "Name", 1),
        ("is-default", "true", 1),
        ("cidr", "10.*", 1),
    ] {
        assert_eq!(found(name, value).await.len(), expected, "{name}={value}");
    }
    let unknown = ec2.describe_vpcs().filters(filter("tags:Name", "x")).send().await;
    assert_eq!(code(unknown), "InvalidParameterValue");

    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    ec2.create_tags().resources(&id).tags(tag("Name", "new")).send().await.unwrap();
    ec2.create_tags().resources(&id).tags(tag("other", "1")).send().await.unwrap();
    let all = ec2.describe_tags().filters(filter("resource-id", &id)).send().await.unwrap();
    assert_eq!(all.tags().len(), 2);
    let keep = ec2.delete_tags().resources(&id).tags(tag("other", "not this"));
    keep.send().await.unwrap();
    assert_eq!(found("tag:other", "1").await.len(), 1);
    ec2.delete_tags().resources(&id).tags(tag("other", "1")).send().await.unwrap();
    assert_eq!(found("tag:other", "1").await.len(), 0);
    assert_eq!(found("tag:Name", "new").await.len(), 1);
    let missing = ec2.create_tags().resources("vpc-0123456789abcdef0").tags(tag("a", "b"));
    assert_eq!(code(missing.send().await), "InvalidVpcID.NotFound");
    for number in 0..49 {
        let tag = tag(&format!("k{number}"), "");
        ec2.create_tags().resources(&id).tags(tag).send().await.unwrap();
    }
    let more = ec2.create_tags().resources(&id).tags(tag("too", "many"));
    assert_eq!(code(more.send().await), "TagLimitExceeded");
}

#[tokio::test(start_paused = true)]
async fn pages() {
    let sandbox = sandbox();
    let ec2 = client(&sandbox);
    let mut knobs = sandbox.knobs();
    knobs.page_size = 4;
    sandbox.set_knobs(knobs);
    let first = ec2.describe_subnets().send().await.unwrap();
    assert_eq!(first.subnets().len(), 4);
    let token = first.next_token().unwrap();
    let second = ec2.describe_subnets().next_token(token).send().await.unwrap();
    assert_eq!((second.subnets().len(), second.next_token()), (2, None));
    let pages = ec2.describe_subnets().into_paginator().items().send();
    let all = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
    assert_eq!(all.len(), 6);
    let large = ec2.describe_subnets().max_results(1000).send().await.unwrap();
    assert_eq!(large.subnets().len(), 6);
    // A page that is just full is the last.
    let full = ec2.describe_subnets().max_results(6).send().await.unwrap();
    assert_eq!((full.subnets().len(), full.next_token()), (6, None));
    let small = ec2.describe_subnets().max_results(2).send().await;
    assert_eq!(code(small), "InvalidParameterValue");
    let bad = ec2.describe_subnets().next_token("?").send().await;
    assert_eq!(code(bad), "InvalidNextToken");
}
