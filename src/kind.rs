//! What one kind of resource must say about itself.
//!
//! A kind is one small file below `aws/` or `kube/`. It knows nothing of the engine beyond this
//! module and [`crate::value`], and the engine knows nothing of it beyond this trait.

mod consent;
mod cx;
mod diff;
mod error;
mod whose;

pub use consent::{Consent, Held};
pub use cx::{Api, Cancel, Connectors, Cx, Deployment, Fence, Outputs, Progress, StepCx};
pub use diff::{Cause, Change, Diff, Effect, Resolve};
pub use error::{Class, Error, Result};
pub use whose::Whose;

use crate::name::{Address, PhysicalId, Uid};
use serde::Serialize;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

/// Tags by key. Ordered, so that everything printed from them is deterministic.
pub type Tags = BTreeMap<String, String>;

/// The tag with the deployment's name.
pub const TAG_DEPLOYMENT: &str = "coderctl:deployment";
/// The tag with the deployment's uid.
pub const TAG_UID: &str = "coderctl:uid";
/// The tag with the resource's address.
pub const TAG_ADDRESS: &str = "coderctl:address";
/// The tag that counts how often the resource at this address has been replaced; from 1.
pub const TAG_GENERATION: &str = "coderctl:generation";

/// Where a kind lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Once in each region: listed per region.
    Regional,
    /// Once in the account (IAM) or cluster: listed once, from the home region.
    Global,
}

/// What comes first when a resource is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplaceOrder {
    /// The old one goes before the new one is made: they can not both exist.
    DeleteFirst,
    /// The new one is made, its consumers move over, the old one goes last.
    CreateFirst,
}

/// What a second create call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateIs {
    /// Refused as a duplicate, because the name is taken: a repeated call is safe.
    Named,
    /// A duplicate. An intent is recorded before the call is sent, and an answer that was lost is
    /// looked for by tag before the call is sent again. Also said by kinds whose calls take a
    /// client token: the token dies with the process, the intent does not.
    Unnamed,
}

/// What the engine must know of a kind before it has met one.
#[derive(Clone, Copy, Debug)]
pub struct Nature {
    /// Where it lives.
    pub scope: Scope,
    /// Kinds of wave 0 are listed first, all at once; then those of wave 1, which may look at
    /// what wave 0 found; and so on.
    pub wave: u8,
    /// Whether replacing or deleting one destroys data or takes the whole deployment with it.
    /// Such a step needs the user's consent, given by address.
    pub holds_data: bool,
    /// Whether others make it in what is ours: it is looked for only when everything goes, and
    /// nobody's spec asks for it.
    pub is_guest: bool,
    /// Whether it carries tags. What does not is a field of its owner, or found by name.
    pub taggable: bool,
    /// What comes first in a replace.
    pub replace: ReplaceOrder,
    /// Whether one that is on its way out is brought back by a create at its address.
    pub comes_back: bool,
    /// What a second create call does.
    pub create_is: CreateIs,
    /// Whether [`Kind::delete_many`] deletes several with one call.
    pub batch_delete: bool,
    /// Typical duration until it is ready, until a change is through, until it is gone; seconds.
    /// They order the queue and make the estimate; nothing depends on their being right.
    pub typical: Typical,
    /// The IAM actions its calls need, for the policy that a deployer is given.
    pub actions: &'static [&'static str],
}

/// Typical durations of a kind in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Typical {
    /// From the create call until it is ready.
    pub create: u32,
    /// From the first update call until the change is through.
    pub update: u32,
    /// From the delete call until it is gone.
    pub delete: u32,
}

impl Nature {
    /// A tagged, regional, unnamed resource that is there at once; what most kinds start from.
    pub const PLAIN: Nature = Nature {
        scope: Scope::Regional,
        wave: 0,
        holds_data: false,
        is_guest: false,
        taggable: true,
        replace: ReplaceOrder::DeleteFirst,
        comes_back: false,
        create_is: CreateIs::Unnamed,
        batch_delete: false,
        typical: Typical { create: 1, update: 1, delete: 1 },
        actions: &[],
    };
}

/// How a live resource is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Status {
    /// Usable.
    Ready,
    /// On its way, in the provider's own word (`pending`).
    Busy(String),
    /// Broken, with the provider's reason; it does not recover by itself.
    Failed(String),
    /// Being deleted. It counts as absent for the plan, but its name is not free yet.
    Leaving,
}

/// What the tags of a live resource say about whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ownership {
    /// Its address.
    pub address: Address,
    /// How often the resource at this address has been replaced, from 1.
    pub generation: u32,
    /// The deployment's uid.
    pub uid: Uid,
}

/// A live resource that is ours.
#[derive(Clone, Debug)]
pub struct Found<K: Kind> {
    /// The provider's id, or the name where names are ids.
    pub id: PhysicalId,
    /// What its tags say.
    pub owner: Ownership,
    /// How it is doing.
    pub status: Status,
    /// The ids of live resources that can not be deleted while this one exists.
    pub parents: Vec<PhysicalId>,
    /// All its tags.
    pub tags: Tags,
    /// The fields that the kind compares, and the ids others may need.
    pub live: K::Live,
}

/// A live resource that stands where a wanted one should, and is not ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clash {
    /// The address that wants the name.
    pub address: Address,
    /// What has it.
    pub id: PhysicalId,
    /// Whose it seems to be: `deployment coder-dev`, `not tagged`.
    pub owner: String,
}

/// A live resource that carries our deployment's tag, but not what is needed to say which it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damaged {
    /// The provider's id.
    pub id: PhysicalId,
    /// What is wrong with its tags.
    pub why: String,
    /// The command that puts it right, where one can be named.
    pub mend: Option<String>,
}

/// What a list call found.
#[derive(Debug)]
pub struct Listed<K: Kind> {
    /// Ours, whether still wanted or not.
    pub ours: Vec<Found<K>>,
    /// Foreign resources with a wanted name.
    pub clashes: Vec<Clash>,
    /// Half ours.
    pub damaged: Vec<Damaged>,
}

impl<K: Kind> Default for Listed<K> {
    fn default() -> Self {
        Listed { ours: Vec::new(), clashes: Vec::new(), damaged: Vec::new() }
    }
}

/// A resource that the graph wants.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a, K> {
    /// Its address.
    pub address: &'a Address,
    /// What it should be.
    pub desired: &'a K,
}

/// What earlier waves found in the same region: `(kind, id, address)`, and the live values by type.
pub trait Seen: Send + Sync {
    /// The live values of kind `name`, each with its id and address; [`seen`] gives them types.
    fn of(&self, name: &str) -> Vec<(&PhysicalId, &Ownership, &(dyn Any + Send + Sync))>;
}

/// The live values of kind `K` that earlier waves found.
pub fn seen<K: Kind>(seen: &dyn Seen) -> Vec<(&PhysicalId, &Ownership, &K::Live)> {
    seen.of(K::NAME)
        .into_iter()
        .filter_map(|(id, owner, live)| Some((id, owner, live.downcast_ref::<K::Live>()?)))
        .collect()
}

/// One kind of resource. The value itself is the desired state.
pub trait Kind: Clone + Debug + Serialize + Send + Sync + 'static {
    /// `aws.ec2.subnet`.
    const NAME: &'static str;
    /// How the kind is called in prose: `subnet`.
    const TITLE: &'static str;
    /// What the engine must know.
    const NATURE: Nature;
    /// The resource as the provider reports it: compared fields, and ids that others need.
    type Live: Clone + Debug + Send + Sync + 'static;

    /// Compares. Takes `self` apart with `let Self { … } = self`, so that a new field does not
    /// compile until it is classified. Pure.
    fn diff(&self, live: &Self::Live, diff: &mut Diff<'_>);

    /// What a plan shows behind the address of a new one: `10.0.0.0/20  us-east-1a`.
    fn summary(&self) -> String {
        String::new()
    }

    /// Typical durations of this one, where they are not those of all of its kind.
    fn typical(&self) -> Typical {
        Self::NATURE.typical
    }

    /// The name by which it is found, where neither its tags nor any list lead to it once the spec
    /// is gone, or where looking by name spares a list of all that the account has. It is recorded
    /// before the resource is made: see [`Cx::remembers_all`].
    fn sought_by_name(&self) -> Option<String> {
        None
    }

    /// Steps with the same key never run at the same time.
    fn exclusive(&self) -> Option<String> {
        None
    }

    /// Whose consent deleting a live one takes.
    fn consent(_live: &Self::Live) -> Consent {
        if Self::NATURE.holds_data { Consent::Data } else { Consent::None }
    }

    /// Whose consent deleting a live one takes that stands beside the one that is in use, and that
    /// nothing of ours uses: what a create leaves whose request arrived twice.
    fn consent_to_spare(live: &Self::Live) -> Consent {
        Self::consent(live)
    }

    /// Whether a live one goes before anything else when everything goes: nothing that is ours is
    /// touched before.
    fn goes_first(_live: &Self::Live) -> bool {
        false
    }

    /// What a live one holds that no spec asks for, and that goes with it.
    fn holds(_live: &Self::Live) -> Vec<Held> {
        Vec::new()
    }

    /// The values that outputs and `explain` show of a live one, by name. No secrets.
    fn describe(live: &Self::Live) -> Vec<(&'static str, String)>;

    /// Finds all that are ours, in the fewest calls, whether wanted or not.
    ///
    /// # Errors
    /// Any failure makes the kind unreadable in this region: it is never taken for absent.
    fn list(
        cx: &Cx,
        wanted: &[Wanted<'_, Self>],
        seen: &dyn Seen,
    ) -> impl Future<Output = Result<Listed<Self>>> + Send;

    /// One of them again, right before a step touches it. `None` when it is gone.
    ///
    /// # Errors
    /// Whatever the provider says, but for not found.
    fn read(
        cx: &Cx,
        found: &Found<Self>,
    ) -> impl Future<Output = Result<Option<Found<Self>>>> + Send;

    /// Makes it; returns as soon as its ids are known.
    ///
    /// # Errors
    /// [`Class::Ambiguous`] when the answer was lost and the resource may exist.
    fn create(&self, cx: &Cx) -> impl Future<Output = Result<Found<Self>>> + Send;

    /// Waits until it is ready, and says the provider's own status on the way.
    ///
    /// # Errors
    /// When it fails, or is not ready in time.
    fn settle(_cx: &Cx, found: Found<Self>) -> impl Future<Output = Result<Found<Self>>> + Send {
        async { Ok(found) }
    }

    /// Changes in place what `changes` names, and nothing else. Tags come as fields `tags.KEY`.
    ///
    /// # Errors
    /// Whatever the provider says.
    fn update(
        &self,
        cx: &Cx,
        found: &Found<Self>,
        changes: &[Change],
    ) -> impl Future<Output = Result<()>> + Send;

    /// Deletes it, and returns when it is gone. What is gone already is no error.
    ///
    /// # Errors
    /// Whatever the provider says.
    fn delete(cx: &Cx, found: &Found<Self>) -> impl Future<Output = Result<()>> + Send;

    /// Deletes several; one result each, in order. Only called when [`Nature::batch_delete`].
    fn delete_many(
        cx: &Cx,
        found: &[&Found<Self>],
    ) -> impl Future<Output = Vec<Result<()>>> + Send {
        async move {
            let mut results = Vec::new();
            for found in found {
                results.push(Self::delete(cx, found).await);
            }
            results
        }
    }

    /// Reads a resource that is not ours yet, by the id the user names, in order to adopt it. The
    /// owner in the answer is what it will be once its tags say so.
    ///
    /// # Errors
    /// When there is no such resource, or the kind can not be adopted.
    fn find_foreign(
        _cx: &Cx,
        _id: &PhysicalId,
        _owner: &Ownership,
    ) -> impl Future<Output = Result<Option<Found<Self>>>> + Send {
        async { Err(Error::local(format!("a {} can not be adopted", Self::TITLE))) }
    }
}

/// A duration of `seconds`, for the numbers in [`Typical`].
pub fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}

/// What it takes to make `live` what `desired` says; tags left out. Who moved is not known here.
pub fn changes<K: Kind>(desired: &K, live: &K::Live, resolve: &dyn Resolve) -> Vec<Change> {
    let mut diff = Diff::new(resolve);
    desired.diff(live, &mut diff);
    diff.finish().changes
}

pub(crate) use cx::identity_tags;
pub use cx::unique_name;
pub(crate) use diff::show;
pub use diff::{Compared, Extra, Refused};

impl Ownership {
    /// Reads the identity tags of a live resource that carries `deployment`'s tag.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn from_tags(tags: &Tags) -> std::result::Result<Ownership, String> {
        let get = |key: &str| tags.get(key).filter(|value| !value.is_empty());
        let uid = get(TAG_UID).ok_or_else(|| format!("its tag {TAG_UID} is missing"))?;
        let address =
            get(TAG_ADDRESS).ok_or_else(|| format!("its tag {TAG_ADDRESS} is missing"))?;
        let address = Address::parse(address)
            .ok_or_else(|| format!("its tag {TAG_ADDRESS} is {address:?}, which is no address"))?;
        let generation = get(TAG_GENERATION)
            .ok_or_else(|| format!("its tag {TAG_GENERATION} is missing"))?
            .parse()
            .ok()
            .filter(|generation| *generation >= 1)
            .ok_or_else(|| format!("its tag {TAG_GENERATION} is not a number from 1"))?;
        Ok(Ownership { address, generation, uid: Uid::new(uid.as_str()) })
    }
}

impl<K: Kind> Listed<K> {
    /// Adds a live resource that carries our deployment's tag: to ours if its tags are whole, to
    /// the damaged if not. One of another deployment is passed over.
    pub fn add(
        &mut self,
        cx: &Cx,
        id: impl Into<String>,
        tags: Tags,
        status: Status,
        parents: Vec<PhysicalId>,
        live: K::Live,
    ) {
        let id = PhysicalId::new(id);
        match Whose::of(&tags, &cx.deployment) {
            Whose::Ours(owner) => {
                self.ours.push(Found { id, owner, status, parents, tags, live });
            }
            Whose::Damaged(why) => self.damaged.push(Damaged { id, why, mend: None }),
            Whose::Foreign(_) => {}
        }
    }
}

impl<K: Kind> Found<K> {
    /// What a create call made, with the tags that the step put on it.
    ///
    /// # Errors
    /// Outside a step.
    pub fn created(
        cx: &Cx,
        id: impl Into<String>,
        status: Status,
        parents: Vec<PhysicalId>,
        live: K::Live,
    ) -> Result<Found<K>> {
        let step = cx.step()?;
        let tags = cx.tags()?;
        let owner = Ownership::from_tags(&tags).map_err(Error::local)?;
        debug_assert_eq!(owner.address, step.address);
        Ok(Found { id: PhysicalId::new(id), owner, status, parents, tags, live })
    }
}
