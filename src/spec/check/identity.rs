//! Names, tags and where to deploy.

use super::Check;
use crate::name::Address;
use crate::secret::SecretRef;
use crate::spec::diagnostic::quote;
use crate::spec::types::Spec;
use crate::spec::types::kubernetes::Object;
use std::collections::HashMap;

/// The longest name of a deployment: it is a part of names of at most 64 characters.
const MAX_NAME: usize = 32;

/// Kubernetes' limit for the data of a ConfigMap.
const MAX_CONFIG_MAP_BYTES: usize = 1 << 20;

pub(super) fn check(spec: &Spec, cx: &mut Check<'_>) {
    name(spec, cx);
    tags(spec, cx);
    names(spec, cx);
    account(spec, cx);
    kubernetes(spec, cx);
}

fn name(spec: &Spec, cx: &mut Check<'_>) {
    let length = spec.deployment().as_str().len();
    if spec.name.is_none() && length > MAX_NAME {
        let message = format!(
            "the name made of it and of `environment`, {}, has {length} characters",
            quote(spec.deployment().as_str())
        );
        let problem = cx.problem(&["project_name"], message);
        cx.push(problem.hint(format!("give a `name` of at most {MAX_NAME} characters")));
    }
    if let Some(bucket) = spec.record.as_ref().map(|record| &record.bucket) {
        let is_address = bucket.split('.').count() == 4
            && bucket.split('.').all(|part| part.parse::<u8>().is_ok());
        if bucket.contains("..") || is_address {
            cx.push(
                cx.problem(&["record", "bucket"], "S3 refuses two dots in a row and IP addresses"),
            );
        }
    }
}

fn tags(spec: &Spec, cx: &mut Check<'_>) {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for key in spec.tags.names() {
        let lower = key.to_lowercase();
        let path = ["tags", key];
        if lower.starts_with("aws:") || lower.starts_with("coderctl:") {
            let problem = cx.key_problem(&path, "this prefix is reserved");
            cx.push(problem.hint("keys that start with `aws:` are AWS's, with `coderctl:` ours"));
        } else if lower == "owner" {
            let problem = cx.key_problem(&path, "this tag is set from the key `owner`");
            let owner = cx.span(&["owner"]);
            cx.push(problem.also(owner, "set here"));
        } else if let Some(other) = seen.get(&lower) {
            let problem = cx.key_problem(&path, "IAM does not tell upper from lower case in tags");
            let other = cx.key(&["tags", other]);
            cx.push(problem.also(other, "the same key"));
        }
        seen.insert(lower, key);
    }
}

fn names(spec: &Spec, cx: &mut Check<'_>) {
    let home = spec.home_region.as_str();
    for (address, name) in spec.names.iter() {
        let path = ["names", address];
        let scope = Address::parse(address).map(|address| address.scope().to_owned());
        match scope.as_deref() {
            None => {
                let problem = cx.key_problem(&path, "this is not an address");
                cx.push(problem.hint(format!("addresses look like {home}/network/vpc")));
            }
            Some(scope) if scope != home && scope != "global" => {
                let problem = cx.key_problem(&path, format!("{} is not deployed to", quote(scope)));
                cx.push(problem.hint(format!("addresses start with `{home}/` or `global/`")));
            }
            Some(_) => {}
        }
        if name.is_empty() || name.chars().any(char::is_control) {
            cx.push(cx.problem(&path, "a name is printable and not empty"));
        }
    }
}

fn account(spec: &Spec, cx: &mut Check<'_>) {
    let partition = spec.partition();
    if let Some(role) = &spec.assume_role {
        cx.partition(&["assume_role", "role_arn"], &role.role_arn, partition);
        let of_arn = role.role_arn.split(':').nth(4).unwrap_or_default();
        if of_arn != spec.account.as_str() {
            let path = ["assume_role", "role_arn"];
            let problem = cx.problem(&path, "the role is in another account than `account`");
            let account = cx.span(&["account"]);
            cx.push(problem.also(account, "the account to deploy to"));
        }
        if let Some(reference) = &role.external_id {
            secret(reference, &["assume_role", "external_id"], spec, cx);
        }
    }
    if let Some(arn) = &spec.permissions_boundary_arn {
        cx.partition(&["permissions_boundary_arn"], arn, partition);
        policy_account(arn, &["permissions_boundary_arn"], spec, cx);
    }
}

/// IAM attaches AWS's policies and those of the same account.
pub(super) fn policy_account(arn: &str, path: &[&str], spec: &Spec, cx: &mut Check<'_>) {
    let of_arn = arn.split(':').nth(4).unwrap_or_default();
    if of_arn != "aws" && of_arn != spec.account.as_str() {
        let problem = cx.problem(path, "the policy is in another account than `account`");
        let account = cx.span(&["account"]);
        cx.push(problem.also(account, "the account to deploy to"));
    }
}

fn kubernetes(spec: &Spec, cx: &mut Check<'_>) {
    let mut seen: HashMap<(&str, &str, &str), &str> = HashMap::new();
    for (key, object) in spec.kubernetes.objects.iter() {
        let (kind, namespace, name) = match object {
            Object::ConfigMap(map) => ("config_map", &map.namespace, &map.name),
            Object::Secret(secret) => ("secret", &secret.namespace, &secret.name),
        };
        let path = ["kubernetes", "objects", key, kind, "name"];
        if let Some(other) = seen.insert((kind, namespace, name), key) {
            let problem = cx.problem(&path, "another object has this namespace and name");
            let other = cx.span(&["kubernetes", "objects", other, kind, "name"]);
            cx.push(problem.also(other, "the same object"));
        }
        match object {
            Object::ConfigMap(map) => {
                let bytes: usize =
                    map.data.iter().map(|(key, value)| key.len() + value.len()).sum();
                if bytes > MAX_CONFIG_MAP_BYTES {
                    let path = ["kubernetes", "objects", key, kind, "data"];
                    cx.push(cx.problem(&path, "a ConfigMap holds at most 1 MiB"));
                }
            }
            Object::Secret(object) => {
                for (entry, reference) in object.string_data.iter() {
                    let path = ["kubernetes", "objects", key, kind, "string_data", entry];
                    secret(reference, &path, spec, cx);
                }
            }
        }
    }
}

/// A reference to a secret in Secrets Manager that is an ARN must be one of its service.
pub(super) fn secret(reference: &SecretRef, path: &[&str], spec: &Spec, cx: &mut Check<'_>) {
    let (key, message) = match reference {
        SecretRef::SecretsManager(arn) if arn.starts_with("arn:") => {
            let path: Vec<&str> = path.iter().copied().chain(["secrets_manager"]).collect();
            cx.partition(&path, arn, spec.partition());
            let parts: Vec<&str> = arn.splitn(7, ':').collect();
            let is_secret = matches!(
                parts.as_slice(),
                [_, _, "secretsmanager", region, account, "secret", name]
                    if !region.is_empty() && account.len() == 12 && !name.is_empty()
            );
            if is_secret {
                return;
            }
            ("secrets_manager", "this is not the ARN of a secret")
        }
        SecretRef::Env(name) if name.contains(['=', '\0']) => {
            ("env", "this is not the name of an environment variable")
        }
        SecretRef::SecretsManager(_) | SecretRef::Env(_) | SecretRef::File(_) => return,
    };
    let path: Vec<&str> = path.iter().copied().chain([key]).collect();
    cx.push(cx.problem(&path, message));
}
