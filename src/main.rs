//! The `coderctl` program.

fn main() {}
