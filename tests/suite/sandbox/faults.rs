//! What goes wrong between a client and the world.

use super::*;
use coderctl::sandbox::{Profile, Stop};

#[tokio::test(start_paused = true)]
async fn faults_by_script() {
    let sandbox = sandbox();
    let ec2 = client(&sandbox);
    let create = ec2.create_vpc().cidr_block("10.0.0.0/16");
    let count = async || ec2.describe_vpcs().send().await.unwrap().vpcs().len();

    let on = |effect| Fault::on_operation("ec2:CreateVpc", effect);
    sandbox.set_faults(Faults::script([on(Effect::Throttle).nth(2).times(2)]));
    create.clone().send().await.unwrap();
    assert_eq!(code(create.clone().send().await), "RequestLimitExceeded");
    assert_eq!(code(create.clone().send().await), "RequestLimitExceeded");
    create.clone().send().await.unwrap();
    assert_eq!(count().await, 3);

    let denied = Effect::Error {
        status: 403,
        code: "UnauthorizedOperation".to_owned(),
        message: "no".to_owned(),
    };
    sandbox.set_faults(Faults::script([
        Fault::on(Matching::Mutating, denied),
        on(Effect::LoseRequest).nth(2),
        on(Effect::LoseAnswer).nth(3),
        on(Effect::NeverAnswer).nth(4),
        Fault::on(Matching::Read, Effect::Delay(Duration::from_secs(5))),
    ]));
    assert_eq!(code(create.clone().send().await), "UnauthorizedOperation");
    let before = sandbox.clock().now();
    assert_eq!(count().await, 3);
    assert_eq!(sandbox.clock().now().duration_since(before).unwrap(), Duration::from_secs(5));
    let lost = create.clone().send().await.unwrap_err();
    assert!(matches!(lost, SdkError::DispatchFailure(_)), "{lost:?}");
    assert_eq!(count().await, 3);
    let lost = create.clone().send().await.unwrap_err();
    assert!(matches!(lost, SdkError::DispatchFailure(_)), "{lost:?}");
    assert_eq!(count().await, 4);
    let before = sandbox.clock().now();
    let silent = create.send().await.unwrap_err();
    assert!(matches!(silent, SdkError::TimeoutError(_)), "{silent:?}");
    assert_eq!(sandbox.clock().now().duration_since(before).unwrap(), Duration::from_secs(60));
    assert_eq!(count().await, 5);

    let calls = sandbox.calls();
    assert_eq!(sandbox.counts()["ec2:CreateVpc"], 8);
    let lost: Vec<_> = calls
        .iter()
        .filter_map(|call| match call.outcome {
            Outcome::Lost { acted } => Some(acted),
            _ => None,
        })
        .collect();
    assert_eq!(lost, [false, true, true]);
    assert!(calls.iter().all(|call| call.mutating == (call.operation == "CreateVpc")));
}

#[tokio::test(start_paused = true)]
async fn a_client_dies_before_or_after_a_call() {
    for (stop, expected) in [(Stop::Before, 1), (Stop::After, 2)] {
        let sandbox = sandbox();
        let ec2 = client(&sandbox);
        let create = ec2.create_vpc().cidr_block("10.0.0.0/16");
        let fault = Fault::on(Matching::Mutating, Effect::Stop(stop));
        sandbox.set_faults(Faults::script([fault]));
        tokio::select! {
            () = sandbox.stopped() => {}
            _ = create.send() => panic!("the call was answered"),
        }
        let dead = tokio::time::timeout(Duration::from_secs(9), ec2.describe_vpcs().send());
        assert!(dead.await.is_err(), "a dead client was answered");
        sandbox.set_faults(Faults::none());
        let seen = client(&sandbox).describe_vpcs().send().await.unwrap();
        assert_eq!(seen.vpcs().len(), expected, "{stop:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn faults_by_chance_are_the_same_for_the_same_seed() {
    let run = async |seed: u64| {
        let sandbox = sandbox();
        let ec2 = client(&sandbox);
        sandbox.set_faults(Faults::random(seed, Profile::ROUGH));
        for _ in 0..200 {
            let _ = ec2.describe_vpcs().send().await;
        }
        sandbox.calls().into_iter().map(|call| call.outcome).collect::<Vec<_>>()
    };
    let first = run(1).await;
    assert_eq!(first, run(1).await);
    assert_ne!(first, run(2).await);
    let trouble = first.iter().filter(|outcome| **outcome != Outcome::Done).count();
    assert!((10..80).contains(&trouble), "{trouble}");
}

#[tokio::test(start_paused = true)]
async fn reads_lag() {
    let sandbox = sandbox();
    let ec2 = client(&sandbox);
    sandbox.set_faults(Faults::none().with_lag(Duration::from_secs(3)));
    let id = vpc(&ec2, "10.0.0.0/16").await;
    let seen = ec2.describe_vpcs().vpc_ids(&id);
    assert_eq!(code(seen.clone().send().await), "InvalidVpcID.NotFound");
    assert_eq!(ec2.describe_vpcs().send().await.unwrap().vpcs().len(), 1);
    wait(&sandbox, 2).await;
    assert_eq!(code(seen.clone().send().await), "InvalidVpcID.NotFound");
    wait(&sandbox, 2).await;
    seen.clone().send().await.unwrap();
    ec2.delete_vpc().vpc_id(&id).send().await.unwrap();
    seen.clone().send().await.unwrap();
    wait(&sandbox, 4).await;
    assert_eq!(code(seen.send().await), "InvalidVpcID.NotFound");

    let mut faults = Faults::none().with_lag(Duration::from_secs(3));
    faults.fresh_ids_not_found = true;
    sandbox.set_faults(faults);
    let id = vpc(&ec2, "10.0.0.0/16").await;
    let create = ec2.create_subnet().vpc_id(&id).cidr_block("10.0.0.0/24");
    assert_eq!(code(create.clone().send().await), "InvalidVpcID.NotFound");
    wait(&sandbox, 4).await;
    create.send().await.unwrap();
}
