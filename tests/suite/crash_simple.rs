//! SR-Simple, with a process that dies before or after a call that changes something, in AWS, in
//! the cluster or in Coder; a plain run of the same command then ends where an undisturbed one
//! does.
//!
//! 60 points are drawn, and 20 more for what is destroyed by its name, by a fixed seed;
//! `CODERCTL_SEED=n` draws others. `CODERCTL_CRASH_AT=17` takes the 17th call of each act and
//! nothing else. `CODERCTL_CRASH_ALL=1 cargo test --release crash_simple` takes every call: 205 on
//! the way up and 186 on the way down, before and after each, and what each has left on the way up
//! destroyed by its name; and for each on the way up, that a dead process really leaves what this
//! takes it to: 1,192 cases.
//!
//! All of them took some 70 seconds on two cores, once the release was built. In a debug build a case
//! takes 1.8 s of one core, and the drawn ones take two minutes.

use super::deployment::{Deployment, End, destroy, spec};
use super::dying::{Act, LEASE, Left, none_wrong};
use super::picture::difference;
use coderctl::plan::Options;
use coderctl::sandbox::{Effect, Fault, Faults, Matching, Stop};

/// The example.
const SIMPLE: &str = "examples/sr-simple.yaml";
/// How many points each of the four tests takes.
const POINTS: u32 = 15;
/// How many accounts are kept at a time.
const AT_ONCE: usize = 64;

fn number(variable: &str) -> Option<u32> {
    std::env::var(variable).ok()?.parse().ok()
}

/// `of` numbers from 1 to `count`, one from each of as many equal parts.
fn drawn(count: u32, of: u32, salt: u64) -> Vec<u32> {
    if let Some(only) = number("CODERCTL_CRASH_AT") {
        return vec![only];
    }
    if std::env::var_os("CODERCTL_CRASH_ALL").is_some() {
        return (1..=count).collect();
    }
    let mut state = u64::from(number("CODERCTL_SEED").unwrap_or(1)) * 1000 + salt;
    let mut next = || {
        // splitmix64: <https://prng.di.unimi.it/splitmix64.c>.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let part = |n: u32| n * count / of;
    let draw = |n: u32| {
        let width = u64::from((part(n + 1) - part(n)).max(1));
        part(n) + u32::try_from(next() % width).unwrap() + 1
    };
    (0..of).map(draw).collect()
}

async fn up() -> Act {
    Act::new(&Deployment::new(5), spec(SIMPLE, &[]), Options::default())
}

async fn down() -> Act {
    let account = Deployment::new(5);
    account.done(&spec(SIMPLE, &[]), &Options::default()).await;
    Act::new(&account, spec(SIMPLE, &[]), destroy())
}

/// Dies on this side of the drawn calls.
async fn survives(act: Act, stop: Stop, salt: u64) {
    let (_, should) = act.undisturbed().await;
    let (_, count) = act.left(&[]).await;
    let points: Vec<(u32, Stop)> =
        drawn(count, POINTS, salt).into_iter().map(|nth| (nth, stop)).collect();
    let mut wrong = Vec::new();
    let mut cases = 0;
    for some in points.chunks(AT_ONCE) {
        let (left, made) = act.left(some).await;
        // The lock is renewed by the clock, now and then once more or less.
        assert!(made.abs_diff(count) <= count / 20, "{made} calls, and {count} in another run");
        let there = some.iter().filter(|(nth, _)| *nth <= made).count();
        assert_eq!(left.len(), there, "of {made} calls");
        for left in left {
            cases += 1;
            if let Err(why) = act.again(&left.account(), &should).await {
                wrong.push(format!("{}: {why}", left.name()));
            }
        }
    }
    none_wrong(wrong, cases);
}

#[tokio::test(start_paused = true)]
async fn an_apply_of_sr_simple_may_die_before_any_call() {
    survives(up().await, Stop::Before, 1).await;
}

#[tokio::test(start_paused = true)]
async fn an_apply_of_sr_simple_may_die_after_any_call() {
    survives(up().await, Stop::After, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_destroy_of_sr_simple_may_die_before_any_call() {
    survives(down().await, Stop::Before, 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_destroy_of_sr_simple_may_die_after_any_call() {
    survives(down().await, Stop::After, 4).await;
}

/// The cases above begin where one undisturbed run was at the time: that is what a process leaves
/// that really stops there.
#[tokio::test(start_paused = true)]
async fn a_process_that_dies_leaves_what_one_that_lives_had_done_by_then() {
    let act = up().await;
    let (count, _) = act.undisturbed().await;
    let sides = [Stop::Before, Stop::After].into_iter().cycle();
    let points: Vec<(u32, Stop)> = drawn(count, 4, 6).into_iter().zip(sides).collect();
    for left in act.left(&points).await.0 {
        let account = act.from.fork();
        let fault = Fault::on(Matching::Mutating, Effect::Stop(left.stop)).nth(left.nth);
        account.sandbox.set_faults(Faults::script([fault]));
        assert_eq!(account.run(&act.spec, &act.options).await, End::Died);
        account.sandbox.set_faults(Faults::none());
        let should = left.account().picture().await;
        assert_eq!(difference(&account.picture().await, &should), "", "{}", left.name());
    }
}

/// What an apply has left that died is destroyed by the deployment's name alone, but for what is
/// kept on purpose: a last snapshot, the key that it needs, and what AWS's services have made for
/// themselves.
#[tokio::test(start_paused = true)]
async fn what_died_half_way_up_is_destroyed_by_its_name() {
    let act = up().await;
    let before = act.from.fork().picture().await;
    let (count, _) = act.undisturbed().await;
    let points: Vec<(u32, Stop)> =
        drawn(count, 20, 5).into_iter().map(|nth| (nth, Stop::After)).collect();
    let mut wrong = Vec::new();
    for some in points.chunks(AT_ONCE) {
        for left in act.left(some).await.0 {
            if let Err(why) = destroyed(&act, &left, &before).await {
                wrong.push(format!("{}: {why}", left.name()));
            }
        }
    }
    none_wrong(wrong, points.len());
}

async fn destroyed(act: &Act, left: &Left, before: &[String]) -> Result<(), String> {
    let account = left.account();
    account.pass(LEASE).await;
    account.destroy_by_name(&act.spec).await?;
    let differs = difference(&account.picture().await, before);
    let kept = |line: &&str| {
        line.starts_with("+1 kms/keys ")
            || line.starts_with("+1 rds/snapshots ")
            || line.starts_with("+1 iam/roles ") && line.contains("/aws-service-role/")
    };
    let more: Vec<&str> = differs.lines().filter(|line| !kept(line)).collect();
    if more.is_empty() { Ok(()) } else { Err(format!("left:\n{}", more.join("\n"))) }
}
