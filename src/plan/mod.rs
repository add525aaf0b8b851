//! The plan: what would change, why, and in which order. Pure: no async, no clock, no
//! environment; the same input gives the same plan, to the byte.

mod applied;
mod consent;
mod items;
mod poles;
mod resume;
mod select;
mod steps;
mod stranded;

pub use applied::{Applied, AppliedResource};
pub use resume::{Moved, moved_since};

pub(crate) use consent::covers;
pub(crate) use items::plural;

use crate::event::{StepName, Verb};
use crate::graph::{AnyKind, Graph};
use crate::kind::{Change, Deployment, Held};
use crate::name::{AccountId, Address, DeploymentName, PhysicalId, Region};
use crate::observe::Snapshot;
use crate::value::Need;
use serde::{Deserialize, Serialize};

/// What a plan is made of.
pub struct Input<'a> {
    /// Which deployment.
    pub deployment: &'a Deployment,
    /// What is wanted; empty to destroy.
    pub graph: &'a Graph,
    /// What is live.
    pub snapshot: &'a Snapshot,
    /// What was last applied.
    pub applied: &'a Applied,
    /// Every kind, in the order in which they must exist.
    pub kinds: &'a [&'a dyn AnyKind],
    /// What the user asked for.
    pub options: &'a Options,
}

/// What the user asked for on the command line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Everything goes. The confirmation that `destroy` asks for is consent to every delete of what
    /// is ours; what others made in it takes consent by address.
    pub destroy: bool,
    /// Addresses whose data may go.
    pub allow_delete: Vec<String>,
    /// Whether values that somebody else changed are set back.
    pub overwrite_drift: bool,
    /// Only these and what they need; all when empty.
    pub target: Vec<String>,
    /// All but these and what needs them.
    pub exclude: Vec<String>,
}

/// What is done with one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is as it should be.
    Keep,
    /// It is as it should be but still on its way: it is waited for.
    Wait,
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// It is made anew.
    Replace,
    /// It goes.
    Delete,
    /// It can not be judged, because it or what it needs can not be read.
    Withheld,
}

/// One resource in a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// What it is called.
    pub address: Address,
    /// Its kind's name.
    pub kind: String,
    /// What is done with it.
    pub action: Action,
    /// Why, for everything that is not obvious: every replace and delete has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The fields that change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Fields that somebody else changed and that are left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Change>,
    /// What else is worth knowing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What it is, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// The live one's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<PhysicalId>,
    /// The part of the spec that asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec_path: Option<String>,
    /// Whether the step destroys data, with the user's consent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub destroys_data: bool,
    /// What goes with it and no spec has asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Held>,
    /// Whether others made it in what is ours, so that it goes only with the user's consent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_others: bool,
}

impl Item {
    /// Whether something happens to it.
    pub fn acts(&self) -> bool {
        !matches!(self.action, Action::Keep | Action::Withheld)
    }
}

/// What a step waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitFor {
    /// The step, as an index into [`Plan::steps`].
    pub step: usize,
    /// What is needed of it.
    #[serde(with = "need")]
    pub need: Need,
    /// Why: the reason of the edge, in which "it" is what waits and "that" what it waits for; none
    /// in plan files of versions that did not write it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

mod need {
    use crate::value::Need;
    use serde::{Deserialize, Deserializer, Serializer};
    pub(super) fn serialize<S: Serializer>(need: &Need, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(if *need == Need::Ready { "ready" } else { "exists" })
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Need, D::Error> {
        match String::deserialize(d)?.as_str() {
            "ready" => Ok(Need::Ready),
            "exists" => Ok(Need::Exists),
            other => Err(serde::de::Error::custom(format!("{other:?} is neither need"))),
        }
    }
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What it does to what.
    #[serde(flatten)]
    pub name: StepName,
    /// Where.
    pub region: Region,
    /// What must come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<WaitFor>,
    /// What it acts on; none for a create.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<PhysicalId>,
    /// The generation of what it makes or acts on.
    pub generation: u32,
    /// Typical seconds.
    pub typical: u32,
    /// The longest chain from here to the end, in typical seconds.
    pub pole: u32,
    /// Never at the same time as another step with this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusive: Option<String>,
    /// Whether it is the old one of a replace, or a leftover, that goes; its address lives on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_replaced: bool,
}

/// Why a plan must not be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// What is wrong.
    pub why: String,
    /// What to do.
    pub hint: String,
}

/// A kind that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// The kind's name.
    pub kind: String,
    /// Where.
    pub region: Region,
    /// Why.
    pub why: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What would change, why, and in which order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Which deployment.
    pub deployment: DeploymentName,
    /// In which account.
    pub account: AccountId,
    /// Where its record lives.
    pub home_region: Region,
    /// What the user asked for.
    pub options: Options,
    /// Every resource, wanted ones in the order of the graph, then those that go.
    pub items: Vec<Item>,
    /// What is done, in an order in which it could be done one by one.
    pub steps: Vec<Step>,
    /// Why it must not be applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Refusal>,
    /// What could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
    /// Resources that `--target` or `--exclude` leaves out.
    #[serde(default)]
    pub left_out: usize,
    /// Typical seconds for the whole.
    pub estimate: u32,
    /// The steps of the longest chain, first to last, with their typical seconds.
    pub critical_path: Vec<(Address, u32)>,
}

/// How many resources of a plan see which action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Made.
    pub create: usize,
    /// Changed in place.
    pub update: usize,
    /// Made anew.
    pub replace: usize,
    /// Gone.
    pub delete: usize,
    /// Waited for.
    pub wait: usize,
    /// Kept as they are, and nobody has changed them.
    pub keep: usize,
    /// Not judged.
    pub withheld: usize,
    /// With a field that somebody else changed.
    pub drifted: usize,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether something could not be read.
    pub fn is_incomplete(&self) -> bool {
        !self.unread.is_empty()
    }

    /// How many resources see which action.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for item in &self.items {
            match item.action {
                Action::Keep if !item.drift.is_empty() => {}
                Action::Keep => tally.keep += 1,
                Action::Wait => tally.wait += 1,
                Action::Create => tally.create += 1,
                Action::Update => tally.update += 1,
                Action::Replace => tally.replace += 1,
                Action::Delete => tally.delete += 1,
                Action::Withheld => tally.withheld += 1,
            }
            if !item.drift.is_empty() {
                tally.drifted += 1;
            }
        }
        tally
    }

    /// A digest of all that the plan would do; equal plans have equal digests. Plans hold no
    /// secret, so none can be guessed from it.
    pub fn fingerprint(&self) -> String {
        use sha2::{Digest, Sha256};
        let text = serde_json::to_vec(&(&self.items, &self.steps)).unwrap_or_default();
        hex::encode(&Sha256::digest(&text)[..16])
    }
}

/// Makes the plan.
pub fn plan(input: &Input<'_>) -> Plan {
    // Providers list in any order; the plan must not depend on it.
    let snapshot = input.snapshot.in_order();
    let input = &Input { snapshot: &snapshot, ..*input };
    let selection = select::select(input);
    let judged = items::judge(input, &selection);
    let mut refusals = judged.refusals;
    refusals.extend(consent::refusals(input, &judged.items));
    refusals.extend(stranded::refusals(input, &judged.items));
    let (mut steps, cycle) = steps::order(input, &judged.items);
    refusals.extend(cycle);
    let (estimate, critical_path) = poles::measure(&mut steps);
    let items = judged.items.into_iter().map(|judged| judged.item).collect();
    Plan {
        deployment: input.deployment.name.clone(),
        account: input.deployment.account.clone(),
        home_region: input.deployment.home_region.clone(),
        options: input.options.clone(),
        items,
        steps,
        refusals,
        unread: input
            .snapshot
            .unreadable
            .iter()
            .map(|unreadable| Unread {
                kind: unreadable.kind.to_owned(),
                region: unreadable.region.clone(),
                why: unreadable.error.to_string(),
                hint: unreadable.error.hint.clone(),
            })
            .collect(),
        left_out: selection.left_out(),
        estimate,
        critical_path,
    }
}

/// The kind with this name.
pub(crate) fn kind_named<'a>(kinds: &'a [&'a dyn AnyKind], name: &str) -> Option<&'a dyn AnyKind> {
    kinds.iter().copied().find(|kind| kind.name() == name)
}

/// The name of a step.
fn step_name(verb: Verb, kind: &str, address: &Address) -> StepName {
    StepName { verb, kind: kind.to_owned(), address: address.clone() }
}
