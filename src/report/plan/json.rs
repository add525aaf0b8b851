//! A plan for programs.

use super::Context;
use crate::kind::{Change, Held};
use crate::plan::{Action, Item, Plan, Refusal, Step, Tally, Unread};
use crate::report::FORMAT_VERSION;
use serde::Serialize;

/// The document. Its fields are a public contract: see [`FORMAT_VERSION`].
#[derive(Serialize)]
struct Document<'a> {
    format_version: &'a str,
    coderctl: &'a str,
    deployment: &'a str,
    account: &'a str,
    home_region: &'a str,
    pattern: Option<&'a str>,
    destroy: bool,
    /// Whether `apply` would take it.
    applicable: bool,
    /// Whether everything could be read.
    complete: bool,
    tally: Tally,
    left_out: usize,
    estimate_seconds: u32,
    critical_path: Vec<Link<'a>>,
    items: Vec<Resource<'a>>,
    steps: &'a [Step],
    refusals: &'a [Refusal],
    unread: &'a [Unread],
    fingerprint: String,
}

#[derive(Serialize)]
struct Link<'a> {
    address: &'a str,
    seconds: u32,
}

#[derive(Serialize)]
struct Resource<'a> {
    address: &'a str,
    kind: &'a str,
    action: Action,
    reason: Option<&'a str>,
    changes: &'a [Change],
    drift: &'a [Change],
    notes: &'a [String],
    summary: &'a str,
    id: Option<&'a str>,
    spec_path: Option<&'a str>,
    spec_origin: Option<String>,
    destroys_data: bool,
    /// What goes with it and no spec has asked for.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    holds: &'a [Held],
    /// Whether others made it in what is ours.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    of_others: bool,
}

/// The plan as one JSON document.
pub fn json(plan: &Plan, context: &Context<'_>) -> serde_json::Value {
    let resource = |item: &'_ Item| -> Option<String> {
        item.spec_path.as_deref().and_then(|path| (context.origin)(path))
    };
    let document = Document {
        format_version: FORMAT_VERSION,
        coderctl: env!("CARGO_PKG_VERSION"),
        deployment: plan.deployment.as_str(),
        account: plan.account.as_str(),
        home_region: plan.home_region.as_str(),
        pattern: context.pattern,
        destroy: plan.options.destroy,
        applicable: plan.refusals.is_empty(),
        complete: !plan.is_incomplete(),
        tally: plan.tally(),
        left_out: plan.left_out,
        estimate_seconds: plan.estimate,
        critical_path: plan
            .critical_path
            .iter()
            .map(|(address, seconds)| Link { address: address.as_str(), seconds: *seconds })
            .collect(),
        items: plan
            .items
            .iter()
            .map(|item| Resource {
                address: item.address.as_str(),
                kind: &item.kind,
                action: item.action,
                reason: item.reason.as_deref(),
                changes: &item.changes,
                drift: &item.drift,
                notes: &item.notes,
                summary: &item.summary,
                id: item.id.as_ref().map(crate::name::PhysicalId::as_str),
                spec_path: item.spec_path.as_deref(),
                spec_origin: resource(item),
                destroys_data: item.destroys_data,
                holds: &item.holds,
                of_others: item.of_others,
            })
            .collect(),
        steps: &plan.steps,
        refusals: &plan.refusals,
        unread: &plan.unread,
        fingerprint: plan.fingerprint(),
    };
    // Nothing in it has a key that is not a text, which is all that can go wrong.
    serde_json::to_value(document).unwrap_or_default()
}
