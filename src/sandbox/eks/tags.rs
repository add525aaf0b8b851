//! Tags of everything in EKS, by ARN.

use super::model::{Eks, Tags};
use super::words::{of, of_mut, read_tags};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::json;

/// Tags per resource.
const LIMIT: usize = 50;

impl Eks {
    /// Every ARN with its tags.
    fn tagged(&self) -> impl Iterator<Item = (&String, &Tags)> {
        self.clusters.values().flat_map(|cluster| {
            std::iter::once((&cluster.arn, &cluster.tags))
                .chain(cluster.node_groups.values().map(|group| (&group.arn, &group.tags)))
                .chain(cluster.addons.values().map(|addon| (&addon.arn, &addon.tags)))
                .chain(cluster.entries.values().map(|entry| (&entry.arn, &entry.tags)))
                .chain(cluster.identities.values().map(|identity| (&identity.arn, &identity.tags)))
        })
    }

    /// The same, to change them.
    fn tagged_mut(&mut self) -> impl Iterator<Item = (&String, &mut Tags)> {
        self.clusters.values_mut().flat_map(|cluster| {
            std::iter::once((&cluster.arn, &mut cluster.tags))
                .chain(cluster.node_groups.values_mut().map(|group| (&group.arn, &mut group.tags)))
                .chain(cluster.addons.values_mut().map(|addon| (&addon.arn, &mut addon.tags)))
                .chain(cluster.entries.values_mut().map(|entry| (&entry.arn, &mut entry.tags)))
                .chain(cluster.identities.values_mut().map(|one| (&one.arn, &mut one.tags)))
        })
    }
}

fn missing(arn: &str) -> Failure {
    Failure::new("NotFoundException", format!("No resource found for {arn}")).with_status(404)
}

fn bad(message: &str) -> Failure {
    Failure::new("BadRequestException", message)
}

fn asked_mut<'a>(cx: &'a mut Cx<'_>, params: &Params) -> Result<&'a mut Tags, Failure> {
    let arn = params.required("resourceArn");
    let found = of_mut(cx).tagged_mut().find(|(known, _)| *known == arn);
    found.map(|(_, tags)| tags).ok_or_else(|| missing(arn))
}

pub(super) fn tag(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let given = read_tags(params).map_err(|failure| bad(&failure.message))?;
    let tags = asked_mut(cx, params)?;
    tags.extend(given);
    if tags.len() > LIMIT {
        return Err(bad("A resource can't have more than 50 tags"));
    }
    Ok(json!({}).into())
}

pub(super) fn untag(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let tags = asked_mut(cx, params)?;
    for key in params.texts("tagKeys") {
        tags.remove(key);
    }
    Ok(json!({}).into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let arn = params.required("resourceArn");
    let found = of(view).tagged().find(|(known, _)| *known == arn);
    let (_, tags) = found.ok_or_else(|| missing(arn))?;
    Ok(json!({"tags": tags}).into())
}
