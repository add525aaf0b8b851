//! Two runs at once, a holder that died, and one that was only slow: exactly one writes.

use super::deployment::{World, destroy, small, spec};
use coderctl::cli::exit::Exit;
use coderctl::execute::Ended;
use coderctl::plan::Options;
use coderctl::sandbox::{Call, Effect, Fault, Faults, Matching, Stop};
use std::collections::BTreeMap;
use std::time::Duration;

/// How many creates of each operation were carried out.
fn creates(calls: &[Call]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in calls.iter().filter(|call| call.operation.starts_with("Create")) {
        *counts.entry(call.operation.clone()).or_default() += 1;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn of_two_applies_at_once_one_writes_and_one_is_locked_out() {
    let wanted = spec(small(), &[]);
    let alone = World::new();
    alone.apply(&wanted).await;
    let expected = creates(&alone.sandbox.calls());

    let world = World::new();
    let options = Options::default();
    let (one, other) = tokio::join!(world.run(&wanted, &options), world.run(&wanted, &options));
    let (carried, refused) = match (one, other) {
        (Ok(carried), Err(refused)) | (Err(refused), Ok(carried)) => (carried, refused),
        (Ok(_), Ok(_)) => panic!("both went through"),
        (Err(one), Err(other)) => panic!("neither went through: {one:?} {other:?}"),
    };
    assert!(carried.outcome.is_complete());
    assert_eq!(refused.exit, Exit::Locked, "{}", refused.message);
    assert!(refused.message.contains("locked by"), "{}", refused.message);
    // The record's bucket may be asked for by both; everything else is made once.
    let mut made = creates(&world.sandbox.calls());
    made.insert("CreateBucket".to_owned(), expected["CreateBucket"]);
    assert_eq!(made, expected);
    world.assert_converged(&wanted).await;
}

#[tokio::test(start_paused = true)]
async fn the_lock_of_a_dead_holder_runs_out() {
    let wanted = spec(small(), &[]);
    let world = World::new();
    let stop = Fault::on_operation("ec2:CreateNatGateway", Effect::Stop(Stop::After));
    world.sandbox.set_faults(Faults::script([stop]));
    let options = Options::default();
    tokio::select! {
        result = world.run(&wanted, &options) => panic!("it ended: {:?}", result.is_ok()),
        () = world.sandbox.stopped() => {}
    }
    world.sandbox.set_faults(Faults::none());
    let refused = world.run(&wanted, &Options::default()).await.err().unwrap();
    assert_eq!(refused.exit, Exit::Locked, "{}", refused.message);
    world.sandbox.clock().sleep(Duration::from_secs(130)).await;
    world.apply(&wanted).await;
    world.assert_converged(&wanted).await;
    let nats = world.ec2().describe_nat_gateways().send().await.unwrap();
    assert_eq!(nats.nat_gateways().len(), 1, "the one that the dead run made is used");
}

#[tokio::test(start_paused = true)]
async fn a_slow_holder_that_was_robbed_does_nothing_more() {
    let wanted = spec(small(), &[]);
    let world = World::new();
    let mut slow = world.open(&wanted).await.unwrap();
    let options = Options::default();
    let plan = slow.plan(&options).await.plan;
    {
        let run = world.carry_out(&mut slow, &plan, &options);
        tokio::pin!(run);
        // It gets as far as its VPC, and then its process sleeps: nobody polls it.
        loop {
            tokio::select! {
                biased;
                _ = &mut run => panic!("it ended"),
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
            if world.sandbox.counts().contains_key("ec2:CreateSubnet") {
                break;
            }
        }
        tokio::time::sleep(Duration::from_secs(130)).await;
        world.apply(&wanted).await;
        let before = world.sandbox.dump();
        world.sandbox.forget_calls();
        // It wakes.
        let ended = run.await;
        match ended {
            Ok(carried) => {
                assert!(
                    matches!(carried.outcome.ended, Ended::LockLost(_)),
                    "{:?}",
                    carried.outcome.ended
                );
            }
            Err(failure) => {
                assert!(matches!(failure.exit, Exit::Locked | Exit::Interrupted), "{:?}", failure);
            }
        }
        let wrote: Vec<String> = world
            .sandbox
            .calls()
            .into_iter()
            .filter(|call| call.mutating && call.service != "s3")
            .map(|call| call.operation)
            .collect();
        assert_eq!(wrote, Vec::<String>::new(), "it wrote after it was robbed");
        let mut after = world.sandbox.dump();
        let mut before = before;
        for dump in [&mut before, &mut after] {
            dump["last_time"].take();
        }
        assert_eq!(before["accounts"], after["accounts"]);
    }
    world.assert_converged(&wanted).await;
    world.done(&wanted, &destroy()).await;
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_can_not_renew_stops_before_its_lease_does() {
    let wanted = spec(small(), &[]);
    let world = World::new();
    // The lock, the record and the first intents get through; then S3 is gone for good.
    let faults = Fault {
        matching: Matching::Operation("s3:PutObject".to_owned()),
        nth: 12,
        times: u32::MAX,
        effect: Effect::ServerError500,
    };
    world.sandbox.set_faults(Faults::script([faults]));
    let began = world.sandbox.clock().unix();
    let result = world.run(&wanted, &Options::default()).await;
    if let Ok(carried) = &result {
        assert!(!carried.outcome.is_complete());
    }
    let last = world
        .sandbox
        .calls()
        .into_iter()
        .filter(|call| call.mutating && call.service != "s3")
        .map(|call| call.time / 1000)
        .max()
        .unwrap_or(began);
    let renewed = world
        .sandbox
        .calls()
        .into_iter()
        .filter(|call| call.operation == "PutObject")
        .filter(|call| call.outcome == coderctl::sandbox::Outcome::Done)
        .map(|call| call.time / 1000)
        .max()
        .unwrap();
    assert!(last <= renewed + 120, "it wrote {} s after its last renewal", last - renewed);
    world.sandbox.set_faults(Faults::none());
    world.sandbox.clock().sleep(Duration::from_secs(130)).await;
    world.apply(&wanted).await;
    world.assert_converged(&wanted).await;
}
