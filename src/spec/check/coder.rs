//! Coder itself, and the names and the load balancer in front of it.

use super::Check;
use super::identity::secret;
use crate::spec::diagnostic::quote;
use crate::spec::types::Spec;
use crate::spec::types::coder::Coder;
use crate::spec::types::network::{Egress, Network};

/// The versions of Coder that the manifests are written for, first and last minor version.
/// <https://coder.com/docs/install/releases>
pub(crate) const SUPPORTED: ((u32, u32), (u32, u32)) = ((2, 34), (2, 37));

/// What the manifests set themselves. A setting that ends in `_` stands for all that begin so.
const OURS: &[&str] = &[
    "CODER_ACCESS_URL",
    "CODER_CACHE_DIRECTORY",
    "CODER_CLUSTER_HOST",
    "CODER_DERP_SERVER_RELAY_URL",
    "CODER_HTTP_ADDRESS",
    "CODER_OAUTH2_GITHUB_",
    "CODER_OIDC_CLIENT_ID",
    "CODER_OIDC_CLIENT_SECRET",
    "CODER_OIDC_EMAIL_DOMAIN",
    "CODER_OIDC_ALLOW_SIGNUPS",
    "CODER_OIDC_ISSUER_URL",
    "CODER_OIDC_SCOPES",
    "CODER_PG_",
    "CODER_PROMETHEUS_ADDRESS",
    "CODER_PROMETHEUS_ENABLE",
    "CODER_PROVISIONER_DAEMONS",
    "CODER_REDIRECT_TO_ACCESS_URL",
    "CODER_SECURE_AUTH_COOKIE",
    "CODER_TELEMETRY_ENABLE",
    "CODER_TLS_",
    "CODER_WILDCARD_ACCESS_URL",
];

/// How the names of settings end that are secrets.
const SECRETS: [&str; 6] = ["_SECRET", "_PASSWORD", "_PSK", "_KEY", "_KEYS", "_AUTH_HEADER"];

pub(super) fn check(spec: &Spec, cx: &mut Check<'_>) {
    ingress(spec, cx);
    let Some(coder) = &spec.coder else { return };
    let sections = [
        ("cluster", spec.cluster.is_some()),
        ("database", spec.database.is_some()),
        ("ingress", spec.ingress.is_some()),
        ("dns", spec.dns.is_some()),
    ];
    for (section, is_there) in sections {
        if !is_there {
            let problem = cx.problem(&["coder"], format!("Coder needs the section `{section}`"));
            let hint = match section {
                "dns" => "add `dns: {base_domain: example.com}`, with your own domain".to_owned(),
                _ => {
                    format!("add `{section}`, or name a pattern that has it: `pattern: sr-simple`")
                }
            };
            cx.push(problem.hint(hint));
        }
    }
    version(coder, cx);
    if let Some(cluster) = &spec.cluster
        && cluster.node_groups.get(&coder.node_group).is_none()
    {
        let known: Vec<&str> = cluster.node_groups.names().collect();
        let message = format!("the cluster has no node group {}", quote(&coder.node_group));
        let problem = cx.problem(&["coder", "node_group"], message);
        let hint = if known.is_empty() {
            "add one to cluster.node_groups".to_owned()
        } else {
            format!("it has {}", known.join(", "))
        };
        cx.push(problem.hint(hint));
    }
    if coder.replicas > 1 && coder.license.is_none() {
        let message = "servers work together only with a Premium licence";
        let problem = cx.problem(&["coder", "replicas"], message);
        cx.push(problem.hint("give `license: {secrets_manager: ARN}`, or run one"));
    }
    if coder.namespace == coder.workspace_namespace {
        let message = "workspaces must not run where Coder's own secrets are";
        cx.push(cx.problem(&["coder", "workspace_namespace"], message));
    }
    settings(coder, cx);
    github(coder, cx);
    let secrets = [
        (vec!["coder", "license"], coder.license.as_ref()),
        (vec!["coder", "owner", "password"], coder.owner.password.as_ref()),
        (vec!["coder", "oidc", "client_secret"], coder.oidc.as_ref().map(|it| &it.client_secret)),
        (
            vec!["coder", "github", "client_secret"],
            coder.github.as_ref().map(|it| &it.client_secret),
        ),
    ];
    for (path, reference) in secrets {
        if let Some(reference) = reference {
            secret(reference, &path, spec, cx);
        }
    }
}

/// Whoever may sign in is named, or everybody is meant.
fn github(coder: &Coder, cx: &mut Check<'_>) {
    let Some(github) = &coder.github else { return };
    let path = ["coder", "github"];
    if github.allow_everyone && !github.allowed_organizations.is_empty() {
        let message = "either everybody may sign in, or the members of organisations";
        cx.push(cx.problem(&["coder", "github", "allow_everyone"], message));
    } else if !github.allow_everyone && github.allowed_organizations.is_empty() {
        let problem = cx.problem(&path, "it does not say who may sign in");
        cx.push(problem.hint(
            "name `allowed_organizations: [my-org]`; `allow_everyone: true` lets in all of GitHub",
        ));
    }
}

fn version(coder: &Coder, cx: &mut Check<'_>) {
    let mut parts = coder.version.split('.').map(|part| part.parse::<u32>().unwrap_or(u32::MAX));
    let minor = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let (first, last) = SUPPORTED;
    if minor < first || minor > last {
        let message = format!("Coder {} is not one that this program knows", coder.version);
        let problem = cx.problem(&["coder", "version"], message);
        cx.push(problem.hint(format!("it knows {}.{} to {}.{}", first.0, first.1, last.0, last.1)));
    }
}

fn settings(coder: &Coder, cx: &mut Check<'_>) {
    for (name, value) in coder.settings.iter() {
        let path = ["coder", "settings", name];
        let is_ours =
            OURS.iter().any(|our| name == *our || our.ends_with('_') && name.starts_with(our));
        let is_secret = SECRETS.iter().any(|end| name.ends_with(end));
        if is_ours || is_secret {
            // It may well hold a password: a connection's address does.
            cx.hidden.push(cx.span(&path));
        }
        if is_ours {
            let problem = cx.key_problem(&path, "this setting is made from other keys of the spec");
            cx.push(problem.hint("it follows from `coder`, `dns`, `database` and `ingress`"));
        } else if is_secret {
            let problem = cx.key_problem(&path, "this setting is a secret, and a spec holds none");
            cx.push(problem.hint("remove it from the file, and change the secret"));
        } else if value.contains('\0') {
            cx.push(cx.problem(&path, "an environment variable holds no NUL"));
        }
    }
}

/// The longest name of a deployment with a load balancer: theirs have 32 characters, and those of
/// successors end in a number.
const MAX_NAME: usize = 27;

fn ingress(spec: &Spec, cx: &mut Check<'_>) {
    let Some(ingress) = &spec.ingress else { return };
    let length = spec.deployment().as_str().len();
    if length > MAX_NAME {
        let key = if spec.name.is_some() { "name" } else { "project_name" };
        let message = format!(
            "load balancers are called by the deployment's name, and it has {length} characters"
        );
        let problem = cx.problem(&[key], message);
        cx.push(problem.hint(format!("give a `name` of at most {MAX_NAME} characters")));
    }
    let Some(network) = &spec.network else {
        cx.push(cx.problem(&["ingress"], "a load balancer needs a `network`"));
        return;
    };
    for (at, cidr) in ingress.allowed_cidrs.iter().enumerate() {
        let path = ["ingress", "allowed_cidrs", &format!("[{at}]")];
        super::network::host_bits(*cidr, &path, cx);
    }
    if cx.tier(&["ingress", "tier"], &ingress.tier, network) {
        reachable(spec, network, cx);
    }
    if let Some(arn) = spec.dns.as_ref().and_then(|dns| dns.certificate_arn.as_ref()) {
        let path = ["dns", "certificate_arn"];
        cx.partition(&path, arn, spec.partition());
        let region = arn.split(':').nth(3).unwrap_or_default();
        if region != spec.home_region.as_str() {
            let problem = cx.problem(&path, format!("the certificate is in {}", quote(region)));
            let home = cx.span(&["home_region"]);
            cx.push(problem.also(home, "a load balancer takes one of its own region"));
        }
    }
}

/// A load balancer that the internet reaches stands where the internet leads.
fn reachable(spec: &Spec, network: &Network, cx: &mut Check<'_>) {
    use crate::spec::types::ingress::Scheme;
    let Some(ingress) = &spec.ingress else { return };
    let egress = network.tiers.get(&ingress.tier).map(|tier| tier.egress());
    if ingress.scheme == Scheme::InternetFacing && egress != Some(Egress::Internet) {
        let message =
            format!("the internet does not reach the subnets of the tier {}", quote(&ingress.tier));
        let problem = cx.problem(&["ingress", "tier"], message);
        cx.push(problem.hint("name a public tier, or make it `scheme: internal`"));
    }
}
