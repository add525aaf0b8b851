//! STS: who the caller is, and roles to take on.

use super::failure::Failure;
use super::service::{Answer, Cx, Operation, Service, View};
use super::store::{Millis, Scope};
use super::wire::Protocol;
use super::wire::params::Params;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) static SERVICE: Service = Service {
    name: "sts",
    protocol: Protocol::AwsQuery,
    xmlns: "https://sts.amazonaws.com/doc/2011-06-15/",
    throttling: (400, "Throttling"),
    law: include_str!("law/sts.json"),
    operations: &[
        Operation::read("GetCallerIdentity", get_caller_identity),
        Operation::write("AssumeRole", assume_role),
    ],
    route: None,
};

/// The temporary credentials that were given out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sts {
    /// By access key id.
    sessions: BTreeMap<String, Session>,
}

/// One role that someone took on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Session {
    /// The role's account.
    pub(crate) account: String,
    role: String,
    name: String,
    ends: Millis,
    /// The secret access key; empty for one that an earlier version gave out.
    #[serde(default)]
    secret: String,
}

impl Session {
    /// The name of the role.
    pub(crate) fn role(&self) -> &str {
        &self.role
    }

    /// Its name, which whoever took the role on has chosen.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// When it ends.
    pub(crate) fn ends(&self) -> Millis {
        self.ends
    }

    /// The secret access key.
    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }
}

impl Sts {
    /// The session that an access key belongs to.
    pub(crate) fn session(&self, access_key: &str) -> Option<&Session> {
        self.sessions.get(access_key)
    }
}

fn get_caller_identity(view: &View<'_>, _: &Params) -> Answer {
    let Scope { account, access_key, .. } = view.scope;
    let partition = view.scope.partition();
    let (id, arn) = match view.store.sts.session(access_key) {
        Some(session) if session.ends <= view.now => {
            let message = "The security token included in the request is expired";
            return Err(Failure::new("ExpiredTokenException", message).with_status(403));
        }
        Some(session) => (
            format!("{}:{}", role_id(account, &session.role), session.name),
            session_arn(partition, session),
        ),
        None => (
            format!("AIDA{}", short_id(&format!("user/{account}"))),
            format!("arn:{partition}:iam::{account}:user/sandbox"),
        ),
    };
    Ok(json!({ "Account": account, "UserId": id, "Arn": arn }).into())
}

fn assume_role(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let arn = params.required("RoleArn");
    let denied = || {
        let message =
            format!("User is not authorized to perform: sts:AssumeRole on resource: {arn}");
        Failure::new("AccessDenied", message).with_status(403)
    };
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    let (account, role) = match fields.as_slice() {
        ["arn", partition, "iam", "", account, resource]
            if *partition == cx.scope.partition()
                && account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            let path = resource.strip_prefix("role/").ok_or_else(denied)?;
            (*account, path.rsplit('/').next().unwrap_or(path))
        }
        _ => {
            return Err(Failure::new("ValidationError", format!("{arn} is invalid")));
        }
    };
    let seconds = u64::try_from(params.number("DurationSeconds").unwrap_or(3600)).unwrap_or(3600);
    let key = format!("ASIA{}", short_id(&cx.store.random().to_string()));
    let secret = format!("{:016x}{:016x}", cx.store.random(), cx.store.random());
    let session = Session {
        account: account.to_owned(),
        role: role.to_owned(),
        name: params.required("RoleSessionName").to_owned(),
        ends: cx.now.plus(Duration::from_secs(seconds)),
        secret: secret.clone(),
    };
    let now = cx.now;
    cx.store.sts.sessions.retain(|_, session| now < session.ends.plus(Duration::from_secs(86_400)));
    let answer = json!({
        "Credentials": {
            "AccessKeyId": key,
            "SecretAccessKey": secret,
            "SessionToken": format!("sandbox/{key}"),
            "Expiration": session.ends.iso(),
        },
        "AssumedRoleUser": {
            "AssumedRoleId": format!("{}:{}", role_id(account, role), session.name),
            "Arn": session_arn(cx.scope.partition(), &session),
        },
    });
    cx.store.sts.sessions.insert(key, session);
    Ok(answer.into())
}

fn session_arn(partition: &str, session: &Session) -> String {
    let Session { account, role, name, .. } = session;
    format!("arn:{partition}:sts::{account}:assumed-role/{role}/{name}")
}

fn role_id(account: &str, role: &str) -> String {
    format!("AROA{}", short_id(&format!("role/{account}/{role}")))
}

/// Sixteen letters and digits, as IAM's unique ids have behind their prefix.
fn short_id(text: &str) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = super::store::number(text);
    (0..16)
        .map(|place| {
            let five = (digest.rotate_left(5 * place) & 31) as usize;
            char::from(LETTERS[five])
        })
        .collect()
}
