//! Who stands before a cluster's door: the bearer token of EKS, which is a signed request to STS.
//!
//! EKS sends the request on with the cluster's name as a header, so that a token is good for one
//! cluster only; STS checks the signature and says who has signed. Here both are one. Unlike the
//! requests to AWS's services, tokens are verified, for nothing else in them names the cluster: the
//! secret key of a session is the one that `AssumeRole` gave out, and that of every other access key
//! is `sandbox`.
//! <https://docs.aws.amazon.com/eks/latest/userguide/cluster-auth.html>,
//! <https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster>

use super::store::Millis;
use super::world::Sandbox;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// How long after it was signed a token is taken, whatever it says of its own life.
const TAKEN_FOR: Duration = Duration::from_secs(15 * 60);
/// How far the clock of whoever signs may be ahead.
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// The secret key of every access key that is not a session's.
const SECRET: &str = "sandbox";
/// The header that binds a token to its cluster.
const CLUSTER: &str = "x-k8s-aws-id";

/// Who has signed a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signer {
    /// The account's id.
    pub(super) account: String,
    /// `role/NAME` or `user/NAME`, without a path.
    pub(super) principal: String,
    /// The name of a role's session.
    pub(super) session: String,
}

impl Signer {
    /// Whether `arn` is the role or user that has signed. The session of a role does not tell the
    /// role's path.
    pub(super) fn is(&self, arn: &str) -> bool {
        let mut fields = arn.splitn(6, ':').skip(4);
        let (account, resource) = (fields.next(), fields.next().unwrap_or_default());
        let (kind, path) = resource.split_once('/').unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or(path);
        account == Some(self.account.as_str()) && format!("{kind}/{name}") == self.principal
    }
}

/// Who has signed `token` for `cluster`; `None` for what EKS turns away at `now`, which is the time
/// of the signer's clock.
pub(super) fn signer(
    sandbox: &Sandbox,
    token: &str,
    cluster: &str,
    now: SystemTime,
) -> Option<Signer> {
    let url = token.strip_prefix("k8s-aws-v1.")?;
    let url = String::from_utf8(URL_SAFE_NO_PAD.decode(url.trim_end_matches('=')).ok()?).ok()?;
    let (scheme, rest) = url.split_once("://")?;
    let (host, query) = rest.split_once("/?")?;
    let pairs: BTreeMap<String, String> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let said = |name: &str| pairs.get(name).map(String::as_str).unwrap_or_default();
    let binds = said("X-Amz-SignedHeaders").split(';').any(|header| header == CLUSTER);
    if !is_sts(scheme, host) || said("Action") != "GetCallerIdentity" || !binds {
        return None;
    }
    let signed = jiff::fmt::strtime::parse("%Y%m%dT%H%M%SZ", said("X-Amz-Date")).ok()?;
    let signed = signed.to_datetime().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    let signed = SystemTime::from(signed.timestamp());
    if now > signed.checked_add(TAKEN_FOR)? || signed > now.checked_add(AHEAD)? {
        return None;
    }
    let (key, scope) = said("X-Amz-Credential").split_once('/')?;
    let session = sandbox.session(key);
    let secret = session.as_ref().map_or(SECRET, |session| session.secret());
    let signature = signature(query, host, cluster, (said("X-Amz-Date"), scope, secret))?;
    if signature != said("X-Amz-Signature") {
        return None;
    }
    Some(match session {
        // Sessions end by the sandbox's clock, which made them.
        Some(session) if session.ends() <= Millis::of(sandbox.clock().now()) => return None,
        Some(session) => Signer {
            account: session.account.clone(),
            principal: format!("role/{}", session.role()),
            session: session.name().to_owned(),
        },
        None => Signer {
            account: sandbox.account_of(key),
            principal: "user/sandbox".to_owned(),
            session: String::new(),
        },
    })
}

/// Whether an address is STS's, or where the sandbox serves it: an AWS CLI that was told of another
/// endpoint signs for that one.
fn is_sts(scheme: &str, host: &str) -> bool {
    let suffixes = [".amazonaws.com", ".amazonaws.com.cn"];
    match (scheme, host.split_once(':')) {
        ("https", None) => host.strip_prefix("sts").is_some_and(|rest| {
            suffixes.contains(&rest)
                || rest.starts_with('.') && suffixes.iter().any(|suffix| rest.ends_with(suffix))
        }),
        ("http", Some((name, _port))) => matches!(name, "127.0.0.1" | "localhost"),
        _ => false,
    }
}

/// Signature Version 4 of a presigned request that has the headers `host` and [`CLUSTER`].
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
fn signature(
    query: &str,
    host: &str,
    cluster: &str,
    (date, scope, secret): (&str, &str, &str),
) -> Option<String> {
    let mut pairs: Vec<&str> =
        query.split('&').filter(|pair| !pair.starts_with("X-Amz-Signature=")).collect();
    pairs.sort_unstable();
    let canonical = format!(
        "GET\n/\n{}\nhost:{host}\n{CLUSTER}:{cluster}\n\nhost;{CLUSTER}\n{}",
        pairs.join("&"),
        hex::encode(Sha256::digest(b""))
    );
    let digest = hex::encode(Sha256::digest(canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}");
    let parts: Vec<&str> = scope.split('/').collect();
    let [_, _, "sts", "aws4_request"] = parts.as_slice() else { return None };
    let first = format!("AWS4{secret}").into_bytes();
    let key = parts.iter().fold(first, |key, part| keyed(&key, part.as_bytes()));
    Some(hex::encode(keyed(&key, text.as_bytes())))
}

/// HMAC with SHA-256 (RFC 2104).
fn keyed(key: &[u8], message: &[u8]) -> Vec<u8> {
    let short = if key.len() > 64 { Sha256::digest(key).to_vec() } else { key.to_vec() };
    let padded = |with: u8| -> Vec<u8> {
        (0..64).map(|place| short.get(place).copied().unwrap_or_default() ^ with).collect()
    };
    let mut inner = Sha256::new_with_prefix(padded(0x36));
    inner.update(message);
    let mut outer = Sha256::new_with_prefix(padded(0x5c));
    outer.update(inner.finalize());
    outer.finalize().to_vec()
}
