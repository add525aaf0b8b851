//! The bearer token of a cluster: a signed request to STS that the cluster sends in our name.
//!
//! The token is a presigned `GetCallerIdentity`, bound to one cluster by a signed header. EKS takes
//! it for fifteen minutes after the time that it was signed for, whatever it says of its expiry.
//! <https://docs.aws.amazon.com/eks/latest/best-practices/identity-and-access-management.html>,
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use super::access::Access;
use crate::aws::Clients;
use crate::clock::Clock;
use crate::kind::{Class, Error, Result};
use crate::name::{Partition, Region};
use crate::secret::{Masks, Secret};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime};

/// How long a token is used: a minute less than the cluster takes it for.
const USED_FOR: Duration = Duration::from_secs(14 * 60);
/// What the signature says of its own life, in seconds.
const EXPIRES: &str = "60";
/// What SigV4 leaves as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The tokens of one cluster: each is used until it is about to run out.
pub struct Tokens {
    access: Access,
    clients: Clients,
    clock: Clock,
    masks: Masks,
    last: tokio::sync::Mutex<Option<(SystemTime, Secret)>>,
}

impl Tokens {
    /// Tokens for the cluster behind `access`, in the name of whoever `clients` call as. Each is
    /// registered with `masks`.
    pub fn new(access: Access, clients: Clients, clock: Clock, masks: Masks) -> Self {
        Tokens { access, clients, clock, masks, last: tokio::sync::Mutex::default() }
    }

    /// A token that is good for at least a minute.
    ///
    /// # Errors
    /// When there are no credentials to sign with.
    pub async fn current(&self) -> Result<Secret> {
        let mut last = self.last.lock().await;
        let now = self.clock.now();
        if let Some((made, token)) = last.as_ref()
            && now.duration_since(*made).is_ok_and(|age| age < USED_FOR)
        {
            return Ok(token.clone());
        }
        let provider =
            self.clients.credentials().ok_or_else(|| no_credentials("there are none"))?;
        let credentials = provider
            .provide_credentials()
            .await
            .map_err(|error| no_credentials(&error.to_string()))?;
        let token = token(&credentials, &self.access.cluster, &self.access.region, now);
        self.masks.add(&token);
        *last = Some((now, token.clone()));
        Ok(token)
    }

    /// Makes the next one anew: the cluster did not take the last.
    pub async fn forget(&self) {
        *self.last.lock().await = None;
    }
}

fn no_credentials(why: &str) -> Error {
    Error::of(Class::Denied, format!("no credentials to sign the cluster's token with: {why}"))
        .hint("aws sts get-caller-identity")
}

/// The token for `cluster`, signed at `at`.
pub fn token(credentials: &Credentials, cluster: &str, region: &Region, at: SystemTime) -> Secret {
    let url = presigned(credentials, cluster, region, at);
    Secret::new(format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url)))
}

/// The signed address, which is all that the token says.
fn presigned(credentials: &Credentials, cluster: &str, region: &Region, at: SystemTime) -> String {
    let suffix = match Partition::of(region) {
        Partition::AwsCn => "amazonaws.com.cn",
        Partition::Aws | Partition::AwsUsGov => "amazonaws.com",
    };
    let host = format!("sts.{region}.{suffix}");
    let time = written(at);
    let day = &time[..8];
    let scope = format!("{day}/{region}/sts/aws4_request");
    let who = format!("{}/{scope}", credentials.access_key_id());
    // In the order of their names, as the signature wants them.
    let mut query = vec![
        ("Action", "GetCallerIdentity"),
        ("Version", "2011-06-15"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &who),
        ("X-Amz-Date", &time),
        ("X-Amz-Expires", EXPIRES),
    ];
    if let Some(session) = credentials.session_token() {
        query.push(("X-Amz-Security-Token", session));
    }
    query.push(("X-Amz-SignedHeaders", "host;x-k8s-aws-id"));
    let query: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, RESERVED)))
        .collect();
    let query = query.join("&");
    let request = format!(
        "GET\n/\n{query}\nhost:{host}\nx-k8s-aws-id:{cluster}\n\nhost;x-k8s-aws-id\n{}",
        hex::encode(Sha256::digest(b""))
    );
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        hex::encode(Sha256::digest(request.as_bytes()))
    );
    let first = format!("AWS4{}", credentials.secret_access_key());
    let key = [day, region.as_str(), "sts", "aws4_request"]
        .iter()
        .fold(first.into_bytes(), |key, part| hmac(&key, part.as_bytes()).to_vec());
    let signature = hex::encode(hmac(&key, to_sign.as_bytes()));
    format!("https://{host}/?{query}&X-Amz-Signature={signature}")
}

/// HMAC with SHA-256: <https://www.rfc-editor.org/rfc/rfc2104>.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = block.map(|byte| byte ^ 0x36);
    let outer = block.map(|byte| byte ^ 0x5c);
    let inner = Sha256::new().chain_update(inner).chain_update(message).finalize();
    Sha256::new().chain_update(outer).chain_update(inner).finalize().into()
}

/// `20250102T030405Z`.
fn written(at: SystemTime) -> String {
    let stamp = jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    stamp.strftime("%Y%m%dT%H%M%SZ").to_string()
}
