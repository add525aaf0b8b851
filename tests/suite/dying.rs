//! What is done to an account by a process that may die on the way, and what the user does next.

use super::deployment::{Deployment, End};
use super::picture::difference;
use coderctl::plan::Options;
use coderctl::sandbox::{Call, Faults, Stop};
use coderctl::spec::Loaded;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// The longest lease of a dead holder, and a little.
pub(crate) const LEASE: u64 = 130;

/// What is done, to what.
#[derive(Clone)]
pub(crate) struct Act {
    pub(crate) from: Deployment,
    pub(crate) spec: Loaded,
    pub(crate) options: Options,
}

/// An account as a process has left it that died before or after a call.
pub(crate) struct Left {
    /// Which of the calls that change something, from 1.
    pub(crate) nth: u32,
    pub(crate) stop: Stop,
    /// `ec2:CreateVpc`.
    pub(crate) call: String,
    account: Deployment,
    at: SystemTime,
}

impl Left {
    /// The account, at the time of the death.
    pub(crate) fn account(&self) -> Deployment {
        self.account.fork_at(self.at)
    }

    /// Which one it is.
    pub(crate) fn name(&self) -> String {
        format!("call {} {:?} ({})", self.nth, self.stop, self.call)
    }
}

impl Act {
    pub(crate) fn new(from: &Deployment, spec: Loaded, options: Options) -> Act {
        Act { from: from.fork(), spec, options }
    }

    /// How many calls that change something an undisturbed run makes, and what the account looks
    /// like after it.
    pub(crate) async fn undisturbed(&self) -> (u32, Vec<String>) {
        let account = self.from.fork();
        account.sandbox.forget_calls();
        assert_eq!(account.run(&self.spec, &self.options).await, End::Complete);
        let count = account.sandbox.calls().iter().filter(|call| call.mutating).count();
        account.done(&self.spec, &self.options).await;
        (u32::try_from(count).unwrap(), account.picture().await)
    }

    /// What processes leave that die at these points, and how many calls there were to die at. They
    /// share one run: up to the point of its death, a process that dies does what one does that
    /// lives on.
    pub(crate) async fn left(&self, points: &[(u32, Stop)]) -> (Vec<Left>, u32) {
        let account = self.from.fork();
        let seen = Arc::new(Mutex::new((0, Vec::new())));
        let (watched, kept, points) = (account.clone(), seen.clone(), points.to_vec());
        account.sandbox.set_observer(Some(Arc::new(move |call: &Call, stop: Stop| {
            let mut kept = kept.lock().unwrap();
            if stop == Stop::Before {
                kept.0 += 1;
            }
            let nth = kept.0;
            if points.contains(&(nth, stop)) {
                let at = watched.sandbox.clock().now();
                let call = format!("{}:{}", call.service, call.operation);
                kept.1.push(Left { nth, stop, call, account: watched.fork(), at });
            }
        })));
        assert_eq!(account.run(&self.spec, &self.options).await, End::Complete);
        account.sandbox.set_observer(None);
        let mut seen = seen.lock().unwrap();
        (std::mem::take(&mut seen.1), seen.0)
    }

    /// What the user does next.
    pub(crate) async fn again(
        &self,
        account: &Deployment,
        should: &[String],
    ) -> Result<(), String> {
        account.sandbox.set_faults(Faults::none());
        account.pass(LEASE).await;
        match account.run(&self.spec, &self.options).await {
            End::Complete => {}
            other => return Err(format!("again: {other:?}")),
        }
        let left = account.left(&self.spec, &self.options).await;
        if !left.is_empty() {
            return Err(format!("left: {left}"));
        }
        let differs = difference(&account.picture().await, should);
        if differs.is_empty() { Ok(()) } else { Err(format!("differs:\n{differs}")) }
    }
}

/// Fails with the first of what is wrong.
pub(crate) fn none_wrong(mut wrong: Vec<String>, cases: usize) {
    let count = wrong.len();
    wrong.truncate(12);
    assert!(wrong.is_empty(), "{count} of {cases} cases:\n{}", wrong.join("\n"));
}
