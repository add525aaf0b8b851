//! Logging in, and the API token that is kept.

use super::{Live, Owner, VALID};
use crate::aws::secrets;
use crate::coderd::Place;
use crate::coderd::client::Coderd;
use crate::coderd::note::{self, Note};
use crate::kind::{Class, Cx, Error, Kind, Result};
use crate::secret::{Secret, SecretRef};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a token lasts where the server sets no limit: thirty days.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// What names of our tokens begin with.
const TOKEN_NAME: &str = "coderctl-";

/// How the token of a note is doing. It is made anew when a third of its life is left, or when
/// the secret does not hold it any more. The versions of secrets in `known` have just been looked
/// up.
pub(super) async fn token_state(
    cx: &Cx,
    note: &Note,
    known: &BTreeMap<String, String>,
) -> Result<String> {
    let number = |key: &str| note.get(key).and_then(|text| text.parse::<u64>().ok());
    let (Some(made), Some(ends)) = (number("token_made_at"), number("token_ends_at")) else {
        return Ok("none".to_owned());
    };
    let now = cx.clock.unix();
    if now >= ends {
        return Ok("ended".to_owned());
    }
    if ends - now < ends.saturating_sub(made) / 3 {
        return Ok("about to end".to_owned());
    }
    let id = note.get("token_secret").unwrap_or_default();
    let version = match known.get(id) {
        Some(version) => Ok(Some(version.clone())),
        None => secrets::version(cx, &SecretRef::SecretsManager(id.to_owned())).await,
    };
    match version {
        Ok(version) if version.as_deref() == note.get("token_version") => Ok(VALID.to_owned()),
        Ok(_) => Ok("replaced by somebody else".to_owned()),
        // The secret is gone, or has no value.
        Err(error) if matches!(error.class, Class::NotFound | Class::Refused) => {
            Ok("lost".to_owned())
        }
        Err(error) => Err(error),
    }
}

impl Owner {
    pub(super) async fn log_in<'a>(
        &self,
        cx: &Cx,
        coderd: &Coderd<'a>,
        password: &Secret,
    ) -> Result<Coderd<'a>> {
        let body = json!({"email": self.email, "password": password.expose()});
        let answer = coderd.post(cx, "/users/login", &body).await?;
        let token = secret_in(cx, &answer, "session_token")?;
        Ok(coderd.with(token))
    }

    /// A session with the stored token, if it still opens the server.
    pub(super) async fn stored_session<'a>(
        &self,
        cx: &Cx,
        coderd: &Coderd<'a>,
        live: &Live,
    ) -> Result<Option<Coderd<'a>>> {
        if live.token_secret.is_empty() || matches!(live.token.as_str(), "none" | "ended" | "lost")
        {
            return Ok(None);
        }
        let reference = SecretRef::SecretsManager(live.token_secret.clone());
        let Ok(token) = secrets::resolve(cx, &reference).await else { return Ok(None) };
        let session = coderd.with(token.value);
        match session.get(cx, "/users/me").await {
            Ok(_) => Ok(Some(session)),
            Err(error) if error.class == Class::Denied => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a new token, stores it, notes it, and takes the ones before it away.
    pub(super) async fn renew(&self, cx: &Cx, place: &Place, session: &Coderd<'_>) -> Result<Note> {
        let me = session.get(cx, "/users/me").await?;
        let user = me["id"].as_str().unwrap_or_default();
        let limits = session.get(cx, "/users/me/keys/tokens/tokenconfig").await?;
        // In nanoseconds, as Go writes durations; 0 is no limit.
        let most = limits["max_token_lifetime"].as_u64().filter(|most| *most > 0);
        let lifetime = most.map(Duration::from_nanos).map_or(LIFETIME, |most| most.min(LIFETIME));
        let made = cx.clock.unix();
        let wanted = || {
            let some = uuid::Uuid::new_v4().simple().to_string();
            json!({
                "lifetime": u64::try_from(lifetime.as_nanos()).unwrap_or(u64::MAX),
                "scope": "all",
                // No two have one name.
                "token_name": format!("{TOKEN_NAME}{made}-{}", &some[..8]),
            })
        };
        let answer = match session.post(cx, "/users/me/keys/tokens", &wanted()).await {
            // Made or not, nobody has it: another is asked for, and it goes below.
            Err(error) if error.class == Class::Ambiguous => {
                session.post(cx, "/users/me/keys/tokens", &wanted()).await?
            }
            answer => answer?,
        };
        let token = secret_in(cx, &answer, "key")?;
        let arn = cx.get(&self.token_secret)?;
        let version = secrets::store(cx, &arn, &token).await?;
        let ends = made.saturating_add(lifetime.as_secs());
        let mut data = self.noted(cx, user)?;
        data.insert("token_version".to_owned(), version);
        data.insert("token_made_at".to_owned(), made.to_string());
        data.insert("token_ends_at".to_owned(), ends.to_string());
        let ends = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(ends);
        data.insert("token_ends".to_owned(), crate::clock::timestamp(ends));
        let note = note::write(cx, place, Self::NAME, data).await?;
        // A key's id is what stands before the dash of the token.
        let kept = token.expose().split('-').next().unwrap_or_default().to_owned();
        let tokens = session.get(cx, "/users/me/keys/tokens").await?;
        for old in tokens.as_array().into_iter().flatten() {
            let (id, name) = (old["id"].as_str(), old["token_name"].as_str());
            let is_ours = name.is_some_and(|name| name.starts_with(TOKEN_NAME));
            if let (Some(id), true) = (id, is_ours)
                && id != kept
            {
                session.delete(cx, &format!("/users/me/keys/{id}")).await?;
            }
        }
        Ok(note)
    }
}

/// A secret in an answer, which is masked from here on.
fn secret_in(cx: &Cx, answer: &Value, field: &str) -> Result<Secret> {
    match answer[field].as_str() {
        Some(text) if !text.is_empty() => {
            let secret = Secret::new(text);
            cx.masks.add(&secret);
            Ok(secret)
        }
        _ => Err(Error::of(Class::Refused, format!("Coder's answer has no {field}"))),
    }
}
