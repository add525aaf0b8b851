//! What a kind is given to work with.

use super::{Class, Error, Result, TAG_ADDRESS, TAG_DEPLOYMENT, TAG_GENERATION, TAG_UID, Tags};
use crate::clock::Clock;
use crate::name::{AccountId, Address, DeploymentName, Partition, Region, Uid};
use crate::secret::Masks;
use crate::value::{Facts, In, NodeId, Text};
use std::any::{Any, TypeId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// Which deployment all this is about.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Its name.
    pub name: DeploymentName,
    /// Its uid; made by the first apply, `None` before.
    pub uid: Option<Uid>,
    /// The account it lives in.
    pub account: AccountId,
    /// Where its lock and record live.
    pub home_region: Region,
    /// The partition of all its regions.
    pub partition: Partition,
    /// `owner` and the user's tags, put on everything that carries tags.
    pub tags: Tags,
}

/// A provider's client, built on first use from the type that a kind names.
pub trait Api: Send + Sync + Sized + 'static {
    /// Connects for the region of `cx`, from what [`Cx::connector`] gives.
    ///
    /// # Errors
    /// When what it needs was not given (a cluster, say).
    fn connect(cx: &Cx) -> Result<Self>;
}

/// What clients are built from, by type: AWS's factory, a cluster's endpoint.
#[derive(Clone, Default)]
pub struct Connectors(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl Connectors {
    /// Adds a connector.
    #[must_use]
    pub fn with<C: Send + Sync + 'static>(mut self, connector: C) -> Self {
        self.0.insert(TypeId::of::<C>(), Arc::new(connector));
        self
    }
}

impl fmt::Debug for Connectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} connectors", self.0.len())
    }
}

/// How far the user's interruption has gone.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<(AtomicU8, tokio::sync::Notify)>);

impl Cancel {
    /// Asks to start nothing more and to abandon waits.
    pub fn cancel(&self) {
        self.0.0.fetch_max(1, Ordering::SeqCst);
        self.0.1.notify_waiters();
    }

    /// Whether that was asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.0.load(Ordering::SeqCst) > 0
    }

    /// Returns once that is asked.
    pub async fn cancelled(&self) {
        loop {
            let notified = self.0.1.notified();
            tokio::pin!(notified);
            // Registered before the look, so that a call in between is not missed.
            notified.as_mut().enable();
            if self.is_cancelled() {
                return;
            }
            notified.await;
        }
    }
}

/// Where a step says what it is waiting for.
pub type Progress = Arc<dyn Fn(&str) + Send + Sync>;

/// What is known about the step that a kind is working for.
#[derive(Clone)]
pub struct StepCx {
    /// Whose step it is.
    pub address: Address,
    /// The generation of what it makes, from 1.
    pub generation: u32,
    /// The client token for creates that take one: made once per step, recorded with its intent,
    /// and reused by every retry.
    pub token: String,
    /// Where the provider's own status goes while waiting.
    pub progress: Progress,
}

impl fmt::Debug for StepCx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step of {} (generation {})", self.address, self.generation)
    }
}

/// The live values of nodes, as they become known.
#[derive(Clone, Default)]
pub struct Outputs(Arc<RwLock<HashMap<NodeId, Arc<Facts>>>>);

impl Outputs {
    /// From now on, the node's outputs are read from `facts`.
    pub fn set(&self, node: NodeId, facts: Arc<Facts>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(node, facts);
    }

    /// The node's live value.
    pub fn get(&self, node: NodeId) -> Option<Arc<Facts>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&node).cloned()
    }
}

impl fmt::Debug for Outputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outputs")
    }
}

type Apis = Mutex<HashMap<(TypeId, Region), Arc<dyn Any + Send + Sync>>>;

/// What a kind is given to work with. Knows regions and the deployment, but no provider.
#[derive(Clone, Debug)]
pub struct Cx {
    /// Which deployment.
    pub deployment: Arc<Deployment>,
    /// The region at hand; the home region for what has none.
    pub region: Region,
    /// The one clock.
    pub clock: Clock,
    /// Secrets to keep out of texts.
    pub masks: Masks,
    /// Whether to stop.
    pub cancel: Cancel,
    /// The live values of nodes.
    pub outputs: Outputs,
    connectors: Connectors,
    apis: Arc<Apis>,
    step: Option<Arc<StepCx>>,
    fence: Option<Fence>,
    remembered: Arc<BTreeMap<String, BTreeSet<String>>>,
    begun: Arc<BTreeSet<String>>,
}

/// Asked before every call that changes something: an error means that the lock is not surely
/// ours for as long as the call may take.
#[derive(Clone)]
pub struct Fence(Arc<dyn Fn() -> Result<()> + Send + Sync>);

impl Fence {
    /// A fence that asks `check`.
    pub fn new(check: impl Fn() -> Result<()> + Send + Sync + 'static) -> Self {
        Fence(Arc::new(check))
    }
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fence")
    }
}

impl Cx {
    /// A context for the home region, outside any step.
    pub fn new(deployment: Deployment, clock: Clock, connectors: Connectors) -> Self {
        Cx {
            region: deployment.home_region.clone(),
            deployment: Arc::new(deployment),
            clock,
            masks: Masks::default(),
            cancel: Cancel::default(),
            outputs: Outputs::default(),
            connectors,
            apis: Arc::default(),
            step: None,
            fence: None,
            remembered: Arc::default(),
            begun: Arc::default(),
        }
    }

    /// The same, for another deployment value: after the first apply has made the uid.
    #[must_use]
    pub fn with_deployment(&self, deployment: Deployment) -> Self {
        Cx { deployment: Arc::new(deployment), ..self.clone() }
    }

    /// The same, with these secrets kept out of texts.
    #[must_use]
    pub fn with_masks(&self, masks: Masks) -> Self {
        Cx { masks, ..self.clone() }
    }

    /// The same, asking `fence` before every call that changes something.
    #[must_use]
    pub fn behind(&self, fence: Fence) -> Self {
        Cx { fence: Some(fence), ..self.clone() }
    }

    /// The same, but neither interruption nor the lock stops it: for the lock and record itself,
    /// which have to be written when everything else has stopped.
    #[must_use]
    pub fn unstoppable(&self) -> Self {
        Cx { fence: None, cancel: Cancel::default(), ..self.clone() }
    }

    /// To be asked before every call that changes something.
    ///
    /// # Errors
    /// [`Class::Interrupted`] when the lock is not surely ours for as long as the call may take,
    /// or the user has interrupted.
    pub fn check_fence(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::of(Class::Interrupted, "nothing more is started"));
        }
        self.fence.as_ref().map_or(Ok(()), |fence| fence.0())
    }

    /// The same, remembering these names by kind: those that resources had when they were last
    /// applied.
    #[must_use]
    pub fn remembering(&self, names: BTreeMap<String, BTreeSet<String>>) -> Self {
        Cx { remembered: Arc::new(names), ..self.clone() }
    }

    /// The same, knowing of which kinds the names that are remembered may not be all.
    #[must_use]
    pub fn with_begun(&self, kinds: BTreeSet<String>) -> Self {
        Cx { begun: Arc::new(kinds), ..self.clone() }
    }

    /// Whether there can be none of a kind but those that are wanted or remembered. For a kind that
    /// is recorded before it is made ([`crate::kind::Kind::sought_by_name`]) that is so as long as
    /// there is a record of some, and every create that was begun was ended. Looking for others by
    /// a list of all that the account has is only needed where this, or one of those, is missing.
    pub fn remembers_all(&self, kind: &str) -> bool {
        self.remembered(kind).next().is_some() && !self.begun.contains(kind)
    }

    /// The names that resources of a kind had when they were last applied: where names are ids and
    /// there is no filter by tag, they are how what is not wanted any more is found. Whose a
    /// resource is, its tags alone say.
    pub fn remembered(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.remembered.get(kind).into_iter().flatten().map(String::as_str)
    }

    /// The same, with one more connector.
    #[must_use]
    pub fn with<C: Send + Sync + 'static>(&self, connector: C) -> Self {
        Cx { connectors: self.connectors.clone().with(connector), ..self.clone() }
    }

    /// The same, in another region.
    #[must_use]
    pub fn in_region(&self, region: &Region) -> Self {
        Cx { region: region.clone(), ..self.clone() }
    }

    /// The same, within a step.
    #[must_use]
    pub fn in_step(&self, step: StepCx) -> Self {
        Cx { step: Some(Arc::new(step)), ..self.clone() }
    }

    /// The client of type `A` for this region; built on first use.
    ///
    /// # Errors
    /// When it can not be built.
    pub fn api<A: Api>(&self) -> Result<Arc<A>> {
        let key = (TypeId::of::<A>(), self.region.clone());
        let known = self.apis.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known.and_then(|known| known.downcast::<A>().ok()) {
            return Ok(known);
        }
        let api = Arc::new(A::connect(self)?);
        self.apis.lock().unwrap_or_else(PoisonError::into_inner).insert(key, api.clone());
        Ok(api)
    }

    /// What clients of one provider are built from.
    pub fn connector<C: Send + Sync + 'static>(&self) -> Option<Arc<C>> {
        self.connectors.0.get(&TypeId::of::<C>())?.clone().downcast::<C>().ok()
    }

    /// The value of an input, at apply time.
    ///
    /// # Errors
    /// When the node it comes from has not told it: an edge is missing.
    pub fn get<T: Clone>(&self, input: &In<T>) -> Result<T> {
        match input {
            In::Literal(value) => Ok(value.clone()),
            In::Output(output) => self
                .outputs
                .get(output.node)
                .and_then(|facts| (output.read)(facts.as_ref()))
                .ok_or_else(|| {
                    Error::local(format!("the {} it needs is not known yet", output.name))
                }),
        }
    }

    /// The values of several inputs.
    ///
    /// # Errors
    /// As [`Cx::get`].
    pub fn get_all<T: Clone>(&self, inputs: &[In<T>]) -> Result<Vec<T>> {
        inputs.iter().map(|input| self.get(input)).collect()
    }

    /// A text with its holes filled.
    ///
    /// # Errors
    /// As [`Cx::get`].
    pub fn text(&self, text: &Text) -> Result<String> {
        Ok(self.get_all(text.pieces())?.concat())
    }

    /// The step at hand.
    ///
    /// # Errors
    /// Outside a step: creates and updates happen nowhere else.
    pub fn step(&self) -> Result<&StepCx> {
        self.step.as_deref().ok_or_else(|| Error::local("a resource can change only in a step"))
    }

    /// All tags of what the step makes: identity, owner, the user's.
    ///
    /// # Errors
    /// Outside a step, or before the deployment has its uid.
    pub fn tags(&self) -> Result<Tags> {
        let step = self.step()?;
        identity_tags(&self.deployment, &step.address, step.generation)
            .ok_or_else(|| Error::local("the deployment has no uid yet"))
    }

    /// `base`, with the generation behind it from the second on: a name for what must not share
    /// its name with the one that it replaces.
    ///
    /// # Errors
    /// Outside a step.
    pub fn unique_name(&self, base: &str) -> Result<String> {
        Ok(unique_name(base, self.step()?.generation))
    }

    /// Says what the step is waiting for, in the provider's own word.
    pub fn progress(&self, status: &str) {
        if let Some(step) = &self.step {
            (step.progress)(status);
        }
    }

    /// Waits, but not longer than until the user interrupts.
    ///
    /// # Errors
    /// [`Class::Interrupted`].
    pub async fn pause(&self, duration: Duration) -> Result<()> {
        let interrupted = || Error::of(Class::Interrupted, "the wait was abandoned");
        if self.cancel.is_cancelled() {
            return Err(interrupted());
        }
        tokio::select! {
            () = self.clock.sleep(duration) => Ok(()),
            () = self.cancel.cancelled() => Err(interrupted()),
        }
    }
}

/// `base`, with the generation behind it from the second on.
pub fn unique_name(base: &str, generation: u32) -> String {
    if generation <= 1 { base.to_owned() } else { format!("{base}-{generation}") }
}

/// The tags that a resource of `deployment` at `address` carries; `None` before there is a uid.
pub(crate) fn identity_tags(
    deployment: &Deployment,
    address: &Address,
    generation: u32,
) -> Option<Tags> {
    let mut tags = deployment.tags.clone();
    // What consoles and bills show. A user's own `Name` wins.
    tags.entry("Name".to_owned())
        .or_insert_with(|| format!("{}-{}", deployment.name, address.rest().replace('/', "-")));
    tags.insert(TAG_DEPLOYMENT.to_owned(), deployment.name.to_string());
    tags.insert(TAG_UID.to_owned(), deployment.uid.as_ref()?.to_string());
    tags.insert(TAG_ADDRESS.to_owned(), address.to_string());
    tags.insert(TAG_GENERATION.to_owned(), generation.to_string());
    Some(tags)
}
