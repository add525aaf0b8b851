//! What a run takes note of around it: the trace that it is part of, and credentials that end.

use super::binary::Folder;
use super::deployment::{World, small, spec};
use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use coderctl::aws::Clients;
use coderctl::cli::connect::Connected;
use coderctl::cli::drive::{Caller, carry_out};
use coderctl::cli::session::{Session, Target};
use coderctl::cli::trace::TraceParent;
use coderctl::event::{Event, What};
use coderctl::kind::Connectors;
use coderctl::name::Region;
use coderctl::plan::Options;
use coderctl::sandbox::SandboxHttp;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

#[test]
fn a_trace_parent_is_read_as_the_recommendation_says() {
    let parent = TraceParent::parse(PARENT).unwrap();
    assert_eq!((parent.trace_id(), parent.parent_id()), (TRACE, SPAN));
    // A later version may say more.
    let later = format!("01-{TRACE}-{SPAN}-01-more");
    assert_eq!(TraceParent::parse(&later), Ok(parent));
    for wrong in [
        "",
        "no trace at all",
        "00",
        &format!("00-{TRACE}"),
        &format!("00-{TRACE}-{SPAN}"),
        &format!("00-{TRACE}-{SPAN}-1"),
        &format!("00-{TRACE}-{SPAN}-01-more"),
        &format!("ff-{TRACE}-{SPAN}-01"),
        &format!("0g-{TRACE}-{SPAN}-01"),
        &format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        &format!("00-{}-{SPAN}-01", "0".repeat(32)),
        &format!("00-{TRACE}-{}-01", "0".repeat(16)),
        &format!("00-{TRACE}é-{SPAN}-01"),
    ] {
        assert!(TraceParent::parse(wrong).is_err(), "{wrong}");
    }
}

/// The `traced` events of an apply with `TRACEPARENT` set to `parent`, and the run's id.
fn traced(folder: &Folder, parent: &str) -> (Vec<Value>, String) {
    folder.tiny();
    let args = ["apply", "--yes", "--output", "json"];
    let ran = folder.run_with(("TRACEPARENT", parent), &args).exits(0);
    let lines: Vec<Value> = serde_json::Deserializer::from_str(&ran.out)
        .into_iter::<Value>()
        .map(|line| line.unwrap())
        .collect();
    let started = lines.iter().find(|line| line["event"] == "run_started").unwrap();
    let run = started["run"].as_str().unwrap().to_owned();
    (lines.into_iter().filter(|line| line["event"] == "traced").collect(), run)
}

#[test]
fn a_run_says_and_records_which_trace_it_is_part_of() {
    let folder = Folder::new();
    let (events, run) = traced(&folder, PARENT);
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0]["trace_id"], &events[0]["parent_id"]), (&TRACE.into(), &SPAN.into()));
    folder.run(&["runs", &run]).exits(0).says(&format!("part of trace {TRACE}, begun by span"));
}

#[test]
fn a_trace_parent_that_can_not_be_read_is_ignored() {
    let folder = Folder::new();
    let (events, _) = traced(&folder, "00-not-a-trace-01");
    assert_eq!(events, Vec::<Value>::new());
    let again = ["plan", "-vv"];
    let ran = folder.run_with(("TRACEPARENT", "00-not-a-trace-01"), &again).exits(0);
    assert!(ran.out.contains("nothing to change"), "{ran:?}");
}

/// Notes the user agents of what passes through it.
#[derive(Clone, Debug)]
struct Agents {
    inner: SandboxHttp,
    seen: Arc<Mutex<Vec<String>>>,
}

impl HttpClient for Agents {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Agents {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let agent = request.headers().get("x-amz-user-agent").unwrap_or_default().to_owned();
        self.seen.lock().unwrap().push(agent);
        self.inner.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_to_aws_names_the_trace() {
    let world = World::new();
    let agents = Agents { inner: SandboxHttp::new(world.sandbox.clone()), seen: Arc::default() };
    let config = world.config().into_builder().http_client(agents.clone()).build();
    let clients = Clients::from_config(config, true, world.sandbox.clock(), 1).traced(TRACE);
    clients.ec2(&Region::new("us-east-1")).describe_vpcs().send().await.unwrap();
    let seen = agents.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].contains(&format!("app/coderctl-trace-{TRACE}")), "{}", seen[0]);
}

/// Credentials that end `seconds` after the world began.
fn ending(world: &World, seconds: u64, feature: Option<AwsCredentialFeature>) -> Clients {
    let end = world.sandbox.clock().now() + Duration::from_secs(seconds);
    let token = Some("session".to_owned());
    let mut credentials = Credentials::new("AKIDSANDBOX", "secret", token, Some(end), "test");
    if let Some(feature) = feature {
        credentials.get_property_mut_or_default::<Vec<AwsCredentialFeature>>().push(feature);
    }
    let config = world
        .config()
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    Clients::from_config(config, true, world.sandbox.clock(), 11)
}

/// The warnings of an apply of the small network with these credentials, which typically takes
/// a few minutes; they stand before anything else.
async fn warnings(world: &World, clients: Clients) -> Vec<String> {
    let loaded = spec(small(), &["kubernetes=null"]);
    let connectors = Connectors::default().with(clients.clone());
    let connected = Connected { clock: world.sandbox.clock(), clients, connectors };
    let target = Target::of(&loaded);
    let mut session = Session::open(connected, Some(loaded), target, None).await.unwrap();
    let plan = session.plan(&Options::default()).await.plan;
    assert!((100..600).contains(&plan.estimate), "{}", plan.estimate);
    let events: Arc<Mutex<Vec<Event>>> = Arc::default();
    let sink = events.clone();
    let options = Options::default();
    carry_out(&mut session, &plan, &options, &Caller::default(), |_, _| {
        Arc::new(move |event| sink.lock().unwrap().push(event))
    })
    .await
    .unwrap();
    let events = events.lock().unwrap();
    events
        .iter()
        .take_while(|event| !matches!(event.what, What::RunStarted { .. }))
        .filter_map(|event| match &event.what {
            What::Note { text } => Some(text.clone()),
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn credentials_that_end_before_the_run_are_warned_of() {
    let world = World::new();
    let warned = warnings(&world, ending(&world, 90, None)).await;
    let [text] = warned.as_slice() else { panic!("{warned:?}") };
    assert!(text.starts_with("the credentials end at 2027-01-15T08:01:30Z, in 1 min"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_last_or_renew_themselves_are_not() {
    for (seconds, feature) in [
        (3600, None),
        (90, Some(AwsCredentialFeature::CredentialsImds)),
        (90, Some(AwsCredentialFeature::CredentialsStsAssumeRole)),
    ] {
        let world = World::new();
        let warned = warnings(&world, ending(&world, seconds, feature.clone())).await;
        assert_eq!(warned, Vec::<String>::new(), "{seconds} {feature:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_environment_says_when_its_credentials_end() {
    let world = World::new();
    let clients = |token: Option<&str>, feature: AwsCredentialFeature| {
        let token = token.map(str::to_owned);
        let mut credentials = Credentials::new("AKIDSANDBOX", "secret", token, None, "test");
        credentials.get_property_mut_or_default::<Vec<AwsCredentialFeature>>().push(feature);
        let provider = SharedCredentialsProvider::new(credentials);
        let config = world.config().into_builder().credentials_provider(provider).build();
        Clients::from_config(config, true, world.sandbox.clock(), 11)
    };
    let says = |value: &'static str| {
        move |name: &str| (name == "AWS_CREDENTIAL_EXPIRATION").then(|| value.to_owned())
    };
    let env = AwsCredentialFeature::CredentialsEnvVars;
    let temporary = clients(Some("token"), env.clone());
    let end = temporary.credentials_end(says("2027-01-15T08:10:00Z")).await;
    assert_eq!(end, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_600)));
    assert_eq!(temporary.credentials_end(says("soon")).await, None);
    assert_eq!(temporary.credentials_end(|_| None).await, None);
    // It speaks of temporary credentials of the environment, and of no others.
    let lasting = clients(None, env);
    assert_eq!(lasting.credentials_end(says("2027-01-15T08:10:00Z")).await, None);
    let profile = clients(Some("token"), AwsCredentialFeature::CredentialsProfile);
    assert_eq!(profile.credentials_end(says("2027-01-15T08:10:00Z")).await, None);
}
