//! All tests, in one binary: `cargo test`.

mod suite {
    mod sandbox;
    mod sandbox_kube;
    mod sandbox_services;
}
