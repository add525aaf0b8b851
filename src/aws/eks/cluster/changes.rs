//! Changes of a cluster in place: one sort a call, each followed to its end before the next.

use super::settings::{logging, minor};
use super::{Cluster, Eks, Endpoint, Live, encryption, ids};
use crate::aws::call::{Repeat, call};
use crate::aws::eks::update::{Target, follow, token};
use crate::aws::eks::{BUSY, touches};
use crate::kind::{Change, Cx, Result};
use aws_sdk_eks::operation::update_cluster_config::builders::UpdateClusterConfigFluentBuilder;
use aws_sdk_eks::types::{UpdateAccessConfigRequest, UpgradePolicyRequest, VpcConfigRequest};

/// How long one update may take, in seconds.
const AT_MOST: u32 = 3600;

pub(super) async fn carry_out(
    wants: &Cluster,
    cx: &Cx,
    live: &Live,
    changes: &[Change],
) -> Result<()> {
    let name = live.name.as_str();
    if touches(changes, "authentication") {
        // There is no way from the config map alone to entries alone but through both.
        let through = (live.authentication == "CONFIG_MAP").then_some("API_AND_CONFIG_MAP");
        let last = wants.authentication.as_str();
        for mode in through.into_iter().filter(|mode| *mode != last).chain([last]) {
            let access = UpdateAccessConfigRequest::builder().authentication_mode(mode.into());
            let access = access.build();
            configure(cx, name, |update| update.access_config(access.clone())).await?;
        }
    }
    if touches(changes, "subnets") || touches(changes, "security_groups") {
        // Both are sent, for EKS takes them as one; what is not to change stays as it is.
        let subnets = match touches(changes, "subnets") {
            true => ids(&cx.get_all(&wants.subnets)?),
            false => live.subnets.iter().map(ToString::to_string).collect(),
        };
        let groups = match touches(changes, "security_groups") {
            true => ids(&cx.get_all(&wants.security_groups)?),
            false => live.security_groups.iter().map(ToString::to_string).collect(),
        };
        let network = VpcConfigRequest::builder()
            .set_subnet_ids(Some(subnets))
            .set_security_group_ids(Some(groups))
            .build();
        configure(cx, name, |update| update.resources_vpc_config(network.clone())).await?;
    }
    if touches(changes, "endpoint") {
        let Endpoint { private, public, public_cidrs } = &wants.endpoint;
        let changed = |field: &str| touches(changes, &format!("endpoint.{field}"));
        let cidrs = changed("public_cidrs").then(|| public_cidrs.iter().cloned().collect());
        let network = VpcConfigRequest::builder()
            .set_endpoint_private_access(changed("private").then_some(*private))
            .set_endpoint_public_access(changed("public").then_some(*public))
            .set_public_access_cidrs(cidrs)
            .build();
        configure(cx, name, |update| update.resources_vpc_config(network.clone())).await?;
    }
    if touches(changes, "log_types") {
        let logging = logging(&wants.log_types);
        configure(cx, name, |update| update.logging(logging.clone())).await?;
    }
    if touches(changes, "support") {
        let support = UpgradePolicyRequest::builder().support_type(wants.support.as_str().into());
        let support = support.build();
        configure(cx, name, |update| update.upgrade_policy(support.clone())).await?;
    }
    if touches(changes, "deletion_protection") {
        protect(cx, name, wants.deletion_protection).await?;
    }
    if let Some(key) = wants.secrets_key.as_ref().filter(|_| touches(changes, "secrets_key")) {
        encrypt(cx, name, &cx.get(key)?).await?;
    }
    if let Some(version) = wants.version.as_ref().filter(|_| touches(changes, "version")) {
        for version in steps(&live.version, version) {
            upgrade(cx, name, &version).await?;
        }
    }
    Ok(())
}

/// Turns deletion protection on or off.
pub(super) async fn protect(cx: &Cx, name: &str, on: bool) -> Result<()> {
    configure(cx, name, |update| update.deletion_protection(on)).await
}

async fn configure(
    cx: &Cx,
    name: &str,
    set: impl Fn(UpdateClusterConfigFluentBuilder) -> UpdateClusterConfigFluentBuilder,
) -> Result<()> {
    let eks = cx.api::<Eks>()?;
    let token = token();
    let begun = call(cx, "eks:UpdateClusterConfig", Repeat::Safe, &[BUSY], || {
        set(eks.0.update_cluster_config().name(name).client_request_token(&token)).send()
    })
    .await?;
    follow(cx, name, Target::Cluster, begun.update(), AT_MOST).await
}

async fn encrypt(cx: &Cx, name: &str, key: &str) -> Result<()> {
    let eks = cx.api::<Eks>()?;
    let token = token();
    let begun = call(cx, "eks:AssociateEncryptionConfig", Repeat::Safe, &[BUSY], || {
        eks.0
            .associate_encryption_config()
            .cluster_name(name)
            .encryption_config(encryption(key))
            .client_request_token(&token)
            .send()
    })
    .await?;
    follow(cx, name, Target::Cluster, begun.update(), AT_MOST).await
}

async fn upgrade(cx: &Cx, name: &str, version: &str) -> Result<()> {
    let eks = cx.api::<Eks>()?;
    let token = token();
    cx.progress(&format!("upgrading to {version}"));
    let begun = call(cx, "eks:UpdateClusterVersion", Repeat::Safe, &[BUSY], || {
        eks.0
            .update_cluster_version()
            .name(name)
            .version(version)
            .client_request_token(&token)
            .send()
    })
    .await?;
    follow(cx, name, Target::Cluster, begun.update(), AT_MOST).await
}

/// The versions between the live one and the wanted one, that one included: EKS goes up one minor
/// at a time.
fn steps(live: &str, wanted: &str) -> Vec<String> {
    match (minor(live), minor(wanted)) {
        (Some((major, from)), Some((same, to))) if major == same && from < to => {
            (from + 1..=to).map(|minor| format!("{major}.{minor}")).collect()
        }
        // Not as EKS counts: it will say what is wrong with it.
        _ => vec![wanted.to_owned()],
    }
}
