//! Policies that are part of a role.

use super::model::{encoded, no_such, of, of_mut, over, paged};
use super::service_linked::modifiable;
use crate::sandbox::failure::Failure;
use crate::sandbox::policy::{self, Use};
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// Characters of all inline policies of a role together, white space left out.
const INLINE_LENGTH: usize = 10_240;

pub(super) fn put(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (role, name) = (params.required("RoleName"), params.required("PolicyName"));
    let document = params.required("PolicyDocument");
    let role = of_mut(cx).role_mut(role)?;
    modifiable(role)?;
    policy::read(document, Use::Identity)
        .map_err(|message| Failure::new("MalformedPolicyDocument", message))?;
    let length = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).count();
    let others: usize = role
        .inline
        .iter()
        .filter(|(other, _)| other.as_str() != name)
        .map(|(_, text)| length(text))
        .sum();
    if others + length(document) > INLINE_LENGTH {
        return Err(over(format!(
            "Maximum policy size of {INLINE_LENGTH} bytes exceeded for role {}",
            role.name
        )));
    }
    role.inline.insert(name.to_owned(), document.to_owned());
    Ok(json!({}).into())
}

pub(super) fn get(view: &View<'_>, params: &Params) -> Answer {
    let (role, name) = (params.required("RoleName"), params.required("PolicyName"));
    let found = of(view).role(role)?.inline.get(name);
    let document = found.ok_or_else(|| missing(name))?;
    let answer = json!({"RoleName": role, "PolicyName": name, "PolicyDocument": encoded(document)});
    Ok(answer.into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let role = of(view).role(params.required("RoleName"))?;
    let names = role.inline.keys().map(|name| (name.clone(), Value::from(name.as_str())));
    Ok(paged(view, params, "PolicyNames", names.collect())?.into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = params.required("PolicyName");
    let role = of_mut(cx).role_mut(params.required("RoleName"))?;
    role.inline.remove(name).map(|_| json!({}).into()).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Failure {
    no_such(format!("The role policy with name {name} cannot be found."))
}
