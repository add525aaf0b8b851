//! What S3 keeps.

use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Cx, View};
use crate::sandbox::store::{Millis, Scope};
use crate::sandbox::wire::params::Params;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// All buckets of all accounts: their names are one space.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct S3 {
    #[serde(default)]
    pub(super) buckets: BTreeMap<String, Bucket>,
}

/// A bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bucket {
    pub(super) name: String,
    pub(super) account: String,
    pub(super) region: String,
    pub(super) created: Millis,
    /// `Enabled`, `Suspended`, or never set.
    pub(super) versioning: Option<String>,
    pub(super) policy: Option<String>,
    /// Documents as they were put, by the name of their root element.
    pub(super) documents: BTreeMap<String, Value>,
    /// By key, the newest version first.
    pub(super) objects: BTreeMap<String, Vec<Version>>,
}

/// A version of an object, or a delete marker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Version {
    /// `null` for what was put while the bucket was not versioned.
    pub(super) id: String,
    pub(super) modified: Millis,
    /// `None` for a delete marker.
    pub(super) content: Option<Content>,
}

/// What an object holds.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    #[serde(with = "in_base64")]
    pub(super) body: Vec<u8>,
    /// With its quotes.
    pub(super) etag: String,
    pub(super) content_type: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) encryption: String,
    pub(super) key: Option<String>,
    /// Header name and value of the checksum that came with it.
    pub(super) checksum: Option<(String, String)>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.body.len())
    }
}

mod in_base64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(body: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(body))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}

/// An ETag in S3's form, 32 hex digits in quotes.
pub(super) fn etag(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    format!("\"{}\"", hex::encode(&digest[..16]))
}

impl Bucket {
    /// The newest version of a key, if it is not a delete marker.
    pub(super) fn current(&self, key: &str) -> Option<(&Version, &Content)> {
        let newest = self.objects.get(key)?.first()?;
        newest.content.as_ref().map(|content| (newest, content))
    }

    /// Whether new objects get version ids.
    pub(super) fn is_versioned(&self) -> bool {
        self.versioning.as_deref() == Some("Enabled")
    }
}

fn no_such_bucket() -> Failure {
    Failure::new("NoSuchBucket", "The specified bucket does not exist").with_status(404)
}

fn denied() -> Failure {
    Failure::new("AccessDenied", "Access Denied").with_status(403)
}

/// Lets the owner in, from any region but to the bucket's own only.
fn check(bucket: &Bucket, scope: &Scope, params: &Params) -> Result<(), Failure> {
    let expected = params.text("ExpectedBucketOwner");
    if bucket.account != scope.account || expected.is_some_and(|owner| owner != bucket.account) {
        return Err(denied());
    }
    if bucket.region != scope.region {
        let message = format!(
            "The bucket you are attempting to access must be addressed using the specified endpoint: it is in {}",
            bucket.region
        );
        return Err(Failure::new("PermanentRedirect", message).with_status(301));
    }
    Ok(())
}

/// The bucket that the request names, as a read sees it.
pub(super) fn asked<'a>(view: &View<'a>, params: &Params) -> Result<&'a Bucket, Failure> {
    let found = view.store.s3.buckets.get(params.required("Bucket"));
    let bucket = found.ok_or_else(no_such_bucket)?;
    check(bucket, view.scope, params)?;
    Ok(bucket)
}

/// The bucket that the request names, to change it.
pub(super) fn asked_mut<'a>(
    cx: &'a mut Cx<'_>,
    params: &Params,
) -> Result<&'a mut Bucket, Failure> {
    let found = cx.store.s3.buckets.get_mut(params.required("Bucket"));
    let bucket = found.ok_or_else(no_such_bucket)?;
    check(bucket, cx.scope, params)?;
    Ok(bucket)
}
