//! What tags say, for every service that has them.

use crate::kind::{Change, Class, Cx, Error, Ownership, Tags, Whose};

/// The tags to set and the keys to remove that `changes` ask for in fields `tags.KEY`.
pub(crate) fn tag_changes(changes: &[Change]) -> (Tags, Vec<String>) {
    let mut set = Tags::new();
    let mut removed = Vec::new();
    for change in changes {
        let Some(key) = change.field.strip_prefix("tags.") else { continue };
        match change.to.as_ref().and_then(serde_json::Value::as_str) {
            Some(value) => {
                set.insert(key.to_owned(), value.to_owned());
            }
            None => removed.push(key.to_owned()),
        }
    }
    (set, removed)
}

/// Whether `changes` name `field`, or an entry of it.
pub(crate) fn touches(changes: &[Change], field: &str) -> bool {
    changes.iter().any(|change| {
        change.field == field
            || change.field.strip_prefix(field).is_some_and(|rest| rest.starts_with('.'))
    })
}

/// Whether what has the name already is what this step makes: an earlier answer was lost. `Err`
/// is the refusal, which names the owner and how to adopt.
///
/// # Errors
/// When it is somebody else's, or another resource of this deployment.
pub(crate) fn made_before(cx: &Cx, title: &str, id: &str, tags: &Tags) -> Result<Ownership, Error> {
    let step = cx.step()?;
    let taken = |owner: &str| {
        Error::of(Class::Exists, format!("{title} {id} is there already and is {owner}"))
    };
    match Whose::of(tags, &cx.deployment) {
        Whose::Ours(owner)
            if owner.address == step.address && owner.generation == step.generation =>
        {
            Ok(owner)
        }
        Whose::Ours(owner) => Err(taken(&format!("{} of this deployment", owner.address))),
        Whose::Damaged(why) => Err(taken(&format!("of this deployment, but {why}"))),
        Whose::Foreign(owner) => Err(taken(&owner)
            .hint(format!("choose another name, or: coderctl adopt {} {id}", step.address))),
    }
}

/// Whose it is, in words, for a clash; `None` when it is ours.
pub(crate) fn foreign(cx: &Cx, tags: &Tags) -> Option<String> {
    match Whose::of(tags, &cx.deployment) {
        Whose::Ours(_) | Whose::Damaged(_) => None,
        Whose::Foreign(owner) => Some(owner),
    }
}

/// The name without what [`crate::kind::unique_name`] put behind it, if `name` is what it began with.
pub(crate) fn without_generation(name: &str, live: &str) -> String {
    let generation = live.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
    match generation.map(str::parse::<u32>) {
        Some(Ok(2..)) => name.to_owned(),
        _ => live.to_owned(),
    }
}
