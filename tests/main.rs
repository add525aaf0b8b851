//! All tests, in one binary: `cargo test`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod suite {
    mod accept;
    mod architecture;
    mod coderd;
    mod crash;
    mod deployment;
    mod docs;
    mod execute_events;
    mod faults;
    mod guard;
    pub(crate) mod harness;
    pub(crate) mod kinds_data;
    mod kinds_eks;
    mod kinds_identity;
    mod kinds_more;
    mod kinds_net;
    mod kube_cluster;
    mod kube_object;
    mod kube_rollout;
    mod life;
    mod lock;
    mod plan_properties;
    mod plan_tables;
    mod rate;
    mod record;
    mod record_world;
    mod report;
    mod resume;
    mod sandbox;
    mod sandbox_coderd;
    mod sandbox_kube;
    mod sandbox_services;
    pub(crate) mod seeds;
    mod simple;
    mod spec;
    mod toy;
    mod witness;
}
