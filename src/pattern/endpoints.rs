//! VPC endpoints.

use super::Draft;
use super::network::Made;
use super::security_groups::{Groups, endpoints_group};
use crate::aws::ec2::vpc_endpoint::{Via, VpcEndpoint};
use crate::name::Partition;
use crate::spec::types::network::{Endpoint, EndpointType, short_service_name};
use crate::value::Text;

pub(super) fn add(draft: &mut Draft<'_>, made: &Made<'_>, groups: &Groups) {
    let network = made.network;
    if !network.enable_vpc_endpoints {
        return;
    }
    let wants_interface =
        network.endpoints.iter().any(|(_, endpoint)| endpoint.kind == EndpointType::Interface);
    let group = wants_interface.then(|| endpoints_group(draft, made, groups));
    for (service, wanted) in network.endpoints.iter() {
        let via = match wanted.kind {
            // Free, so every table has it, the public one too: it saves a public address's way.
            EndpointType::Gateway => {
                Via::Gateway { route_tables: made.tables.iter().map(|table| table.id()).collect() }
            }
            EndpointType::Interface => Via::Interface {
                subnets: subnets(made, wanted),
                security_groups: group.iter().map(|group| group.id()).collect(),
                private_dns: wanted.private_dns,
            },
        };
        let short = short_service_name(service, &draft.region).unwrap_or(service);
        let address = draft.here(&format!("network/endpoint/{short}"));
        let region = draft.region.clone();
        draft.graph.add(
            &region,
            address,
            format!("network.endpoints.{service}"),
            VpcEndpoint {
                // Private names need both DNS attributes of the VPC, which are set once it
                // is there.
                vpc: made.vpc.id().ready(),
                service: full_service_name(draft, service),
                via,
                policy: wanted.policy.as_ref().map(|policy| Text::new(policy.to_json())),
            },
        );
    }
}

fn subnets(
    made: &Made<'_>,
    endpoint: &Endpoint,
) -> Vec<crate::value::In<crate::value::Id<crate::aws::ec2::subnet::Subnet>>> {
    let tier = endpoint.tier.as_deref().and_then(|tier| made.subnets.get(tier));
    tier.into_iter().flatten().map(|subnet| subnet.id().ready()).collect()
}

/// `com.amazonaws.us-east-1.ecr.api`. China's services that AWS does not run there itself have
/// `cn.` in front; those that do not are written out in the spec.
/// <https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html>
fn full_service_name(draft: &Draft<'_>, service: &str) -> String {
    if service.contains("com.amazonaws.") {
        return service.to_owned();
    }
    let prefix = match draft.partition {
        Partition::AwsCn if !matches!(service, "s3" | "dynamodb") => "cn.com.amazonaws",
        _ => "com.amazonaws",
    };
    format!("{prefix}.{}.{service}", draft.region)
}
