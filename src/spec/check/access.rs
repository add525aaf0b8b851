//! Roles, keys and log groups.

use super::Check;
use super::identity::policy_account;
use super::policy::{self, Use};
use crate::spec::diagnostic::quote;
use crate::spec::types::Spec;
use crate::spec::types::access::Trust;
use std::collections::HashMap;

/// The longest name of a role.
const MAX_ROLE_NAME: usize = 64;
/// The default quota of a trust policy's characters.
const MAX_TRUST: usize = 2048;
/// The characters of all inline policies of a role together.
const MAX_INLINE: usize = 10_240;
/// The longest policy of a key, in bytes.
const MAX_KEY_POLICY: usize = 32_768;

pub(super) fn check(spec: &Spec, cx: &mut Check<'_>) {
    roles(spec, cx);
    for (name, key) in spec.keys.iter() {
        if let Some(document) = &key.policy {
            let path = ["keys", name, "policy"];
            policy::check(document, &path, Use::Resource, MAX_KEY_POLICY, cx);
        }
    }
    log_groups(spec, cx);
}

fn roles(spec: &Spec, cx: &mut Check<'_>) {
    for (name, role) in spec.roles.iter() {
        let physical = format!("{}-{name}", spec.deployment());
        let is_renamed = spec.names.names().any(|address| address.rsplit('/').next() == Some(name));
        if physical.len() > MAX_ROLE_NAME && !is_renamed {
            let message = format!(
                "the role's name, {}, has {} characters, and IAM takes {MAX_ROLE_NAME}",
                quote(&physical),
                physical.len()
            );
            let problem = cx.problem(&["roles", name], message);
            cx.push(problem.hint("shorten it, or give its address another name in `names`"));
        }
        if let Trust::Document(document) = &role.trust {
            policy::check(document, &["roles", name, "trust"], Use::Trust, MAX_TRUST, cx);
        }
        let mut length = 0;
        for (policy_name, document) in role.inline.iter() {
            let path = ["roles", name, "inline", policy_name];
            policy::check(document, &path, Use::Identity, MAX_INLINE, cx);
            length += document.to_json().chars().count();
        }
        if length > MAX_INLINE && role.inline.len() > 1 {
            let message =
                format!("inline policies have {length} characters, and IAM takes {MAX_INLINE}");
            cx.push(cx.problem(&["roles", name, "inline"], message));
        }
        for (at, arn) in role.managed_policy_arns.iter().enumerate() {
            let index = format!("[{at}]");
            let path = ["roles", name, "managed_policy_arns", &index];
            cx.partition(&path, arn, spec.partition());
            policy_account(arn, &path, spec, cx);
        }
    }
}

fn log_groups(spec: &Spec, cx: &mut Check<'_>) {
    let flow_logs = spec.flow_log_group();
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for (name, group) in spec.log_groups.iter() {
        let path = ["log_groups", name, "name"];
        if let Some(other) = seen.insert(&group.name, name) {
            let problem = cx.problem(&path, "another log group has this name");
            let other = cx.span(&["log_groups", other, "name"]);
            cx.push(problem.also(other, "the same name"));
        }
        if flow_logs.as_ref() == Some(&group.name) {
            let problem = cx.problem(&path, "this is the log group of the VPC's flow logs");
            let logs = cx.span(&["network", "flow_logs"]);
            cx.push(problem.also(logs, "flow logs make it").hint(
                "flow logs make their own; set network.flow_logs.log_group_name to use another",
            ));
        }
        if group.name.to_lowercase().starts_with("aws/") {
            cx.push(cx.problem(&path, "names that start with `aws/` are reserved"));
        }
        if let Some(key) = &group.key
            && spec.keys.get(key).is_none()
        {
            let path = ["log_groups", name, "key"];
            let problem = cx.problem(&path, format!("there is no key {}", quote(key)));
            let keys: Vec<&str> = spec.keys.names().collect();
            let hint = match keys.as_slice() {
                [] => "`keys` is empty".to_owned(),
                _ => format!("there are: {}", keys.join(", ")),
            };
            cx.push(problem.hint(hint));
        }
    }
}
