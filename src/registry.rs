//! Every kind, in the order in which they must exist: what comes later may live in what comes
//! before. The order breaks ties only; what is really attached decides.

use crate::aws::acm::certificate::Certificate;
use crate::aws::autoscaling::attachment::Attachment;
use crate::aws::ec2::elastic_ip::ElasticIp;
use crate::aws::ec2::flow_log::FlowLog;
use crate::aws::ec2::internet_gateway::InternetGateway;
use crate::aws::ec2::launch_template::LaunchTemplate;
use crate::aws::ec2::nat_gateway::NatGateway;
use crate::aws::ec2::route_table::RouteTable;
use crate::aws::ec2::security_group::SecurityGroup;
use crate::aws::ec2::security_group_rule::SecurityGroupRule;
use crate::aws::ec2::subnet::Subnet;
use crate::aws::ec2::vpc::Vpc;
use crate::aws::ec2::vpc_endpoint::VpcEndpoint;
use crate::aws::eks::access_entry::AccessEntry;
use crate::aws::eks::addon::Addon;
use crate::aws::eks::cluster::Cluster;
use crate::aws::eks::node_group::NodeGroup;
use crate::aws::eks::pod_identity_association::PodIdentityAssociation;
use crate::aws::elbv2::listener::Listener;
use crate::aws::elbv2::load_balancer::LoadBalancer;
use crate::aws::elbv2::target_group::TargetGroup;
use crate::aws::iam::role::Role;
use crate::aws::iam::service_linked_role::ServiceLinkedRole;
use crate::aws::kms::key::Key;
use crate::aws::logs::log_group::LogGroup;
use crate::aws::rds::cluster::Cluster as DatabaseCluster;
use crate::aws::rds::cluster_parameter_group::ClusterParameterGroup;
use crate::aws::rds::instance::Instance as DatabaseInstance;
use crate::aws::rds::subnet_group::SubnetGroup;
use crate::aws::route53::record::Record;
use crate::aws::secretsmanager::secret::ManagedSecret;
use crate::coderd::license::License;
use crate::coderd::owner::Owner;
use crate::graph::{AnyKind, Of};
use crate::guest::interface::Interface;
use crate::guest::load_balancer::LoadBalancer as OthersLoadBalancer;
use crate::guest::volume::Volume;
use crate::guest::workspaces::Workspaces;
use crate::kube::object::Object;

/// Every kind.
pub const KINDS: &[&dyn AnyKind] = &[
    &Of::<ServiceLinkedRole>::KIND,
    &Of::<Key>::KIND,
    &Of::<Role>::KIND,
    &Of::<LogGroup>::KIND,
    &Of::<ManagedSecret>::KIND,
    &Of::<Vpc>::KIND,
    &Of::<InternetGateway>::KIND,
    &Of::<Subnet>::KIND,
    &Of::<ElasticIp>::KIND,
    &Of::<NatGateway>::KIND,
    &Of::<RouteTable>::KIND,
    &Of::<SecurityGroup>::KIND,
    &Of::<SecurityGroupRule>::KIND,
    &Of::<VpcEndpoint>::KIND,
    &Of::<FlowLog>::KIND,
    &Of::<LaunchTemplate>::KIND,
    &Of::<Cluster>::KIND,
    &Of::<AccessEntry>::KIND,
    &Of::<Addon>::KIND,
    &Of::<PodIdentityAssociation>::KIND,
    &Of::<NodeGroup>::KIND,
    &Of::<Attachment>::KIND,
    &Of::<Certificate>::KIND,
    &Of::<TargetGroup>::KIND,
    &Of::<LoadBalancer>::KIND,
    &Of::<Listener>::KIND,
    &Of::<SubnetGroup>::KIND,
    &Of::<ClusterParameterGroup>::KIND,
    &Of::<DatabaseCluster>::KIND,
    &Of::<DatabaseInstance>::KIND,
    &Of::<Record>::KIND,
    &Of::<Object>::KIND,
    &Of::<Owner>::KIND,
    &Of::<License>::KIND,
];

/// What others make in what is ours, which is looked for only when everything goes. They live in
/// what is in [`KINDS`].
pub const GUESTS: &[&dyn AnyKind] = &[
    &Of::<OthersLoadBalancer>::KIND,
    &Of::<Volume>::KIND,
    &Of::<Workspaces>::KIND,
    &Of::<Interface>::KIND,
];

/// The kinds to read for a deployment: those of Kubernetes, and what runs there, only if there may
/// be a cluster.
pub fn kinds(with_cluster: bool) -> Vec<&'static dyn AnyKind> {
    let is_in_aws = |kind: &&dyn AnyKind| kind.name().starts_with("aws.");
    KINDS.iter().copied().filter(|kind| with_cluster || is_in_aws(kind)).collect()
}
