//! Whose a live resource is, by its tags.

use super::{Deployment, Ownership, TAG_DEPLOYMENT, TAG_UID, Tags};

/// Whose a live resource is that carries our deployment's name, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Ours.
    Ours(Ownership),
    /// It carries our deployment's name, but its other tags do not say which it is.
    Damaged(String),
    /// Not ours; whose, in words.
    Foreign(String),
}

impl Whose {
    /// What `tags` say to `deployment`.
    pub fn of(tags: &Tags, deployment: &Deployment) -> Whose {
        match tags.get(TAG_DEPLOYMENT) {
            None => Whose::Foreign("not managed by coderctl".to_owned()),
            Some(name) if name != deployment.name.as_str() => {
                Whose::Foreign(format!("of deployment {name}"))
            }
            Some(_) => match Ownership::from_tags(tags) {
                Err(why) => Whose::Damaged(why),
                Ok(owner) if deployment.uid.as_ref().is_some_and(|uid| *uid != owner.uid) => {
                    Whose::Damaged(format!(
                        "its tag {TAG_UID} is {}, which is another deployment of this name",
                        owner.uid
                    ))
                }
                Ok(owner) => Whose::Ours(owner),
            },
        }
    }
}
