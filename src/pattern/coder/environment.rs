//! What the server reads when it starts.
//! <https://coder.com/docs/reference/cli/server>

use crate::spec::types::coder::{Coder, Github, Oidc};
use crate::spec::types::ingress::Dns;
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, SecretKeySelector};

/// The Secret with the database's URL, and its entry.
pub(super) const DATABASE: (&str, &str) = ("coder-db-url", "url");
/// The Secret with what the OpenID Connect provider knows the server by.
pub(super) const OIDC: (&str, &str) = ("coder-oidc", "client-secret");
/// The Secret with what GitHub knows the server by.
pub(super) const GITHUB: (&str, &str) = ("coder-github", "client-secret");

/// The longest life of a token of an owner, as Go writes durations: thirty days. Coder's default is
/// `168h`.
/// <https://coder.com/docs/reference/cli/server#--max-admin-token-lifetime>
const LONGEST_TOKEN: (&str, &str) = ("CODER_MAX_ADMIN_TOKEN_LIFETIME", "720h");

/// Where the server keeps what it can fetch again. A volume of the pod's own.
pub(super) const HOME: &str = "/home/coder";

/// The server's environment, in the order in which variables may refer to each other.
pub(super) fn variables(coder: &Coder, dns: &Dns) -> Vec<EnvVar> {
    let mut all = vec![
        plain("CODER_HTTP_ADDRESS", "0.0.0.0:8080"),
        plain("CODER_ACCESS_URL", &format!("https://{}", dns.host())),
    ];
    if let Some(wildcard) = dns.wildcard_host() {
        // Without a scheme. Apps then have hosts of their own, which browsers keep apart; on the
        // server's own host they would share its cookies.
        all.push(plain("CODER_WILDCARD_ACCESS_URL", &wildcard));
        all.push(plain("CODER_DISABLE_PATH_APPS", "true"));
    }
    all.extend([
        // The load balancer ends TLS: a server that redirects what is not TLS redirects for ever.
        plain("CODER_REDIRECT_TO_ACCESS_URL", "false"),
        plain("CODER_SECURE_AUTH_COOKIE", "true"),
        secret("CODER_PG_CONNECTION_URL", DATABASE),
        // Servers reach each other by their pods' addresses. It must stand before what refers to it.
        EnvVar {
            name: "KUBE_POD_IP".to_owned(),
            value_from: Some(EnvVarSource {
                field_ref: Some(ObjectFieldSelector {
                    api_version: Some("v1".to_owned()),
                    field_path: "status.podIP".to_owned(),
                }),
                ..EnvVarSource::default()
            }),
            ..EnvVar::default()
        },
        plain("CODER_DERP_SERVER_RELAY_URL", "http://$(KUBE_POD_IP):8080"),
        plain("CODER_CLUSTER_HOST", "$(KUBE_POD_IP)"),
        plain("CODER_CACHE_DIRECTORY", &format!("{HOME}/.cache/coder")),
        plain("CODER_PROVISIONER_DAEMONS", &coder.provisioner_daemons.to_string()),
        plain("CODER_TELEMETRY_ENABLE", if coder.telemetry { "true" } else { "false" }),
        plain("CODER_UPDATE_CHECK", "false"),
        // One line of JSON for each event, on standard error.
        plain("CODER_LOGGING_HUMAN", "/dev/null"),
        plain("CODER_LOGGING_JSON", "/dev/stderr"),
    ]);
    if coder.prometheus {
        all.push(plain("CODER_PROMETHEUS_ENABLE", "true"));
        all.push(plain("CODER_PROMETHEUS_ADDRESS", "0.0.0.0:2112"));
    }
    // Without this, anybody with a GitHub account could sign in through an app of Coder's makers.
    all.push(plain("CODER_OAUTH2_GITHUB_DEFAULT_PROVIDER_ENABLE", "false"));
    if let Some(oidc) = &coder.oidc {
        all.extend(oidc_variables(oidc));
    }
    if let Some(github) = &coder.github {
        all.extend(github_variables(github));
    }
    // An owner's tokens would end after a week; ours is renewed after twenty of its thirty days.
    all.push(plain(LONGEST_TOKEN.0, LONGEST_TOKEN.1));
    // Those that the spec may choose otherwise (`spec/check/coder.rs` knows which it may not).
    // Kubernetes refuses two variables of one name.
    all.retain(|ours| coder.settings.get(&ours.name).is_none());
    all.extend(coder.settings.iter().map(|(name, value)| plain(name, value)));
    all
}

fn oidc_variables(oidc: &Oidc) -> Vec<EnvVar> {
    let mut all = vec![
        plain("CODER_OIDC_ISSUER_URL", &oidc.issuer_url),
        plain("CODER_OIDC_CLIENT_ID", &oidc.client_id),
        secret("CODER_OIDC_CLIENT_SECRET", OIDC),
        plain("CODER_OIDC_SCOPES", &oidc.scopes.join(",")),
        plain("CODER_OIDC_ALLOW_SIGNUPS", if oidc.allow_signups { "true" } else { "false" }),
    ];
    if !oidc.email_domains.is_empty() {
        all.push(plain("CODER_OIDC_EMAIL_DOMAIN", &oidc.email_domains.join(",")));
    }
    all
}

fn github_variables(github: &Github) -> Vec<EnvVar> {
    let mut all = vec![
        plain("CODER_OAUTH2_GITHUB_CLIENT_ID", &github.client_id),
        secret("CODER_OAUTH2_GITHUB_CLIENT_SECRET", GITHUB),
        plain(
            "CODER_OAUTH2_GITHUB_ALLOW_SIGNUPS",
            if github.allow_signups { "true" } else { "false" },
        ),
    ];
    all.push(if github.allow_everyone {
        plain("CODER_OAUTH2_GITHUB_ALLOW_EVERYONE", "true")
    } else {
        plain("CODER_OAUTH2_GITHUB_ALLOWED_ORGS", &github.allowed_organizations.join(","))
    });
    all
}

fn plain(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), ..EnvVar::default() }
}

fn secret(name: &str, (object, key): (&str, &str)) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: object.to_owned(),
                key: key.to_owned(),
                ..SecretKeySelector::default()
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}
