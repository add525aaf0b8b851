//! Faults: what goes wrong between a client and the world, by script or by chance, always the
//! same for the same seed.

use super::store::number;
use std::collections::BTreeMap;
use std::time::Duration;

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Refused with the service's own throttling code; nothing is done.
    Throttle,
    /// Refused with this code; nothing is done.
    Error {
        /// The HTTP status.
        status: u16,
        /// The code on the wire: `UnauthorizedOperation`.
        code: String,
        /// For people. `{request}` stands for what was sent, which services quote at times.
        message: String,
    },
    /// Refused with HTTP 500 and `InternalError`; nothing is done.
    ServerError500,
    /// Done, and then the connection breaks before the answer.
    LoseAnswer,
    /// Done, and then nothing is ever said.
    NeverAnswer,
    /// The connection breaks before anything is done.
    LoseRequest,
    /// Done and answered, this much later.
    Delay(Duration),
    /// Arrives twice, as when something on the way sends it again: done twice, and the second
    /// answer is the one that is seen.
    Twice,
    /// The client's process dies here: see [`super::Sandbox::stopped`].
    Stop(Stop),
}

/// On which side of a call the client's process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The request never arrives.
    Before,
    /// The request is carried out, the answer is never seen.
    After,
}

/// Which calls a fault is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matching {
    /// Calls of one operation: `ec2:CreateVpc`.
    Operation(String),
    /// Calls of one service: `kubernetes`.
    Service(String),
    /// Calls that change something.
    Mutating,
    /// Calls that change nothing.
    Read,
    /// All calls.
    Any,
}

impl Matching {
    fn covers(&self, operation: &str, mutating: bool) -> bool {
        match self {
            Matching::Operation(name) => name == operation,
            Matching::Service(name) => {
                operation.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(':'))
            }
            Matching::Mutating => mutating,
            Matching::Read => !mutating,
            Matching::Any => true,
        }
    }
}

/// One line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which calls are counted.
    pub matching: Matching,
    /// The first of them that is hit, from 1.
    pub nth: u32,
    /// How many in a row are hit.
    pub times: u32,
    /// What happens to them.
    pub effect: Effect,
}

impl Fault {
    /// Hits the first call that matches.
    pub fn on(matching: Matching, effect: Effect) -> Self {
        Fault { matching, nth: 1, times: 1, effect }
    }

    /// Hits the first call of an operation (`ec2:CreateVpc`).
    pub fn on_operation(operation: &str, effect: Effect) -> Self {
        Fault::on(Matching::Operation(operation.to_owned()), effect)
    }

    /// Hits the `nth` matching call (from 1) instead of the first.
    pub fn nth(mut self, nth: u32) -> Self {
        self.nth = nth;
        self
    }

    /// Hits so many in a row.
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }
}

/// How often what goes wrong, when chance decides. Probabilities are in thousandths of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// That a burst of throttling begins.
    pub throttle: u16,
    /// How many calls a burst throttles.
    pub burst: u32,
    /// HTTP 500.
    pub server_error: u16,
    /// [`Effect::LoseAnswer`].
    pub lose_answer: u16,
    /// [`Effect::LoseRequest`].
    pub lose_request: u16,
    /// [`Effect::NeverAnswer`].
    pub never_answer: u16,
    /// [`Effect::Twice`].
    pub twice: u16,
    /// [`Effect::Delay`].
    pub delay: u16,
    /// The longest delay.
    pub longest_delay: Duration,
}

impl Profile {
    /// A bad day: each kind of trouble a few times in a hundred calls.
    pub const ROUGH: Profile = Profile {
        throttle: 20,
        burst: 3,
        server_error: 20,
        lose_answer: 20,
        lose_request: 20,
        never_answer: 5,
        twice: 0,
        delay: 50,
        longest_delay: Duration::from_secs(3),
    };
}

/// How many calls of one operation are taken in a region; more are throttled. As AWS counts: a
/// bucket of tokens that fills up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Calls that a full bucket allows at once.
    pub burst: u32,
    /// Calls that come back in a second.
    pub per_second: u32,
}

/// All that goes wrong on one sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Lines in order; the first that hits decides.
    pub script: Vec<Fault>,
    /// Chance, with its seed, for calls that the script leaves alone.
    pub random: Option<(u64, Profile)>,
    /// Reads see the world as it was this long ago.
    pub lag: Duration,
    /// Also calls that change something do not find what is younger than `lag`.
    pub fresh_ids_not_found: bool,
    /// Calls beyond this are throttled.
    pub budget: Option<Budget>,
}

impl Faults {
    /// No faults.
    pub fn none() -> Self {
        Faults::default()
    }

    /// These lines.
    pub fn script(script: impl IntoIterator<Item = Fault>) -> Self {
        Faults { script: script.into_iter().collect(), ..Faults::default() }
    }

    /// Trouble by chance.
    pub fn random(seed: u64, profile: Profile) -> Self {
        Faults { random: Some((seed, profile)), ..Faults::default() }
    }

    /// Throttling as AWS does it.
    pub fn budget(burst: u32, per_second: u32) -> Self {
        Faults { budget: Some(Budget { burst, per_second }), ..Faults::default() }
    }

    /// The same with reads that lag.
    pub fn with_lag(mut self, lag: Duration) -> Self {
        self.lag = lag;
        self
    }
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// From 1, in the order of arrival.
    pub n: u64,
    /// When it arrived, in milliseconds since 1970 on the sandbox's clock.
    pub time: u64,
    /// The signing name: `ec2`; `kubernetes` and `coder` for the clusters and what runs in them.
    pub service: String,
    /// `CreateVpc`, `patch deployments`, `POST users/first`.
    pub operation: String,
    /// The region that it was signed for; empty for calls that are not signed.
    pub region: String,
    /// Whether the operation changes anything.
    pub mutating: bool,
    /// How it went.
    pub outcome: Outcome,
}

/// How a call went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not answered yet, or never.
    Open,
    /// Carried out and answered.
    Done,
    /// Refused by the world or by a fault.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The code on the wire.
        code: String,
    },
    /// The connection broke.
    Lost {
        /// Whether it was carried out before that (and not refused).
        acted: bool,
    },
    /// The client died before or after it.
    Stopped(Stop),
}

/// Keeps count of what matched and decides.
#[derive(Debug, Default)]
pub(super) struct FaultBoard {
    faults: Faults,
    seen: Vec<u32>,
    drawn: u64,
    burst: u32,
    calls: Vec<Call>,
    /// By operation and region: thousandths of a call that are left, and when that was.
    buckets: BTreeMap<(String, String), (u64, u64)>,
}

impl FaultBoard {
    pub(super) fn set(&mut self, faults: Faults) {
        self.seen = vec![0; faults.script.len()];
        self.drawn = 0;
        self.burst = 0;
        self.buckets.clear();
        self.faults = faults;
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(super) fn calls(&self) -> &[Call] {
        &self.calls
    }

    pub(super) fn forget_calls(&mut self) {
        self.calls.clear();
    }

    /// Writes a call down and gives its number.
    pub(super) fn record(&mut self, mut call: Call) -> u64 {
        call.n = self.calls.last().map_or(1, |last| last.n + 1);
        let n = call.n;
        self.calls.push(call);
        n
    }

    pub(super) fn outcome(&mut self, n: u64, outcome: Outcome) {
        if let Some(call) = self.calls.iter_mut().rev().find(|call| call.n == n) {
            call.outcome = outcome;
        }
    }

    /// How often each operation was called.
    pub(super) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in &self.calls {
            *counts.entry(format!("{}:{}", call.service, call.operation)).or_default() += 1;
        }
        counts
    }

    /// What happens to the next call.
    pub(super) fn decide(&mut self, operation: &str, mutating: bool) -> Option<Effect> {
        let mut hit = None;
        for (fault, seen) in self.faults.script.iter().zip(&mut self.seen) {
            if fault.matching.covers(operation, mutating) {
                *seen += 1;
                if hit.is_none() && *seen >= fault.nth && *seen - fault.nth < fault.times {
                    hit = Some(fault.effect.clone());
                }
            }
        }
        hit.or_else(|| self.is_over_budget().then_some(Effect::Throttle)).or_else(|| self.draw())
    }

    /// Whether the call that was written down last is one too many.
    fn is_over_budget(&mut self) -> bool {
        let (Some(budget), Some(call)) = (self.faults.budget, self.calls.last()) else {
            return false;
        };
        let full = u64::from(budget.burst) * 1000;
        let key = (format!("{}:{}", call.service, call.operation), call.region.clone());
        let (left, at) = self.buckets.entry(key).or_insert((full, call.time));
        // A thousandth of a call a millisecond is a call a second.
        let refilled = call.time.saturating_sub(*at).saturating_mul(u64::from(budget.per_second));
        *left = left.saturating_add(refilled).min(full);
        *at = call.time;
        if *left < 1000 {
            return true;
        }
        *left -= 1000;
        false
    }

    fn draw(&mut self) -> Option<Effect> {
        let (seed, profile) = self.faults.random?;
        if self.burst > 0 {
            self.burst -= 1;
            return Some(Effect::Throttle);
        }
        self.drawn += 1;
        let drawn = number(&format!("fault/{seed}/{}", self.drawn));
        let longest = u64::try_from(profile.longest_delay.as_millis()).unwrap_or(u64::MAX);
        let delay = Duration::from_millis((drawn >> 32) % longest.max(1));
        let mut left = drawn % 1000;
        let chances = [
            (profile.throttle, Effect::Throttle),
            (profile.server_error, Effect::ServerError500),
            (profile.lose_answer, Effect::LoseAnswer),
            (profile.lose_request, Effect::LoseRequest),
            (profile.never_answer, Effect::NeverAnswer),
            (profile.twice, Effect::Twice),
            (profile.delay, Effect::Delay(delay)),
        ];
        for (chance, effect) in chances {
            if left < u64::from(chance) {
                if effect == Effect::Throttle {
                    self.burst = profile.burst.saturating_sub(1);
                }
                return Some(effect);
            }
            left -= u64::from(chance);
        }
        None
    }
}
