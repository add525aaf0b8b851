//! The record and its bucket, against the sandbox's S3 and on paused time.

use super::record_world::{ACCOUNT, begin, caller, caller_in, clients, deployment, world};
use aws_sdk_s3::primitives::ByteStream;
use coderctl::aws::facts::Facts;
use coderctl::aws::record::{
    Acquired, Bucket, Held, Holder, Lock, Record, RunHead, RunLog, S3Journal, VERSION,
    default_name, ensure, list_runs, read_run, run_id,
};
use coderctl::aws::secrets::{SecretSources, resolve, version};
use coderctl::event::{Event, What};
use coderctl::execute::{Intent, Journal};
use coderctl::kind::{Class, Connectors, Cx, Deployment};
use coderctl::name::{AccountId, Address, PhysicalId, Region, Uid};
use coderctl::plan::AppliedResource;
use coderctl::sandbox::{Effect, Fault, Faults, Matching, Sandbox, Stop};
use coderctl::secret::{Secret, SecretRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

fn here() -> BTreeSet<Region> {
    BTreeSet::from([Region::new("us-east-1")])
}

async fn begun() -> (Sandbox, Cx, String, Held) {
    let sandbox = world();
    let cx = caller(&sandbox, 0);
    let bucket = default_name(&cx.deployment);
    begin(&cx, &bucket, Bucket::Ours, None).await.unwrap();
    let held = lock(&cx, &bucket).await;
    (sandbox, cx, bucket, held)
}

async fn lock(cx: &Cx, bucket: &str) -> Held {
    let holder = Holder { who: "jane".to_owned(), run: "run-1".to_owned(), ..Holder::default() };
    match Lock::acquire(cx, bucket, holder).await.unwrap() {
        Acquired::Held(held) => held,
        Acquired::Locked(locked) => panic!("locked by {}", locked.holder),
    }
}

fn address(name: &str) -> Address {
    Address::parse(&format!("us-east-1/network/{name}")).unwrap()
}

fn intent(name: &str, cx: &Cx) -> Intent {
    Intent {
        address: address(name),
        kind: "aws.ec2.vpc".to_owned(),
        region: Region::new("us-east-1"),
        generation: 1,
        token: format!("token-of-{name}"),
        at: cx.clock.unix(),
        id: None,
        name: None,
    }
}

fn resource(cidr: &str) -> AppliedResource {
    AppliedResource {
        kind: "aws.ec2.vpc".to_owned(),
        at: "2027-01-15T08:00:00Z".to_owned(),
        fields: BTreeMap::from([("cidr".to_owned(), cidr.into())]),
    }
}

async fn write(sandbox: &Sandbox, cx: &Cx, bucket: &str, name: &str, body: &str) {
    let s3 = clients(sandbox, cx.clock).s3(&cx.deployment.home_region);
    let body = ByteStream::from(body.as_bytes().to_vec());
    let key = format!("coder-dev/{name}");
    s3.put_object().bucket(bucket).key(key).body(body).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_bucket_is_made_whole_and_then_left_alone() {
    for region in ["us-east-1", "eu-central-1"] {
        let sandbox = world();
        let cx = caller_in(&sandbox, region, 0);
        let bucket = default_name(&cx.deployment);
        assert_eq!(bucket, format!("coderctl-{ACCOUNT}-{region}"));
        assert!(Record::load(&cx, &bucket).await.unwrap().is_none(), "no bucket is no record");
        ensure(&cx, &bucket, Bucket::Ours).await.unwrap();
        let s3 = clients(&sandbox, cx.clock).s3(&cx.region);
        let policy = s3.get_bucket_policy().bucket(&bucket).send().await.unwrap();
        let policy = policy.policy().unwrap().to_owned();
        assert!(policy.contains("aws:SecureTransport") && policy.contains("arn:aws:s3:::"));
        let versioning = s3.get_bucket_versioning().bucket(&bucket).send().await.unwrap();
        assert_eq!(versioning.status().unwrap().as_str(), "Enabled");
        let block = s3.get_public_access_block().bucket(&bucket).send().await.unwrap();
        assert_eq!(
            block.public_access_block_configuration().unwrap().restrict_public_buckets(),
            Some(true)
        );
        let tags = s3.get_bucket_tagging().bucket(&bucket).send().await.unwrap();
        assert!(tags.tag_set().iter().any(|tag| tag.key() == "owner" && tag.value() == "ops"));

        sandbox.forget_calls();
        ensure(&cx, &bucket, Bucket::Ours).await.unwrap();
        let writes: Vec<_> = sandbox.calls().into_iter().filter(|call| call.mutating).collect();
        assert_eq!(writes, Vec::new());
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_apply_may_die_at_every_call() {
    let mut stops = 0;
    for nth in 1.. {
        for stop in [Stop::Before, Stop::After] {
            let sandbox = world();
            let cx = caller(&sandbox, 0);
            let bucket = default_name(&cx.deployment);
            sandbox.set_faults(Faults::script([
                Fault::on(Matching::Any, Effect::Stop(stop)).nth(nth)
            ]));
            let first = tokio::select! {
                first = begin(&cx, &bucket, Bucket::Ours, None) => Some(first.unwrap()),
                () = sandbox.stopped() => None,
            };
            if first.is_some() {
                assert!(nth > 10, "a whole begin takes more than {nth} calls");
                assert!(stops > 20);
                return;
            }
            stops += 1;
            sandbox.set_faults(Faults::none());
            let again = caller(&sandbox, 0);
            let (record, _) = begin(&again, &bucket, Bucket::Ours, None).await.unwrap();
            let loaded = Record::load(&again, &bucket).await.unwrap().unwrap();
            assert_eq!(loaded.record, record);
            sandbox.forget_calls();
            ensure(&again, &bucket, Bucket::Ours).await.unwrap();
            assert!(sandbox.calls().iter().all(|call| !call.mutating), "{nth} {stop:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_first_applies_get_one_uid_also_when_answers_are_lost() {
    for lost in [false, true] {
        let sandbox = world();
        let (one, two) = (caller(&sandbox, 0), caller(&sandbox, 30));
        let bucket = default_name(&one.deployment);
        if lost {
            let fault = Fault::on_operation("s3:PutObject", Effect::LoseAnswer).times(2);
            sandbox.set_faults(Faults::script([fault]));
        }
        let (a, b) = tokio::join!(
            begin(&one, &bucket, Bucket::Ours, None),
            begin(&two, &bucket, Bucket::Ours, None)
        );
        assert_eq!(a.unwrap().0, b.unwrap().0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_record_is_made_again_with_the_uid_that_is_live() {
    let sandbox = world();
    let cx = caller(&sandbox, 0);
    let bucket = default_name(&cx.deployment);
    let live = Uid::new("0f8fad5b-d9cb-469f-a165-70867728950e");
    let (record, _) = begin(&cx, &bucket, Bucket::Ours, Some(&live)).await.unwrap();
    assert_eq!(record.uid, live);
}

#[tokio::test(start_paused = true)]
async fn a_given_bucket_is_checked_and_never_changed() {
    let sandbox = world();
    let cx = caller(&sandbox, 0);
    let missing = ensure(&cx, "ops-records", Bucket::Given).await.unwrap_err();
    assert_eq!(missing.class, Class::NotFound);
    let s3 = clients(&sandbox, cx.clock).s3(&cx.region);
    s3.create_bucket().bucket("ops-records").send().await.unwrap();
    sandbox.forget_calls();
    let notes = ensure(&cx, "ops-records", Bucket::Given).await.unwrap();
    assert!(notes.iter().any(|note| note.contains("not versioned")), "{notes:?}");
    assert!(sandbox.calls().iter().all(|call| !call.mutating));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_bucket_is_said_to_be_foreign() {
    let sandbox = world();
    let cx = caller(&sandbox, 0);
    let bucket = default_name(&cx.deployment);
    // The same name, asked for from another account.
    ensure(&cx, &bucket, Bucket::Ours).await.unwrap();
    let other =
        Deployment { account: AccountId::new("210987654321"), ..deployment("us-east-1", None) };
    let connectors = Connectors::default().with(clients(&sandbox, cx.clock));
    let other = Cx::new(other, cx.clock, connectors);
    let error = ensure(&other, &bucket, Bucket::Ours).await.unwrap_err();
    assert_eq!(error.class, Class::Denied);
    assert!(error.to_string().contains("belongs to another account"), "{error}");
    assert!(error.hint.unwrap().contains("record: {bucket"));
    assert_eq!(Record::load(&other, &bucket).await.unwrap_err().class, Class::Denied);
}

#[tokio::test(start_paused = true)]
async fn what_is_damaged_is_named() {
    let (sandbox, cx, bucket, _held) = begun().await;
    for name in ["applied.json", "intents.jsonl", "record.json"] {
        write(&sandbox, &cx, &bucket, name, "{\"head\": 1}\n[").await;
        let error = Record::load(&cx, &bucket).await.unwrap_err();
        assert_eq!(error.class, Class::Refused);
        assert!(error.to_string().contains(&format!("s3://{bucket}/coder-dev/{name} is damaged")));
        assert!(error.hint.is_some());
        let whole = match name {
            "applied.json" => "{}",
            _ => "{\"holder\": \"x\", \"run\": \"y\"}\n",
        };
        write(&sandbox, &cx, &bucket, name, whole).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_older_program_refuses() {
    let (sandbox, cx, bucket, held) = begun().await;
    let record = Record::load(&cx, &bucket).await.unwrap().unwrap().record;
    assert_eq!(record.version, VERSION);
    for (version, refused) in [("999.0.1", true), ("0.0.1", false), ("a fork", false)] {
        let newer = Record { version: version.to_owned(), ..record.clone() };
        let text = serde_json::to_string(&newer).unwrap();
        write(&sandbox, &cx, &bucket, "record.json", &text).await;
        let loaded = Record::load(&cx, &bucket).await;
        assert_eq!(loaded.is_err(), refused, "{version}");
        if let Err(error) = loaded {
            assert_eq!(error.class, Class::Refused);
            assert!(error.to_string().contains("999.0.1"), "{error}");
        }
    }
    // The next apply puts the newer version in, and the regions it works in.
    let old = Record { version: "0.0.1".to_owned(), ..record.clone() };
    write(&sandbox, &cx, &bucket, "record.json", &serde_json::to_string(&old).unwrap()).await;
    let there = BTreeSet::from([Region::new("eu-west-1")]);
    S3Journal::open(&cx, &bucket, &held, &there).await.unwrap();
    let now = Record::load(&cx, &bucket).await.unwrap().unwrap().record;
    assert_eq!(now.version, VERSION);
    assert_eq!(now.regions, &here() | &there);
}

#[tokio::test(start_paused = true)]
async fn intents_are_durable_share_writes_and_are_closed() {
    let (sandbox, cx, bucket, held) = begun().await;
    let journal = S3Journal::open(&cx, &bucket, &held, &here()).await.unwrap();
    sandbox.forget_calls();
    sandbox.set_faults(Faults::script([Fault::on_operation(
        "s3:PutObject",
        Effect::Delay(Duration::from_millis(200)),
    )
    .times(100)]));
    let names: Vec<String> = (0..40).map(|at| format!("vpc-{at}")).collect();
    futures::future::try_join_all(names.iter().map(|name| journal.intend(intent(name, &cx))))
        .await
        .unwrap();
    assert!(sandbox.counts()["s3:PutObject"] <= 2, "{:?}", sandbox.counts());
    let loaded = Record::load(&cx, &bucket).await.unwrap().unwrap();
    assert_eq!(loaded.intents.len(), 40);

    journal.made(&address("vpc-1"), "aws.ec2.vpc", &PhysicalId::new("vpc-0abc"));
    journal.close(&address("vpc-2"), "aws.ec2.vpc");
    journal.applied(&address("vpc-1"), resource("10.0.0.0/16"));
    journal.flush().await.unwrap();
    let loaded = Record::load(&cx, &bucket).await.unwrap().unwrap();
    assert_eq!(loaded.intents.len(), 39);
    assert_eq!(loaded.applied.0[&address("vpc-1")], resource("10.0.0.0/16"));
    let made = loaded.intents.iter().find(|it| it.address == address("vpc-1")).unwrap();
    assert_eq!(made.id, Some(PhysicalId::new("vpc-0abc")));

    // Nothing new, nothing written; and what is gone goes.
    sandbox.forget_calls();
    journal.flush().await.unwrap();
    journal.applied(&address("vpc-1"), resource("10.0.0.0/16"));
    journal.flush().await.unwrap();
    assert_eq!(sandbox.calls().len(), 0);
    journal.gone(&address("vpc-1"));
    journal.flush().await.unwrap();
    assert!(Record::load(&cx, &bucket).await.unwrap().unwrap().applied.0.is_empty());

    // A day later, they say nothing any more.
    tokio::time::sleep(Duration::from_secs(25 * 60 * 60)).await;
    let held = lock(&cx, &bucket).await;
    let journal = S3Journal::open(&cx, &bucket, &held, &here()).await.unwrap();
    assert!(journal.intent(&address("vpc-3"), "aws.ec2.vpc").is_none());
}

#[tokio::test(start_paused = true)]
async fn the_journal_survives_lost_answers_and_says_what_it_could_not_write() {
    for effect in [Effect::LoseAnswer, Effect::LoseRequest, Effect::NeverAnswer] {
        let (sandbox, cx, bucket, held) = begun().await;
        sandbox.set_faults(Faults::script([
            Fault::on_operation("s3:PutObject", effect.clone()),
            Fault::on_operation("s3:PutObject", effect.clone()).nth(3),
            Fault::on_operation("s3:PutObject", effect.clone()).nth(5),
        ]));
        let journal = S3Journal::open(&cx, &bucket, &held, &here()).await.unwrap();
        journal.intend(intent("one", &cx)).await.unwrap();
        journal.intend(intent("two", &cx)).await.unwrap();
        journal.applied(&address("one"), resource("10.0.0.0/16"));
        journal.flush().await.unwrap();
        let loaded = Record::load(&cx, &bucket).await.unwrap().unwrap();
        assert_eq!((loaded.intents.len(), loaded.applied.0.len()), (2, 1), "{effect:?}");
    }
    let (sandbox, cx, bucket, held) = begun().await;
    let journal = S3Journal::open(&cx, &bucket, &held, &here()).await.unwrap();
    let outage = Fault::on_operation("s3:PutObject", Effect::ServerError500).times(100_000);
    sandbox.set_faults(Faults::script([outage]));
    let names = ["a", "b", "c"];
    let all = names.iter().map(|name| journal.intend(intent(name, &cx)));
    let before = cx.clock.unix();
    for result in futures::future::join_all(all).await {
        assert_eq!(result.unwrap_err().class, Class::Unavailable);
    }
    assert!(cx.clock.unix() - before < 300, "those behind a failure do not each try for as long");
    assert!(journal.intent(&address("a"), "aws.ec2.vpc").is_none(), "the create is not sent");
    // An interrupted run does not wait for S3 to come back.
    journal.applied(&address("a"), resource("10.0.0.0/16"));
    cx.cancel.cancel();
    let before = cx.clock.unix();
    assert_eq!(journal.flush().await.unwrap_err().class, Class::TimedOut);
    assert!(cx.clock.unix() - before <= 4);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_can_not_be_read_is_not_taken_for_none() {
    let (sandbox, cx, bucket, _held) = begun().await;
    sandbox.set_faults(Faults::script([Fault::on_operation(
        "s3:GetObject",
        Effect::Error {
            status: 403,
            code: "AccessDenied".to_owned(),
            message: "Access Denied".to_owned(),
        },
    )]));
    assert_eq!(Record::load(&cx, &bucket).await.unwrap_err().class, Class::Denied);
}

#[tokio::test(start_paused = true)]
async fn runs_are_kept_listed_and_hold_no_secret() {
    let (_sandbox, cx, bucket, _held) = begun().await;
    cx.masks.add(&Secret::new("hunter2-hunter2"));
    let mut ids = Vec::new();
    for _ in 0..3 {
        let run = run_id(&cx.clock);
        let head = RunHead {
            run: run.clone(),
            command: "apply".to_owned(),
            who: "jane".to_owned(),
            version: VERSION.to_owned(),
            began: cx.clock.timestamp(),
        };
        let log = RunLog::new(&cx, &bucket, head);
        let sink = log.sink(Arc::new(|_| {}));
        let text = "a note with \"hunter2-hunter2\" in it".to_owned();
        sink(Event { at: cx.clock.now(), what: What::Note { text } });
        sink(Event { at: cx.clock.now(), what: What::Interrupted });
        log.write().await.unwrap();
        ids.insert(0, run);
        tokio::time::sleep(Duration::from_secs(61)).await;
    }
    let listed: Vec<String> =
        list_runs(&cx, &bucket).await.unwrap().into_iter().map(|entry| entry.run).collect();
    assert_eq!(listed, ids, "the newest first");
    assert!(ids[2].starts_with("20270115T080000Z-"), "{}", ids[2]);
    let (head, events) = read_run(&cx, &bucket, &ids[0]).await.unwrap().unwrap();
    assert_eq!((head.run.as_str(), events.len()), (ids[0].as_str(), 2));
    match &events[0].what {
        What::Note { text } => assert_eq!(text, "a note with \"(secret)\" in it"),
        other => panic!("{other:?}"),
    }
    assert!(read_run(&cx, &bucket, "no-such-run").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn facts_come_from_the_right_account() {
    let sandbox = world();
    let cx = caller(&sandbox, 0);
    let facts = Facts::load(&cx, &here()).await.unwrap();
    assert_eq!(facts.account.as_str(), ACCOUNT);
    let zones = &facts.zones[&Region::new("us-east-1")];
    assert!(zones.len() >= 3 && zones[0].name == "us-east-1a" && !zones[0].id.is_empty());

    let other =
        Deployment { account: AccountId::new("210987654321"), ..deployment("us-east-1", None) };
    let connectors = Connectors::default().with(clients(&sandbox, cx.clock));
    let other = Cx::new(other, cx.clock, connectors);
    sandbox.forget_calls();
    let error = Facts::load(&other, &here()).await.unwrap_err();
    assert_eq!(error.class, Class::Denied);
    assert!(error.to_string().contains(ACCOUNT) && error.to_string().contains("210987654321"));
    assert_eq!(sandbox.calls().len(), 1, "nothing else is read in a wrong account");
}

#[tokio::test(start_paused = true)]
async fn secrets_are_read_masked_and_have_versions_where_there_are_any() {
    let sandbox = world();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "from-the-file\n").unwrap();
    let sources = SecretSources::new(folder.path(), |name| {
        (name == "TOKEN").then(|| "from-the-environment".to_owned())
    });
    let base = caller(&sandbox, 0);
    let connectors = Connectors::default().with(clients(&sandbox, base.clock)).with(sources);
    let cx = Cx::new(deployment("us-east-1", None), base.clock, connectors);
    let manager = clients(&sandbox, cx.clock).secrets_manager(&cx.region);
    let made = manager
        .create_secret()
        .name("coder/license")
        .client_request_token("11111111-1111-1111-1111-111111111111")
        .secret_string("from-secrets-manager")
        .send()
        .await
        .unwrap();
    let arn = SecretRef::SecretsManager(made.arn().unwrap().to_owned());
    for (reference, value, versioned) in [
        (SecretRef::Env("TOKEN".to_owned()), "from-the-environment", false),
        (SecretRef::File("token".to_owned()), "from-the-file", false),
        (arn.clone(), "from-secrets-manager", true),
    ] {
        let resolved = resolve(&cx, &reference).await.unwrap();
        assert_eq!(resolved.value.expose(), value);
        assert_eq!(cx.masks.clean(&format!("x {value} y")), "x (secret) y");
        assert_eq!(resolved.version, version(&cx, &reference).await.unwrap());
        assert_eq!(resolved.version.is_some(), versioned);
    }
    sandbox.forget_calls();
    version(&cx, &arn).await.unwrap();
    assert!(!sandbox.counts().contains_key("secretsmanager:GetSecretValue"));
    for missing in [
        SecretRef::Env("NO_SUCH".to_owned()),
        SecretRef::File("no-such".to_owned()),
        SecretRef::SecretsManager("no/such".to_owned()),
    ] {
        let error = resolve(&cx, &missing).await.unwrap_err().to_string();
        assert!(
            error.to_lowercase().contains("no_such")
                || error.contains("no-such")
                || error.contains("no/such"),
            "{error}"
        );
    }
}
