//! Tags, by the ARN of what has them.

use super::model::{Rds, invalid, of, of_mut};
use crate::sandbox::ec2::model::Tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use crate::sandbox::wire::reply::Reply;
use crate::sandbox::wire::xml;
use serde_json::{Value, json};

/// An answer that says nothing.
pub(super) fn nothing() -> Reply {
    json!({}).into()
}

/// The tags of a request.
pub(super) fn read_tags(params: &Params) -> Result<Tags, Failure> {
    let mut tags = Tags::new();
    for tag in params.list("Tags") {
        let text = |member: &str| tag[member].as_str().unwrap_or_default().to_owned();
        let key = text("Key");
        if key.is_empty() || key.len() > 128 || key.starts_with("aws:") || key.starts_with("rds:") {
            return Err(invalid(format!("The tag key {key:?} is not valid.")));
        }
        tags.insert(key, text("Value"));
    }
    check(&tags)?;
    Ok(tags)
}

fn check(tags: &Tags) -> Result<(), Failure> {
    if tags.len() > 50 {
        return Err(invalid("A resource can have no more than 50 tags."));
    }
    Ok(())
}

/// Tags as answers have them.
pub(super) fn write(tags: &Tags) -> Value {
    let items = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value }));
    xml::named("Tag", items.collect())
}

/// The tags of what an ARN names.
fn find<'a>(rds: &'a mut Rds, arn: &str) -> Result<&'a mut Tags, Failure> {
    let mut parts = arn.splitn(7, ':').skip(5);
    let (kind, id) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (found, code) = match kind {
        "cluster" => (rds.clusters.get_mut(id).map(|c| &mut c.tags), "DBClusterNotFoundFault"),
        "db" => (rds.instances.get_mut(id).map(|i| &mut i.tags), "DBInstanceNotFound"),
        "subgrp" => {
            (rds.subnet_groups.get_mut(id).map(|g| &mut g.tags), "DBSubnetGroupNotFoundFault")
        }
        "cluster-pg" => {
            (rds.parameter_groups.get_mut(id).map(|g| &mut g.tags), "DBParameterGroupNotFound")
        }
        "cluster-snapshot" => {
            (rds.snapshots.get_mut(id).map(|s| &mut s.tags), "DBClusterSnapshotNotFoundFault")
        }
        _ => return Err(invalid(format!("Invalid resource name: {arn}"))),
    };
    found.ok_or_else(|| Failure::new(code, format!("{arn} not found.")))
}

pub(super) fn add(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let new = read_tags(params)?;
    let tags = find(of_mut(cx), params.required("ResourceName"))?;
    tags.extend(new);
    check(tags)?;
    Ok(nothing())
}

pub(super) fn remove(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let tags = find(of_mut(cx), params.required("ResourceName"))?;
    for key in params.texts("TagKeys") {
        tags.remove(key);
    }
    Ok(nothing())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let mut rds = of(view).clone();
    let tags = find(&mut rds, params.required("ResourceName"))?;
    Ok(json!({ "TagList": write(tags) }).into())
}
