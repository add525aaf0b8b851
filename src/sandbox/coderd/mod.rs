//! A coderd: the program that a pod with Coder's image runs, as far as its HTTP API is needed to
//! set a deployment up.
//!
//! Everything that it keeps is in its database, known by host and name: a second pod, or a new
//! one with another password, finds what the first one left.

mod answer;
mod api;
mod boot;
mod model;
mod password;
mod workspace;

pub(crate) use api::{Asked, Reply, answer, operation};
pub(crate) use boot::{boot, database_of};
pub(crate) use model::Databases;
pub(crate) use workspace::Workspace;

/// Judges a login to a database, as the database would.
pub trait DatabaseSource: std::fmt::Debug + Send + Sync {
    /// What comes of the login of `user` with `password` at `host`.
    fn login(&self, host: &str, user: &str, password: &str) -> Login;
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
