//! The embedded AWS, through the real SDK clients on virtual time.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod access;
mod acm;
mod autoscaling;
mod eks;
mod eks_access;
mod eks_doors;
mod eks_nodes;
mod elbv2;
mod faults;
mod rds;
mod reading;
mod route53;
mod secrets;
mod state;
mod vpc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::SharedCredentialsProvider;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::types::{Filter, IpPermission, ResourceType, Tag, TagSpecification};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use coderctl::clock::Clock;
use coderctl::sandbox::{Effect, Fault, Faults, Matching, Outcome, Sandbox, SandboxHttp};
use std::time::{Duration, SystemTime};

/// A clock that starts at a fixed day.
fn clock() -> Clock {
    Clock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000), 1)
}

fn sandbox() -> Sandbox {
    Sandbox::in_memory(clock(), 7)
}

fn config(sandbox: &Sandbox, access_key: &str, region: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .http_client(SandboxHttp::new(sandbox.clone()))
        .sleep_impl(sandbox.clock())
        .time_source(sandbox.clock())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            access_key, "secret", None, None, "test",
        )))
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(60)).build(),
        )
        .build()
}

fn client(sandbox: &Sandbox) -> Client {
    Client::new(&config(sandbox, "AKIDSANDBOX", "us-east-1"))
}

/// The code on the wire of a call that must fail.
fn code<T, E: ProvideErrorMetadata>(result: Result<T, SdkError<E>>) -> String {
    let Err(error) = result else { panic!("the call succeeded") };
    error.code().expect("an error without a code").to_owned()
}

fn tagged(resource_type: &str, key: &str, value: &str) -> TagSpecification {
    TagSpecification::builder()
        .resource_type(ResourceType::from(resource_type))
        .tags(Tag::builder().key(key).value(value).build())
        .build()
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

async fn vpc(ec2: &Client, cidr: &str) -> String {
    let made = ec2.create_vpc().cidr_block(cidr).send().await.unwrap();
    made.vpc().unwrap().vpc_id().unwrap().to_owned()
}

async fn subnet(ec2: &Client, vpc: &str, cidr: &str, zone: &str) -> String {
    let call = ec2.create_subnet().vpc_id(vpc).cidr_block(cidr).availability_zone(zone);
    call.send().await.unwrap().subnet().unwrap().subnet_id().unwrap().to_owned()
}

async fn gateway(ec2: &Client, vpc: &str) -> String {
    let made = ec2.create_internet_gateway().send().await.unwrap();
    let id = made.internet_gateway().unwrap().internet_gateway_id().unwrap().to_owned();
    ec2.attach_internet_gateway().internet_gateway_id(&id).vpc_id(vpc).send().await.unwrap();
    id
}

async fn address(ec2: &Client) -> String {
    ec2.allocate_address().send().await.unwrap().allocation_id().unwrap().to_owned()
}

async fn nat(ec2: &Client, subnet: &str, address: &str) -> String {
    let call = ec2.create_nat_gateway().subnet_id(subnet).allocation_id(address);
    call.send().await.unwrap().nat_gateway().unwrap().nat_gateway_id().unwrap().to_owned()
}

async fn nat_state(ec2: &Client, id: &str) -> String {
    let seen = ec2.describe_nat_gateways().nat_gateway_ids(id).send().await.unwrap();
    seen.nat_gateways()[0].state().unwrap().as_str().to_owned()
}

async fn group(ec2: &Client, vpc: &str, name: &str) -> String {
    let call = ec2.create_security_group().vpc_id(vpc).group_name(name).description(name);
    call.send().await.unwrap().group_id().unwrap().to_owned()
}

async fn wait(sandbox: &Sandbox, seconds: u64) {
    sandbox.clock().sleep(Duration::from_secs(seconds)).await;
}

fn tcp(port: i32) -> aws_sdk_ec2::types::builders::IpPermissionBuilder {
    IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port)
}

#[test]
fn the_law_and_the_world_have_the_same_operations() {
    let (mistakes, unchecked) = coderctl::sandbox::law_problems();
    assert_eq!(mistakes, Vec::<String>::new());
    assert_eq!(unchecked, Vec::<String>::new());
    assert!(coderctl::sandbox::operations().len() > 50);
}

#[tokio::test(start_paused = true)]
async fn sts_says_who_calls_and_gives_roles() {
    let sandbox = sandbox();
    let sts = aws_sdk_sts::Client::new(&config(&sandbox, "AKIDSANDBOX", "us-east-1"));
    let who = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.account(), Some("123456789012"));
    let sts = aws_sdk_sts::Client::new(&config(&sandbox, "210987654321", "us-east-1"));
    let who = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.account(), Some("210987654321"));

    let role = "arn:aws:iam::111122223333:role/path/deployer";
    let call = sts.assume_role().role_arn(role).role_session_name("run");
    let taken = call.clone().send().await.unwrap();
    let key = taken.credentials().unwrap().access_key_id();
    let sts = aws_sdk_sts::Client::new(&config(&sandbox, key, "us-east-1"));
    let who = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.account(), Some("111122223333"));
    assert_eq!(who.arn(), Some("arn:aws:sts::111122223333:assumed-role/deployer/run"));
    wait(&sandbox, 3601).await;
    assert_eq!(code(sts.get_caller_identity().send().await), "ExpiredTokenException");
    assert_eq!(code(call.role_session_name("?").send().await), "ValidationError");
}

#[tokio::test(start_paused = true)]
async fn the_law_refuses() {
    let sandbox = sandbox();
    let ec2 = client(&sandbox);
    let dry = ec2.create_vpc().cidr_block("10.0.0.0/16").dry_run(true);
    assert_eq!(code(dry.send().await), "DryRunOperation");
    let enumeration = ec2.create_vpc().cidr_block("10.0.0.0/16").instance_tenancy("odd".into());
    assert_eq!(code(enumeration.send().await), "InvalidParameterValue");
    assert_eq!(code(ec2.delete_vpc().vpc_id("").send().await), "InvalidVpcID.NotFound");
    assert_eq!(code(ec2.describe_images().send().await), "InvalidAction");

    let raw = async |body: &'static str, signed: bool| {
        let mut request = http::Request::post("https://ec2.us-east-1.amazonaws.com/")
            .header("content-type", "application/x-www-form-urlencoded");
        if signed {
            let scope = "AKID/20270115/us-east-1/ec2/aws4_request";
            let header =
                format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
            request = request.header("authorization", header);
        }
        let answer = sandbox.handle(request.body(body.into()).unwrap()).await.unwrap();
        assert_eq!(answer.headers()["date"], "Fri, 15 Jan 2027 08:00:00 GMT");
        let text = String::from_utf8(answer.body().to_vec()).unwrap();
        (answer.status().as_u16(), text)
    };
    for (body, expected) in [
        ("Action=DeleteVpc&Version=2016-11-15", "<Code>MissingParameter</Code>"),
        ("Action=DeleteVpc&VpcId=vpc-1&Odd=1", "<Code>UnknownParameter</Code>"),
        ("Action=DescribeVpcs&Filters.1.Name=x", "<Code>UnknownParameter</Code>"),
        ("Action=DescribeVpcs&MaxResults=ten", "<Code>InvalidParameterValue</Code>"),
        ("Action=Nonsense", "<Code>InvalidAction</Code>"),
        ("", "<Code>InvalidAction</Code>"),
    ] {
        let (status, text) = raw(body, true).await;
        assert_eq!(status, 400, "{body}");
        assert!(text.contains(expected), "{body}: {text}");
    }
    // A call that the law refuses is a call.
    let refused = sandbox.calls().pop().unwrap();
    assert_eq!((refused.operation.as_str(), refused.mutating), ("DescribeVpcs", false));
    assert!(matches!(refused.outcome, Outcome::Refused { status: 400, .. }), "{refused:?}");
    let (status, text) = raw("Action=DescribeVpcs", false).await;
    assert_eq!(status, 403);
    assert!(text.contains("<Code>MissingAuthenticationToken</Code>"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_presigned_url_is_signed() {
    let uri = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15\
               &X-Amz-Algorithm=AWS4-HMAC-SHA256\
               &X-Amz-Credential=210987654321%2F20270115%2Feu-west-1%2Fsts%2Faws4_request\
               &X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=0";
    let request = http::Request::get(uri).body(bytes::Bytes::new()).unwrap();
    let sandbox = sandbox();
    let answer = sandbox.handle(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let text = String::from_utf8(answer.body().to_vec()).unwrap();
    assert!(text.contains("<Account>210987654321</Account>"), "{text}");
    assert_eq!(sandbox.calls()[0].region, "eu-west-1");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_modelled_says_so() {
    let request = http::Request::post("https://eks.us-east-1.amazonaws.com/clusters")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=A/20270115/us-east-1/mars/aws4_request",
        )
        .body(bytes::Bytes::new())
        .unwrap();
    let answer = sandbox().handle(request).await.unwrap();
    assert_eq!(answer.status(), 501);
    let text = String::from_utf8(answer.body().to_vec()).unwrap();
    assert!(text.contains("does not model the service &quot;mars&quot;"), "{text}");
}

#[tokio::test]
async fn over_http() {
    let sandbox = sandbox();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(coderctl::sandbox::serve(sandbox.clone(), listener, async {
        let _ = stopped.await;
    }));
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "AKIDSANDBOX",
            "secret",
            None,
            None,
            "test",
        )))
        .retry_config(RetryConfig::disabled())
        .build();
    let ec2 = Client::new(&config);
    let subnets = ec2.describe_subnets().send().await.unwrap();
    assert_eq!(subnets.subnets()[0].vpc_id().map(|id| id.len()), Some(21));
    assert_eq!(subnets.subnets().len(), 3);
    sandbox.set_faults(Faults::script([Fault::on(Matching::Any, Effect::LoseAnswer)]));
    let lost = ec2.describe_vpcs().send().await.unwrap_err();
    assert!(matches!(lost, SdkError::DispatchFailure(_)), "{lost:?}");
    ec2.describe_vpcs().send().await.unwrap();
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

mod any_request {
    use super::sandbox;
    use proptest::prelude::*;

    fn word() -> impl Strategy<Value = String> {
        let known = prop::sample::select(vec![
            "Action",
            "VpcId",
            "CreateVpc",
            "CidrBlock",
            "Filter",
            "IpPermissions",
            "Tag",
            "1",
            "2",
            "0",
            "99999999999999999999",
            "member",
            "Value",
            "Name",
            "Key",
            "GroupId",
            "NextToken",
            "MaxResults",
            "DescribeVpcs",
            "CreateSecurityGroup",
            "AuthorizeSecurityGroupIngress",
            "CreateTags",
            "ClientToken",
            "TagSpecification",
            "10.0.0.0/16",
            "::/0",
            "-1",
            "true",
        ]);
        prop_oneof![8 => known.prop_map(str::to_owned), 1 => ".{0,12}"]
    }

    fn parameter() -> impl Strategy<Value = String> {
        let name = prop::collection::vec(word(), 1..5).prop_map(|words| words.join("."));
        (name, word()).prop_map(|(name, value)| {
            let encoded =
                |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            format!("{}={}", encoded(&name), encoded(&value))
        })
    }

    proptest! {
        #![proptest_config(crate::suite::seeds::config(300))]

        #[test]
        fn is_answered(
            operation in prop::sample::select(coderctl::sandbox::operations()),
            parameters in prop::collection::vec(parameter(), 0..6),
            noise in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        ) {
            let (service, action) = operation.split_once(':').unwrap();
            let mut body = format!("Action={action}&{}", parameters.join("&")).into_bytes();
            if let Some(noise) = noise {
                body.extend(noise);
            }
            let header = format!(
                "AWS4-HMAC-SHA256 Credential=AKID/20270115/us-east-1/{service}/aws4_request"
            );
            let request = http::Request::post("https://localhost/")
                .header("authorization", header)
                .body(body.into())
                .unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            let status = runtime.block_on(async {
                sandbox().handle(request).await.unwrap().status().as_u16()
            });
            // 501 is the answer of services that are not asked by forms.
            prop_assert!(status < 500 || status == 501, "{}", status);
        }
    }
}
