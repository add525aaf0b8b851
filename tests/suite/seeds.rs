//! What the property tests draw their cases from. The cases of one run are always the same, so
//! that what a run says does not depend on the day; `CODERCTL_SEED=n` draws others, and
//! `PROPTEST_CASES=n` more of them.

use proptest::test_runner::{Config, RngSeed};

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A configuration for so many cases.
pub(crate) fn config(cases: u32) -> Config {
    Config {
        cases: number("PROPTEST_CASES").unwrap_or(cases),
        rng_seed: RngSeed::Fixed(number("CODERCTL_SEED").unwrap_or(1)),
        failure_persistence: None,
        ..Config::default()
    }
}
