//! A provider in memory: objects that take their time, refuse to go while something is in them,
//! show late in lists, and answers that get lost.

use coderctl::clock::Clock;
use coderctl::kind::{Class, Cx, Error, Result, Tags};
use coderctl::name::PhysicalId;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

/// The fields of an object.
pub(crate) type Fields = BTreeMap<String, Value>;

/// Something that the provider keeps.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object {
    pub(crate) id: PhysicalId,
    pub(crate) class: &'static str,
    pub(crate) name: Option<String>,
    pub(crate) fields: Fields,
    pub(crate) tags: Tags,
    /// What can not go while this is here.
    pub(crate) parents: BTreeSet<PhysicalId>,
    pub(crate) failed: Option<String>,
    made_at: u64,
    ready_at: u64,
    gone_at: Option<u64>,
    /// What reads still show until then.
    before: Option<(u64, Fields, Tags)>,
}

impl Object {
    /// How it is doing at `now`.
    pub(crate) fn is_ready(&self, now: u64) -> bool {
        now >= self.ready_at
    }
    pub(crate) fn is_leaving(&self) -> bool {
        self.gone_at.is_some()
    }
}

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is done, and the answer says so.
    Fails(Class),
    /// It is done, and the answer is lost.
    LostAfter,
    /// It is not done, and no answer comes.
    LostBefore,
    /// The program dies before the call arrives.
    DiesBefore,
    /// The program dies after the call was carried out.
    DiesAfter,
    /// No answer ever comes, and nothing is done.
    Hangs,
}

/// A call that changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) at: u64,
    pub(crate) what: String,
}

/// What is asked for in a create call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) name: Option<String>,
    pub(crate) fields: Fields,
    pub(crate) parents: BTreeSet<PhysicalId>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) objects: BTreeMap<PhysicalId, Object>,
    /// Gone, but lists and reads still show them until then.
    ghosts: Vec<(u64, Object)>,
    /// How long reads lag behind writes, seconds.
    pub(crate) lag: u64,
    /// What goes wrong at which call that changes something, counted from 1.
    pub(crate) faults: BTreeMap<usize, Fault>,
    pub(crate) calls: Vec<Call>,
    /// Classes whose lists are denied.
    pub(crate) unreadable: BTreeSet<&'static str>,
    next: u32,
}

/// The provider. Cheap to copy: all copies are one.
#[derive(Clone)]
pub(crate) struct World {
    clock: Clock,
    state: Arc<Mutex<State>>,
    died: Arc<tokio::sync::watch::Sender<bool>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let epoch = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        World {
            clock: Clock::starting_at(epoch, 1),
            state: Arc::default(),
            died: Arc::new(tokio::sync::watch::channel(false).0),
        }
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// The state, swept of what has gone by now.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        let now = self.clock.unix();
        let mut state = self.state.lock().unwrap();
        let lag = state.lag;
        let gone: Vec<Object> = state
            .objects
            .values()
            .filter(|object| object.gone_at.is_some_and(|at| at <= now))
            .cloned()
            .collect();
        for object in gone {
            state.objects.remove(&object.id);
            let until = object.gone_at.unwrap_or(now) + lag;
            state.ghosts.push((until, object));
        }
        state.ghosts.retain(|(until, _)| *until > now);
        for object in state.objects.values_mut() {
            if object.before.as_ref().is_some_and(|(until, ..)| *until <= now) {
                object.before = None;
            }
        }
        state
    }

    /// Puts an object there from behind everyone's back.
    pub(crate) fn put(&self, class: &'static str, wish: Wish, tags: Tags) -> PhysicalId {
        let now = self.clock.unix();
        self.state().make(class, wish, tags, now.saturating_sub(3600), 0)
    }

    /// Changes an object from behind everyone's back.
    pub(crate) fn edit(&self, id: &PhysicalId, change: impl FnOnce(&mut Object)) {
        change(self.state().objects.get_mut(id).unwrap());
    }

    /// Removes an object from behind everyone's back.
    pub(crate) fn vanish(&self, id: &PhysicalId) {
        self.state().objects.remove(id).unwrap();
    }

    /// All there is, by class and what tells them apart, without ids: two worlds that say the
    /// same are the same to a user.
    pub(crate) fn shape(&self) -> Vec<String> {
        let state = self.state();
        let mut shape: Vec<String> = state
            .objects
            .values()
            .map(|o| {
                let at = o.tags.get(coderctl::kind::TAG_ADDRESS);
                let fields: Vec<String> = o
                    .fields
                    .iter()
                    .map(|(key, value)| format!("{key}={}", state.unaliased(value)))
                    .collect();
                format!("{} {} {}", o.class, at.map_or("-", String::as_str), fields.join(" "))
            })
            .collect();
        shape.sort();
        shape
    }

    /// Ends the world's part of a crash: the next run lives.
    pub(crate) fn revive(&self) {
        self.died.send_replace(false);
        self.state().faults.clear();
    }

    /// Returns when the program has died.
    pub(crate) async fn died(&self) {
        let mut died = self.died.subscribe();
        died.wait_for(|died| *died).await.unwrap();
    }

    /// A call that changes something: passes the fence, takes a second, and may go wrong.
    async fn change<T>(
        &self,
        cx: &Cx,
        what: String,
        act: impl FnOnce(&mut State, u64) -> Result<T>,
    ) -> Result<T> {
        cx.check_fence()?;
        let fault = {
            let mut state = self.state();
            let at = self.clock.unix();
            state.calls.push(Call { at, what: what.clone() });
            let nth = state.calls.len();
            state.faults.remove(&nth)
        };
        match fault {
            Some(Fault::Fails(class)) => {
                return Err(refused(class, &what, "the test says so"));
            }
            Some(Fault::LostBefore) => return Err(refused(Class::Ambiguous, &what, "no answer")),
            Some(Fault::DiesBefore) => return self.die().await,
            Some(Fault::Hangs) => return std::future::pending().await,
            _ => {}
        }
        self.clock.sleep(Duration::from_secs(1)).await;
        let now = self.clock.unix();
        let answer = act(&mut self.state(), now);
        match fault {
            Some(Fault::LostAfter) => Err(refused(Class::Ambiguous, &what, "no answer")),
            Some(Fault::DiesAfter) => self.die().await,
            _ => answer,
        }
    }

    async fn die<T>(&self) -> Result<T> {
        self.died.send_replace(true);
        std::future::pending().await
    }

    pub(crate) async fn create(
        &self,
        cx: &Cx,
        class: &'static str,
        wish: Wish,
        ready_after: u32,
    ) -> Result<Object> {
        let tags = cx.tags()?;
        let what = format!("create {} {}", class, cx.step()?.address);
        let context = what.clone();
        self.change(cx, what, move |state, now| {
            for parent in &wish.parents {
                if state.objects.get(parent).is_none_or(Object::is_leaving) {
                    return Err(refused(Class::Refused, &context, &format!("no {parent}")));
                }
            }
            let taken = |object: &Object| object.class == class && object.name == wish.name;
            if wish.name.is_some() && state.objects.values().any(taken) {
                return Err(refused(Class::Exists, &context, "the name is taken"));
            }
            let id = state.make(class, wish, tags, now, u64::from(ready_after));
            Ok(state.objects[&id].clone())
        })
        .await
    }

    pub(crate) async fn update(
        &self,
        cx: &Cx,
        id: &PhysicalId,
        change: impl FnOnce(&mut Object),
    ) -> Result<()> {
        let what = format!("update {id}");
        self.change(cx, what.clone(), move |state, now| {
            let lag = state.lag;
            let object = state
                .objects
                .get_mut(id)
                .filter(|object| !object.is_leaving())
                .ok_or_else(|| refused(Class::NotFound, &what, "there is no such object"))?;
            if lag > 0 && object.before.is_none() {
                object.before = Some((now + lag, object.fields.clone(), object.tags.clone()));
            }
            change(object);
            Ok(())
        })
        .await
    }

    /// Deletes several with one call; one result each.
    pub(crate) async fn delete(
        &self,
        cx: &Cx,
        ids: &[&PhysicalId],
        takes: u32,
    ) -> Result<Vec<Result<()>>> {
        let list: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
        let what = format!("delete {}", list.join(" "));
        self.change(cx, what.clone(), move |state, now| {
            Ok(ids.iter().map(|id| state.delete(id, &what, now + u64::from(takes))).collect())
        })
        .await
    }

    /// What reads show of a class.
    pub(crate) fn list(&self, class: &'static str) -> Result<Vec<Object>> {
        let now = self.clock.unix();
        let state = self.state();
        if state.unreadable.contains(class) {
            return Err(refused(Class::Denied, &format!("list {class}"), "not allowed"));
        }
        Ok(state.shown(now).filter(|object| object.class == class).collect())
    }

    /// What reads show of one object.
    pub(crate) fn read(&self, id: &PhysicalId) -> Option<Object> {
        let now = self.clock.unix();
        self.state().shown(now).find(|object| object.id == *id)
    }
}

impl State {
    fn make(
        &mut self,
        class: &'static str,
        wish: Wish,
        tags: Tags,
        now: u64,
        ready_after: u64,
    ) -> PhysicalId {
        self.next += 1;
        let id = PhysicalId::new(format!("{}-{:03}", class.trim_start_matches("toy."), self.next));
        let Wish { name, fields, parents } = wish;
        let object = Object {
            id: id.clone(),
            class,
            name,
            fields,
            tags,
            parents,
            failed: None,
            made_at: now,
            ready_at: now + ready_after,
            gone_at: None,
            before: None,
        };
        self.objects.insert(id.clone(), object);
        id
    }

    fn delete(&mut self, id: &PhysicalId, what: &str, gone_at: u64) -> Result<()> {
        let inside = self.objects.values().find(|object| object.parents.contains(id));
        if let Some(inside) = inside {
            let why = format!("{} is still in it", inside.id);
            return Err(refused(Class::InUse, what, &why));
        }
        let object = self
            .objects
            .get_mut(id)
            .ok_or_else(|| refused(Class::NotFound, what, "there is no such object"))?;
        object.gone_at.get_or_insert(gone_at);
        Ok(())
    }

    fn shown(&self, now: u64) -> impl Iterator<Item = Object> {
        let lag = self.lag;
        let ghosts = self.ghosts.iter().map(|(_, ghost)| Object { gone_at: None, ..ghost.clone() });
        self.objects
            .values()
            .filter(move |object| object.made_at + lag <= now)
            .map(|object| match &object.before {
                Some((_, fields, tags)) => {
                    Object { fields: fields.clone(), tags: tags.clone(), ..object.clone() }
                }
                None => object.clone(),
            })
            .chain(ghosts)
    }

    /// A value with the addresses of what it names instead of their ids.
    fn unaliased(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self
                .objects
                .get(&PhysicalId::new(text.as_str()))
                .and_then(|object| object.tags.get(coderctl::kind::TAG_ADDRESS))
                .map_or_else(|| value.clone(), |at| Value::from(at.as_str())),
            Value::Array(items) => items.iter().map(|item| self.unaliased(item)).collect(),
            other => other.clone(),
        }
    }
}

fn refused(class: Class, operation: &str, why: &str) -> Error {
    let mut error = Error::of(class, why);
    error.operation = Some(operation.to_owned());
    error
}
