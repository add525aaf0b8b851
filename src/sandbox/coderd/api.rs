//! The HTTP API of coderd.
//! <https://coder.com/docs/reference/api>

pub(crate) use super::answer::Reply;
use super::answer::{invalid, not_found, say};
use super::model::{Database, Databases, Key, License, User, digest};
use super::password::weakness;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Sessions end after a day without use; here, after a day.
const SESSION: u64 = 86_400_000;
/// `CODER_MAX_ADMIN_TOKEN_LIFETIME` where it is not set: 168 h.
const OWNER_TOKEN: u64 = 168 * 3_600_000;
/// Logins a minute and address, `CODER_...` has no name for it.
const LOGINS: usize = 60;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    /// The value of `Coder-Session-Token`.
    pub(crate) token: Option<String>,
    pub(crate) body: Vec<u8>,
    /// In milliseconds since 1970.
    pub(crate) at: u64,
    /// The address of the pod's database, as [`super::database_of`] gives it.
    pub(crate) database: String,
    /// The version of the coderd that answers.
    pub(crate) version: String,
    /// Its environment.
    pub(crate) environment: BTreeMap<String, String>,
}

/// What a request asks for, with ids and names replaced by what they are: `POST users/first`,
/// `DELETE users/{user}/keys/{id}`.
pub(crate) fn operation(asked: &Asked) -> String {
    let path = asked.path.trim_end_matches('/').trim_start_matches("/api/v2");
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_mut_slice() {
        ["users", "first" | "login" | "logout" | "authmethods", ..] => {}
        ["users", user, rest @ ..] => {
            *user = "{user}";
            if let ["keys", id, ..] = rest
                && *id != "tokens"
            {
                *id = "{id}";
            }
        }
        ["licenses" | "organizations", id, ..] => *id = "{id}",
        _ => {}
    }
    format!("{} {}", asked.method, parts.join("/"))
}

/// Answers one request.
pub(crate) fn answer(databases: &mut Databases, asked: &Asked) -> Reply {
    let database = databases.0.entry(asked.database.clone()).or_default();
    let mut call = Call { database, asked };
    let path = asked.path.trim_end_matches('/');
    if matches!(path, "/healthz" | "/latency-check") {
        return (200, "OK".into());
    }
    let Some(path) = path.strip_prefix("/api/v2") else { return not_found() };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match (asked.method.as_str(), parts.as_slice()) {
        ("GET", []) => say(200, "Welcome to the Coder API", ""),
        ("GET", ["buildinfo"]) => call.build_info(),
        ("GET", ["users", "first"]) if call.database.users.is_empty() => {
            say(404, "The initial user has not been created!", "")
        }
        ("GET", ["users", "first"]) => say(200, "The initial user has already been created!", ""),
        ("POST", ["users", "first"]) => call.first_user(),
        ("POST", ["users", "login"]) => call.login(),
        ("GET", ["users", "authmethods"]) => call.auth_methods(),
        _ => match call.caller() {
            Some(user) => call.known(&user, &parts),
            None => say(
                401,
                "You are signed out or your session has expired. Please sign in again to continue.",
                "",
            ),
        },
    }
}

struct Call<'a> {
    database: &'a mut Database,
    asked: &'a Asked,
}

impl Call<'_> {
    fn body(&self) -> Option<Value> {
        serde_json::from_slice(&self.asked.body).ok()
    }

    fn env(&self, name: &str) -> &str {
        self.asked.environment.get(name).map(String::as_str).unwrap_or_default()
    }

    fn time(&self, at: u64) -> String {
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(at);
        crate::clock::timestamp(time)
    }

    fn organization(&self) -> String {
        let hex = digest(&["organization", &self.asked.database]);
        format!(
            "{}-{}-4{}-8{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[13..16],
            &hex[17..20],
            &hex[20..32]
        )
    }

    fn build_info(&self) -> Reply {
        (
            200,
            json!({
                "version": format!("v{}", self.asked.version),
                "external_url": format!("https://github.com/coder/coder/releases/tag/v{}", self.asked.version),
                "dashboard_url": self.env("CODER_ACCESS_URL"),
                "deployment_id": self.organization(),
                "telemetry": self.env("CODER_TELEMETRY_ENABLE") != "false",
                "workspace_proxy": false,
                "provisioner_api_version": "1.7",
                "agent_api_version": "2.5",
                "upgrade_message": "",
            }),
        )
    }

    fn auth_methods(&self) -> Reply {
        let oidc = !self.env("CODER_OIDC_ISSUER_URL").is_empty();
        (
            200,
            json!({
                "terms_of_service_url": "",
                "password": {"enabled": self.env("CODER_DISABLE_PASSWORD_AUTH") != "true"},
                "github": {"enabled": !self.env("CODER_OAUTH2_GITHUB_CLIENT_ID").is_empty(),
                           "default_provider_configured": false},
                "oidc": {"enabled": oidc, "signInText": "OpenID Connect", "iconUrl": ""},
            }),
        )
    }

    fn first_user(&mut self) -> Reply {
        let Some(body) = self.body() else {
            return say(400, "Request body must be valid JSON.", "");
        };
        if !self.database.users.is_empty() {
            return say(409, "The initial user has already been created.", "");
        }
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let (email, username, password) = (text("email"), text("username"), text("password"));
        let mut wrong = Vec::new();
        if !email.contains('@') {
            wrong.push(("email", "Validation failed for tag \"email\"".to_owned()));
        }
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if username.is_empty() || username.len() > 32 || !username.chars().all(valid) {
            wrong.push(("username", "Validation failed for tag \"username\"".to_owned()));
        }
        if password.is_empty() {
            wrong.push(("password", "Validation failed for tag \"required\"".to_owned()));
        }
        if !wrong.is_empty() {
            return invalid("Validation failed.", &wrong);
        }
        if let Some(why) = weakness(&password) {
            return invalid("Password not strong enough!", &[("password", why)]);
        }
        let id = self.database.uuid(&self.asked.database);
        let password_digest = digest(&[&id, &password]);
        let user = User {
            id: id.clone(),
            email: email.to_lowercase(),
            username,
            name: text("name"),
            password_digest,
            created_at: self.asked.at,
        };
        self.database.users.push(user);
        (201, json!({"user_id": id, "organization_id": self.organization()}))
    }

    fn login(&mut self) -> Reply {
        let at = self.asked.at;
        self.database.logins.retain(|login| login + 60_000 > at);
        if self.database.logins.len() >= LOGINS {
            return say(
                429,
                "You've been rate limited for sending more than 60 requests in 1m0s.",
                "",
            );
        }
        self.database.logins.push(at);
        let Some(body) = self.body() else {
            return say(400, "Request body must be valid JSON.", "");
        };
        let email = body["email"].as_str().unwrap_or_default().to_lowercase();
        let password = body["password"].as_str().unwrap_or_default();
        let known = self.database.users.iter().find(|user| {
            user.email == email && user.password_digest == digest(&[&user.id, password])
        });
        let Some(user) = known.map(|user| user.id.clone()) else {
            return say(401, "Incorrect email or password.", "");
        };
        let key = self.key(&user, "password", "", SESSION);
        (201, json!({"session_token": key}))
    }

    fn key(&mut self, user: &str, login_type: &str, token_name: &str, lifetime: u64) -> String {
        let salt = self.asked.database.clone();
        let id: String = self.database.random(&salt).chars().take(10).collect();
        let secret: String = self.database.random(&salt).chars().take(22).collect();
        self.database.keys.push(Key {
            secret_digest: digest(&[&id, &secret]),
            id: id.clone(),
            user: user.to_owned(),
            login_type: login_type.to_owned(),
            token_name: token_name.to_owned(),
            created_at: self.asked.at,
            expires_at: self.asked.at.saturating_add(lifetime),
        });
        format!("{id}-{secret}")
    }

    fn caller(&self) -> Option<User> {
        let (id, secret) = self.asked.token.as_deref()?.split_once('-')?;
        let key = self.database.keys.iter().find(|key| {
            key.id == id
                && key.secret_digest == digest(&[id, secret])
                && key.expires_at > self.asked.at
        })?;
        self.database.users.iter().find(|user| user.id == key.user).cloned()
    }

    fn shown(&self, user: &User) -> Value {
        json!({
            "id": user.id, "username": user.username, "name": user.name, "email": user.email,
            "created_at": self.time(user.created_at), "updated_at": self.time(user.created_at),
            "status": "active", "login_type": "password",
            "organization_ids": [self.organization()],
            "roles": [{"name": "owner", "display_name": "Owner"}],
        })
    }

    /// What is asked with a good key.
    fn known(&mut self, caller: &User, parts: &[&str]) -> Reply {
        let method = self.asked.method.as_str();
        match (method, parts) {
            ("GET", ["users"]) => {
                let all: Vec<Value> =
                    self.database.users.iter().map(|user| self.shown(user)).collect();
                (200, json!({"count": all.len(), "users": all}))
            }
            ("POST", ["users", "logout"]) => {
                let id = self.asked.token.as_deref().and_then(|token| token.split('-').next());
                self.database.keys.retain(|key| Some(key.id.as_str()) != id);
                say(200, "Logged out!", "")
            }
            (_, ["users", name, rest @ ..]) => {
                let user = match *name {
                    "me" => Some(caller.clone()),
                    name => self
                        .database
                        .users
                        .iter()
                        .find(|user| user.id == name || user.username == name)
                        .cloned(),
                };
                match user {
                    Some(user) => self.user(&user, rest),
                    None => not_found(),
                }
            }
            ("GET", ["organizations"]) => (200, json!([self.shown_organization()])),
            ("GET", ["organizations", name]) => {
                let own = ["default", "coder"].contains(name) || *name == self.organization();
                if own { (200, self.shown_organization()) } else { not_found() }
            }
            ("GET", ["licenses"]) => {
                let all = self.database.licenses.iter();
                (200, all.map(|license| self.shown_license(license)).collect())
            }
            ("POST", ["licenses"]) => self.add_license(),
            ("DELETE", ["licenses", id]) => {
                let before = self.database.licenses.len();
                self.database.licenses.retain(|license| license.id.to_string() != *id);
                if self.database.licenses.len() == before {
                    return say(404, "Unknown license ID", "");
                }
                (200, Value::Null)
            }
            ("GET", ["workspaces"]) => self.database.shown_workspaces(),
            ("GET", ["workspaces", id]) => self.database.shown_workspace(id),
            ("POST", ["workspaces", id, "builds"]) => {
                let body = self.body().unwrap_or_default();
                self.database.build(id, &body, self.asked.at, &self.asked.database)
            }
            ("GET", ["entitlements"]) => self.entitlements(),
            ("GET", ["deployment", "config"]) => (
                200,
                json!({"config": {
                "access_url": self.env("CODER_ACCESS_URL"),
                "wildcard_access_url": self.env("CODER_WILDCARD_ACCESS_URL"),
            }, "options": []}),
            ),
            _ => not_found(),
        }
    }

    fn user(&mut self, user: &User, rest: &[&str]) -> Reply {
        match (self.asked.method.as_str(), rest) {
            ("GET", []) => (200, self.shown(user)),
            ("GET", ["keys", "tokens"]) => {
                let at = self.asked.at;
                let own = self.database.keys.iter().filter(|key| {
                    key.user == user.id && key.login_type == "token" && key.expires_at > at
                });
                (200, own.map(|key| self.shown_key(key, user)).collect())
            }
            ("GET", ["keys", "tokens", "tokenconfig"]) => {
                (200, json!({"max_token_lifetime": self.longest().saturating_mul(1_000_000)}))
            }
            ("POST", ["keys", "tokens"]) => self.add_token(user),
            ("GET", ["keys", id]) => {
                let own = self.database.keys.iter().find(|key| key.id == *id);
                own.map_or_else(not_found, |key| (200, self.shown_key(key, user)))
            }
            ("DELETE", ["keys", id]) => {
                let before = self.database.keys.len();
                self.database.keys.retain(|key| key.user != user.id || key.id != *id);
                if self.database.keys.len() == before { not_found() } else { (204, Value::Null) }
            }
            _ => not_found(),
        }
    }

    fn shown_key(&self, key: &Key, user: &User) -> Value {
        json!({
            "id": key.id, "user_id": key.user, "username": user.username,
            "created_at": self.time(key.created_at), "expires_at": self.time(key.expires_at),
            "last_used": self.time(key.created_at), "login_type": key.login_type,
            "token_name": key.token_name, "scope": "all",
            "lifetime_seconds": (key.expires_at - key.created_at) / 1_000,
        })
    }

    /// The longest life of an owner's token, in milliseconds.
    fn longest(&self) -> u64 {
        let text = self.env("CODER_MAX_ADMIN_TOKEN_LIFETIME");
        duration(text).unwrap_or(OWNER_TOKEN)
    }

    fn add_token(&mut self, user: &User) -> Reply {
        let Some(body) = self.body() else {
            return say(400, "Request body must be valid JSON.", "");
        };
        // The API counts in nanoseconds.
        let asked = body["lifetime"].as_u64().unwrap_or_default() / 1_000_000;
        let longest = self.longest();
        if asked > longest {
            let detail = format!("lifetime must be less than {}h", longest / 3_600_000);
            return say(400, "Failed to validate create API key request.", &detail);
        }
        let name = body["token_name"].as_str().unwrap_or_default().to_owned();
        let at = self.asked.at;
        let taken = self.database.keys.iter().any(|key| {
            key.user == user.id
                && key.login_type == "token"
                && key.token_name == name
                && key.expires_at > at
        });
        if taken && !name.is_empty() {
            let why = format!("A token with name {name:?} already exists.");
            return say(409, &why, "");
        }
        let name = if name.is_empty() { format!("token-{}", self.database.ids) } else { name };
        // Thirty days where nothing is said, or as long as is allowed.
        let lifetime = if asked == 0 { longest.min(30 * 86_400_000) } else { asked };
        let key = self.key(&user.id, "token", &name, lifetime);
        (201, json!({"key": key}))
    }

    fn shown_organization(&self) -> Value {
        json!({"id": self.organization(), "name": "coder", "display_name": "Coder",
               "description": "", "icon": "", "is_default": true})
    }

    fn shown_license(&self, license: &License) -> Value {
        json!({"id": license.id, "uuid": license.uuid, "claims": license.claims,
               "uploaded_at": self.time(license.uploaded_at)})
    }

    fn add_license(&mut self) -> Reply {
        let Some(body) = self.body() else {
            return say(400, "Request body must be valid JSON.", "");
        };
        let token = body["license"].as_str().unwrap_or_default();
        let parts: Vec<&str> = token.split('.').collect();
        let claims = match parts.as_slice() {
            [_, claims, _] => URL_SAFE_NO_PAD
                .decode(claims)
                .ok()
                .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
                .filter(Value::is_object),
            _ => None,
        };
        let Some(claims) = claims else {
            return say(400, "Invalid license", "token is malformed");
        };
        if claims["exp"].as_u64().is_some_and(|end| end.saturating_mul(1_000) < self.asked.at) {
            return say(400, "Invalid license", "token is expired");
        }
        let digest = digest(&["license", token]);
        if self.database.licenses.iter().any(|license| license.digest == digest) {
            return say(
                400,
                "Failed to add license to database",
                "duplicate key value violates unique constraint \"licenses_jwt_key\"",
            );
        }
        let uuid = self.database.uuid("license");
        let license = License {
            id: self.database.licenses.iter().map(|license| license.id).max().unwrap_or(0) + 1,
            uuid,
            uploaded_at: self.asked.at,
            claims,
            digest,
        };
        let shown = self.shown_license(&license);
        self.database.licenses.push(license);
        (201, shown)
    }

    fn entitlements(&self) -> Reply {
        let at = self.asked.at;
        let valid = |license: &&License| {
            license.claims["exp"].as_u64().is_none_or(|end| end.saturating_mul(1_000) > at)
        };
        let license = self.database.licenses.iter().find(valid);
        let granted = license.and_then(|license| license.claims["features"].as_object().cloned());
        let feature = |name: &str| {
            let limit = granted.as_ref().and_then(|all| all.get(name)).cloned();
            let entitled = limit.is_some();
            json!({"entitlement": if entitled { "entitled" } else { "not_entitled" },
                   "enabled": entitled, "limit": limit})
        };
        let names = [
            "audit_log",
            "high_availability",
            "external_provisioner_daemons",
            "multiple_organizations",
            "template_rbac",
            "user_limit",
            "workspace_proxy",
        ];
        let features: serde_json::Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), feature(name))).collect();
        (
            200,
            json!({"features": features, "warnings": [], "errors": [],
                     "has_license": license.is_some(), "trial": false, "require_telemetry": false,
                     "refreshed_at": self.time(at)}),
        )
    }
}

/// A duration as Go writes them, in milliseconds: `168h`, `2h45m`, `30s`.
fn duration(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut number = String::new();
    for letter in text.trim_end_matches("ns").chars() {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        let unit = match letter {
            'h' => 3_600_000,
            'm' => 60_000,
            's' => 1_000,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    (number.is_empty() && total > 0).then_some(total)
}
