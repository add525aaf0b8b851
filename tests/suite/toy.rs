//! Toy kinds in a toy world, to try the engine on.

pub(crate) mod bench;
mod calls;
pub(crate) mod kinds;
pub(crate) mod world;
