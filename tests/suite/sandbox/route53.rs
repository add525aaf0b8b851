//! Hosted zones of the sandbox.

use super::*;
use aws_sdk_route53::Client as Route53;
use aws_sdk_route53::error::SdkError;
use aws_sdk_route53::operation::change_resource_record_sets::{
    ChangeResourceRecordSetsError, ChangeResourceRecordSetsOutput,
};
use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, ChangeStatus, ResourceRecord,
    ResourceRecordSet, RrType, TagResourceType,
};

fn route53(sandbox: &Sandbox) -> Route53 {
    Route53::new(&config(sandbox, "AKIDSANDBOX", "us-east-1"))
}

/// The zone that a sandbox has from the start.
pub(super) async fn zone(sandbox: &Sandbox) -> String {
    let found = route53(sandbox).list_hosted_zones_by_name().dns_name("example.com");
    let found = found.send().await.unwrap();
    assert_eq!(found.hosted_zones()[0].name(), "example.com.");
    found.hosted_zones()[0].id().to_owned()
}

pub(super) fn record(name: &str, kind: RrType, values: &[&str]) -> ResourceRecordSet {
    let records =
        values.iter().map(|value| ResourceRecord::builder().value(*value).build().unwrap());
    let set = ResourceRecordSet::builder().name(name).r#type(kind).ttl(60);
    set.set_resource_records(Some(records.collect())).build().unwrap()
}

fn batch(changes: Vec<(ChangeAction, ResourceRecordSet)>) -> ChangeBatch {
    let changes = changes.into_iter().map(|(action, set)| {
        Change::builder().action(action).resource_record_set(set).build().unwrap()
    });
    ChangeBatch::builder().set_changes(Some(changes.collect())).build().unwrap()
}

pub(super) async fn change(
    sandbox: &Sandbox,
    zone: &str,
    action: ChangeAction,
    set: ResourceRecordSet,
) -> Result<ChangeResourceRecordSetsOutput, SdkError<ChangeResourceRecordSetsError>> {
    sandbox.clock().sleep(Duration::from_secs(1)).await;
    let call = route53(sandbox).change_resource_record_sets().hosted_zone_id(zone);
    call.change_batch(batch(vec![(action, set)])).send().await
}

#[tokio::test(start_paused = true)]
async fn records_are_created_once_and_deleted_exactly() {
    let sandbox = sandbox();
    let zone = zone(&sandbox).await;
    let one = || record("Coder.example.com", RrType::A, &["10.0.0.1"]);
    let made = change(&sandbox, &zone, ChangeAction::Create, one()).await.unwrap();
    let info = made.change_info().unwrap();
    assert_eq!(info.status(), &ChangeStatus::Pending);
    let client = route53(&sandbox);
    let status = || async {
        let found = client.get_change().id(info.id()).send().await.unwrap();
        found.change_info.unwrap().status
    };
    assert_eq!(status().await, ChangeStatus::Pending);
    sandbox.clock().sleep(Duration::from_secs(60)).await;
    assert_eq!(status().await, ChangeStatus::Insync);
    let again = change(&sandbox, &zone, ChangeAction::Create, one()).await;
    assert_eq!(code(again), "InvalidChangeBatch");
    let other = record("coder.example.com", RrType::A, &["10.0.0.2"]);
    let wrong = change(&sandbox, &zone, ChangeAction::Delete, other.clone()).await;
    assert_eq!(code(wrong), "InvalidChangeBatch");
    change(&sandbox, &zone, ChangeAction::Upsert, other.clone()).await.unwrap();
    assert_eq!(sandbox.resolve("coder.example.com", "A"), ["10.0.0.2"]);
    change(&sandbox, &zone, ChangeAction::Delete, other).await.unwrap();
    assert!(sandbox.resolve("coder.example.com", "A").is_empty());
    for bad in [
        record("coder.example.org", RrType::A, &["10.0.0.1"]),
        record("example.com", RrType::Cname, &["a.b"]),
        record("x.example.com", RrType::A, &["nonsense"]),
        record("x.example.com", RrType::Txt, &["unquoted"]),
    ] {
        let refused = change(&sandbox, &zone, ChangeAction::Create, bad).await;
        assert_eq!(code(refused), "InvalidChangeBatch");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_all_or_nothing_and_lists_have_pages() {
    let sandbox = sandbox();
    let zone = zone(&sandbox).await;
    let client = route53(&sandbox);
    let send = |changes| {
        let call = client.change_resource_record_sets().hosted_zone_id(&zone);
        call.change_batch(batch(changes)).send()
    };
    let wild = || record("*.example.com", RrType::A, &["10.0.0.1"]);
    let bad = record("x.example.com", RrType::A, &["nonsense"]);
    let half = send(vec![(ChangeAction::Create, wild()), (ChangeAction::Create, bad)]).await;
    assert_eq!(code(half), "InvalidChangeBatch");
    assert!(sandbox.resolve("any.example.com", "A").is_empty());
    send(vec![(ChangeAction::Create, wild())]).await.unwrap();
    let overlapping = send(vec![(ChangeAction::Upsert, wild())]).await;
    assert_eq!(code(overlapping), "PriorRequestNotComplete");
    assert_eq!(sandbox.resolve("any.example.com", "A"), ["10.0.0.1"]);
    let page = client.list_resource_record_sets().hosted_zone_id(&zone).max_items(2);
    let page = page.send().await.unwrap();
    assert!(page.is_truncated());
    assert_eq!(page.next_record_name(), Some("\\052.example.com."));
    let call = client.list_resource_record_sets().hosted_zone_id(&zone);
    let call = call.start_record_name(page.next_record_name().unwrap());
    let rest = call.start_record_type(RrType::A).send().await.unwrap();
    assert_eq!(rest.resource_record_sets().len(), 1);
    assert_eq!(rest.resource_record_sets()[0].ttl(), Some(60));
}

#[tokio::test(start_paused = true)]
async fn zones_come_and_go_when_they_are_empty() {
    let sandbox = sandbox();
    let client = route53(&sandbox);
    let create =
        || client.create_hosted_zone().name("sub.example.com").caller_reference("once").send();
    let made = create().await.unwrap();
    assert_eq!(code(create().await), "HostedZoneAlreadyExists");
    assert_eq!(made.delegation_set().unwrap().name_servers().len(), 4);
    let id = made.hosted_zone().unwrap().id().trim_start_matches("/hostedzone/").to_owned();
    let tag = aws_sdk_route53::types::Tag::builder().key("a").value("b").build();
    let tagged = client.change_tags_for_resource().resource_type(TagResourceType::Hostedzone);
    tagged.resource_id(&id).add_tags(tag).send().await.unwrap();
    let tags = client.list_tags_for_resource().resource_type(TagResourceType::Hostedzone);
    let tags = tags.resource_id(&id).send().await.unwrap();
    assert_eq!(tags.resource_tag_set().unwrap().tags()[0].value(), Some("b"));
    let set = || record("a.sub.example.com", RrType::Txt, &["\"x\""]);
    change(&sandbox, &id, ChangeAction::Create, set()).await.unwrap();
    assert_eq!(sandbox.resolve("a.sub.example.com", "TXT"), ["\"x\""]);
    let delete = || client.delete_hosted_zone().id(&id).send();
    assert_eq!(code(delete().await), "HostedZoneNotEmpty");
    change(&sandbox, &id, ChangeAction::Delete, set()).await.unwrap();
    delete().await.unwrap();
    assert_eq!(code(client.get_hosted_zone().id(&id).send().await), "NoSuchHostedZone");
}

#[tokio::test(start_paused = true)]
async fn an_alias_answers_with_the_addresses_of_the_load_balancer() {
    let sandbox = sandbox();
    let ec2 = client(&sandbox);
    let vpc = vpc(&ec2, "10.0.0.0/16").await;
    let subnet = subnet(&ec2, &vpc, "10.0.0.0/24", "us-east-1a").await;
    let elb =
        aws_sdk_elasticloadbalancingv2::Client::new(&config(&sandbox, "AKIDSANDBOX", "us-east-1"));
    let call = elb.create_load_balancer().name("inner").subnets(&subnet);
    let call = call.r#type("network".into()).scheme("internal".into());
    let made = call.send().await.unwrap();
    let balancer = &made.load_balancers()[0];
    let target = AliasTarget::builder()
        .dns_name(balancer.dns_name().unwrap())
        .hosted_zone_id(balancer.canonical_hosted_zone_id().unwrap())
        .evaluate_target_health(true)
        .build()
        .unwrap();
    let set = ResourceRecordSet::builder().name("coder.example.com").r#type(RrType::A);
    let set = set.alias_target(target).build().unwrap();
    let zone = zone(&sandbox).await;
    change(&sandbox, &zone, ChangeAction::Create, set).await.unwrap();
    assert_eq!(sandbox.resolve("coder.example.com", "A"), ["10.0.0.4"]);
    assert!(sandbox.resolve("coder.example.com", "AAAA").is_empty());
}
