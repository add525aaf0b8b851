//! What a launch template says of the instances made from it, as a list of named settings: so one
//! comparison serves the template itself and the node group that runs an older version of it.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RequestLaunchTemplateData.html>

use crate::aws::ec2::security_group::SecurityGroup;
use crate::kind::{Cx, Diff, Result, Tags};
use crate::value::{Id, In, Known};
use aws_sdk_ec2::types::{
    LaunchTemplateBlockDeviceMappingRequest, LaunchTemplateEbsBlockDeviceRequest,
    LaunchTemplateHttpTokensState, LaunchTemplateInstanceMetadataEndpointState,
    LaunchTemplateInstanceMetadataOptionsRequest, LaunchTemplateTagSpecificationRequest,
    RequestLaunchTemplateData, ResourceType, ResponseLaunchTemplateData, VolumeType,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Settings of instances by name; what is not set is not there.
pub type Settings = BTreeMap<String, String>;

/// What instances made from a template are like. The metadata service always asks for a token
/// (IMDSv2), and the root volume is always encrypted gp3.
#[derive(Clone, Debug, Serialize)]
pub struct Data {
    /// The root volume.
    pub root_volume: RootVolume,
    /// How many hops an answer of the metadata service may travel, 1 to 64; 2 lets pods that are
    /// not in the host's network reach it.
    pub metadata_hop_limit: i32,
    /// The security groups of the instances. With any, EKS does not add its own group to nodes,
    /// so that must be among them; without, it does.
    pub security_groups: Vec<In<Id<SecurityGroup>>>,
    /// The tags of instances, their volumes and network interfaces: those of a node group do not
    /// reach them.
    pub tags: Tags,
}

/// The root volume of an instance.
#[derive(Clone, Debug, Serialize)]
pub struct RootVolume {
    /// Its device name in the AMI, `/dev/xvda`.
    pub device: String,
    /// Its size in GiB.
    pub size_gib: i32,
    /// The ARN of the KMS key that encrypts it; AWS's own key without.
    pub key: Option<In<String>>,
}

/// The resources that a template can tag.
const TAGGED: [ResourceType; 3] =
    [ResourceType::Instance, ResourceType::Volume, ResourceType::NetworkInterface];

/// What the names of settings start with that only say how instances are tagged.
const TAGS: &str = "tags-of-";

impl Data {
    /// The wanted settings, as far as they are known.
    pub(crate) fn settings(&self, diff: &Diff<'_>) -> BTreeMap<String, Known<String>> {
        let Self { root_volume, metadata_hop_limit, security_groups, tags } = self;
        let RootVolume { device, size_gib, key } = root_volume;
        let mut settings = BTreeMap::new();
        let mut set = |name: &str, value: Known<String>| settings.insert(name.to_owned(), value);
        let volume = |name: &str| format!("volume.{device}.{name}");
        set(&volume("size_gib"), Known::Yes(size_gib.to_string()));
        set(&volume("type"), Known::Yes("gp3".to_owned()));
        set(&volume("encrypted"), Known::Yes("true".to_owned()));
        if let Some(key) = key {
            set(&volume("key"), diff.known(key));
        }
        set("metadata.http_tokens", Known::Yes("required".to_owned()));
        set("metadata.http_endpoint", Known::Yes("enabled".to_owned()));
        set("metadata.hop_limit", Known::Yes(metadata_hop_limit.to_string()));
        if !security_groups.is_empty() {
            let ids: Option<Vec<String>> = security_groups
                .iter()
                .map(|group| diff.known(group).yes().map(ToString::to_string))
                .collect();
            set("security_groups", ids.map_or(Known::AfterApply, |ids| Known::Yes(list(ids))));
        }
        for resource in &TAGGED {
            for (key, value) in tags {
                set(&tag(resource, key), Known::Yes(value.clone()));
            }
        }
        settings
    }

    /// The request of a version that says so.
    ///
    /// # Errors
    /// When something that it needs is not known yet.
    pub(super) fn request(&self, cx: &Cx) -> Result<RequestLaunchTemplateData> {
        let Self { root_volume, metadata_hop_limit, security_groups, tags } = self;
        let key = root_volume.key.as_ref().map(|key| cx.get(key)).transpose()?;
        let volume = LaunchTemplateEbsBlockDeviceRequest::builder()
            .volume_size(root_volume.size_gib)
            .volume_type(VolumeType::Gp3)
            .encrypted(true)
            .set_kms_key_id(key)
            .delete_on_termination(true)
            .build();
        let device = LaunchTemplateBlockDeviceMappingRequest::builder()
            .device_name(&root_volume.device)
            .ebs(volume)
            .build();
        let metadata = LaunchTemplateInstanceMetadataOptionsRequest::builder()
            .http_tokens(LaunchTemplateHttpTokensState::Required)
            .http_endpoint(LaunchTemplateInstanceMetadataEndpointState::Enabled)
            .http_put_response_hop_limit(*metadata_hop_limit)
            .build();
        let groups: Vec<String> =
            cx.get_all(security_groups)?.iter().map(ToString::to_string).collect();
        let tagged = TAGGED.iter().filter(|_| !tags.is_empty()).map(|resource| {
            LaunchTemplateTagSpecificationRequest::builder()
                .resource_type(resource.clone())
                .set_tags(Some(crate::aws::ec2::to_ec2(tags)))
                .build()
        });
        Ok(RequestLaunchTemplateData::builder()
            .block_device_mappings(device)
            .metadata_options(metadata)
            .set_security_group_ids((!groups.is_empty()).then_some(groups))
            .set_tag_specifications(Some(tagged.collect()))
            .build())
    }
}

/// Those settings that make an instance what it is. Its tags do not: nodes are not exchanged for
/// the sake of a tag.
pub(crate) fn but_tags<T: Clone>(settings: &BTreeMap<String, T>) -> BTreeMap<String, T> {
    let others = settings.iter().filter(|(name, _)| !name.starts_with(TAGS));
    others.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The settings of a live version. What this program never sets is named too, so that it shows.
pub(crate) fn settings(data: &ResponseLaunchTemplateData) -> Settings {
    let mut settings = Settings::new();
    let mut set = |name: String, value: Option<String>| {
        if let Some(value) = value {
            settings.insert(name, value);
        }
    };
    for mapping in data.block_device_mappings() {
        let device = mapping.device_name().unwrap_or_default();
        let volume = |name: &str| format!("volume.{device}.{name}");
        let Some(ebs) = mapping.ebs() else { continue };
        set(volume("size_gib"), ebs.volume_size().map(|size| size.to_string()));
        set(volume("type"), ebs.volume_type().map(|kind| kind.as_str().to_owned()));
        set(volume("encrypted"), ebs.encrypted().map(|on| on.to_string()));
        set(volume("key"), ebs.kms_key_id().map(str::to_owned));
        set(volume("iops"), ebs.iops().map(|iops| iops.to_string()));
        set(volume("throughput"), ebs.throughput().map(|it| it.to_string()));
        set(volume("snapshot"), ebs.snapshot_id().map(str::to_owned));
    }
    if let Some(metadata) = data.metadata_options() {
        let tokens = metadata.http_tokens().map(|it| it.as_str().to_owned());
        let endpoint = metadata.http_endpoint().map(|it| it.as_str().to_owned());
        let hops = metadata.http_put_response_hop_limit().map(|hops| hops.to_string());
        set("metadata.http_tokens".to_owned(), tokens);
        set("metadata.http_endpoint".to_owned(), endpoint);
        set("metadata.hop_limit".to_owned(), hops);
    }
    let groups = data.security_group_ids();
    let groups = (!groups.is_empty()).then(|| list(groups.to_vec()));
    set("security_groups".to_owned(), groups);
    for specification in data.tag_specifications() {
        let Some(resource) = specification.resource_type() else { continue };
        for (key, value) in crate::aws::ec2::from_ec2(specification.tags()) {
            set(tag(resource, &key), Some(value));
        }
    }
    set("image".to_owned(), data.image_id().map(str::to_owned));
    set("instance_type".to_owned(), data.instance_type().map(|kind| kind.as_str().to_owned()));
    set("key_name".to_owned(), data.key_name().map(str::to_owned));
    // It may hold anything; that it is there says enough.
    let user_data = data.user_data().filter(|text| !text.is_empty());
    set("user_data".to_owned(), user_data.map(|_| "(set)".to_owned()));
    settings
}

fn tag(resource: &ResourceType, key: &str) -> String {
    format!("{TAGS}{}.{key}", resource.as_str())
}

fn list(mut ids: Vec<String>) -> String {
    ids.sort();
    ids.join(", ")
}
