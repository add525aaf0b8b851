//! The entries of a Secret: each says where its value is, never what it is.

use crate::aws::secrets;
use crate::kind::{Class, Cx, Error, Result};
use crate::secret::{Secret, SecretRef};
use crate::value::{In, Known};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// What the parts of a URL before the host keep as they are (RFC 3986, unreserved).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Where the password stands in a URL that is shown.
const PASSWORD: &str = "(password)";

/// Where the value of an entry is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// Where the spec says.
    Reference(SecretRef),
    /// In a secret of the deployment.
    Stored(Stored),
    /// A URL of a database, put together with a stored password.
    DatabaseUrl(DatabaseUrl),
}

/// A value in a secret of the deployment.
#[derive(Clone, Debug, Serialize)]
pub struct Stored {
    /// The ARN of the secret in Secrets Manager.
    pub secret: In<String>,
    /// The value's name, where the secret is a JSON object of several.
    pub field: Option<String>,
    /// The version to use, where it is not simply the current one: all that use it in one run then
    /// use the same.
    pub version: Option<In<String>>,
}

/// `postgres://user:password@host:port/database?sslmode=require`, the password URL-encoded.
/// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>
#[derive(Clone, Debug, Serialize)]
pub struct DatabaseUrl {
    /// The role to log in as.
    pub user: String,
    /// Its password.
    pub password: Stored,
    /// The database server's name.
    pub host: In<String>,
    /// Its port.
    pub port: u16,
    /// The database's name.
    pub database: String,
    /// The version of the password that the server takes, where that is known: no other is ever
    /// handed on.
    pub in_force: Option<In<String>>,
}

impl From<SecretRef> for Entry {
    fn from(reference: SecretRef) -> Self {
        Entry::Reference(reference)
    }
}

/// Where an entry came from: all of it that is not secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    pub(super) reference: SecretRef,
    /// Which of the values there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) field: Option<String>,
    /// What the value is put into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
    /// The version that was written, where the source has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
}

impl Source {
    /// Whether the other comes from the same place, in whichever version.
    pub(super) fn is_as(&self, other: &Source) -> bool {
        let Source { reference, field, url, version: _ } = self;
        (reference, field, url) == (&other.reference, &other.field, &other.url)
    }

    /// How it shows in a plan.
    pub(super) fn shown(&self) -> String {
        let Source { reference, field, url, version } = self;
        let field = field.as_ref().map(|field| format!(", {field}")).unwrap_or_default();
        let url = url.as_ref().map(|url| format!("{url} from ")).unwrap_or_default();
        match version {
            Some(version) => format!("{url}{reference}{field}, version {version}"),
            None => format!("{url}{reference}{field} (unversioned)"),
        }
    }
}

impl Entry {
    /// Where it comes from, as far as `known` tells; with the version only where that is fixed.
    pub(super) fn source(&self, known: impl Fn(&In<String>) -> Known<String>) -> Known<Source> {
        let stored = |stored: &Stored| {
            let Stored { secret, field, version } = stored;
            let Known::Yes(arn) = known(secret) else { return Known::AfterApply };
            let version = match version.as_ref().map(&known) {
                Some(Known::AfterApply) => return Known::AfterApply,
                Some(Known::Yes(version)) => Some(version),
                None => None,
            };
            let reference = SecretRef::SecretsManager(arn);
            Known::Yes(Source { reference, field: field.clone(), url: None, version })
        };
        match self {
            Entry::Reference(reference) => Known::Yes(Source {
                reference: reference.clone(),
                field: None,
                url: None,
                version: None,
            }),
            Entry::Stored(it) => stored(it),
            Entry::DatabaseUrl(url) => match (stored(&url.password), known(&url.host)) {
                (Known::Yes(source), Known::Yes(host)) => {
                    Known::Yes(Source { url: Some(url.with(&host, PASSWORD)), ..source })
                }
                _ => Known::AfterApply,
            },
        }
    }

    /// The same within a step, where everything that it needs is known.
    pub(super) fn source_now(&self, cx: &Cx) -> Result<Source> {
        let mut missing = None;
        let source = self.source(|input| match cx.get(input) {
            Ok(text) => Known::Yes(text),
            // The first that is missing is the one to name.
            Err(_) => Known::AfterApply,
        });
        if source == Known::AfterApply {
            missing = self.inputs().into_iter().find_map(|input| cx.get(input).err());
        }
        match (source, missing) {
            (Known::Yes(source), _) => Ok(source),
            (_, Some(error)) => Err(error),
            (_, None) => Err(Error::local("where a secret is, is not known yet")),
        }
    }

    fn inputs(&self) -> Vec<&In<String>> {
        let (stored, host) = match self {
            Entry::Reference(_) => return Vec::new(),
            Entry::Stored(stored) => (stored, None),
            Entry::DatabaseUrl(url) => (&url.password, Some(&url.host)),
        };
        [&stored.secret].into_iter().chain(&stored.version).chain(host).collect()
    }

    /// Whether all that use it in one run use the same version.
    pub(super) fn is_fixed(&self) -> bool {
        match self {
            Entry::Reference(_) => false,
            Entry::Stored(stored) => stored.version.is_some(),
            Entry::DatabaseUrl(url) => url.password.version.is_some(),
        }
    }

    /// Its value now, and where that came from. Everything secret about it is registered with the
    /// masks of `cx`.
    pub(super) async fn resolve(&self, cx: &Cx) -> Result<(Secret, Source)> {
        let source = self.source_now(cx)?;
        if let Entry::DatabaseUrl(url) = self {
            url.check(cx, source.version.as_deref())?;
        }
        let resolved =
            secrets::resolve_version(cx, &source.reference, source.version.as_deref()).await?;
        let mut value = resolved.value;
        if let Some(field) = &source.field {
            value = field_of(&value, field, &source.reference)?;
            cx.masks.add(&value);
        }
        if let Entry::DatabaseUrl(url) = self {
            let encoded = utf8_percent_encode(value.expose(), UNRESERVED).to_string();
            cx.masks.add(&Secret::new(encoded.as_str()));
            value = Secret::new(url.with(&cx.get(&url.host)?, &encoded));
            cx.masks.add(&value);
        }
        Ok((value, Source { version: resolved.version, ..source }))
    }
}

impl DatabaseUrl {
    /// Refuses a version of the password that the server does not take: its step comes first, so
    /// this is met only where that was left out.
    fn check(&self, cx: &Cx, version: Option<&str>) -> Result<()> {
        let (Some(in_force), Some(version)) = (&self.in_force, version) else { return Ok(()) };
        if cx.get(in_force).is_ok_and(|in_force| in_force == version) {
            return Ok(());
        }
        let why = format!("the database does not take version {version} of its password yet");
        Err(Error::of(Class::Refused, why)
            .hint("apply without --exclude: the database's part of the change comes first"))
    }

    pub(super) fn with(&self, host: &str, password: &str) -> String {
        let user = utf8_percent_encode(&self.user, UNRESERVED);
        let database = utf8_percent_encode(&self.database, UNRESERVED);
        format!("postgres://{user}:{password}@{host}:{}/{database}?sslmode=require", self.port)
    }
}

/// One value of a secret that is a JSON object.
pub(crate) fn field_of(value: &Secret, field: &str, reference: &SecretRef) -> Result<Secret> {
    let object: Option<serde_json::Value> = serde_json::from_str(value.expose()).ok();
    let text = object.as_ref().and_then(|object| object[field].as_str());
    match text {
        Some(text) if !text.is_empty() => Ok(Secret::new(text)),
        _ => Err(Error::of(
            Class::Refused,
            format!("the value of {reference} is no JSON object with a text {field:?}"),
        )),
    }
}
