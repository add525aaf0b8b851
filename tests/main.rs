//! All tests, in one binary: `cargo test`.

mod suite {
    mod kube_object;
    mod lock;
    mod record;
    mod record_world;
    mod sandbox;
    mod sandbox_kube;
    mod sandbox_services;
}
