//! The one place where a call to AWS is made, retried and judged.
//!
//! SDK retries are off, because the SDK retries creates whose answer was lost, and a VPC made
//! twice is a VPC that nobody finds. Here every failure is one of a few things:
//!
//! * *throttled*: AWS did nothing; wait and send again, whatever the call is.
//! * *transient at this call site* (a role that IAM has not spread yet): wait and send again,
//!   for as long as the call site says.
//! * *no answer, or a 5xx*: reads and repeatable calls are sent again; a create that is not
//!   repeatable comes back as [`Class::Ambiguous`], and the engine looks for the resource by its
//!   tags before it sends the create again.
//! * *refused*: final, with AWS's code and message, cleaned of secrets.
//!
//! Before every attempt, `rate` is asked whether AWS would take one more.

use super::Clients;
use crate::kind::{Class, Cx, Error, Result};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::error::Error as StdError;
use std::future::Future;
use std::time::Duration;

/// Whether a call may be sent again when its outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It reads, or it sets something to a value, or it deletes by id, or it carries a client
    /// token, or AWS refuses the second one by name: sending it twice does no harm.
    Safe,
    /// Sending it twice makes two.
    Once,
}

/// An error that passes by itself at this call site.
#[derive(Clone, Copy, Debug)]
pub struct Passing {
    /// AWS's error code.
    pub code: &'static str,
    /// A part of the message; empty for any.
    pub message: &'static str,
    /// How long to wait for it to pass, in all; seconds.
    pub seconds: u32,
    /// What is being waited for, as the progress line says it.
    pub waiting_for: &'static str,
}

/// Throttling passes; after this long of nothing else, the user is told. Seconds.
const THROTTLED_FOR: u32 = 300;
/// How long a call without an answer, or with a 5xx, is sent again. Seconds.
const UNAVAILABLE_FOR: u32 = 120;
/// The first pause between attempts; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(400);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Makes a call. `operation` is `ec2:CreateVpc`, in the words of an IAM policy.
///
/// # Errors
/// As classified above; [`Class::Interrupted`] when the user interrupts a pause.
pub async fn call<T, E, F, Sent>(
    cx: &Cx,
    operation: &'static str,
    repeat: Repeat,
    passing: &[Passing],
    send: F,
) -> Result<T>
where
    E: ProvideErrorMetadata + StdError + 'static,
    F: Fn() -> Sent,
    Sent: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
{
    let clients =
        cx.connector::<Clients>().ok_or_else(|| Error::local("there is no connection to AWS"))?;
    let started = cx.clock.now();
    let mut pause = FIRST_PAUSE;
    let mut attempts = 0;
    // In the queue for sending; nothing is AWS's doing meanwhile.
    let mut queued = Duration::ZERO;
    let changes = !super::guard::is_read(operation.split(':').nth(1).unwrap_or_default());
    loop {
        attempts += 1;
        let asked = cx.clock.now();
        let admitted = match &clients.limiter {
            Some(limiter) => limiter.admit(cx, operation).await?,
            None => None,
        };
        queued += cx.clock.now().duration_since(asked).unwrap_or_default();
        if changes {
            cx.check_fence()?;
        }
        // The SDK's futures are large, and kinds join many calls: on the heap, they don't make every
        // future around them as large.
        let error = match Box::pin(send()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => judge(cx, operation, attempts, error),
        };
        tracing::debug!(operation, attempts, code = error.error.code.as_deref(), "call failed");
        if error.outcome == Outcome::Throttled
            && error.error.code.as_deref().is_none_or(is_too_fast)
            && let Some(admitted) = admitted
        {
            admitted.throttled(cx.clock.now());
        }
        let elapsed = cx.clock.now().duration_since(started).unwrap_or_default();
        let elapsed = elapsed.saturating_sub(queued);
        let passes = passing.iter().find(|passing| {
            error.error.is_code(passing.code) && error.error.message.contains(passing.message)
        });
        let budget = match (error.outcome, passes) {
            (_, Some(passing)) => {
                cx.progress(&format!("waiting for {}", passing.waiting_for));
                passing.seconds
            }
            (Outcome::Throttled, None) => {
                cx.progress("throttled by AWS");
                THROTTLED_FOR
            }
            (Outcome::NotSent, None) => UNAVAILABLE_FOR,
            (Outcome::Unknown, None) if repeat == Repeat::Safe => UNAVAILABLE_FOR,
            (Outcome::Unknown, None) => {
                return Err(Error { class: Class::Ambiguous, ..error.error });
            }
            (Outcome::Refused, None) => return Err(error.error),
        };
        if elapsed >= crate::kind::seconds(budget) {
            return Err(error.error);
        }
        cx.pause(clients.jittered(pause)).await?;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Makes a call that may be sent again, and has nothing to wait for.
///
/// # Errors
/// As [`call`].
pub async fn safe<T, E, F, Sent>(cx: &Cx, operation: &'static str, send: F) -> Result<T>
where
    E: ProvideErrorMetadata + StdError + 'static,
    F: Fn() -> Sent,
    Sent: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
{
    call(cx, operation, Repeat::Safe, &[], send).await
}

/// All pages of a read: `fetch` gets the token of the page, `next` finds the token of the one
/// behind it.
///
/// # Errors
/// As [`call`].
pub async fn pages<T, E, F, Sent>(
    cx: &Cx,
    operation: &'static str,
    fetch: F,
    next: impl Fn(&T) -> Option<&str>,
) -> Result<Vec<T>>
where
    E: ProvideErrorMetadata + StdError + 'static,
    F: Fn(Option<String>) -> Sent,
    Sent: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
{
    let mut pages = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let page = safe(cx, operation, || fetch(token.clone())).await?;
        let following = next(&page).filter(|token| !token.is_empty()).map(str::to_owned);
        pages.push(page);
        match following {
            None => return Ok(pages),
            Some(following) if Some(&following) == token.as_ref() => {
                return Err(Error::local(format!("{operation} answers the same page for ever")));
            }
            Some(following) => token = Some(following),
        }
    }
}

/// Turns "it is gone already" into success.
///
/// # Errors
/// Every other error.
pub fn gone_is_fine<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.class == Class::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is known of the outcome of a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// AWS said no, and did nothing.
    Refused,
    /// AWS was too busy, and did nothing.
    Throttled,
    /// It never reached AWS.
    NotSent,
    /// It may have been carried out.
    Unknown,
}

struct Judged {
    outcome: Outcome,
    error: Error,
}

fn judge<E>(
    cx: &Cx,
    operation: &'static str,
    attempts: u32,
    error: SdkError<E, HttpResponse>,
) -> Judged
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let request_id = error
        .raw_response()
        .and_then(|response| {
            ["x-amzn-requestid", "x-amz-request-id"]
                .iter()
                .find_map(|name| response.headers().get(*name))
        })
        .map(str::to_owned);
    let judged = |outcome, class, code: Option<&str>, message: &str| Judged {
        outcome,
        error: Error {
            class,
            operation: Some(operation.to_owned()),
            code: code.map(str::to_owned),
            message: cx.masks.clean(message),
            hint: hint(class, code, operation),
            request_id: request_id.clone(),
            attempts,
        },
    };
    match &error {
        SdkError::ServiceError(refusal) => {
            let status = refusal.raw().status().as_u16();
            let code = refusal.err().code();
            let message = refusal.err().message().unwrap_or("no reason was given");
            match code {
                Some(code) if is_throttle(code) && !is_quota(operation, code) => {
                    judged(Outcome::Throttled, Class::Unavailable, Some(code), message)
                }
                None if status == 429 => {
                    judged(Outcome::Throttled, Class::Unavailable, None, message)
                }
                _ if status >= 500 => judged(Outcome::Unknown, Class::Unavailable, code, message),
                Some(code) => {
                    judged(Outcome::Refused, class_of(operation, code), Some(code), message)
                }
                None => {
                    let class = match status {
                        404 => Class::NotFound,
                        401 | 403 => Class::Denied,
                        412 => Class::Exists,
                        _ => Class::Refused,
                    };
                    let message = format!("HTTP status {status}: {message}");
                    judged(Outcome::Refused, class, None, &message)
                }
            }
        }
        SdkError::TimeoutError(_) => {
            judged(Outcome::Unknown, Class::Unavailable, None, "no answer in time")
        }
        SdkError::ResponseError(response) => {
            let status = response.raw().status().as_u16();
            let message = format!("an answer with HTTP status {status} that can not be read");
            judged(Outcome::Unknown, Class::Unavailable, None, &message)
        }
        SdkError::DispatchFailure(failure) => {
            let text = chain(&error);
            let never_left =
                ["tcp connect error", "dns error", "Connection refused", "client error (Connect)"]
                    .iter()
                    .any(|sign| text.contains(sign));
            if failure.is_user() {
                judged(Outcome::Refused, Class::Local, None, &text)
            } else if never_left {
                judged(Outcome::NotSent, Class::Unavailable, None, &text)
            } else if text.contains("redentials") {
                // The chain of credential providers came to its end.
                judged(Outcome::Refused, Class::Denied, None, &text)
            } else {
                judged(Outcome::Unknown, Class::Unavailable, None, &text)
            }
        }
        // The guard refuses here, and so do inputs that can not be built.
        SdkError::ConstructionFailure(_) => {
            judged(Outcome::Refused, Class::Local, None, &chain(&error))
        }
        other => judged(Outcome::Unknown, Class::Unavailable, None, &chain(other)),
    }
}

/// The whole chain of causes in one line, each said once.
fn chain(error: &dyn StdError) -> String {
    let mut text = String::new();
    let mut next = error.source().or(Some(error));
    while let Some(error) = next {
        let part = error.to_string();
        if !text.contains(&part) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&part);
        }
        next = error.source();
    }
    text
}

/// Codes with which AWS says "too fast", after the list that the SDKs share.
fn is_throttle(code: &str) -> bool {
    matches!(
        code,
        "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottledException"
            | "RequestThrottled"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "BandwidthLimitExceeded"
            | "LimitExceededException"
            | "SlowDown"
            | "PriorRequestNotComplete"
            | "EC2ThrottledException"
            | "ResourcePropagationDelayException"
    )
}

/// Whether a code with which AWS says "later" is about how fast we call: these two are about what
/// was called before.
fn is_too_fast(code: &str) -> bool {
    !matches!(code, "PriorRequestNotComplete" | "ResourcePropagationDelayException")
}

/// `LimitExceededException` is throttling for some services and a hard quota for these; waiting
/// would only hide that.
fn is_quota(operation: &str, code: &str) -> bool {
    let service = operation.split(':').next().unwrap_or_default();
    code == "LimitExceededException" && matches!(service, "kms" | "logs" | "acm" | "iam")
}

fn class_of(operation: &str, code: &str) -> Class {
    match code {
        "UnauthorizedOperation"
        | "AccessDenied"
        | "AccessDeniedException"
        | "AuthFailure"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException"
        | "MissingAuthenticationToken"
        | "Forbidden"
        | "OptInRequired" => Class::Denied,
        "DependencyViolation"
        | "DeleteConflict"
        | "ResourceInUse"
        | "ResourceInUseException"
        | "InvalidIPAddress.InUse"
        | "InvalidGroup.InUse"
        | "InvalidDBSubnetGroupStateFault"
        | "InvalidDBParameterGroupState"
        | "BucketNotEmpty" => Class::InUse,
        "NotFoundException"
        | "ResourceNotFoundException"
        | "NoSuchEntity"
        | "NoSuchBucket"
        | "NoSuchKey"
        | "NotFound"
        | "NatGatewayNotFound"
        | "DBClusterNotFoundFault"
        | "DBInstanceNotFound"
        | "DBSubnetGroupNotFoundFault"
        | "DBParameterGroupNotFound"
        | "LoadBalancerNotFound"
        | "TargetGroupNotFound"
        | "ListenerNotFound"
        | "NoSuchHostedZone"
        | "ResourceNotFound" => Class::NotFound,
        "EntityAlreadyExists"
        | "AlreadyExistsException"
        | "ResourceAlreadyExistsException"
        | "ResourceExistsException"
        | "DBClusterAlreadyExistsFault"
        | "DuplicateLoadBalancerName"
        | "DuplicateTargetGroupName"
        | "DuplicateListener"
        | "PreconditionFailed"
        | "ConditionalRequestConflict" => Class::Exists,
        _ if code.ends_with(".NotFound") || code.ends_with(".NotFoundException") => Class::NotFound,
        _ if code.ends_with(".Duplicate")
            || code.ends_with("AlreadyExists")
            || code.ends_with(".AlreadyExistsException") =>
        {
            Class::Exists
        }
        _ if is_quota(operation, code)
            || code.ends_with("LimitExceeded")
            || code == "ResourceLimitExceededException"
            || code.ends_with("QuotaExceededException")
            || code.ends_with("QuotaExceeded")
            || code.ends_with("QuotaExceededFault")
            || code.starts_with("TooMany") =>
        {
            Class::Quota
        }
        _ => Class::Refused,
    }
}

fn hint(class: Class, code: Option<&str>, operation: &str) -> Option<String> {
    match class {
        Class::Denied => Some(match code {
            Some("ExpiredToken" | "ExpiredTokenException") => {
                "the credentials have expired: renew them and run the same command again".to_owned()
            }
            Some("UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException") => {
                format!("the caller's policy must allow {operation}")
            }
            _ => "check the credentials: aws sts get-caller-identity".to_owned(),
        }),
        Class::Quota => {
            Some("ask for a higher quota in the Service Quotas console, or free some".to_owned())
        }
        _ => None,
    }
}

/// The prefix of a service's actions in IAM policies, from the SDK's service id.
pub(super) fn prefix(service: &str) -> String {
    match service {
        "CloudWatch Logs" => "logs".to_owned(),
        "Secrets Manager" => "secretsmanager".to_owned(),
        "Elastic Load Balancing v2" => "elasticloadbalancing".to_owned(),
        other => other.to_lowercase().replace(' ', ""),
    }
}
