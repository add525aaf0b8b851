//! All tests, in one binary: `cargo test`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod suite {
    mod accept;
    mod architecture;
    mod chosen;
    mod coder_manifests;
    mod coderd;
    mod comes_back;
    mod crash;
    mod crash_simple;
    mod deployment;
    mod docs;
    mod dying;
    mod execute_events;
    mod faults;
    mod faults_simple;
    mod guard;
    mod guests;
    pub(crate) mod harness;
    pub(crate) mod kinds_data;
    pub(crate) mod kinds_eks;
    mod kinds_identity;
    mod kinds_more;
    mod kinds_net;
    mod kube_cluster;
    mod kube_object;
    mod kube_picture;
    mod kube_rollout;
    mod life;
    mod lock;
    mod picture;
    mod plan_properties;
    mod plan_tables;
    mod preflight;
    mod rate;
    mod record;
    mod record_world;
    mod remembered;
    mod report;
    mod resume;
    mod rotation;
    mod sandbox;
    mod sandbox_coderd;
    mod sandbox_kube;
    mod sandbox_services;
    pub(crate) mod seeds;
    mod simple;
    mod simple_calls;
    mod simple_times;
    mod spec;
    mod toy;
    mod witness;
}
