//! The process dies before and after each call that changes something; a plain run of the same
//! command then ends where an undisturbed one does.
//!
//! `CODERCTL_CRASH_AT=17` runs only the case of the 17th call; `CODERCTL_CRASH_ALL=1` takes every
//! call of the example, not only every fifth.

use super::deployment::{Deployment, EXAMPLE, End, SMALL, destroy, spec};
use super::dying::{Act, LEASE, none_wrong};
use super::picture::difference;
use coderctl::plan::Options;
use coderctl::sandbox::{Effect, Fault, Faults, Matching, Stop};

impl Act {
    /// Dies at every call in turn, or at every fifth.
    async fn survives(&self, every: u32) {
        let (_, should) = self.undisturbed().await;
        let only = std::env::var("CODERCTL_CRASH_AT").ok().and_then(|at| at.parse::<u32>().ok());
        let mut wrong = Vec::new();
        let mut cases = 0;
        'calls: for nth in (1..).step_by(every as usize) {
            let nth = only.unwrap_or(nth);
            for stop in [Stop::Before, Stop::After] {
                let account = self.from.fork();
                let fault = Fault::on(Matching::Mutating, Effect::Stop(stop)).nth(nth);
                account.sandbox.set_faults(Faults::script([fault]));
                match account.run(&self.spec, &self.options).await {
                    End::Died => cases += 1,
                    End::Complete => break 'calls,
                    End::Failed(why) => {
                        wrong.push(format!("call {nth} {stop:?}: failed before: {why}"));
                        continue;
                    }
                }
                let calls = account.sandbox.calls();
                let died = calls.iter().filter(|call| call.mutating).nth(nth as usize - 1);
                let died = died.map(|call| format!("{}:{}", call.service, call.operation));
                if let Err(why) = self.again(&account, &should).await {
                    let at = died.unwrap_or_default();
                    wrong.push(format!("call {nth} {stop:?} ({at}): {why}"));
                }
            }
            if only.is_some() {
                break;
            }
        }
        assert!(cases > 1, "nothing was tried");
        none_wrong(wrong, cases);
    }
}

async fn made(file: &str) -> Deployment {
    let account = Deployment::new(5);
    account.done(&spec(file, &[]), &Options::default()).await;
    account
}

#[tokio::test(start_paused = true)]
async fn an_apply_may_die_at_every_call() {
    let account = Deployment::new(5);
    Act::new(&account, spec(SMALL, &[]), Options::default()).survives(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_may_die_at_every_call() {
    let changed = spec(
        SMALL,
        &[
            "owner=others@example.com",
            "network.security_groups.app.description=Another",
            "network.flow_logs.aggregation_seconds=60",
            "network.tiers.private.prefix_length=25",
            "roles.worker.max_session_seconds=7200",
            "log_groups.app.retention_days=7",
        ],
    );
    Act::new(&made(SMALL).await, changed, Options::default()).survives(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_destroy_may_die_at_every_call() {
    Act::new(&made(SMALL).await, spec(SMALL, &[]), destroy()).survives(1).await;
}

#[tokio::test(start_paused = true)]
async fn the_example_may_die_on_its_way_up_and_down() {
    let every = if std::env::var_os("CODERCTL_CRASH_ALL").is_some() { 1 } else { 5 };
    let (account, example) = (Deployment::new(5), spec(EXAMPLE, &[]));
    Act::new(&account, example.clone(), Options::default()).survives(every).await;
    Act::new(&made(EXAMPLE).await, example, destroy()).survives(every).await;
}

/// Whatever a run that died has left is found by the deployment's name alone.
#[tokio::test(start_paused = true)]
async fn what_died_half_way_up_is_destroyed_without_a_spec() {
    let (empty, small) = (Deployment::new(5), spec(SMALL, &[]));
    let undisturbed = empty.fork();
    undisturbed.done(&small, &Options::default()).await;
    undisturbed.destroy_by_name(&small).await.unwrap();
    let should = undisturbed.picture().await;
    let mut cases = 0;
    for nth in 1.. {
        let account = empty.fork();
        let fault = Fault::on(Matching::Mutating, Effect::Stop(Stop::After)).nth(nth);
        account.sandbox.set_faults(Faults::script([fault]));
        if account.run(&small, &Options::default()).await == End::Complete {
            break;
        }
        let calls = account.sandbox.calls();
        let died = calls.iter().filter(|call| call.mutating).nth(nth as usize - 1).unwrap();
        let died = format!("call {nth} ({}:{})", died.service, died.operation);
        account.sandbox.set_faults(Faults::none());
        account.pass(LEASE).await;
        account.destroy_by_name(&small).await.unwrap_or_else(|why| panic!("{died}: {why}"));
        let left = difference(&account.picture().await, &should);
        assert!(left.is_empty(), "{died}:\n{left}");
        cases += 1;
    }
    assert!(cases > 20, "{cases}");
}
