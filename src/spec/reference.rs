//! The reference page, printed from the schema.

use super::schema::{View, root};
use serde_json::Value;
use std::fmt::Write;

/// What the variables of the Terraform modules are called here.
const RENAMED: &[(&str, &str)] = &[
    ("project_name", "project_name"),
    ("environment", "environment"),
    ("owner", "owner"),
    ("aws_region, cluster_region", "home_region"),
    ("cluster_name", "name"),
    ("vpc_cidr", "network.vpc_cidr"),
    ("availability_zones", "network.azs"),
    ("max_workspaces", "max_workspaces"),
    ("enable_vpc_endpoints", "network.enable_vpc_endpoints"),
    ("eks_cluster_version", "cluster.version"),
    ("control_node_instance_type", "cluster.node_groups.control.instance_types"),
    ("control_node_min_size", "cluster.node_groups.control.min_size"),
    ("control_node_max_size", "cluster.node_groups.control.max_size"),
    ("ws_node_instance_type", "cluster.node_groups.workspace.instance_types"),
    ("ws_node_min_size", "cluster.node_groups.workspace.min_size"),
    ("ws_node_max_size", "cluster.node_groups.workspace.max_size"),
    ("ws_use_spot_instances", "cluster.node_groups.workspace.capacity"),
    ("aurora_engine_version", "database.engine_version"),
    ("aurora_min_capacity", "database.min_capacity"),
    ("aurora_max_capacity", "database.max_capacity"),
    ("aurora_backup_retention_days", "database.backup_retention_days"),
    ("base_domain", "dns.base_domain"),
    ("coder_subdomain", "dns.subdomain"),
    ("route53_zone_id", "dns.zone_id"),
    ("existing_acm_certificate_arn", "dns.certificate_arn"),
    ("oidc_issuer_url", "coder.oidc.issuer_url"),
    ("oidc_client_id", "coder.oidc.client_id"),
    ("oidc_client_secret_arn", "coder.oidc.client_secret.secrets_manager"),
    ("coder_oauth_secret_client_id", "coder.github.client_id"),
    ("coder_oauth_secret_client_secret", "coder.github.client_secret"),
    ("coder_version, addon_version", "coder.version"),
    ("coderd_replicas", "coder.replicas"),
    ("nlb_ssl_policy", "ingress.ssl_policy"),
    ("nlb_cross_zone_enabled", "ingress.cross_zone"),
    ("log_retention_days", "network.flow_logs.retention_days, log_groups.NAME.retention_days"),
    ("enable_prometheus_metrics", "coder.prometheus"),
];

/// What became of variables that have no key.
const GONE: &[(&str, &str)] = &[
    ("coder_access_url, coder_wildcard_access_url", "follow from `dns`"),
    ("coder_db_secret_url", "put together from the secret and the endpoint"),
    ("create_acm_certificate", "one is made unless `dns.certificate_arn` names one"),
    (
        "enable_coderd_provider, coder_admin_token",
        "the owner and the token are made in the same apply",
    ),
    ("enable_stun", "Coder has no STUN server of its own, so the port led nowhere"),
    (
        "kubernetes_ssl_secret_name, acme_registration_email",
        "the load balancer ends TLS with a certificate of ACM's",
    ),
    ("bucket, key, dynamodb_table, encrypt", "there is no state file"),
];

/// Defaults longer than this are told in words.
const LONGEST_DEFAULT: usize = 40;

/// The page `docs/spec.md`: every key with its type, default and meaning.
pub fn reference() -> String {
    let mut page = String::from(
        "# The spec\n\n\
         This page is printed from the program's types. `coderctl schema` prints the same as JSON \
         Schema.\n\n\
         A spec is one YAML file. The pattern that it names lies below it, further files given by \
         `-f` lie on top of it in order, and `--set path=value` on top of all. Maps merge key by \
         key, lists and scalars replace, and `null` removes. Values are taken as they are \
         written: `012345678901` keeps its zero, `1.30` is not 1.3, and `no` is not false. \
         Secrets are never written, only where they are: `{secrets_manager: ARN}`, `{env: NAME}` \
         or `{file: PATH}`.\n",
    );
    section(&mut page, "", &View::of(root()));
    page.push_str("\n## From Terraform\n\n| variable | key |\n|---|---|\n");
    for (old, new) in RENAMED {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| {} | {} |", each(old), each(new));
    }
    page.push_str(
        "\nWithout a key, because nothing is left to say:\n\n| variable | now |\n|---|---|\n",
    );
    for (old, now) in GONE {
        let _ = writeln!(page, "| {} | {now} |", each(old));
    }
    page.push_str("\n## The address plan\n\n");
    for line in include_str!("subnets.rs").lines() {
        match line.strip_prefix("//!") {
            Some("") if page.ends_with("\n\n") => {}
            Some(line) => {
                page.push_str(line.strip_prefix(' ').unwrap_or(line));
                page.push('\n');
            }
            None => break,
        }
    }
    page
}

/// Names between commas as code.
fn each(names: &str) -> String {
    names.split(", ").map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn section(page: &mut String, path: &str, view: &View) {
    let title = if path.is_empty() { "At the top".to_owned() } else { format!("`{path}`") };
    let _ = write!(page, "\n## {title}\n\n");
    if let Some(description) = view.description().filter(|_| !path.is_empty()) {
        let _ = write!(page, "{description}\n\n");
    }
    page.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
    let required = view.required();
    let mut below = Vec::new();
    for key in view.keys() {
        let Some(property) = view.property(key) else { continue };
        let default = match property.get("default") {
            _ if required.contains(&key) => "required".to_owned(),
            None | Some(Value::Null) => String::new(),
            Some(value) if value.to_string().len() <= LONGEST_DEFAULT => format!("`{value}`"),
            Some(_) => "see [the patterns](../patterns)".to_owned(),
        };
        let meaning = property.description().unwrap_or_default();
        let words = constants(&property);
        let meaning = if words.is_empty() { meaning } else { format!("{meaning} {words}") };
        let _ = writeln!(
            page,
            "| `{key}` | {} | {} | {} |",
            escape(&kind(&property)),
            escape(&default),
            escape(&meaning)
        );
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        collect(&path, &property, &mut below);
    }
    for (path, view) in below {
        section(page, &path, &view);
    }
}

/// The maps with keys of their own that stand below a property.
fn collect(path: &str, view: &View, below: &mut Vec<(String, View)>) {
    if view.is_secret || is_document(view) {
        return;
    }
    let branches = view.branches();
    if view.constants().is_none() && !branches.is_empty() {
        for branch in branches.iter().filter(|branch| !is_document(branch)) {
            match branch.keys().as_slice() {
                // A choice by its one key: what is below the key is what matters.
                [key] if branch.property(key).is_some_and(|value| !value.keys().is_empty()) => {
                    if let Some(value) = branch.property(key) {
                        collect(&format!("{path}.{key}"), &value, below);
                    }
                }
                _ => collect(path, branch, below),
            }
        }
    } else if !view.keys().is_empty() {
        below.push((path.to_owned(), view.clone()));
    } else if let Some(schema) =
        view.get("additionalProperties").filter(|schema| schema.is_object())
    {
        collect(&format!("{path}.NAME"), &View::of(schema), below);
    }
}

fn is_document(view: &View) -> bool {
    view.property("Statement").is_some()
}

fn kind(view: &View) -> String {
    if view.is_secret {
        return "reference to a secret".to_owned();
    }
    if is_document(view) {
        return "policy document".to_owned();
    }
    if let Some(constants) = view.constants() {
        let words: Vec<String> = constants
            .iter()
            .map(|value| format!("`{}`", value.as_str().map_or(value.to_string(), str::to_owned)))
            .collect();
        return words.join(" \\| ");
    }
    let branches = view.branches();
    if !branches.is_empty() {
        let kinds: Vec<String> = branches
            .iter()
            .map(|branch| match branch.required().as_slice() {
                _ if is_document(branch) => kind(branch),
                keys => format!("{{{}: …}}", keys.join(", ")),
            })
            .collect();
        return kinds.join(" or ");
    }
    let bound = |key| view.get(key).and_then(Value::as_i64);
    match (view.kind(), bound("minimum"), bound("maximum")) {
        (Some("integer"), Some(least), Some(most)) => format!("integer, {least} to {most}"),
        (Some("array"), ..) => match view.get("items") {
            Some(items) => format!("list of {}", kind(&View::of(items))),
            None => "list".to_owned(),
        },
        (Some("object"), ..) if view.keys().is_empty() => {
            match view.get("additionalProperties").filter(|schema| schema.is_object()) {
                Some(values) => match kind(&View::of(values)).as_str() {
                    "map" => "map by name".to_owned(),
                    values => format!("map of {values} by name"),
                },
                None => "map".to_owned(),
            }
        }
        (Some("object"), ..) => "map".to_owned(),
        (Some("string"), ..) => match bound("maxLength") {
            Some(most) if most > 64 => format!("string, up to {most} characters"),
            _ => "string".to_owned(),
        },
        (Some(kind), ..) => kind.to_owned(),
        (None, ..) => "any".to_owned(),
    }
}

/// The documented values of an enumeration, in one line.
fn constants(view: &View) -> String {
    if view.constants().is_none() {
        return String::new();
    }
    let words: Vec<String> = view
        .branches()
        .iter()
        .filter_map(|branch| {
            let word = branch.get("const")?.as_str()?;
            let meaning = branch.description()?;
            Some(format!("`{word}`: {}", meaning.trim_end_matches('.')))
        })
        .collect();
    if words.is_empty() { String::new() } else { format!("{}.", words.join("; ")) }
}

/// For a cell of a table.
fn escape(text: &str) -> String {
    text.replace("\\|", "|").replace('|', "\\|")
}
