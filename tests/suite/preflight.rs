//! What would go wrong an hour after the first call is refused before it.

use super::deployment::{Deployment, spec};
use super::harness::REGION;
use coderctl::aws::route53::dns::{Dns, PublicDns};
use coderctl::plan::{Options, Refusal};
use futures::future::BoxFuture;
use std::collections::BTreeSet;
use std::future::ready;
use std::sync::Arc;

const SIMPLE: &str = "examples/sr-simple.yaml";

async fn refused(account: &Deployment, set: &[&str]) -> Vec<Refusal> {
    let mut session = account.online(&spec(SIMPLE, set)).await;
    session.plan(&Options::default()).await.plan.refusals
}

fn route53(account: &Deployment) -> aws_sdk_route53::Client {
    aws_sdk_route53::Client::new(&account.config())
}

/// A zone of the account; `private` to its default VPC or not.
async fn zone(account: &Deployment, name: &str, private: bool) -> (String, Vec<String>) {
    use aws_sdk_route53::types::{HostedZoneConfig, Vpc, VpcRegion};
    let route53 = route53(account);
    let mut request = route53.create_hosted_zone().name(name).caller_reference(name);
    if private {
        let ec2 = aws_sdk_ec2::Client::new(&account.config());
        let vpc = ec2.create_vpc().cidr_block("172.16.0.0/16").send().await.unwrap();
        let id = vpc.vpc().unwrap().vpc_id().unwrap().to_owned();
        let vpc = Vpc::builder().vpc_id(id).vpc_region(VpcRegion::from(REGION)).build();
        let config = HostedZoneConfig::builder().private_zone(true).build();
        request = request.vpc(vpc).hosted_zone_config(config);
    }
    let made = request.send().await.unwrap();
    let id = made.hosted_zone().unwrap().id().trim_start_matches("/hostedzone/").to_owned();
    let servers = made.delegation_set().map(|set| set.name_servers().to_vec()).unwrap_or_default();
    (id, servers)
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_is_not_there_or_not_the_right_one() {
    let account = Deployment::new(51);
    let [gone] = &refused(&account, &["dns.zone_id=ZABCDEF"]).await[..] else { panic!() };
    assert!(gone.why.contains("there is no hosted zone ZABCDEF in account"), "{gone:?}");

    let (other, _) = zone(&account, "example.org", false).await;
    let [elsewhere] = &refused(&account, &[&format!("dns.zone_id={other}")]).await[..] else {
        panic!()
    };
    assert!(elsewhere.why.contains("coder.example.com is not in it"), "{elsewhere:?}");

    let (private, _) = zone(&account, "coder.example.com", true).await;
    let [private] = &refused(&account, &[&format!("dns.zone_id={private}")]).await[..] else {
        panic!()
    };
    assert!(private.why.contains("is private"), "{private:?}");
}

/// A public DNS that names these servers for every domain.
struct Named(BTreeSet<String>);

impl Dns for Named {
    fn name_servers<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<BTreeSet<String>, String>> {
        Box::pin(ready(Ok(self.0.clone())))
    }

    fn addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<BTreeSet<String>, String>> {
        Box::pin(ready(Ok(BTreeSet::new())))
    }
}

#[tokio::test(start_paused = true)]
async fn a_zone_that_the_world_does_not_look_into() {
    let account = Deployment::new(52);
    let (_, servers) = zone(&account, "dev.example.com", false).await;
    let own: BTreeSet<String> = servers.iter().map(|server| server.to_lowercase()).collect();
    let wanted = spec(SIMPLE, &["dns.base_domain=dev.example.com"]);
    let refusals = async |named: BTreeSet<String>| {
        let mut session = account.online(&wanted).await;
        session.cx = session.cx.with(PublicDns(Arc::new(Named(named))));
        session.plan(&Options::default()).await.plan.refusals
    };
    let registrar = BTreeSet::from(["ns1.registrar.example".to_owned()]);
    let [undelegated] = &refusals(registrar).await[..] else { panic!() };
    assert!(undelegated.why.contains("dev.example.com is not delegated"), "{undelegated:?}");
    assert!(own.iter().all(|server| undelegated.why.contains(server)), "{undelegated:?}");
    // Nobody has any name server, where the public DNS can't be seen.
    assert_eq!(refusals(BTreeSet::new()).await, []);
    // The user does what the refusal says.
    assert_eq!(refusals(own).await, []);
}

#[tokio::test(start_paused = true)]
async fn versions_that_aws_does_not_offer() {
    let account = Deployment::new(53);
    for (set, why) in [
        ("cluster.version=1.33", "Kubernetes 1.33 is in extended support only"),
        ("cluster.version=1.28", "EKS has no Kubernetes 1.28"),
        ("database.engine_version=11.9", "RDS has no Aurora PostgreSQL 11.9"),
    ] {
        let [refusal] = &refused(&account, &[set]).await[..] else { panic!("{set}") };
        assert!(refusal.why.contains(why), "{refusal:?}");
        let knows = if set.contains("cluster") { "1.35" } else { "16.13" };
        assert!(refusal.hint.contains(knows), "{refusal:?}");
    }
    for set in ["cluster.version=1.35", "database.engine_version=17.9"] {
        assert_eq!(refused(&account, &[set]).await, [], "{set}");
    }
}

/// A question that nobody answers holds nothing up.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_denied_holds_nothing_up() {
    use coderctl::sandbox::{Effect, Fault, Faults};
    let account = Deployment::new(54);
    let denied = |operation: &str| {
        let effect = Effect::Error {
            status: 403,
            code: "AccessDeniedException".to_owned(),
            message: "not authorized".to_owned(),
        };
        Fault::on_operation(operation, effect).times(100)
    };
    let all =
        ["eks:DescribeClusterVersions", "rds:DescribeDBEngineVersions", "route53:GetHostedZone"];
    account.sandbox.set_faults(Faults::script(all.map(denied)));
    let (plan, asked) = account.asked(&spec(SIMPLE, &["cluster.version=1.35"])).await;
    assert_eq!(plan.refusals, []);
    assert!(all.iter().all(|operation| asked.contains_key(*operation)), "{asked:?}");
}

/// Workspaces and the server call Coder's own address, which is that of the load balancer.
#[tokio::test(start_paused = true)]
async fn who_narrows_the_way_in_does_not_shut_out_the_workspaces() {
    let account = Deployment::new(55);
    let narrow = spec(SIMPLE, &["ingress.allowed_cidrs=[203.0.113.0/24]"]);
    account.done(&narrow, &Options::default()).await;
    let ec2 = aws_sdk_ec2::Client::new(&account.config());
    let addresses = ec2.describe_addresses().send().await.unwrap();
    let nat = format!("{}/32", addresses.addresses()[0].public_ip().unwrap());
    let rules = ec2.describe_security_group_rules().send().await.unwrap();
    let mut let_in: Vec<&str> = rules
        .security_group_rules()
        .iter()
        .filter(|rule| rule.is_egress() == Some(false) && rule.from_port() == Some(443))
        .filter_map(|rule| rule.cidr_ipv4())
        .collect();
    let_in.sort_unstable();
    let mut wanted = ["203.0.113.0/24", nat.as_str()];
    wanted.sort_unstable();
    assert_eq!(let_in, wanted);

    let inner = spec(SIMPLE, &["ingress.allowed_cidrs=[10.0.0.0/8]", "ingress.scheme=internal"]);
    let steps = account.plan(&inner, &Options::default()).await.steps;
    let own = |rule: &str| steps.iter().any(|step| step.name.address.as_str().ends_with(rule));
    assert!(own("in/nat-a"), "it goes: names lead to addresses of the VPC, which are let in");
    assert!(!own("in/vpc"), "10.0.0.0/8 has the VPC in it");
    let outer = ["ingress.allowed_cidrs=[192.168.0.0/16]", "ingress.scheme=internal"];
    let steps = account.plan(&spec(SIMPLE, &outer), &Options::default()).await.steps;
    assert!(steps.iter().any(|step| step.name.address.as_str().ends_with("in/vpc")));
}
