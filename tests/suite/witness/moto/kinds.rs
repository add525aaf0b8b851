//! Kinds that no spec reaches yet: their lives, as the sandbox's tests live them, on moto. Time
//! runs thirty times as fast, because moto has nearly everything ready at once and the kinds wait
//! all the same; not faster, because a certificate takes moto a minute of the wall's time.

use super::inventory::sdk;
use super::{moto, somebody_in};
use crate::suite::harness::World;
use crate::suite::kinds_data;
use crate::suite::kinds_eks::template;
use coderctl::clock::Clock;
use coderctl::sandbox::Sandbox;
use std::future::Future;
use std::time::SystemTime;

/// The kinds whose lives are here.
pub(super) const NAMES: [&str; 11] = [
    "aws.ec2.launch_template",
    "aws.secretsmanager.secret",
    "aws.route53.record",
    "aws.rds.subnet_group",
    "aws.rds.cluster_parameter_group",
    "aws.rds.cluster",
    "aws.rds.instance",
    "aws.acm.certificate",
    "aws.elbv2.load_balancer",
    "aws.elbv2.target_group",
    "aws.elbv2.listener",
];

/// Lives `life` in an account of its own.
fn live<Lived: Future<Output = ()>>(account: &str, life: impl FnOnce(World) -> Lived) {
    let keys = somebody_in(account);
    let config = sdk(&moto().url(), &keys);
    let clock = Clock::starting_at(SystemTime::now(), 30);
    let world = World::of(Sandbox::in_memory(clock, 7), config, clock, account);
    tokio::runtime::Runtime::new().unwrap().block_on(life(world));
}

#[test]
fn secrets() {
    live("111111111121", |world| async move {
        kinds_data::a_secret(&world).await;
        kinds_data::an_empty_secret(&world).await;
    });
}

#[test]
fn records() {
    live("111111111123", |world| async move { kinds_data::records(&world).await });
}

#[test]
fn databases() {
    live("111111111124", |world| async move { kinds_data::a_database(&world).await });
}

#[test]
fn load_balancers_and_certificates() {
    live("111111111125", |world| async move { kinds_data::a_load_balancer(&world).await });
}

#[test]
fn launch_templates() {
    live("111111111126", |world| async move { template::a_launch_template(&world).await });
}
