//! Clusters themselves.

use super::cluster_version::{self, is_offered};
use super::model::{AccessEntry, Cluster, Origin};
use super::update::any_running;
use super::words::{
    self, arn, asked, asked_mut, check_role, in_use, invalid, of, of_mut, paged, read_tags, strings,
};
use super::{access_policy, encryption, network};
use crate::sandbox::failure::Failure;
use crate::sandbox::iam::service_linked;
use crate::sandbox::knobs::Knobs;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::Ipv4Net;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long one is `CREATING`: 8.4 to 11.4 minutes in public logs.
const CREATING: Duration = Duration::from_secs(540);
/// How long one is `DELETING`: 1.2 to 8.7 minutes in public logs.
const DELETING: Duration = Duration::from_secs(180);
/// What signs the certificates of all clusters. Its key was thrown away: nothing is signed.
const AUTHORITY: &str = include_str!("authority.pem");
/// All types of control plane logs.
const LOG_TYPES: &[&str] = &["api", "audit", "authenticator", "controllerManager", "scheduler"];

impl Cluster {
    /// AWS's word for what it is doing.
    pub(super) fn status(&self, now: Millis) -> &'static str {
        match self.gone {
            Some(_) => "DELETING",
            None if now < self.active => "CREATING",
            None if any_running(&self.updates, now) => "UPDATING",
            None => "ACTIVE",
        }
    }

    /// The Kubernetes version that it has now.
    pub(super) fn version(&self, now: Millis) -> &str {
        match &self.upgrade {
            Some((version, from)) if *from <= now => version,
            _ => &self.version,
        }
    }

    /// Refuses what needs a cluster that works.
    pub(super) fn must_be_active(&self, now: Millis) -> Result<(), Failure> {
        match self.status(now) {
            "ACTIVE" | "UPDATING" => Ok(()),
            status => {
                let message = format!("Cluster '{}' is not in ACTIVE status: {status}", self.name);
                Err(words::refused(message))
            }
        }
    }

    /// Where its API is: `https://0123….gr7.us-east-1.eks.amazonaws.com`, unless it is served
    /// elsewhere.
    pub(super) fn endpoint(&self, knobs: &Knobs) -> String {
        if let Some(front) = &knobs.kubernetes {
            return format!("{}/{}", front.url, self.id);
        }
        let region = self.arn.split(':').nth(3).unwrap_or_default();
        format!("https://{}.gr7.{region}.eks.amazonaws.com", self.id)
    }

    fn issuer(&self) -> String {
        let region = self.arn.split(':').nth(3).unwrap_or_default();
        format!("https://oidc.eks.{region}.amazonaws.com/id/{}", self.id)
    }

    /// The security groups of the control plane's interfaces.
    pub(super) fn all_groups(&self) -> Vec<String> {
        std::iter::once(&self.own_group).chain(&self.groups).cloned().collect()
    }

    pub(super) fn write(&self, knobs: &Knobs, now: Millis) -> Value {
        let front = knobs.kubernetes.as_ref();
        let authority = front.and_then(|front| front.authority.as_deref()).unwrap_or(AUTHORITY);
        let made = now >= self.active;
        let shown = |value: Value| if made { value } else { Value::Null };
        let off: Vec<&&str> =
            LOG_TYPES.iter().filter(|kind| !self.logging.iter().any(|on| on == **kind)).collect();
        let logging: Vec<Value> = [(json!(self.logging), true), (json!(off), false)]
            .into_iter()
            .filter(|(types, _)| types.as_array().is_some_and(|types| !types.is_empty()))
            .map(|(types, enabled)| json!({"types": types, "enabled": enabled}))
            .collect();
        let encryption = self
            .key
            .as_ref()
            .map(|key| json!([{"resources": ["secrets"], "provider": {"keyArn": key}}]));
        let auto = self.auto_mode.is_some();
        json!({
            "name": self.name,
            "arn": self.arn,
            "createdAt": self.created.seconds(),
            "version": self.version(now),
            "platformVersion": "eks.1",
            "status": self.status(now),
            "endpoint": shown(self.endpoint(knobs).into()),
            "certificateAuthority": shown(json!({"data": STANDARD.encode(authority)})),
            "identity": shown(json!({"oidc": {"issuer": self.issuer()}})),
            "roleArn": self.role,
            "resourcesVpcConfig": {
                "subnetIds": self.subnets,
                "securityGroupIds": self.groups,
                "clusterSecurityGroupId": shown(self.own_group.as_str().into()),
                "vpcId": self.vpc,
                "endpointPublicAccess": self.public,
                "endpointPrivateAccess": self.private,
                "publicAccessCidrs": self.public_cidrs,
            },
            "kubernetesNetworkConfig": {
                "serviceIpv4Cidr": self.service_cidr,
                "ipFamily": "ipv4",
                "elasticLoadBalancing": {"enabled": auto},
            },
            "computeConfig": self.auto_mode.clone().unwrap_or_else(|| json!({"enabled": false})),
            "storageConfig": {"blockStorage": {"enabled": auto}},
            "logging": {"clusterLogging": logging},
            "encryptionConfig": encryption,
            "accessConfig": {"authenticationMode": self.authentication},
            "upgradePolicy": {"supportType": self.support},
            "zonalShiftConfig": {"enabled": self.zonal_shift},
            "controlPlaneScalingConfig": {"tier": self.tier},
            "deletionProtection": self.protected,
            "health": {"issues": []},
            "tags": self.tags,
        })
    }
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = params.required("name");
    let origin = Origin::of(params);
    if let Some(known) = of(&cx.view()).clusters.get(name) {
        if origin.is_again(&known.origin) {
            return Ok(json!({"cluster": known.write(cx.knobs, cx.now)}).into());
        }
        return Err(in_use(format!("Cluster already exists with name: {name}")));
    }
    let cluster = make(cx, params, origin)?;
    let groups = cluster.all_groups();
    network::connect(cx, (name, &cluster.arn), &cluster.subnets, &groups)?;
    service_linked::ensure(cx, "eks.amazonaws.com");
    let answer = json!({"cluster": cluster.write(cx.knobs, cx.now)});
    of_mut(cx).clusters.insert(name.to_owned(), cluster);
    Ok(answer.into())
}

fn make(cx: &mut Cx<'_>, params: &Params, origin: Origin) -> Result<Cluster, Failure> {
    let name = params.required("name");
    let null = Value::Null;
    let tree = |member: &str| params.get(member).unwrap_or(&null);
    for unmodelled in ["outpostConfig", "remoteNetworkConfig"] {
        if params.get(unmodelled).is_some_and(|value| !value.is_null()) {
            return Err(invalid(format!("The sandbox does not model {unmodelled}.")));
        }
    }
    let tags = read_tags(params)?;
    check_role(cx, params.required("roleArn"), "eks.amazonaws.com")?;
    check_policies(cx, params.required("roleArn"))?;
    let version = params.text("version").unwrap_or(cluster_version::DEFAULT);
    if !is_offered(version, cx.now) {
        return Err(invalid(format!("unsupported Kubernetes version {version}")));
    }
    let net = tree("resourcesVpcConfig");
    let (subnets, groups) = (strings(net, "subnetIds"), strings(net, "securityGroupIds"));
    let vpc = network::check(cx, &subnets, &groups)?;
    let public = net["endpointPublicAccess"].as_bool().unwrap_or(true);
    let private = net["endpointPrivateAccess"].as_bool().unwrap_or(false);
    check_endpoint(public, private, &strings(net, "publicAccessCidrs"))?;
    let service_cidr = service_cidr(cx, &vpc, tree("kubernetesNetworkConfig"))?;
    let key = encryption::key(cx, tree("encryptionConfig"))?;
    let access = tree("accessConfig");
    let authentication = access["authenticationMode"].as_str().unwrap_or("CONFIG_MAP");
    let auto_mode = auto_mode(params, authentication)?;
    let own_group = network::make_group(cx, name, &vpc);
    let self_managed_addons = params.flag("bootstrapSelfManagedAddons").unwrap_or(true);
    let mut cluster = Cluster {
        name: name.to_owned(),
        arn: arn(cx.scope, &format!("cluster/{name}")),
        id: network::new_id(cx),
        origin,
        created: cx.now,
        active: cx.now.plus(CREATING),
        gone: None,
        version: version.to_owned(),
        upgrade: None,
        role: params.required("roleArn").to_owned(),
        vpc,
        subnets,
        groups,
        own_group,
        public,
        private,
        public_cidrs: public_cidrs(public, strings(net, "publicAccessCidrs")),
        service_cidr,
        logging: log_types(tree("logging"), &[]),
        key,
        authentication: authentication.to_owned(),
        self_managed_addons,
        networked: (self_managed_addons || auto_mode.is_some()).then_some(cx.now),
        auto_mode,
        support: tree("upgradePolicy")["supportType"].as_str().unwrap_or("EXTENDED").to_owned(),
        zonal_shift: tree("zonalShiftConfig")["enabled"].as_bool().unwrap_or(false),
        tier: tree("controlPlaneScalingConfig")["tier"].as_str().unwrap_or("standard").to_owned(),
        protected: params.flag("deletionProtection").unwrap_or(false),
        tags,
        updates: Vec::new(),
        node_groups: BTreeMap::new(),
        addons: BTreeMap::new(),
        entries: BTreeMap::new(),
        identities: BTreeMap::new(),
    };
    if access["bootstrapClusterCreatorAdminPermissions"].as_bool().unwrap_or(true)
        && authentication != "CONFIG_MAP"
    {
        let mut entry = AccessEntry::plain(cx, &cluster, &caller(cx), "STANDARD");
        entry.policies = access_policy::cluster_admin(cx);
        cluster.entries.insert(entry.principal.clone(), entry);
    }
    Ok(cluster)
}

/// The ARN of the user or role that calls.
fn caller(cx: &Cx<'_>) -> String {
    let (partition, account) = (cx.scope.partition(), &cx.scope.account);
    match cx.store.sts.session(&cx.scope.access_key) {
        Some(session) => format!("arn:{partition}:iam::{account}:role/{}", session.role()),
        None => format!("arn:{partition}:iam::{account}:user/sandbox"),
    }
}

/// A cluster's role needs AWS's policy for it (or for its Auto Mode).
fn check_policies(cx: &Cx<'_>, role: &str) -> Result<(), Failure> {
    let iam = cx.store.iam(cx.scope);
    let policies = iam.managed_policies_of(role);
    let enough = policies.iter().any(|name| {
        matches!(*name, "AmazonEKSClusterPolicy" | "AdministratorAccess" | "PowerUserAccess")
    });
    if enough {
        return Ok(());
    }
    Err(invalid(format!(
        "The provided role doesn't have the Amazon EKS Managed Policies associated with it. Please ensure the following policies [arn:{}:iam::aws:policy/AmazonEKSClusterPolicy] are attached",
        cx.scope.partition()
    )))
}

/// Refuses an endpoint that nobody could reach, and ranges that are none.
pub(super) fn check_endpoint(public: bool, private: bool, cidrs: &[String]) -> Result<(), Failure> {
    if !public && !private {
        return Err(invalid("Private and public endpoint access cannot be disabled together"));
    }
    match cidrs.iter().find(|cidr| cidr.parse::<Ipv4Net>().is_err()) {
        Some(cidr) => Err(invalid(format!("The following CIDRs are invalid: [{cidr}]"))),
        None => Ok(()),
    }
}

/// The ranges that may reach a public endpoint: everyone where none is named.
pub(super) fn public_cidrs(public: bool, given: Vec<String>) -> Vec<String> {
    if public && given.is_empty() { vec!["0.0.0.0/0".to_owned()] } else { given }
}

fn service_cidr(cx: &mut Cx<'_>, vpc: &str, config: &Value) -> Result<String, Failure> {
    if config["ipFamily"].as_str().is_some_and(|family| family != "ipv4") {
        return Err(invalid("The sandbox does not model IPv6 clusters."));
    }
    let Some(text) = config["serviceIpv4Cidr"].as_str() else {
        return Ok(network::service_cidr(cx.ec2(), vpc).to_owned());
    };
    let wrong = |why: &str| invalid(format!("Invalid serviceIpv4Cidr {text}: {why}"));
    let cidr: Ipv4Net = text.parse().map_err(|_| wrong("it is not a CIDR block"))?;
    if !cidr.network().is_private() {
        return Err(wrong("it must be within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"));
    }
    if !(12..=24).contains(&cidr.prefix_len()) {
        return Err(wrong("it must be between /24 and /12"));
    }
    let own = cx.ec2().vpcs.get(vpc).map(|vpc| vpc.cidr);
    if own.is_some_and(|own| own.contains(&cidr) || cidr.contains(&own)) {
        return Err(wrong("it overlaps the VPC's"));
    }
    Ok(text.to_owned())
}

/// The three switches of Auto Mode must be the same; on, it needs access entries.
fn auto_mode(params: &Params, authentication: &str) -> Result<Option<Value>, Failure> {
    let flag = |path: &str| params.tree().pointer(path).and_then(Value::as_bool).unwrap_or(false);
    let compute = flag("/computeConfig/enabled");
    let storage = flag("/storageConfig/blockStorage/enabled");
    let balancing = flag("/kubernetesNetworkConfig/elasticLoadBalancing/enabled");
    if compute != storage || storage != balancing {
        return Err(invalid(
            "For EKS Auto Mode, please ensure that all required configs, including computeConfig, kubernetesNetworkConfig, and blockStorage are all either fully enabled or fully disabled.",
        ));
    }
    if !compute {
        return Ok(None);
    }
    if authentication == "CONFIG_MAP" {
        return Err(invalid("EKS Auto Mode needs authentication mode API or API_AND_CONFIG_MAP."));
    }
    Ok(params.get("computeConfig").cloned())
}

/// The types of logs that are on after a request; types that it does not name stay as they are.
pub(super) fn log_types(logging: &Value, before: &[String]) -> Vec<String> {
    let mut on: Vec<String> = before.to_vec();
    for setup in logging["clusterLogging"].as_array().map(Vec::as_slice).unwrap_or_default() {
        for kind in strings(setup, "types") {
            on.retain(|known| *known != kind);
            if setup["enabled"] == true {
                on.push(kind);
            }
        }
    }
    on.sort();
    on
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    Ok(json!({"cluster": asked(view, params)?.write(view.knobs, view.now)}).into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let names = of(view).clusters.keys();
    paged(view, params, "clusters", names.map(|name| (name.clone(), Value::from(name.as_str()))))
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (now, knobs) = (cx.now, cx.knobs);
    let cluster = asked_mut(cx, params)?;
    if !cluster.node_groups.is_empty() {
        return Err(in_use("Cluster has nodegroups attached"));
    }
    if cluster.status(now) != "ACTIVE" {
        return Err(in_use(format!(
            "Cannot delete because cluster {} currently has an update in progress",
            cluster.name
        )));
    }
    if cluster.protected {
        let message = "Cannot delete a cluster with deletion protection enabled";
        return Err(words::refused(message));
    }
    cluster.gone = Some(now.plus(DELETING));
    Ok(json!({"cluster": cluster.write(knobs, now)}).into())
}
