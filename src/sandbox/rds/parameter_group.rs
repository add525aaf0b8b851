//! DB cluster parameter groups.

use super::engine;
use super::model::{ParameterGroup, Rds, arn, combination, invalid, of, of_mut, paged};
use super::parameter::{PARAMETERS, Parameter};
use super::tags::{nothing, read_tags};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Scope;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many parameters one call may change.
const AT_ONCE: usize = 20;

/// The group that clusters have which name none: `default.aurora-postgresql16`.
pub(super) fn default_name(family: &str) -> String {
    format!("default.{family}")
}

impl Rds {
    /// A group that was made, or a default one.
    pub(super) fn parameter_group(&self, name: &str) -> Option<ParameterGroup> {
        if let Some(group) = self.parameter_groups.get(&name.to_lowercase()) {
            return Some(group.clone());
        }
        let family = name.strip_prefix("default.")?;
        engine::families().contains(&family.to_owned()).then(|| ParameterGroup {
            name: name.to_owned(),
            family: family.to_owned(),
            description: format!("Default cluster parameter group for {family}"),
            values: BTreeMap::new(),
            tags: BTreeMap::new(),
        })
    }

    fn own_group_mut(&mut self, name: &str) -> Result<&mut ParameterGroup, Failure> {
        if name.starts_with("default.") {
            return Err(Failure::new(
                "InvalidDBParameterGroupState",
                "Default DB cluster parameter groups can't be changed or deleted.",
            ));
        }
        self.parameter_groups.get_mut(&name.to_lowercase()).ok_or_else(|| missing(name))
    }
}

fn missing(name: &str) -> Failure {
    let message = format!("DBClusterParameterGroup not found: {name}");
    Failure::new("DBParameterGroupNotFound", message)
}

fn write(scope: &Scope, group: &ParameterGroup) -> Value {
    json!({
        "DBClusterParameterGroupName": group.name,
        "DBParameterGroupFamily": group.family,
        "Description": group.description,
        "DBClusterParameterGroupArn": arn(scope, "cluster-pg", &group.name),
    })
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = super::model::identifier(params, "DBClusterParameterGroupName", 255)?;
    let family = params.required("DBParameterGroupFamily");
    if !engine::families().iter().any(|known| known == family) {
        return Err(invalid(format!(
            "ParameterGroupFamily {family} is not a valid parameter group family"
        )));
    }
    if of(&cx.view()).parameter_groups.contains_key(&name) {
        let message = format!("Parameter group {name} already exists");
        return Err(Failure::new("DBParameterGroupAlreadyExists", message));
    }
    let group = ParameterGroup {
        name: name.clone(),
        family: family.to_owned(),
        description: params.required("Description").to_owned(),
        values: BTreeMap::new(),
        tags: read_tags(params)?,
    };
    let answer = json!({ "DBClusterParameterGroup": write(cx.scope, &group) });
    of_mut(cx).parameter_groups.insert(name, group);
    Ok(answer.into())
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let rds = of(view);
    let found: Vec<ParameterGroup> = match params.text("DBClusterParameterGroupName") {
        Some(name) => vec![rds.parameter_group(name).ok_or_else(|| missing(name))?],
        None => rds.parameter_groups.values().cloned().collect(),
    };
    let items = found.iter().map(|group| (group.name.clone(), write(view.scope, group))).collect();
    Ok(paged(view, params, ("DBClusterParameterGroups", "DBClusterParameterGroup"), items)?.into())
}

pub(super) fn describe_parameters(view: &View<'_>, params: &Params) -> Answer {
    let name = params.required("DBClusterParameterGroupName");
    let group = of(view).parameter_group(name).ok_or_else(|| missing(name))?;
    let source = params.text("Source");
    let items = PARAMETERS.iter().filter_map(|parameter| {
        let set = group.values.get(parameter.name);
        let default = parameter.default_in(&group.family);
        let from = match (set, default) {
            (Some(_), _) => "user",
            (None, Some(_)) => "system",
            (None, None) => "engine-default",
        };
        if source.is_some_and(|asked| asked != from) {
            return None;
        }
        let method = set.map_or("pending-reboot", |(_, method)| method.as_str());
        let allowed = (!parameter.allowed.is_empty()).then(|| parameter.allowed.join(","));
        let written = json!({
            "ParameterName": parameter.name,
            "ParameterValue": set.map(|(value, _)| value.as_str()).or(default),
            "Source": from,
            "ApplyType": if parameter.is_static { "static" } else { "dynamic" },
            "DataType": parameter.data_type,
            "AllowedValues": allowed,
            "IsModifiable": true,
            "ApplyMethod": method,
        });
        Some((parameter.name.to_owned(), written))
    });
    Ok(paged(view, params, ("Parameters", "Parameter"), items.collect())?.into())
}

fn known(name: &str) -> Result<&'static Parameter, Failure> {
    PARAMETERS
        .iter()
        .find(|parameter| parameter.name == name)
        .ok_or_else(|| invalid(format!("Could not find parameter with name: {name}")))
}

pub(super) fn modify(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let changes = params.list("Parameters");
    if changes.is_empty() || changes.len() > AT_ONCE {
        return Err(invalid(format!(
            "Between 1 and {AT_ONCE} parameters can be modified at a time."
        )));
    }
    let group = of_mut(cx).own_group_mut(params.required("DBClusterParameterGroupName"))?;
    for change in changes {
        let text = |member: &str| change[member].as_str();
        let (Some(name), Some(value), Some(method)) =
            (text("ParameterName"), text("ParameterValue"), text("ApplyMethod"))
        else {
            return Err(invalid("A parameter needs its name, a value and an apply method."));
        };
        let parameter = known(name)?;
        if parameter.is_static && method == "immediate" {
            return Err(combination("cannot use immediate apply method for static parameter"));
        }
        if !parameter.takes(value) {
            return Err(invalid(format!(
                "Invalid parameter value: {value} for: {name} allowed values are: {}",
                parameter.allowed.join(",")
            )));
        }
        group.values.insert(name.to_owned(), (value.to_owned(), method.to_owned()));
    }
    Ok(json!({ "DBClusterParameterGroupName": group.name }).into())
}

pub(super) fn reset(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let all = params.flag("ResetAllParameters").unwrap_or(false);
    let changes = params.list("Parameters");
    if all != changes.is_empty() || changes.len() > AT_ONCE {
        return Err(combination("Name either all parameters or up to 20 of them."));
    }
    let group = of_mut(cx).own_group_mut(params.required("DBClusterParameterGroupName"))?;
    if all {
        group.values.clear();
    }
    for change in changes {
        group.values.remove(known(change["ParameterName"].as_str().unwrap_or_default())?.name);
    }
    Ok(json!({ "DBClusterParameterGroupName": group.name }).into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let rds = of_mut(cx);
    let name = rds.own_group_mut(params.required("DBClusterParameterGroupName"))?.name.clone();
    if rds.clusters.values().any(|cluster| cluster.settings.parameter_group == name) {
        let message = format!(
            "One or more database clusters are still members of this parameter group {name}, so the group cannot be deleted"
        );
        return Err(Failure::new("InvalidDBParameterGroupState", message));
    }
    rds.parameter_groups.remove(&name);
    Ok(nothing())
}
