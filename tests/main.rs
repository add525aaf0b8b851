//! All tests, in one binary: `cargo test`.

mod suite {
    mod harness;
    mod kinds_net;
    mod sandbox;
}
