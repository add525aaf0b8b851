//! The lock, against the sandbox's S3 and on paused time.

use super::record_world::{begin, caller, world};
use coderctl::aws::record::{
    Acquired, Bucket, Held, Holder, Lock, Locked, S3Journal, TTL, default_name, ensure,
};
use coderctl::execute::{Intent, Journal};
use coderctl::kind::{Class, Cx};
use coderctl::name::{Address, Region};
use coderctl::sandbox::{Effect, Fault, Faults, Sandbox};
use std::collections::BTreeSet;
use std::time::Duration;

fn holder(who: &str) -> Holder {
    Holder {
        who: who.to_owned(),
        host: "ci-7".to_owned(),
        pid: 4711,
        run: format!("run-of-{who}"),
        url: Some("https://ci.example.com/1".to_owned()),
        ..Holder::default()
    }
}

async fn with_bucket() -> (Sandbox, Cx, String) {
    let sandbox = world();
    let cx = caller(&sandbox, 0);
    let bucket = default_name(&cx.deployment);
    ensure(&cx, &bucket, Bucket::Ours).await.unwrap();
    (sandbox, cx, bucket)
}

async fn held(cx: &Cx, bucket: &str, who: &str) -> Held {
    match Lock::acquire(cx, bucket, holder(who)).await.unwrap() {
        Acquired::Held(held) => held,
        Acquired::Locked(locked) => panic!("locked by {}", locked.holder),
    }
}

async fn locked(cx: &Cx, bucket: &str, who: &str) -> Locked {
    match Lock::acquire(cx, bucket, holder(who)).await.unwrap() {
        Acquired::Held(_) => panic!("nobody has it"),
        Acquired::Locked(locked) => locked,
    }
}

fn passes(held: &Held, cx: &Cx) -> Result<(), String> {
    cx.behind(held.fence()).check_fence().map_err(|error| {
        assert_eq!(error.class, Class::Interrupted);
        error.to_string()
    })
}

fn intent(name: &str, cx: &Cx) -> Intent {
    Intent {
        address: Address::parse(&format!("us-east-1/network/{name}")).unwrap(),
        kind: "aws.ec2.vpc".to_owned(),
        region: Region::new("us-east-1"),
        generation: 1,
        token: format!("token-of-{name}"),
        at: cx.clock.unix(),
        id: None,
        name: None,
    }
}

#[tokio::test(start_paused = true)]
async fn exactly_one_of_many_gets_it() {
    let (sandbox, _, bucket) = with_bucket().await;
    let callers: Vec<Cx> = (0..8).map(|at| caller(&sandbox, at * 97)).collect();
    let tries = callers.iter().map(|cx| Lock::acquire(cx, &bucket, holder("somebody")));
    let got = futures::future::try_join_all(tries).await.unwrap();
    let held = got.iter().filter(|got| matches!(got, Acquired::Held(_))).count();
    assert_eq!(held, 1, "{got:?}");
}

#[tokio::test(start_paused = true)]
async fn says_who_has_it_and_gives_it_back() {
    let (sandbox, cx, bucket) = with_bucket().await;
    assert_eq!(Lock::status(&cx, &bucket).await.unwrap(), None);
    let mine = held(&cx, &bucket, "jane").await;
    assert_eq!(passes(&mine, &cx), Ok(()));
    let other = caller(&sandbox, 0);
    let seen = locked(&other, &bucket, "joe").await;
    assert_eq!((seen.holder.who.as_str(), seen.holder.pid), ("jane", 4711));
    let text = seen.holder.to_string();
    assert!(text.contains("jane on ci-7") && text.contains("https://ci.example.com/1"), "{text}");
    assert!(!seen.is_expired() && seen.expires_in <= TTL + Duration::from_secs(2));
    mine.clone().release().await.unwrap();
    assert_eq!(Lock::status(&cx, &bucket).await.unwrap(), None);
    assert!(passes(&mine, &cx).unwrap_err().contains("released"));
    let theirs = held(&other, &bucket, "joe").await;
    assert_eq!(theirs.holder().who, "joe");
}

#[tokio::test(start_paused = true)]
async fn a_lock_left_behind_runs_out_and_is_taken_over() {
    let (sandbox, cx, bucket) = with_bucket().await;
    let dead = held(&cx, &bucket, "dead").await;
    // Ten minutes ahead and ten minutes behind: only S3's clock counts.
    for offset in [600, -600] {
        let other = caller(&sandbox, offset);
        assert!(!locked(&other, &bucket, "early").await.is_expired());
    }
    tokio::time::sleep(Duration::from_secs(110)).await;
    assert!(!locked(&caller(&sandbox, 600), &bucket, "early").await.is_expired());
    tokio::time::sleep(Duration::from_secs(15)).await;
    let other = caller(&sandbox, -600);
    let taken = held(&other, &bucket, "heir").await;
    assert_eq!(passes(&taken, &other), Ok(()));
    assert!(passes(&dead, &cx).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_beating_holder_keeps_it_for_hours() {
    let (sandbox, cx, bucket) = with_bucket().await;
    let mine = held(&cx, &bucket, "jane").await;
    let other = caller(&sandbox, 0);
    let work = async {
        for _ in 0..120 {
            tokio::time::sleep(Duration::from_secs(61)).await;
            assert_eq!(passes(&mine, &cx), Ok(()));
            assert_eq!(locked(&other, &bucket, "joe").await.holder.who, "jane");
        }
    };
    tokio::select! {
        () = work => {}
        never = mine.beat() => match never {},
    }
    mine.release().await.unwrap();
    held(&other, &bucket, "joe").await;
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_slept_is_stopped_before_it_can_harm() {
    let (sandbox, cx, bucket) = with_bucket().await;
    begin(&cx, &bucket, Bucket::Ours, None).await.unwrap();
    let regions = BTreeSet::from([Region::new("us-east-1")]);
    let slow = held(&cx, &bucket, "slow").await;
    let journal = S3Journal::open(&cx, &bucket, &slow, &regions).await.unwrap();
    journal.intend(intent("vpc", &cx)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(54)).await;
    assert_eq!(passes(&slow, &cx), Ok(()));
    // Less is left of it than a call may take.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(passes(&slow, &cx).unwrap_err().contains("could not be renewed in time"));

    tokio::time::sleep(Duration::from_secs(100)).await;
    let heir_cx = caller(&sandbox, 600);
    let heir = held(&heir_cx, &bucket, "heir").await;
    let heirs = S3Journal::open(&heir_cx, &bucket, &heir, &regions).await.unwrap();
    // What the slow one began is known to the heir.
    let vpc = Address::parse("us-east-1/network/vpc").unwrap();
    assert_eq!(heirs.intent(&vpc, "aws.ec2.vpc").unwrap().token, "token-of-vpc");

    let refused = journal.intend(intent("late", &cx)).await.unwrap_err();
    assert_eq!(refused.class, Class::Interrupted);
    assert!(refused.to_string().contains("the lock was taken by heir on ci-7"), "{refused}");
    // Its renewal finds out, too, and its release takes nothing from the heir.
    let _ = tokio::time::timeout(Duration::from_secs(5), slow.beat()).await;
    assert!(passes(&slow, &cx).unwrap_err().contains("the lock was taken by heir"));
    slow.release().await.unwrap();
    assert_eq!(Lock::status(&cx, &bucket).await.unwrap().unwrap().holder.who, "heir");
    heirs.intend(intent("mine", &heir_cx)).await.unwrap();
    assert!(
        heirs.intent(&Address::parse("us-east-1/network/late").unwrap(), "aws.ec2.vpc").is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn lost_answers_do_no_harm() {
    let put = |nth, effect: Effect| Fault::on_operation("s3:PutObject", effect).nth(nth);
    for effect in
        [Effect::LoseAnswer, Effect::LoseRequest, Effect::ServerError500, Effect::Throttle]
    {
        let (sandbox, cx, bucket) = with_bucket().await;
        // Taking it, renewing it, giving it back.
        sandbox.set_faults(Faults::script([
            put(1, effect.clone()),
            put(3, effect.clone()),
            Fault::on_operation("s3:DeleteObject", effect.clone()),
        ]));
        let mine = held(&cx, &bucket, "jane").await;
        let other = caller(&sandbox, 0);
        let _ = tokio::time::timeout(Duration::from_secs(200), mine.beat()).await;
        assert_eq!(passes(&mine, &cx), Ok(()), "{effect:?}");
        assert_eq!(locked(&other, &bucket, "joe").await.holder.who, "jane");
        mine.release().await.unwrap();
        held(&other, &bucket, "joe").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_is_never_answered_is_sent_again() {
    let (sandbox, cx, bucket) = with_bucket().await;
    let mine = held(&cx, &bucket, "jane").await;
    sandbox.set_faults(Faults::script([
        Fault::on_operation("s3:PutObject", Effect::NeverAnswer).times(2)
    ]));
    let watch = async {
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(passes(&mine, &cx), Ok(()));
        }
    };
    tokio::select! {
        () = watch => {}
        never = mine.beat() => match never {},
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_closes_the_fence_in_time_and_opens_it_again() {
    let (sandbox, cx, bucket) = with_bucket().await;
    let mine = held(&cx, &bucket, "jane").await;
    let outage = Fault::on_operation("s3:PutObject", Effect::ServerError500).times(10_000);
    sandbox.set_faults(Faults::script([outage]));
    let _ = tokio::time::timeout(Duration::from_secs(56), mine.beat()).await;
    assert!(passes(&mine, &cx).is_err());
    sandbox.set_faults(Faults::none());
    let _ = tokio::time::timeout(Duration::from_secs(10), mine.beat()).await;
    assert_eq!(passes(&mine, &cx), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_removed_by_force_only_from_whom_was_meant() {
    let (sandbox, cx, bucket) = with_bucket().await;
    let mine = held(&cx, &bucket, "jane").await;
    let other = caller(&sandbox, 0);
    let error = Lock::force_release(&other, &bucket, "somebody-else").await.unwrap_err();
    assert_eq!(error.class, Class::Refused);
    assert!(error.to_string().contains("jane"), "{error}");
    Lock::force_release(&other, &bucket, &mine.holder().id).await.unwrap();
    assert_eq!(Lock::status(&cx, &bucket).await.unwrap(), None);
    let _ = tokio::time::timeout(Duration::from_secs(40), mine.beat()).await;
    assert!(passes(&mine, &cx).unwrap_err().contains("removed"));
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_lock_is_still_a_lock() {
    let (sandbox, cx, bucket) = with_bucket().await;
    let s3 = super::record_world::clients(&sandbox, cx.clock).s3(&cx.region);
    let body = aws_sdk_s3::primitives::ByteStream::from_static(b"not json");
    s3.put_object().bucket(&bucket).key("coder-dev/lock.json").body(body).send().await.unwrap();
    let seen = locked(&cx, &bucket, "jane").await;
    assert!(seen.holder.to_string().contains("somebody"), "{}", seen.holder);
    tokio::time::sleep(Duration::from_secs(125)).await;
    held(&cx, &bucket, "jane").await;
}
