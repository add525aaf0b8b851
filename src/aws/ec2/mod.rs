//! EC2's network kinds.

mod blockers;
pub mod elastic_ip;
pub mod flow_log;
pub mod internet_gateway;
pub mod launch_template;
pub mod nat_gateway;
pub(crate) mod of_cluster;
pub mod route_table;
pub mod security_group;
pub mod security_group_rule;
pub mod subnet;
pub(crate) mod volume;
pub mod vpc;
pub mod vpc_endpoint;

use super::Clients;
use super::call::{Passing, safe};
pub(crate) use super::tags::{tag_changes, touches};
use crate::kind::{
    Api, Change, Cx, Error, Found, Kind, Listed, Ownership, Result, Status, TAG_DEPLOYMENT, Tags,
};
use crate::name::PhysicalId;
use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};

/// EC2 in the region of a context.
pub struct Ec2(pub(crate) aws_sdk_ec2::Client);

impl Api for Ec2 {
    fn connect(cx: &Cx) -> Result<Self> {
        let clients = cx
            .connector::<Clients>()
            .ok_or_else(|| Error::local("there is no connection to AWS"))?;
        Ok(Ec2(clients.ec2(&cx.region)))
    }
}

/// The server-side filter that finds all that is ours, in one call a kind.
pub(crate) fn ours(cx: &Cx) -> Filter {
    filter(&format!("tag:{TAG_DEPLOYMENT}"), [cx.deployment.name.as_str()])
}

/// A filter by name.
pub(crate) fn filter<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Filter {
    let values = values.into_iter().map(str::to_owned).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// The tags of the step at hand, for a create call.
pub(crate) fn tag_on_create(cx: &Cx, kind: ResourceType) -> Result<TagSpecification> {
    Ok(specification(kind, &cx.tags()?))
}

/// `tags`, for a create call.
pub(crate) fn specification(kind: ResourceType, tags: &Tags) -> TagSpecification {
    TagSpecification::builder().resource_type(kind).set_tags(Some(to_ec2(tags))).build()
}

/// What one entry of a describe call says, whoever owns it.
pub(crate) struct Reading<K: Kind> {
    /// The id.
    pub(crate) id: String,
    /// How it is doing.
    pub(crate) status: Status,
    /// The ids of live resources that can not be deleted while this one exists.
    pub(crate) parents: Vec<PhysicalId>,
    /// All its tags.
    pub(crate) tags: Tags,
    /// What the kind compares.
    pub(crate) live: K::Live,
}

impl<K: Kind> Reading<K> {
    /// Adds it to what a list call found, judged by its tags.
    pub(crate) fn list(self, cx: &Cx, listed: &mut Listed<K>) {
        let Reading { id, status, parents, tags, live } = self;
        listed.add(cx, id, tags, status, parents, live);
    }

    /// As something that `owner` names: one of ours again, or one to adopt.
    pub(crate) fn owned(self, owner: &Ownership) -> Found<K> {
        let Reading { id, status, parents, tags, live } = self;
        Found { id: PhysicalId::new(id), owner: owner.clone(), status, parents, tags, live }
    }

    /// As what the step at hand made.
    ///
    /// # Errors
    /// Outside a step.
    pub(crate) fn created(self, cx: &Cx) -> Result<Found<K>> {
        let Reading { id, status, parents, tags: _, live } = self;
        Found::created(cx, id, status, parents, live)
    }
}

/// A field that AWS documents as always there.
///
/// # Errors
/// When it is not.
pub(crate) fn told<'a>(value: Option<&'a str>, what: &str) -> Result<&'a str> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Error::local(format!("ec2 answered without the {what}")))
}

/// Our tags as EC2's.
pub(crate) fn to_ec2(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// EC2's tags as ours.
pub(crate) fn from_ec2(tags: &[Tag]) -> Tags {
    tags.iter()
        .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())))
        .collect()
}

/// A fresh id that EC2's other machines have not heard of yet. Only right after a create.
pub(crate) const fn fresh(code: &'static str) -> Passing {
    Passing { code, message: "", seconds: 120, waiting_for: "AWS to know the new id everywhere" }
}

/// Carries out the changes of fields `tags.KEY`: sets what has a value, removes what has none.
/// Both calls set a state, so they may be repeated.
pub(crate) async fn retag(cx: &Cx, id: &str, changes: &[Change]) -> Result<()> {
    let (set, removed) = tag_changes(changes);
    let ec2 = cx.api::<Ec2>()?;
    if !set.is_empty() {
        let set = to_ec2(&set);
        safe(cx, "ec2:CreateTags", || {
            ec2.0.create_tags().resources(id).set_tags(Some(set.clone())).send()
        })
        .await?;
    }
    if !removed.is_empty() {
        let removed: Vec<Tag> = removed.iter().map(|key| Tag::builder().key(key).build()).collect();
        safe(cx, "ec2:DeleteTags", || {
            ec2.0.delete_tags().resources(id).set_tags(Some(removed.clone())).send()
        })
        .await?;
    }
    Ok(())
}
