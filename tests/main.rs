//! All tests, in one binary: `cargo test`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod suite {
    mod report;
}
