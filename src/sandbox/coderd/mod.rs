//! A coderd: the program that a pod with Coder's image runs, as far as its HTTP API is needed to
//! set a deployment up.
//!
//! Everything that it keeps is in its database, known by host and name: a second pod, or a new
//! one with another password, finds what the first one left. What RDS runs keeps its own, so that
//! it goes into snapshots and comes back from them; what stands for any other is kept beside the
//! cluster's objects.

mod answer;
mod api;
mod boot;
mod model;
mod password;
mod workspace;

pub(crate) use api::{Asked, Reply, answer, operation};
pub(crate) use boot::{boot, database_of};
pub use model::Databases;
pub(crate) use workspace::Workspace;

/// Judges a login to a database, as the database would.
pub trait DatabaseSource: std::fmt::Debug + Send + Sync {
    /// What comes of the login of `user` with `password` at `host`.
    fn login(&self, host: &str, user: &str, password: &str) -> Login;

    /// Works on what is in the databases at `host`, where this keeps them.
    fn contents(&self, host: &str, work: &mut dyn FnMut(&mut Databases)) -> Contents {
        let _ = (host, work);
        Contents::NotKept
    }
}

/// What became of work on databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Databases are not kept here.
    NotKept,
    /// It is done.
    Done,
    /// The server is gone, or what was done could not be kept.
    Lost,
}

/// Works on the databases at `host`: those of `source`, or else `own`. `None` when they are lost.
pub(crate) fn in_databases<T>(
    source: &dyn DatabaseSource,
    own: &mut Databases,
    host: &str,
    work: impl FnOnce(&mut Databases) -> T,
) -> Option<T> {
    let (mut work, mut result) = (Some(work), None);
    let mut once = |databases: &mut Databases| {
        if let Some(work) = work.take() {
            result = Some(work(databases));
        }
    };
    match source.contents(host, &mut once) {
        Contents::NotKept => once(own),
        Contents::Done => {}
        Contents::Lost => return None,
    }
    result
}

/// What comes of a login to a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// The database takes it.
    Accepted,
    /// The database refuses the user or the password.
    Refused,
    /// There is no such host, or nothing answers there.
    Unreachable,
}

/// Takes every login that has a password.
#[derive(Clone, Copy, Debug)]
pub struct AnyPassword;

impl DatabaseSource for AnyPassword {
    fn login(&self, _: &str, _: &str, password: &str) -> Login {
        if password.is_empty() { Login::Refused } else { Login::Accepted }
    }
}
