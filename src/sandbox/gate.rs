//! The gate that every call passes, whichever service it is for: there it is written down, and
//! faults happen to it. One gate is for all services of an account, its clusters and what runs in
//! them, so that calls are counted in one sequence and a dead client is dead everywhere.

use super::Lost;
use super::fault::{Call, Effect, FaultBoard, Faults, Outcome, Stop};
use crate::clock::Clock;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Is told of each call that changes something, before and after it is carried out.
pub type Observer = Arc<dyn Fn(&Call, Stop) + Send + Sync>;

/// See the module.
pub(super) struct Gate {
    board: Mutex<FaultBoard>,
    stop: watch::Sender<bool>,
    observer: Mutex<Option<Observer>>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("board", &self.board).finish_non_exhaustive()
    }
}

impl Default for Gate {
    fn default() -> Self {
        let (stop, _) = watch::channel(false);
        Gate { board: Mutex::default(), stop, observer: Mutex::default() }
    }
}

/// How a fault has a call refused.
#[derive(Clone, Debug)]
pub(super) enum Refused {
    /// With the service's own throttling code.
    Throttled,
    /// With HTTP 500 and the service's own code.
    Internal,
    /// With this.
    With { status: u16, code: String, message: String },
}

/// A service, as far as one call is concerned that has arrived there.
pub(super) trait Served {
    type Answer;

    /// Carries the call out, and answers it.
    fn act(&self, n: u64) -> Self::Answer;

    /// Answers without doing anything.
    fn refuse(&self, n: u64, why: &Refused) -> Self::Answer;

    /// Whether an answer says that the call was carried out.
    fn is_success(answer: &Self::Answer) -> bool;
}

impl Gate {
    pub(super) fn board(&self) -> MutexGuard<'_, FaultBoard> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn faults(&self) -> Faults {
        self.board().faults().clone()
    }

    /// Sets the faults, from their beginning, and lets a dead client's successor be answered.
    pub(super) fn set_faults(&self, faults: Faults) {
        self.board().set(faults);
        self.stop.send_replace(false);
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.board().calls().to_vec()
    }

    pub(super) fn counts(&self) -> BTreeMap<String, usize> {
        self.board().counts()
    }

    pub(super) fn forget_calls(&self) {
        self.board().forget_calls();
    }

    pub(super) fn outcome(&self, n: u64, outcome: Outcome) {
        self.board().outcome(n, outcome);
    }

    pub(super) fn observe(&self, observer: Option<Observer>) {
        *self.observer.lock().unwrap_or_else(PoisonError::into_inner) = observer;
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Completes when an [`Effect::Stop`] was hit.
    pub(super) async fn stopped(&self) {
        let mut stop = self.stop.subscribe();
        // The sender lives in `self`, so the channel can't be closed while this waits.
        let _ = stop.wait_for(|stopped| *stopped).await;
    }

    /// Lets a call pass to `served`. Never completes for calls that a fault leaves without an
    /// answer, nor for those of a dead client.
    ///
    /// # Errors
    ///
    /// [`Lost`] where a fault breaks the connection.
    pub(super) async fn pass<S: Served>(
        &self,
        clock: Clock,
        call: Call,
        served: &S,
    ) -> Result<S::Answer, Lost> {
        if self.is_stopped() {
            return std::future::pending().await;
        }
        let operation = format!("{}:{}", call.service, call.operation);
        let (n, effect) = {
            let mut board = self.board();
            let (call, mutating) = (call.clone(), call.mutating);
            (board.record(call), board.decide(&operation, mutating))
        };
        match effect {
            None => Ok(self.act(n, &call, served)),
            Some(Effect::Delay(delay)) => {
                let answer = self.act(n, &call, served);
                clock.sleep(delay).await;
                Ok(answer)
            }
            Some(Effect::Twice) => {
                self.act(n, &call, served);
                Ok(self.act(n, &call, served))
            }
            Some(Effect::Throttle) => Ok(served.refuse(n, &Refused::Throttled)),
            Some(Effect::ServerError500) => Ok(served.refuse(n, &Refused::Internal)),
            Some(Effect::Error { status, code, message }) => {
                Ok(served.refuse(n, &Refused::With { status, code, message }))
            }
            Some(Effect::LoseRequest) => {
                self.outcome(n, Outcome::Lost { acted: false });
                Err(Lost)
            }
            Some(Effect::LoseAnswer) => {
                let acted = S::is_success(&self.act(n, &call, served));
                self.outcome(n, Outcome::Lost { acted });
                Err(Lost)
            }
            Some(Effect::NeverAnswer) => {
                let acted = S::is_success(&self.act(n, &call, served));
                self.outcome(n, Outcome::Lost { acted });
                std::future::pending().await
            }
            Some(Effect::Stop(stop)) => {
                if stop == Stop::After {
                    self.act(n, &call, served);
                }
                self.outcome(n, Outcome::Stopped(stop));
                self.stop.send_replace(true);
                std::future::pending().await
            }
        }
    }

    fn act<S: Served>(&self, n: u64, call: &Call, served: &S) -> S::Answer {
        let observer = self.observer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let observer = observer.filter(|_| call.mutating);
        if let Some(observer) = &observer {
            observer(&Call { n, ..call.clone() }, Stop::Before);
        }
        let answer = served.act(n);
        if let Some(observer) = &observer {
            observer(&Call { n, ..call.clone() }, Stop::After);
        }
        answer
    }
}
