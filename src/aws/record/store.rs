//! Reads and conditional writes of the record's objects.
//!
//! S3 refuses a write whose condition does not hold, which is all that the lock and the record
//! build on. A refusal is not taken at its word: the write may be our own, sent twice because the
//! first answer was lost, so what is there is read back and compared.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>

use crate::aws::Clients;
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, pages, safe};
use crate::kind::{Api, Class, Cx, Error, Result};
use crate::name::DeploymentName;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::{DateTime, Format};
use std::sync::{Arc, Mutex, PoisonError};

/// S3 in the region of a context.
pub(super) struct S3(pub(super) aws_sdk_s3::Client);

impl Api for S3 {
    fn connect(cx: &Cx) -> Result<Self> {
        let clients = cx
            .connector::<Clients>()
            .ok_or_else(|| Error::local("there is no connection to AWS"))?;
        Ok(S3(clients.s3(&cx.region)))
    }
}

/// Where a deployment's record is kept.
#[derive(Clone, Debug)]
pub(super) struct Store {
    cx: Cx,
    bucket: String,
    deployment: DeploymentName,
}

/// An object as it was read.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    /// Its content.
    pub(super) body: Vec<u8>,
    /// Its entity tag: what a later write of ours expects to find.
    pub(super) etag: String,
    /// Seconds between its last write and this read, both on S3's own clock; `None` when S3 did
    /// not say.
    pub(super) age: Option<u64>,
}

/// What must hold for a write.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// There is no such object.
    Absent,
    /// The object is still the one with this entity tag.
    Is(String),
    /// Nothing: the key is ours alone.
    None,
}

/// How a conditional write went.
#[derive(Debug)]
pub(super) enum Put {
    /// It is what was written; this is its entity tag.
    Done(String),
    /// The condition did not hold; this is what is there.
    Refused(Option<Stored>),
}

/// S3 refuses one of two writes of a key that race, and asks to send it again.
const RACED: Passing = Passing {
    code: "ConditionalRequestConflict",
    message: "",
    seconds: 30,
    waiting_for: "another write of the record",
};

impl Store {
    /// The record of the deployment of `cx` in `bucket`, in its home region.
    pub(super) fn new(cx: &Cx, bucket: &str) -> Self {
        Store {
            cx: cx.in_region(&cx.deployment.home_region),
            bucket: bucket.to_owned(),
            deployment: cx.deployment.name.clone(),
        }
    }

    /// The same, for calls that neither an interruption nor a lost lock may stop.
    pub(super) fn unstoppable(self) -> Self {
        Store { cx: self.cx.unstoppable(), ..self }
    }

    pub(super) fn cx(&self) -> &Cx {
        &self.cx
    }

    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The whole key of `name`: `coder-prod/lock.json`.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.deployment)
    }

    /// As messages name an object: `s3://BUCKET/KEY`.
    pub(super) fn url(&self, name: &str) -> String {
        format!("s3://{}/{}", self.bucket, self.key(name))
    }

    /// Reads an object; `None` when it, or the bucket, does not exist.
    pub(super) async fn get(&self, name: &str) -> Result<Option<Stored>> {
        const TRIES: u32 = 3;
        let s3 = self.cx.api::<S3>()?;
        let key = self.key(name);
        let mut tried = 1;
        loop {
            let date = SeenDate::default();
            let answer = safe(&self.cx, "s3:GetObject", || {
                s3.0.get_object()
                    .bucket(&self.bucket)
                    .key(&key)
                    .expected_bucket_owner(self.cx.deployment.account.as_str())
                    .customize()
                    .interceptor(date.clone())
                    .send()
            })
            .await;
            let Some(answer) = gone_is_fine(answer)? else { return Ok(None) };
            let etag = answer.e_tag().unwrap_or_default().to_owned();
            let written = answer.last_modified().map(DateTime::secs);
            let age = match (date.get(), written) {
                (Some(now), Some(written)) => Some(u64::try_from(now - written).unwrap_or(0)),
                _ => None,
            };
            // The body comes behind the answer, so losing it is not an error of the call.
            match answer.body.collect().await {
                Ok(body) => return Ok(Some(Stored { body: body.to_vec(), etag, age })),
                Err(_) if tried < TRIES => tried += 1,
                Err(error) => {
                    let message = format!("the content of {} broke off: {error}", self.url(name));
                    return Err(Error {
                        operation: Some("s3:GetObject".to_owned()),
                        attempts: tried,
                        ..Error::of(Class::Unavailable, self.cx.masks.clean(&message))
                    });
                }
            }
        }
    }

    /// Writes an object if `condition` holds. A refusal of what is already as written is none.
    pub(super) async fn put(&self, name: &str, body: &[u8], condition: Condition) -> Result<Put> {
        let s3 = self.cx.api::<S3>()?;
        let key = self.key(name);
        let (absent, is) = match &condition {
            Condition::Absent => (Some("*".to_owned()), None),
            Condition::Is(etag) => (None, Some(etag.clone())),
            Condition::None => (None, None),
        };
        let answer = call(&self.cx, "s3:PutObject", Repeat::Safe, &[RACED], || {
            s3.0.put_object()
                .bucket(&self.bucket)
                .key(&key)
                .expected_bucket_owner(self.cx.deployment.account.as_str())
                .content_type("application/json")
                .set_if_none_match(absent.clone())
                .set_if_match(is.clone())
                .body(ByteStream::from(body.to_vec()))
                .send()
        })
        .await;
        match answer {
            Ok(answer) => Ok(Put::Done(answer.e_tag().unwrap_or_default().to_owned())),
            Err(error) if refuses_condition(&error, &condition) => match self.get(name).await? {
                Some(stored) if stored.body == body => Ok(Put::Done(stored.etag)),
                other => Ok(Put::Refused(other)),
            },
            Err(error) => Err(error),
        }
    }

    /// Writes over an object that this run wrote last. Where the condition does not hold but
    /// `ours` recognises what is there, an earlier write of ours was carried out although nobody
    /// told us, and this one goes on top of it.
    pub(super) async fn replace(
        &self,
        name: &str,
        body: &[u8],
        etag: Option<&str>,
        ours: impl Fn(&[u8]) -> bool,
    ) -> Result<Put> {
        const TRIES: usize = 4;
        let mut condition = etag.map_or(Condition::Absent, |etag| Condition::Is(etag.to_owned()));
        let mut there = None;
        for _ in 0..TRIES {
            there = match self.put(name, body, condition).await? {
                Put::Done(etag) => return Ok(Put::Done(etag)),
                Put::Refused(there) => there,
            };
            match &there {
                Some(stored) if ours(&stored.body) => {
                    condition = Condition::Is(stored.etag.clone());
                }
                _ => break,
            }
        }
        Ok(Put::Refused(there))
    }

    /// Deletes an object if it is still the one with this entity tag; answers whether it is gone.
    pub(super) async fn delete(&self, name: &str, etag: &str) -> Result<bool> {
        let s3 = self.cx.api::<S3>()?;
        let key = self.key(name);
        let answer = call(&self.cx, "s3:DeleteObject", Repeat::Safe, &[RACED], || {
            s3.0.delete_object()
                .bucket(&self.bucket)
                .key(&key)
                .expected_bucket_owner(self.cx.deployment.account.as_str())
                .if_match(etag)
                .send()
        })
        .await;
        match gone_is_fine(answer) {
            Ok(_) => Ok(true),
            // The same answer comes where our first attempt deleted it and its answer was lost.
            Err(error) if error.class == Class::Exists => Ok(self.get(name).await?.is_none()),
            Err(error) => Err(error),
        }
    }

    /// The objects below `folder`: name below it, and size in bytes.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<(String, u64)>> {
        let s3 = self.cx.api::<S3>()?;
        let prefix = self.key(&format!("{folder}/"));
        let listed = pages(
            &self.cx,
            "s3:ListObjectsV2",
            |token| {
                s3.0.list_objects_v2()
                    .bucket(&self.bucket)
                    .prefix(&prefix)
                    .expected_bucket_owner(self.cx.deployment.account.as_str())
                    .set_continuation_token(token)
                    .send()
            },
            |page| page.next_continuation_token(),
        )
        .await;
        let listed = gone_is_fine(listed)?.unwrap_or_default();
        let objects = listed.iter().flat_map(|page| page.contents());
        Ok(objects
            .filter_map(|object| {
                let name = object.key()?.strip_prefix(&prefix)?.to_owned();
                Some((name, u64::try_from(object.size().unwrap_or(0)).unwrap_or(0)))
            })
            .collect())
    }
}

/// Whether S3 says that the condition of a write does not hold: 412, or for `If-Match` on what
/// does not exist, 404.
fn refuses_condition(error: &Error, condition: &Condition) -> bool {
    match condition {
        Condition::None => false,
        Condition::Absent => error.class == Class::Exists,
        Condition::Is(_) => error.class == Class::Exists || error.is_code("NoSuchKey"),
    }
}

/// Keeps the `Date` of an answer: S3's own clock.
#[derive(Clone, Debug, Default)]
struct SeenDate(Arc<Mutex<Option<i64>>>);

impl SeenDate {
    fn get(&self) -> Option<i64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[dyn_dispatch_hint]
impl Intercept for SeenDate {
    fn name(&self) -> &'static str {
        "SeenDate"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> std::result::Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date.map(|date| date.secs());
        Ok(())
    }
}
