//! All tests, in one binary: `cargo test`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod suite {
    mod crash;
    mod deployment;
    mod faults;
    mod harness;
    mod kinds_identity;
    mod kinds_more;
    mod kinds_net;
    mod kube_object;
    mod life;
    mod lock;
    mod record;
    mod record_world;
    mod report;
    mod sandbox;
    mod sandbox_kube;
    mod sandbox_services;
    mod spec;
}
