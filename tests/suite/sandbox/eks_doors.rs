//! Who gets into the Kubernetes APIs of clusters that are served, and when these answer.

use super::eks::Place;
use super::*;
use aws_credential_types::Credentials;
use aws_sdk_eks::types as t;
use coderctl::aws::eks::token::token;
use coderctl::name::Region;
use coderctl::sandbox::kube::KubeSandbox;
use coderctl::sandbox::{Clusters, Front, Knobs, serve_kubernetes};
use k8s_openapi::api::core::v1::Namespace;
use std::time::SystemTime;

const ROLE: &str = "arn:aws:iam::123456789012:role/pods";

/// What a cluster says to somebody who lists namespaces with a token.
async fn tried(url: &str, token: Option<String>) -> String {
    let mut config = kube::Config::new(url.parse().unwrap());
    config.auth_info.token = token.map(Into::into);
    config.default_retry = false;
    let client = kube::Client::try_from(config).unwrap();
    let api: kube::Api<Namespace> = kube::Api::all(client);
    match api.list(&Default::default()).await {
        Ok(list) => format!("{} namespaces", list.items.len()),
        Err(kube::Error::Api(status)) => format!("{} {}", status.code, status.reason),
        Err(_) => "closed".to_owned(),
    }
}

fn keys(id: &str, secret: &str) -> Credentials {
    Credentials::from_keys(id, secret, None)
}

/// A token that was signed for `cluster` so many seconds ago; a negative age is yet to come.
fn signed(by: &Credentials, cluster: &str, age: i64) -> Option<String> {
    let (now, region) = (SystemTime::now(), Region::from("us-east-1"));
    let by_seconds = Duration::from_secs(age.unsigned_abs());
    let at = if age < 0 { now + by_seconds } else { now - by_seconds };
    Some(token(by, cluster, &region, at).expose().to_owned())
}

/// A cluster that its maker may administer, served; gives the address of all.
async fn served(place: &Place, name: &str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = Front {
        url: format!("http://{}", listener.local_addr().unwrap()),
        authority: Some("who vouches".to_owned()),
    };
    let kubernetes = Some(front.clone());
    place.sandbox.set_knobs(Knobs { kubernetes, ..place.sandbox.knobs() });
    let alone = KubeSandbox::in_memory(place.sandbox.clock(), 1);
    let clusters = Clusters::new(place.sandbox.clone(), "123456789012", None);
    tokio::spawn(serve_kubernetes(alone, clusters, listener, std::future::pending()));
    let access = t::CreateAccessConfigRequest::builder()
        .authentication_mode(t::AuthenticationMode::Api)
        .bootstrap_cluster_creator_admin_permissions(true);
    place.cluster_of(name).access_config(access.build()).send().await.unwrap();
    front.url
}

#[tokio::test(start_paused = true)]
async fn a_token_opens_one_cluster_to_one_principal_for_a_quarter_of_an_hour() {
    let place = Place::new().await;
    let front = served(&place, "one").await;
    wait(&place.sandbox, 541).await;
    tokio::time::resume();
    let cluster = place.describe("one").await;
    let url = cluster.endpoint().unwrap().to_owned();
    assert!(url.starts_with(&format!("{front}/")), "{url}");
    let authority = cluster.certificate_authority().unwrap().data().unwrap();
    assert_eq!(authority, "d2hvIHZvdWNoZXM=");
    let own = keys("AKIASANDBOX", "sandbox");
    for (what, token, answer) in [
        ("fresh", signed(&own, "one", 0), "4 namespaces"),
        ("almost a quarter of an hour old", signed(&own, "one", 890), "4 namespaces"),
        ("older", signed(&own, "one", 910), "401 Unauthorized"),
        ("of a clock that is a little ahead", signed(&own, "one", -60), "4 namespaces"),
        ("of a clock that is far ahead", signed(&own, "one", -600), "401 Unauthorized"),
        ("for another cluster", signed(&own, "two", 0), "401 Unauthorized"),
        ("with a wrong key", signed(&keys("AKIASANDBOX", "x"), "one", 0), "401 Unauthorized"),
        (
            "of another account",
            signed(&keys("210987654321", "sandbox"), "one", 0),
            "401 Unauthorized",
        ),
        ("none", None, "401 Unauthorized"),
        ("no token of EKS", Some("k8s-aws-v1.e30".to_owned()), "401 Unauthorized"),
    ] {
        assert_eq!(tried(&url, token).await, answer, "{what}");
    }
    // Whose id it is not, nobody answers.
    let elsewhere = format!("{front}/0123456789ABCDEF0123456789ABCDEF");
    assert_eq!(tried(&elsewhere, signed(&own, "one", 0)).await, "closed");
}

#[tokio::test(start_paused = true)]
async fn a_role_is_let_in_by_its_access_entry_and_may_what_its_policies_say() {
    let place = Place::new().await;
    served(&place, "one").await;
    wait(&place.sandbox, 541).await;
    tokio::time::resume();
    let url = place.describe("one").await.endpoint().unwrap().to_owned();
    let sts = aws_sdk_sts::Client::new(&config(&place.sandbox, "AKIDSANDBOX", "us-east-1"));
    let taken =
        sts.assume_role().role_arn(ROLE).role_session_name("somebody").send().await.unwrap();
    let given = taken.credentials().unwrap();
    let role = keys(given.access_key_id(), given.secret_access_key());
    assert_eq!(tried(&url, signed(&role, "one", 0)).await, "401 Unauthorized");
    let entry = place.eks.create_access_entry().cluster_name("one").principal_arn(ROLE);
    entry.send().await.unwrap();
    assert_eq!(tried(&url, signed(&role, "one", 0)).await, "403 Forbidden");
    let scope = t::AccessScope::builder().r#type(t::AccessScopeType::Cluster).build();
    let associate = place.eks.associate_access_policy().cluster_name("one").principal_arn(ROLE);
    let policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminViewPolicy";
    associate.policy_arn(policy).access_scope(scope).send().await.unwrap();
    assert_eq!(tried(&url, signed(&role, "one", 0)).await, "4 namespaces");
    // Its own secret key, and no other.
    let liar = keys(given.access_key_id(), "sandbox");
    assert_eq!(tried(&url, signed(&liar, "one", 0)).await, "401 Unauthorized");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_answers_from_when_it_is_active_until_it_is_deleted() {
    let place = Place::new().await;
    let front = served(&place, "one").await;
    assert_eq!(place.describe("one").await.endpoint(), None);
    // The id is known before the address is told.
    let id =
        place.sandbox.dump()["accounts"]["123456789012"]["regions"]["us-east-1"]["eks"]["clusters"]
            ["one"]["id"]
            .as_str()
            .unwrap()
            .to_owned();
    let (url, own) = (format!("{front}/{id}"), keys("AKIASANDBOX", "sandbox"));
    tokio::time::resume();
    assert_eq!(tried(&url, signed(&own, "one", 0)).await, "closed");
    tokio::time::pause();
    wait(&place.sandbox, 541).await;
    tokio::time::resume();
    assert_eq!(tried(&url, signed(&own, "one", 0)).await, "4 namespaces");
    place.eks.delete_cluster().name("one").send().await.unwrap();
    assert_eq!(place.status("one").await, "DELETING");
    assert_eq!(tried(&url, signed(&own, "one", 0)).await, "closed");
}
