//! Whether what was applied can be used: what is said where it can't.

use super::deployment::{Deployment, spec};
use super::harness::config;
use coderctl::aws::route53::dns::{Dns, PublicDns};
use coderctl::cli::session::Session;
use coderctl::cli::{Exit, accept};
use coderctl::event::{Event, What};
use coderctl::plan::Options;
use futures::future::BoxFuture;
use k8s_openapi::api::apps::v1::Deployment as Rollout;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

const SIMPLE: &str = "examples/sr-simple.yaml";

/// A public DNS in which nobody has heard of the domain.
struct Unheard;

impl Dns for Unheard {
    fn name_servers<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<BTreeSet<String>, String>> {
        Box::pin(std::future::ready(Ok(BTreeSet::new())))
    }

    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<BTreeSet<String>, String>> {
        let of_aws = name.ends_with("amazonaws.com").then(|| "192.0.2.7".to_owned());
        Box::pin(std::future::ready(Ok(of_aws.into_iter().collect())))
    }
}

/// What the end of an apply says: events, and how it ends.
async fn end(session: &Session) -> (Vec<What>, Result<(), (Exit, String, String)>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = heard.clone();
    let sink: coderctl::event::Sink =
        Arc::new(move |event: Event| ear.lock().unwrap().push(event.what));
    let ended = accept(session, &Options::default(), &sink).await;
    let ended =
        ended.map_err(|failure| (failure.exit, failure.message, failure.hint.unwrap_or_default()));
    let heard = heard.lock().unwrap().clone();
    (heard, ended)
}

/// Asserts that it fails, for `why`, with advice.
async fn fails(session: &Session, why: &[&str], advice: &str) {
    let (heard, ended) = end(session).await;
    let (exit, message, hint) = ended.unwrap_err();
    assert_eq!(exit, Exit::Unhealthy, "{message}");
    for why in why {
        assert!(message.contains(why), "{why:?} is not in {message}");
    }
    assert!(hint.contains(advice), "{advice:?} is not in {hint}");
    assert!(heard.iter().any(|what| matches!(what, What::CheckFailed { .. })), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_applied_is_used_through_its_name_or_it_says_why_not() {
    let account = Deployment::new(11);
    let simple = spec(SIMPLE, &[]);
    account.done(&simple, &Options::default()).await;
    account.pass(120).await;

    let session = account.online(&simple).await;
    let (heard, ended) = end(&session).await;
    assert_eq!(ended, Ok(()), "{heard:?}");
    let passed: Vec<&str> = heard
        .iter()
        .filter_map(|what| match what {
            What::CheckPassed { check, .. } => Some(check.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(passed, ["certificate", "targets", "names", "healthz"]);

    // Only a part was applied, or nothing is left: there is nothing to accept.
    let part = Options { target: vec!["network".to_owned()], ..Options::default() };
    let silent: coderctl::event::Sink = Arc::new(|event| panic!("{event:?}"));
    assert!(accept(&session, &part, &silent).await.is_ok());

    // The domain isn't delegated.
    let mut lost = account.online(&simple).await;
    lost.cx = lost.cx.with(PublicDns(Arc::new(Unheard)));
    fails(&lost, &["names: coder.example.com has no address"], "is not delegated").await;

    // The certificate is for another name.
    let other = account.online(&spec(SIMPLE, &["dns.subdomain=other"])).await;
    let why = ["certificate: it is for", "not for other.example.com"];
    fails(&other, &why, "coderctl plan").await;

    // No pod is ready.
    let pods: Api<Rollout> = Api::namespaced(account.kube(), "coder");
    let none = json!({"spec": {"replicas": 0}});
    pods.patch("coder", &PatchParams::default(), &Patch::Merge(&none)).await.unwrap();
    account.pass(120).await;
    let session = account.online(&simple).await;
    let why = ["targets: 0 of", "Target.FailedHealthChecks", "healthz: https://coder.example.com"];
    fails(&session, &why, "is a pod of Coder ready").await;

    // No node is behind the load balancer.
    let scaling = aws_sdk_autoscaling::Client::new(&config(&account.sandbox));
    let groups = scaling.describe_auto_scaling_groups().send().await.unwrap();
    for group in groups.auto_scaling_groups() {
        let name = group.auto_scaling_group_name().unwrap_or_default();
        let sources = group.traffic_sources().to_vec();
        if !sources.is_empty() {
            let detach = scaling.detach_traffic_sources().auto_scaling_group_name(name);
            detach.set_traffic_sources(Some(sources)).send().await.unwrap();
        }
    }
    account.pass(60).await;
    let session = account.online(&simple).await;
    fails(&session, &["targets: target group", "is empty"], "no node is registered").await;

    // Whoever does not want to wait does not have to.
    session.cx.cancel.cancel();
    let (_, ended) = end(&session).await;
    assert_eq!(ended.unwrap_err().0, Exit::Interrupted);
}
