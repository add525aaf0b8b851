//! The start of coderd: its environment, its database, its migrations.

use super::model::{Database, Databases};
use super::{DatabaseSource, Login};
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;

/// How long the migrations of a new or older database take.
const MIGRATIONS: u64 = 20_000;

/// A coderd that has started.
#[derive(Debug)]
pub(crate) struct Booted {
    /// How long it takes before it answers, in milliseconds.
    pub(crate) ready_after_ms: u64,
    /// What it wrote.
    pub(crate) log: Vec<String>,
}

/// A connection URL, taken apart.
#[derive(Debug)]
struct Target {
    host: String,
    name: String,
    user: String,
    password: String,
}

fn target(url: &str) -> Result<Target, String> {
    let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let rest = rest.ok_or("invalid connection string: scheme is not postgres")?;
    // A password with `/`, `?`, `#` or `@` that is not encoded ends the URL early, as it does in Go.
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (login, host) = authority.rsplit_once('@').ok_or("invalid userinfo or port in URL")?;
    let (host, port) = host.split_once(':').unwrap_or((host, "5432"));
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err("invalid port after host".to_owned());
    }
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    if password.contains('@') || password.contains(':') {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let name = path.trim_start_matches('/').split('?').next().unwrap_or_default();
    Ok(Target {
        host: host.to_owned(),
        name: if name.is_empty() { plain(user) } else { plain(name) },
        user: plain(user),
        password: plain(password),
    })
}

/// The database that an environment names, as [`Databases`] keeps it.
pub(crate) fn database_of(environment: &BTreeMap<String, String>) -> Option<String> {
    let target = target(environment.get("CODER_PG_CONNECTION_URL")?).ok()?;
    Some(format!("{}/{}", target.host, target.name))
}

/// Starts coderd.
///
/// # Errors
///
/// What it writes before it ends.
pub(crate) fn boot(
    databases: &mut Databases,
    source: &dyn DatabaseSource,
    version: &str,
    environment: &BTreeMap<String, String>,
    at: u64,
) -> Result<Booted, Vec<String>> {
    let fail = |why: String| vec![format!("Coder v{version}"), format!("error: {why}")];
    let get = |name: &str| environment.get(name).map(String::as_str).unwrap_or_default();
    let wildcard = get("CODER_WILDCARD_ACCESS_URL");
    let stars = wildcard.matches('*').count();
    if !wildcard.is_empty()
        && (wildcard.contains("://") || stars != 1 || !wildcard.starts_with('*'))
    {
        return Err(fail(format!(
            "parse wildcard url {wildcard:?}: hostname pattern must not contain a scheme and must begin with one *"
        )));
    }
    let access = get("CODER_ACCESS_URL");
    if !access.is_empty() && !access.starts_with("http://") && !access.starts_with("https://") {
        return Err(fail(format!("parse access url {access:?}: scheme must be http or https")));
    }
    let url = get("CODER_PG_CONNECTION_URL");
    if url.is_empty() {
        let why = "dial postgres: CODER_PG_CONNECTION_URL is not set, and the built-in PostgreSQL can't be used here";
        return Err(fail(why.to_owned()));
    }
    let target = target(url)
        .map_err(|why| fail(format!("connect to postgres: parse postgres url: {why}")))?;
    match source.login(&target.host, &target.user, &target.password) {
        Login::Accepted => {}
        Login::Refused => {
            return Err(fail(format!(
                "connect to postgres: ping postgres: pq: password authentication failed for user {:?}",
                target.user
            )));
        }
        Login::Unreachable => {
            return Err(fail(format!(
                "connect to postgres: ping postgres: dial tcp: lookup {}: no such host",
                target.host
            )));
        }
    }
    let key = format!("{}/{}", target.host, target.name);
    let migrated = super::in_databases(source, databases, &target.host, |databases| {
        migrate(databases.0.entry(key).or_default(), version, at)
    });
    let migrated_at = migrated
        .ok_or_else(|| fail("connect to postgres: ping postgres: EOF".to_owned()))?
        .map_err(fail)?;
    Ok(Booted {
        ready_after_ms: migrated_at.saturating_sub(at),
        log: vec![
            format!("Coder v{version} - Your Self-Hosted Remote Development Platform"),
            "Started HTTP listener at http://0.0.0.0:8080".to_owned(),
            format!("View the Web UI: {access}"),
        ],
    })
}

/// Brings a database up to a version; answers when that is done.
fn migrate(database: &mut Database, version: &str, at: u64) -> Result<u64, String> {
    let numbers = |text: &str| -> Vec<u64> {
        text.split('.').map(|part| part.parse().unwrap_or_default()).take(2).collect()
    };
    if numbers(&database.version) > numbers(version) {
        return Err(format!(
            "connect to postgres: migrate up: the database was migrated by v{}, which is newer than v{version}",
            database.version
        ));
    }
    if numbers(&database.version) != numbers(version) {
        database.migrated_at = at + MIGRATIONS;
    }
    database.version = version.to_owned();
    Ok(database.migrated_at)
}
