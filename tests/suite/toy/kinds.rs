//! The toy kinds.

use super::calls::{self, Live, Toy};
use super::world::Wish;
use coderctl::graph::{AnyKind, Handle, Of};
use coderctl::kind::{
    Change, CreateIs, Cx, Diff, Found, Kind, Listed, Nature, ReplaceOrder, Result, Seen, Typical,
    Wanted,
};
use coderctl::value::{Id, In};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Every toy kind, in the order in which they must exist.
pub(crate) const KINDS: &[&dyn AnyKind] = &[
    &Of::<Crate>::KIND,
    &Of::<Part>::KIND,
    &Of::<Tower>::KIND,
    &Of::<Link>::KIND,
    &Of::<Bead>::KIND,
    &Of::<Job>::KIND,
    &Of::<Note>::KIND,
];

macro_rules! calls {
    () => {
        type Live = Live;
        fn describe(live: &Live) -> Vec<(&'static str, String)> {
            vec![("id", live.id.to_string())]
        }
        async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
            calls::list(cx, wanted).await
        }
        async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
            calls::read(cx, found).await
        }
        async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
            calls::create(self, cx).await
        }
        async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
            calls::settle(cx, found).await
        }
        async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
            calls::update(self, cx, found, changes).await
        }
        async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
            calls::delete(cx, &[found]).await.remove(0)
        }
        async fn delete_many(cx: &Cx, found: &[&Found<Self>]) -> Vec<Result<()>> {
            calls::delete(cx, found).await
        }
    };
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> BTreeMap<String, Value> {
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

const fn typical(create: u32, update: u32, delete: u32) -> Typical {
    Typical { create, update, delete }
}

/// The id of what a handle names, for what lives inside it.
pub(crate) fn id<K: Kind<Live = Live>>(handle: Handle<K>) -> In<Id<K>> {
    handle.output("id", |live| Some(Id::new(live.id.as_str())))
}

fn physical<K>(id: &Id<K>) -> coderctl::name::PhysicalId {
    coderctl::name::PhysicalId::new(id.as_str())
}

/// Holds data; others live inside it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Crate {
    /// Fixed.
    pub(crate) size: u64,
    pub(crate) label: String,
}

impl Toy for Crate {
    fn wish(&self, _: &Cx) -> Result<Wish> {
        let fields = fields([("size", self.size.into()), ("label", self.label.as_str().into())]);
        Ok(Wish { fields, ..Wish::default() })
    }
}

impl Kind for Crate {
    const NAME: &'static str = "toy.crate";
    const TITLE: &'static str = "crate";
    const NATURE: Nature = Nature { holds_data: true, typical: typical(10, 1, 5), ..Nature::PLAIN };
    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { size, label } = self;
        diff.replaces("size", size, &live.number("size"));
        diff.in_place("label", label, &live.text("label"));
    }
    calls!();
}

/// Lives inside a crate.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Part {
    pub(crate) parent: In<Id<Crate>>,
    /// Fixed.
    pub(crate) cut: String,
    pub(crate) label: String,
}

impl Toy for Part {
    fn wish(&self, cx: &Cx) -> Result<Wish> {
        let parent = cx.get(&self.parent)?;
        Ok(Wish {
            name: None,
            parents: BTreeSet::from([physical(&parent)]),
            fields: fields([
                ("parent", parent.as_str().into()),
                ("cut", self.cut.as_str().into()),
                ("label", self.label.as_str().into()),
            ]),
        })
    }
}

impl Kind for Part {
    const NAME: &'static str = "toy.part";
    const TITLE: &'static str = "part";
    const NATURE: Nature = Nature { wave: 1, typical: typical(5, 1, 3), ..Nature::PLAIN };
    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { parent, cut, label } = self;
        diff.parent("parent", parent, &live.id("parent"));
        diff.replaces("cut", cut, &live.text("cut"));
        diff.in_place("label", label, &live.text("label"));
    }
    calls!();
}

/// Takes long to come up and to go, under a name that never changes; tells its address only once
/// it is up.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tower {
    pub(crate) name: String,
    pub(crate) ground: In<Id<Crate>>,
    /// Fixed.
    pub(crate) height: u64,
}

impl Tower {
    /// What only a tower that is up can tell.
    pub(crate) fn endpoint(handle: Handle<Tower>) -> In<String> {
        handle.output("endpoint", |live| live.is_ready.then(|| live.id.to_string())).ready()
    }
}

impl Toy for Tower {
    fn base_name(&self) -> Option<String> {
        Some(self.name.clone())
    }
    fn wish(&self, cx: &Cx) -> Result<Wish> {
        let ground = cx.get(&self.ground)?;
        Ok(Wish {
            name: Some(self.name.clone()),
            parents: BTreeSet::from([physical(&ground)]),
            fields: fields([("ground", ground.as_str().into()), ("height", self.height.into())]),
        })
    }
}

impl Kind for Tower {
    const NAME: &'static str = "toy.tower";
    const TITLE: &'static str = "tower";
    const NATURE: Nature = Nature {
        wave: 1,
        create_is: CreateIs::Named,
        typical: typical(600, 60, 300),
        ..Nature::PLAIN
    };
    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { name: _, ground, height } = self;
        diff.parent("ground", ground, &live.id("ground"));
        diff.replaces("height", height, &live.number("height"));
    }
    calls!();
}

/// Refers to parts; its successor is made before it goes, under another name.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) parts: Vec<In<Id<Part>>>,
    /// Whether its parts can not go while it refers to them.
    pub(crate) holds: bool,
    /// Fixed.
    pub(crate) flavor: String,
}

impl Toy for Link {
    fn base_name(&self) -> Option<String> {
        Some(self.name.clone())
    }
    fn wish(&self, cx: &Cx) -> Result<Wish> {
        let parts: BTreeSet<Id<Part>> = cx.get_all(&self.parts)?.into_iter().collect();
        let parents =
            if self.holds { parts.iter().map(physical).collect() } else { BTreeSet::new() };
        Ok(Wish {
            name: Some(cx.unique_name(&self.name)?),
            parents,
            fields: fields([
                ("parts", parts.iter().map(Id::as_str).collect()),
                ("flavor", self.flavor.as_str().into()),
            ]),
        })
    }
}

impl Kind for Link {
    const NAME: &'static str = "toy.link";
    const TITLE: &'static str = "link";
    const NATURE: Nature = Nature {
        wave: 2,
        replace: ReplaceOrder::CreateFirst,
        create_is: CreateIs::Named,
        typical: typical(30, 1, 2),
        ..Nature::PLAIN
    };
    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { name: _, parts, holds: _, flavor } = self;
        let have: BTreeSet<Id<Part>> = live
            .fields
            .get("parts")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(Id::new)
            .collect();
        diff.set("parts", parts, &have);
        diff.replaces("flavor", flavor, &live.text("flavor"));
    }
    calls!();
}

/// Small; many go with one call.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Bead {
    pub(crate) parent: In<Id<Crate>>,
}

impl Toy for Bead {
    fn wish(&self, cx: &Cx) -> Result<Wish> {
        let parent = cx.get(&self.parent)?;
        Ok(Wish {
            name: None,
            parents: BTreeSet::from([physical(&parent)]),
            fields: fields([("parent", parent.as_str().into())]),
        })
    }
}

impl Kind for Bead {
    const NAME: &'static str = "toy.bead";
    const TITLE: &'static str = "bead";
    const NATURE: Nature =
        Nature { wave: 1, batch_delete: true, typical: typical(1, 1, 1), ..Nature::PLAIN };
    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { parent } = self;
        diff.parent("parent", parent, &live.id("parent"));
    }
    calls!();
}

/// One at a time in its queue.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Job {
    pub(crate) queue: String,
    pub(crate) work: String,
}

impl Toy for Job {
    fn wish(&self, _: &Cx) -> Result<Wish> {
        let fields =
            fields([("queue", self.queue.as_str().into()), ("work", self.work.as_str().into())]);
        Ok(Wish { fields, ..Wish::default() })
    }
}

impl Kind for Job {
    const NAME: &'static str = "toy.job";
    const TITLE: &'static str = "job";
    const NATURE: Nature = Nature { typical: typical(3, 3, 1), ..Nature::PLAIN };
    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { queue, work } = self;
        diff.replaces("queue", queue, &live.text("queue"));
        diff.in_place("work", work, &live.text("work"));
    }
    fn exclusive(&self) -> Option<String> {
        Some(format!("queue {}", self.queue))
    }
    calls!();
}

/// A page under a fixed name, on which others may write lines, about a tower.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Note {
    pub(crate) name: String,
    pub(crate) about: In<String>,
    pub(crate) lines: BTreeMap<String, String>,
}

impl Toy for Note {
    fn base_name(&self) -> Option<String> {
        Some(self.name.clone())
    }
    fn wish(&self, cx: &Cx) -> Result<Wish> {
        let mut fields = fields([("about", cx.get(&self.about)?.into())]);
        fields.extend(
            self.lines.iter().map(|(key, line)| (format!("lines.{key}"), line.as_str().into())),
        );
        Ok(Wish { name: Some(self.name.clone()), fields, parents: BTreeSet::new() })
    }
}

impl Kind for Note {
    const NAME: &'static str = "toy.note";
    const TITLE: &'static str = "note";
    const NATURE: Nature = Nature { wave: 2, create_is: CreateIs::Named, ..Nature::PLAIN };
    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { name: _, about, lines } = self;
        diff.input("about", about, &live.text("about"));
        let want = lines
            .iter()
            .map(|(key, line)| (key.clone(), coderctl::value::Known::Yes(line.clone())))
            .collect();
        diff.ours_only("lines", &want, &live.entries("lines"));
    }
    calls!();
}
