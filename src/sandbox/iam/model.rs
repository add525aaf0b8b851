//! What IAM keeps.

use crate::sandbox::failure::Failure;
use crate::sandbox::page::{self, Page};
use crate::sandbox::policy;
use crate::sandbox::service::{Cx, View};
use crate::sandbox::store::{Millis, number};
use crate::sandbox::wire::params::Params;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a new role is not yet known to the services that would assume it.
const PROPAGATION: Duration = Duration::from_secs(10);

/// One account's IAM.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Iam {
    /// By name in lower case: names differ by more than case.
    #[serde(default)]
    pub(super) roles: BTreeMap<String, Role>,
    /// By name in lower case.
    #[serde(default)]
    pub(super) profiles: BTreeMap<String, Profile>,
}

/// An instance profile.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) created: Millis,
    /// The name of the one role that it may carry.
    pub(super) role: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
}

impl Profile {
    /// Whether it carries the role of this name.
    pub(super) fn has(&self, role: &str) -> bool {
        self.role.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(role))
    }
}

/// A role.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Role {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) created: Millis,
    pub(super) trust: String,
    pub(super) description: Option<String>,
    pub(super) max_session: i64,
    pub(super) boundary: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    /// Inline policies by name.
    pub(super) inline: BTreeMap<String, String>,
    /// Managed policies by ARN.
    pub(super) attached: BTreeSet<String>,
}

impl Iam {
    /// Finds a role, or fails as IAM does.
    pub(super) fn role(&self, name: &str) -> Result<&Role, Failure> {
        self.roles.get(&name.to_lowercase()).ok_or_else(|| no_such_role(name))
    }

    /// The same, to change it.
    pub(super) fn role_mut(&mut self, name: &str) -> Result<&mut Role, Failure> {
        self.roles.get_mut(&name.to_lowercase()).ok_or_else(|| no_such_role(name))
    }

    /// Finds an instance profile, or fails as IAM does.
    pub(super) fn profile(&self, name: &str) -> Result<&Profile, Failure> {
        self.profiles.get(&name.to_lowercase()).ok_or_else(|| no_such_profile(name))
    }

    /// The same, to change it.
    pub(super) fn profile_mut(&mut self, name: &str) -> Result<&mut Profile, Failure> {
        self.profiles.get_mut(&name.to_lowercase()).ok_or_else(|| no_such_profile(name))
    }

    /// The managed policies of the role with this ARN, by what stands behind `policy/`.
    pub(crate) fn managed_policies_of(&self, arn: &str) -> Vec<&str> {
        let role = self.roles.values().find(|role| role.arn == arn);
        let policies = role.into_iter().flat_map(|role| &role.attached);
        policies.filter_map(|arn| arn.split_once(":policy/")).map(|(_, name)| name).collect()
    }

    /// Whether the role with this ARN exists at all.
    pub(crate) fn knows(&self, arn: &str) -> bool {
        self.roles.values().any(|role| role.arn == arn)
    }

    /// Whether `service` (`vpc-flow-logs.amazonaws.com`) can assume the role by now: it is there,
    /// it trusts the service, and the news of it has spread.
    pub(crate) fn role_is_assumable(&self, arn: &str, service: &str, now: Millis) -> bool {
        let role = self.roles.values().find(|role| role.arn == arn);
        role.is_some_and(|role| {
            let trust: Value = serde_json::from_str(&role.trust).unwrap_or(Value::Null);
            role.created.plus(PROPAGATION) <= now
                && policy::allows(&trust, "Service", &[service], "sts:AssumeRole")
        })
    }

    /// Whether an inline policy of the role with this ARN lets it do `action` on something.
    /// Resources, conditions, denials and boundaries are not weighed.
    pub(crate) fn role_may(&self, arn: &str, action: &str) -> bool {
        let role = self.roles.values().find(|role| role.arn == arn);
        role.is_some_and(|role| {
            role.inline.values().any(|text| {
                let document: Value = serde_json::from_str(text).unwrap_or(Value::Null);
                policy::grants(&document, action)
            })
        })
    }

    /// The first role among the principals of `document` that this account does not have. A
    /// deleted role's ARN in a policy is refused the same way.
    pub(crate) fn unknown_principal<'a>(
        &self,
        document: &'a Value,
        account: &str,
    ) -> Option<&'a str> {
        let own = format!(":iam::{account}:role/");
        policy::statements(document)
            .into_iter()
            .flat_map(|statement| policy::principals(statement, "AWS"))
            .find(|arn| arn.contains(&own) && !self.knows(arn))
    }
}

impl Role {
    /// What `GetRole` and `CreateRole` say about it.
    pub(super) fn whole(&self) -> Value {
        let mut role = self.brief();
        role["Tags"] = self.tag_list();
        role["PermissionsBoundary"] = self.boundary_tree();
        role["RoleLastUsed"] = json!({});
        role
    }

    /// What `ListRoles` says about it: no tags, no boundary.
    pub(super) fn brief(&self) -> Value {
        json!({
            "Path": self.path,
            "RoleName": self.name,
            "RoleId": self.id,
            "Arn": self.arn,
            "CreateDate": self.created.iso(),
            "AssumeRolePolicyDocument": encoded(&self.trust),
            "Description": self.description,
            "MaxSessionDuration": self.max_session,
        })
    }

    /// Its tags as a list.
    pub(super) fn tag_list(&self) -> Value {
        self.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
    }

    /// Its boundary, or `null`.
    pub(super) fn boundary_tree(&self) -> Value {
        self.boundary.as_ref().map_or(
            Value::Null,
            |arn| json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}),
        )
    }

    /// Its managed policies as a list.
    pub(super) fn attached_list(&self) -> Vec<(String, Value)> {
        let named = |arn: &String| {
            let name = arn.rsplit('/').next().unwrap_or_default();
            (arn.clone(), json!({"PolicyName": name, "PolicyArn": arn}))
        };
        self.attached.iter().map(named).collect()
    }
}

/// IAM gives documents back URL-encoded (RFC 3986).
pub(super) fn encoded(document: &str) -> String {
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(document, PLAIN).to_string()
}

/// The account's IAM, as a read sees it.
pub(super) fn of<'a>(view: &View<'a>) -> &'a Iam {
    view.store.iam(view.scope)
}

/// The account's IAM, to change it.
pub(super) fn of_mut<'a>(cx: &'a mut Cx<'_>) -> &'a mut Iam {
    cx.store.iam_mut(cx.scope)
}

/// A page of `items` by the request's `Marker` and `MaxItems`, as members of the answer.
pub(super) fn paged(
    view: &View<'_>,
    params: &Params,
    set: &str,
    items: Vec<(String, Value)>,
) -> Result<Value, Failure> {
    let asked = params.number("MaxItems").and_then(|size| usize::try_from(size).ok());
    let size = asked.unwrap_or_else(|| view.knobs.page_size.min(100));
    let Page { items, next } = page::cut(items, params.text("Marker"), size)
        .map_err(|_| Failure::new("InvalidInput", "Invalid Marker."))?;
    let mut answer = json!({"IsTruncated": next.is_some(), "Marker": next});
    answer[set] = Value::Array(items);
    Ok(answer)
}

/// A role's unique id: `AROA` and 16 letters and digits.
pub(super) fn unique_id(seed: u64) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let high = number(&format!("role/{seed}"));
    let low = number(&format!("id/{seed}"));
    let letters = (0..17_u32).map(|place| {
        let bits = if place < 12 { high >> (5 * place) } else { low >> (5 * (place - 12)) };
        // Five bits are always a place in the list.
        char::from(LETTERS[usize::try_from(bits & 31).unwrap_or(0)])
    });
    letters.fold("AROA".to_owned(), |mut id, letter| {
        id.push(letter);
        id
    })
}

/// 404: there is no such thing.
pub(super) fn no_such(message: String) -> Failure {
    Failure::new("NoSuchEntity", message).with_status(404)
}

fn no_such_profile(name: &str) -> Failure {
    no_such(format!("Instance Profile {name} cannot be found."))
}

fn no_such_role(name: &str) -> Failure {
    no_such(format!("The role with name {name} cannot be found."))
}

/// 409: over a quota.
pub(super) fn over(message: String) -> Failure {
    Failure::new("LimitExceeded", message).with_status(409)
}
