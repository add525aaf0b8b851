//! Secrets by reference: the value when something is applied, never more than its version when a
//! plan is made.
//!
//! A value in Secrets Manager has a version, so a new one is noticed. Values from the environment
//! and from files have none: a digest that others can read would let them guess the value, salted
//! or not, so none is kept anywhere. Such a value is written when the entry is made and when the
//! reference itself changes; to have a new value written, name another variable or file.

use super::Clients;
use super::call::safe;
use crate::kind::{Api, Class, Cx, Error, Result};
use crate::name::Region;
use crate::secret::{Secret, SecretRef};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Where values of `env` and `file` references come from; a connector of [`Cx`].
#[derive(Clone)]
pub struct SecretSources {
    base: PathBuf,
    env: Lookup,
}

impl SecretSources {
    /// Files relative to `base`, the spec's folder, and variables as `env` tells them.
    pub fn new(
        base: impl Into<PathBuf>,
        env: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        SecretSources { base: base.into(), env: Arc::new(env) }
    }

    /// Files relative to `base`, and this process's environment.
    pub fn of_process(base: impl Into<PathBuf>) -> Self {
        Self::new(base, |name| std::env::var(name).ok())
    }

    /// The value of a reference that needs no AWS: what must be known before there are
    /// credentials. The caller registers it with its masks.
    ///
    /// # Errors
    /// When it can not be read, or is in Secrets Manager.
    pub fn local(&self, reference: &SecretRef) -> Result<Secret> {
        let value = match reference {
            SecretRef::Env(name) => (self.env)(name).ok_or_else(|| {
                Error::local(format!("the environment variable {name} is not set"))
                    .hint(format!("export {name} and run the same command again"))
            })?,
            SecretRef::File(path) => self.read(path).map_err(|error| {
                Error::local(format!("the secret's file {path} can not be read: {error}"))
                    .hint("the path is relative to the spec")
            })?,
            SecretRef::SecretsManager(id) => {
                return Err(Error::local(format!("{id} can be read only with the credentials"))
                    .hint("name an environment variable or a file"));
            }
        };
        Ok(Secret::new(value))
    }

    fn read(&self, path: &str) -> std::io::Result<String> {
        let text = std::fs::read_to_string(self.base.join(Path::new(path)))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
    }
}

impl fmt::Debug for SecretSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secrets below {}", self.base.display())
    }
}

struct SecretsManager(aws_sdk_secretsmanager::Client);

impl Api for SecretsManager {
    fn connect(cx: &Cx) -> Result<Self> {
        let clients = cx
            .connector::<Clients>()
            .ok_or_else(|| Error::local("there is no connection to AWS"))?;
        Ok(SecretsManager(clients.secrets_manager(&cx.region)))
    }
}

/// A secret's value and, where it has one, its version.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The value.
    pub value: Secret,
    /// Secrets Manager's id of the version that the value is.
    pub version: Option<String>,
}

/// The value that a reference stands for. It is registered with the masks of `cx` before anything
/// else can see it.
///
/// # Errors
/// When it can not be read; the text says which reference, never a value.
pub async fn resolve(cx: &Cx, reference: &SecretRef) -> Result<Resolved> {
    resolve_version(cx, reference, None).await
}

/// As [`resolve`], for a version that need not be the current one. Without one, and where the
/// source has no versions, it is the current value.
///
/// # Errors
/// As [`resolve`].
pub async fn resolve_version(
    cx: &Cx,
    reference: &SecretRef,
    version: Option<&str>,
) -> Result<Resolved> {
    let sources =
        || cx.connector::<SecretSources>().ok_or_else(|| Error::local("no source of secrets"));
    let (value, version) = match reference {
        SecretRef::Env(name) => {
            let value = (sources()?.env)(name).ok_or_else(|| {
                Error::local(format!("the environment variable {name} is not set"))
                    .hint(format!("export {name} and run the same command again"))
            })?;
            (value, None)
        }
        SecretRef::File(path) => {
            let value = sources()?.read(path).map_err(|error| {
                Error::local(format!("the secret's file {path} can not be read: {error}"))
                    .hint("the path is relative to the spec")
            })?;
            (value, None)
        }
        SecretRef::SecretsManager(id) => {
            let cx = &cx.in_region(&region_of(cx, id));
            let client = cx.api::<SecretsManager>()?;
            let answer = safe(cx, "secretsmanager:GetSecretValue", || {
                let wanted = version.map(str::to_owned);
                client.0.get_secret_value().secret_id(id).set_version_id(wanted).send()
            })
            .await
            .map_err(|error| about(error, id))?;
            let value = answer.secret_string().map(str::to_owned).ok_or_else(|| {
                Error::of(Class::Refused, format!("the secret {id} holds bytes, not text"))
            })?;
            (value, answer.version_id().map(str::to_owned))
        }
    };
    let value = Secret::new(value);
    cx.masks.add(&value);
    if value.expose().is_empty() {
        return Err(Error::of(Class::Refused, format!("the value of {reference} is empty")));
    }
    Ok(Resolved { value, version })
}

/// The version of the value that a reference stands for now, without reading the value; `None`
/// where the source has no versions.
///
/// # Errors
/// When the secret can not be described, or has no current value.
pub async fn version(cx: &Cx, reference: &SecretRef) -> Result<Option<String>> {
    let SecretRef::SecretsManager(id) = reference else { return Ok(None) };
    let cx = &cx.in_region(&region_of(cx, id));
    let client = cx.api::<SecretsManager>()?;
    let answer = safe(cx, "secretsmanager:DescribeSecret", || {
        client.0.describe_secret().secret_id(id).send()
    })
    .await
    .map_err(|error| about(error, id))?;
    let current = answer.version_ids_to_stages().and_then(|versions| {
        versions
            .iter()
            .find(|(_, stages)| stages.iter().any(|stage| stage == "AWSCURRENT"))
            .map(|(version, _)| version.clone())
    });
    match current {
        Some(version) => Ok(Some(version)),
        None => Err(Error::of(Class::Refused, format!("the secret {id} has no current value"))
            .hint(format!("aws secretsmanager put-secret-value --secret-id {id} ..."))),
    }
}

/// The region of an ARN; that of `cx` for a name.
fn region_of(cx: &Cx, id: &str) -> Region {
    match id.split(':').nth(3) {
        Some(region) if id.starts_with("arn:") && !region.is_empty() => Region::new(region),
        _ => cx.region.clone(),
    }
}

/// Secrets Manager does not say which secret it did not find.
fn about(error: Error, id: &str) -> Error {
    if error.message.contains(id) {
        return error;
    }
    Error { message: format!("{} ({id})", error.message), ..error }
}

/// Puts a value into a secret of the deployment, as its current version, and gives the version's
/// id. The value is registered with the masks of `cx` before it is sent.
///
/// # Errors
/// When it can not be written; the text says which secret, never a value.
pub async fn store(cx: &Cx, id: &str, value: &Secret) -> Result<String> {
    cx.masks.add(value);
    let cx = &cx.in_region(&region_of(cx, id));
    let client = cx.api::<SecretsManager>()?;
    // One for all attempts: a second one with the same token is the same version.
    let token = uuid::Uuid::new_v4().to_string();
    let answer = safe(cx, "secretsmanager:PutSecretValue", || {
        client
            .0
            .put_secret_value()
            .secret_id(id)
            .client_request_token(&token)
            .secret_string(value.expose())
            .send()
    })
    .await
    .map_err(|error| about(error, id))?;
    Ok(answer.version_id().unwrap_or(&token).to_owned())
}
