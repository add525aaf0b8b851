//! All tests, in one binary: `cargo test`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod suite {
    mod architecture;
    mod crash;
    mod deployment;
    mod docs;
    mod execute_events;
    mod faults;
    mod guard;
    mod harness;
    mod kinds_identity;
    mod kinds_more;
    mod kinds_net;
    mod kube_object;
    mod life;
    mod lock;
    mod plan_properties;
    mod plan_tables;
    mod record;
    mod record_world;
    mod report;
    mod resume;
    mod sandbox;
    mod sandbox_coderd;
    mod sandbox_kube;
    mod sandbox_services;
    mod spec;
    mod toy;
    mod witness;
}
