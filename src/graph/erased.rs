//! A kind with its types forgotten, so that the engine can hold many at once.

use crate::kind::{
    Change, Clash, Compared, Consent, Cx, Damaged, Diff, Error, Found, Held, Kind, Nature,
    Ownership, Resolve, Result, Scope, Seen, Status, Tags, Typical, Wanted,
};
use crate::name::{Address, PhysicalId};
use crate::value::Facts;
use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

/// A future on the heap.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A live resource that is ours, its type forgotten.
#[derive(Clone)]
pub struct AnyFound {
    /// Its kind's name.
    pub kind: &'static str,
    /// Where its kind lives.
    pub scope: Scope,
    /// The provider's id.
    pub id: PhysicalId,
    /// What its tags say.
    pub owner: Ownership,
    /// How it is doing.
    pub status: Status,
    /// The ids of live resources that can not be deleted while this one exists.
    pub parents: Vec<PhysicalId>,
    /// All its tags.
    pub tags: Tags,
    /// Whose consent its deletion takes.
    pub consent: Consent,
    /// Whose consent its deletion takes where it is a second one that nothing of ours uses.
    pub consent_to_spare: Consent,
    /// Whether it goes before anything else when everything goes.
    pub goes_first: bool,
    /// What it holds that no spec asks for.
    pub holds: Vec<Held>,
    /// What `outputs` and `explain` show of it.
    pub described: Vec<(&'static str, String)>,
    live: Arc<Facts>,
    whole: Arc<dyn Any + Send + Sync>,
}

impl std::fmt::Debug for AnyFound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} at {} ({:?})", self.kind, self.id, self.owner.address, self.status)
    }
}

impl AnyFound {
    /// Forgets the type.
    pub fn new<K: Kind>(found: Found<K>) -> Self {
        AnyFound {
            kind: K::NAME,
            scope: K::NATURE.scope,
            id: found.id.clone(),
            owner: found.owner.clone(),
            status: found.status.clone(),
            parents: found.parents.clone(),
            tags: found.tags.clone(),
            consent: K::consent(&found.live),
            consent_to_spare: K::consent_to_spare(&found.live),
            goes_first: K::goes_first(&found.live),
            holds: K::holds(&found.live),
            described: K::describe(&found.live),
            live: Arc::new(found.live.clone()),
            whole: Arc::new(found),
        }
    }

    /// The kind's `Live`, for outputs.
    pub fn live(&self) -> Arc<Facts> {
        self.live.clone()
    }

    /// The kind's `Live`, borrowed.
    pub fn live_ref(&self) -> &Facts {
        self.live.as_ref()
    }

    /// The type again, if it is this one.
    pub fn downcast<K: Kind>(&self) -> Result<&Found<K>> {
        self.whole
            .downcast_ref()
            .ok_or_else(|| Error::local(format!("a {} was taken for a {}", self.kind, K::NAME)))
    }
}

/// What a list call found, its type forgotten.
#[derive(Debug, Default)]
pub struct AnyListed {
    /// Ours, whether still wanted or not.
    pub ours: Vec<AnyFound>,
    /// Foreign resources with a wanted name.
    pub clashes: Vec<Clash>,
    /// Half ours.
    pub damaged: Vec<Damaged>,
}

/// The desired state of one resource, its type forgotten.
pub trait Node: Any + Send + Sync {
    /// Its kind.
    fn kind(&self) -> &'static dyn AnyKind;
    /// The desired state itself.
    fn any(&self) -> &dyn Any;
    /// [`Kind::summary`].
    fn summary(&self) -> String;
    /// [`Kind::exclusive`].
    fn exclusive(&self) -> Option<String>;
    /// [`Kind::sought_by_name`].
    fn sought_by_name(&self) -> Option<String>;
    /// [`Kind::typical`].
    fn typical(&self) -> Typical;
    /// [`Kind::diff`], finished.
    fn compare(&self, found: &AnyFound, resolve: &dyn Resolve) -> Result<Compared>;
    /// [`Kind::create`].
    fn create<'a>(&'a self, cx: &'a Cx) -> BoxFuture<'a, Result<AnyFound>>;
    /// [`Kind::update`].
    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        found: &'a AnyFound,
        changes: &'a [Change],
    ) -> BoxFuture<'a, Result<()>>;
}

impl<K: Kind> Node for K {
    fn kind(&self) -> &'static dyn AnyKind {
        &Of::<K>(PhantomData)
    }
    fn any(&self) -> &dyn Any {
        self
    }
    fn summary(&self) -> String {
        Kind::summary(self)
    }
    fn exclusive(&self) -> Option<String> {
        Kind::exclusive(self)
    }
    fn sought_by_name(&self) -> Option<String> {
        Kind::sought_by_name(self)
    }
    fn typical(&self) -> Typical {
        Kind::typical(self)
    }
    fn compare(&self, found: &AnyFound, resolve: &dyn Resolve) -> Result<Compared> {
        let mut diff = Diff::new(resolve);
        Kind::diff(self, &found.downcast::<K>()?.live, &mut diff);
        Ok(diff.finish())
    }
    fn create<'a>(&'a self, cx: &'a Cx) -> BoxFuture<'a, Result<AnyFound>> {
        Box::pin(async move { Ok(AnyFound::new(Kind::create(self, cx).await?)) })
    }
    fn update<'a>(
        &'a self,
        cx: &'a Cx,
        found: &'a AnyFound,
        changes: &'a [Change],
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { Kind::update(self, cx, found.downcast::<K>()?, changes).await })
    }
}

/// What the engine can do with a kind before it has a desired resource of it.
pub trait AnyKind: Send + Sync {
    /// [`Kind::NAME`].
    fn name(&self) -> &'static str;
    /// [`Kind::TITLE`].
    fn title(&self) -> &'static str;
    /// [`Kind::NATURE`].
    fn nature(&self) -> &'static Nature;
    /// [`Kind::list`]; `wanted` is narrowed to this kind.
    fn list<'a>(
        &'a self,
        cx: &'a Cx,
        wanted: &'a [(&'a Address, &'a dyn Node)],
        seen: &'a dyn Seen,
    ) -> BoxFuture<'a, Result<AnyListed>>;
    /// [`Kind::read`].
    fn read<'a>(
        &'a self,
        cx: &'a Cx,
        found: &'a AnyFound,
    ) -> BoxFuture<'a, Result<Option<AnyFound>>>;
    /// [`Kind::settle`].
    fn settle<'a>(&'a self, cx: &'a Cx, found: AnyFound) -> BoxFuture<'a, Result<AnyFound>>;
    /// [`Kind::delete`].
    fn delete<'a>(&'a self, cx: &'a Cx, found: &'a AnyFound) -> BoxFuture<'a, Result<()>>;
    /// [`Kind::delete_many`].
    fn delete_many<'a>(
        &'a self,
        cx: &'a Cx,
        found: &'a [AnyFound],
    ) -> BoxFuture<'a, Vec<Result<()>>>;
    /// [`Kind::find_foreign`].
    fn find_foreign<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a PhysicalId,
        owner: &'a Ownership,
    ) -> BoxFuture<'a, Result<Option<AnyFound>>>;
}

/// A kind as a value, for the registry.
pub struct Of<K>(PhantomData<fn() -> K>);

impl<K> Of<K> {
    /// The only one.
    pub const KIND: Self = Of(PhantomData);
}

impl<K: Kind> AnyKind for Of<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }
    fn title(&self) -> &'static str {
        K::TITLE
    }
    fn nature(&self) -> &'static Nature {
        &K::NATURE
    }
    fn list<'a>(
        &'a self,
        cx: &'a Cx,
        wanted: &'a [(&'a Address, &'a dyn Node)],
        seen: &'a dyn Seen,
    ) -> BoxFuture<'a, Result<AnyListed>> {
        Box::pin(async move {
            let wanted: Vec<Wanted<'_, K>> = wanted
                .iter()
                .filter_map(|(address, node)| {
                    Some(Wanted { address, desired: node.any().downcast_ref::<K>()? })
                })
                .collect();
            let listed = K::list(cx, &wanted, seen).await?;
            Ok(AnyListed {
                ours: listed.ours.into_iter().map(AnyFound::new).collect(),
                clashes: listed.clashes,
                damaged: listed.damaged,
            })
        })
    }
    fn read<'a>(
        &'a self,
        cx: &'a Cx,
        found: &'a AnyFound,
    ) -> BoxFuture<'a, Result<Option<AnyFound>>> {
        Box::pin(async move { Ok(K::read(cx, found.downcast::<K>()?).await?.map(AnyFound::new)) })
    }
    fn settle<'a>(&'a self, cx: &'a Cx, found: AnyFound) -> BoxFuture<'a, Result<AnyFound>> {
        Box::pin(async move {
            let found = found.downcast::<K>()?.clone();
            Ok(AnyFound::new(K::settle(cx, found).await?))
        })
    }
    fn delete<'a>(&'a self, cx: &'a Cx, found: &'a AnyFound) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { K::delete(cx, found.downcast::<K>()?).await })
    }
    fn delete_many<'a>(
        &'a self,
        cx: &'a Cx,
        found: &'a [AnyFound],
    ) -> BoxFuture<'a, Vec<Result<()>>> {
        Box::pin(async move {
            let typed: Result<Vec<&Found<K>>> = found.iter().map(AnyFound::downcast::<K>).collect();
            match typed {
                Ok(typed) => K::delete_many(cx, &typed).await,
                Err(error) => found.iter().map(|_| Err(error.clone())).collect(),
            }
        })
    }
    fn find_foreign<'a>(
        &'a self,
        cx: &'a Cx,
        id: &'a PhysicalId,
        owner: &'a Ownership,
    ) -> BoxFuture<'a, Result<Option<AnyFound>>> {
        Box::pin(async move { Ok(K::find_foreign(cx, id, owner).await?.map(AnyFound::new)) })
    }
}
