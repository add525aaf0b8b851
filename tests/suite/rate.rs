//! Calls are sent no faster than AWS allows: the limiter in front of the sandbox's own throttling.

use super::harness::World;
use coderctl::aws::call::{Repeat, call, safe};
use coderctl::aws::limits::{self, Counted, Covers, LIMITS};
use coderctl::kind::{Class, Cx, Result};
use coderctl::sandbox::{Faults, Outcome};
use futures::future::join_all;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

async fn read(world: &World, cx: &Cx) -> Result<()> {
    let ec2 = world.clients.ec2(&cx.region);
    safe(cx, "ec2:DescribeVpcs", || ec2.describe_vpcs().send()).await.map(|_| ())
}

/// A call that changes something, however often it is made.
async fn change(world: &World, id: &str) -> Result<()> {
    let ec2 = world.clients.ec2(&world.cx.region);
    let tag = aws_sdk_ec2::types::Tag::builder().key("k").value("v").build();
    call(&world.cx, "ec2:ModifyVpcAttribute", Repeat::Safe, &[], || {
        ec2.create_tags().resources(id).tags(tag.clone()).send()
    })
    .await
    .map(|_| ())
}

async fn default_vpc(world: &World) -> String {
    let vpcs = world.ec2().describe_vpcs().send().await.unwrap();
    world.sandbox.forget_calls();
    vpcs.vpcs()[0].vpc_id().unwrap().to_owned()
}

fn throttled(world: &World) -> usize {
    let is_throttled = |outcome: &Outcome| matches!(outcome, Outcome::Refused { code, .. } if code == "RequestLimitExceeded");
    world.sandbox.calls().iter().filter(|call| is_throttled(&call.outcome)).count()
}

fn seconds_since(world: &World, began: SystemTime) -> f64 {
    world.cx.clock.now().duration_since(began).unwrap().as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn three_hundred_reads_are_sent_as_fast_as_aws_allows_and_none_is_refused() {
    let world = World::new();
    world.sandbox.set_faults(Faults::budget(100, 20));
    let began = world.cx.clock.now();
    let reads = join_all((0..300).map(|_| read(&world, &world.cx))).await;
    assert!(reads.iter().all(Result::is_ok));
    assert_eq!(throttled(&world), 0);
    // A hundred at once, and then twenty a second.
    let took = seconds_since(&world, began);
    assert!((9.9..10.5).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn where_aws_allows_less_the_rate_falls_and_few_calls_are_refused() {
    let world = World::new();
    world.sandbox.set_faults(Faults::budget(100, 5));
    let began = world.cx.clock.now();
    let reads = join_all((0..300).map(|_| read(&world, &world.cx))).await;
    assert!(reads.iter().all(Result::is_ok));
    let took = seconds_since(&world, began);
    // At five a second, two hundred take forty seconds: no more than half of it is given away.
    assert!((39.0..65.0).contains(&took), "{took}");
    assert!((1..20).contains(&throttled(&world)), "{}", throttled(&world));
    // It has recovered two minutes later.
    world.pass(120).await;
    world.sandbox.set_faults(Faults::budget(100, 20));
    let began = world.cx.clock.now();
    join_all((0..300).map(|_| read(&world, &world.cx))).await;
    let took = seconds_since(&world, began);
    assert!((9.9..10.5).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_plans_worth_of_reads_waits_for_nothing() {
    let world = World::new();
    let began = world.cx.clock.now();
    join_all((0..50).map(|_| read(&world, &world.cx))).await;
    assert_eq!(world.cx.clock.now(), began);
}

#[tokio::test(start_paused = true)]
async fn reads_do_not_wait_for_changes() {
    let world = World::new();
    let vpc = default_vpc(&world).await;
    let began = world.cx.clock.now();
    let changes = join_all((0..100).map(|_| change(&world, &vpc)));
    let reads = async {
        // The changes have been asked for by now: fifty are sent, fifty are in the queue.
        tokio::task::yield_now().await;
        for _ in 0..20 {
            read(&world, &world.cx).await.unwrap();
        }
        assert!(seconds_since(&world, began) < 0.1);
    };
    let (changes, ()) = futures::join!(changes, reads);
    assert!(changes.iter().all(Result::is_ok));
    let took = seconds_since(&world, began);
    assert!((9.9..10.5).contains(&took), "fifty at once and five a second: {took}");
}

#[tokio::test(start_paused = true)]
async fn regions_have_buckets_of_their_own() {
    let world = World::new();
    let began = world.cx.clock.now();
    let there = world.cx.in_region(&coderctl::name::Region::new("eu-west-1"));
    join_all((0..100).map(|_| read(&world, &world.cx))).await;
    join_all((0..100).map(|_| read(&world, &there))).await;
    assert_eq!(world.cx.clock.now(), began);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_first_is_sent_first() {
    let world = World::new();
    join_all((0..100).map(|_| read(&world, &world.cx))).await;
    let sent: Arc<Mutex<Vec<i32>>> = Arc::default();
    // Tasks of their own: they ask in the order in which they are spawned.
    let tasks: Vec<_> = (0..60)
        .map(|n| {
            let (cx, ec2) = (world.cx.clone(), world.clients.ec2(&world.cx.region));
            let sent = sent.clone();
            tokio::spawn(async move {
                let read = safe(&cx, "ec2:DescribeVpcs", || ec2.describe_vpcs().send());
                read.await.unwrap();
                sent.lock().unwrap().push(n);
            })
        })
        .collect();
    for ended in join_all(tasks).await {
        ended.unwrap();
    }
    assert_eq!(*sent.lock().unwrap(), (0..60).collect::<Vec<i32>>());
}

#[tokio::test(start_paused = true)]
async fn an_interruption_ends_the_wait_and_blocks_nobody() {
    let world = World::new();
    let stop = async {
        world.pass(1).await;
        world.cx.cancel.cancel();
    };
    let (reads, ()) = futures::join!(join_all((0..200).map(|_| read(&world, &world.cx))), stop);
    let ended: Vec<Class> = reads.into_iter().filter_map(Result::err).map(|e| e.class).collect();
    // A hundred were sent at once, and twenty in the second before the interruption.
    assert!((79..=81).contains(&ended.len()), "{}", ended.len());
    assert!(ended.iter().all(|class| *class == Class::Interrupted));
    // Whoever must not be interrupted is sent at the next token.
    let began = world.cx.clock.now();
    read(&world, &world.cx.unstoppable()).await.unwrap();
    assert!(seconds_since(&world, began) < 0.1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_gives_its_place_to_the_next() {
    let world = World::new();
    join_all((0..100).map(|_| read(&world, &world.cx))).await;
    // The first in the queue has the turn when it is dropped.
    let first = tokio::time::timeout(Duration::from_millis(10), read(&world, &world.cx)).await;
    assert!(first.is_err(), "it had to wait");
    let began = world.cx.clock.now();
    read(&world, &world.cx).await.unwrap();
    assert!(seconds_since(&world, began) < 0.1);
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_is_said_and_is_no_attempt() {
    let world = World::new();
    let vpc = default_vpc(&world).await;
    let cx = world.step("network/endpoint/s3");
    let ec2 = world.clients.ec2(&cx.region);
    // Four at once, and one in more than three seconds.
    for _ in 0..5 {
        let made = safe(&cx, "ec2:ModifyVpcEndpoint", || {
            ec2.create_tags()
                .resources(&vpc)
                .tags(aws_sdk_ec2::types::Tag::builder().key("k").value("v").build())
                .send()
        });
        made.await.unwrap();
    }
    let said = world.said.lock().unwrap().clone();
    assert_eq!(said, ["waiting: AWS limits how often ec2:ModifyVpcEndpoint is called"]);
    // Three hundred seconds in the queue do not use up the patience with a refusal.
    let ec2 = world.clients.ec2(&cx.region);
    let queue = join_all((0..100).map(|_| {
        let (cx, ec2, vpc) = (&cx, &ec2, &vpc);
        safe(cx, "ec2:ModifyVpcEndpoint", move || {
            ec2.create_tags()
                .resources(vpc)
                .tags(aws_sdk_ec2::types::Tag::builder().key("k").value("v").build())
                .send()
        })
    }));
    let burst = async {
        // Whoever is sent around now is refused once.
        world.pass(320).await;
        let fault = coderctl::sandbox::Fault::on_operation(
            "ec2:CreateTags",
            coderctl::sandbox::Effect::Throttle,
        );
        world.sandbox.set_faults(Faults::script([fault]));
    };
    let (ended, ()) = futures::join!(queue, burst);
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
}

#[test]
fn the_table_is_sound() {
    for (at, limit) in LIMITS.iter().enumerate() {
        assert!(limit.burst >= 1 && limit.per_second > 0.0, "line {at}");
        assert!(limit.source.starts_with("https://"), "line {at}");
        if let Covers::Named(names) = limit.covers {
            for name in names {
                let (row, _) = limits::of(&format!("{}:{name}", limit.service)).unwrap();
                assert_eq!(row, at, "another line hides {name}");
            }
        }
    }
    let of = |operation: &str| limits::of(operation).map(|(_, limit)| limit);
    assert_eq!(of("ec2:DescribeVpcs").unwrap().burst, 100);
    assert_eq!(of("ec2:CreateVpc").unwrap().burst, 50);
    assert_eq!(of("ec2:DeleteVpcEndpoints").unwrap().burst, 4);
    assert_eq!(of("route53:ListHostedZones").unwrap().counted, Counted::Together);
    assert!(of("iam:CreateRole").is_some());
    // The lock's renewal stands in no queue.
    assert_eq!(of("s3:PutObject"), None);
}

#[tokio::test]
async fn a_server_on_this_machine_is_not_aws() {
    let clock = coderctl::clock::Clock::real();
    let region = coderctl::name::Region::new("us-east-1");
    for (endpoint, limited) in [
        ("http://127.0.0.1:5599", false),
        ("http://localhost:5599", false),
        ("http://[::1]:5599", false),
        ("https://vpce-0abc.ec2.us-east-1.vpce.amazonaws.com", true),
        ("https://localhost.example.com", true),
        ("https://10.0.0.1", true),
    ] {
        let connection = coderctl::aws::clients::Connection {
            profile: None,
            endpoint_url: Some(endpoint.to_owned()),
            use_fips: false,
            assume_role: None,
        };
        let clients = coderctl::aws::Clients::connect(&connection, &region, clock).await;
        assert_eq!(clients.is_limited(), limited, "{endpoint}");
    }
}
