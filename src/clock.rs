//! The one clock of the program.
//!
//! Everything that waits or asks for the time does so here, the AWS SDK included, so that the
//! sandbox can run faster than the wall and tests can run without waiting at all: under
//! `tokio::time::pause` the runtime jumps to the next timer whenever nothing else can run.

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_async::time::TimeSource;
use std::time::{Duration, SystemTime};

/// A clock that runs at `rate` virtual seconds a real second. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Virtual time at `origin`.
    epoch: SystemTime,
    /// The runtime's own monotonic time, which `tokio::time::pause` controls.
    origin: tokio::time::Instant,
    /// Virtual seconds per second of the runtime; at least 1.
    rate: u32,
}

impl Clock {
    /// The wall clock.
    pub fn real() -> Self {
        Self::starting_at(SystemTime::now(), 1)
    }

    /// A clock that shows `epoch` now and runs `rate` times as fast as the runtime's own.
    pub fn starting_at(epoch: SystemTime, rate: u32) -> Self {
        Clock { epoch, origin: tokio::time::Instant::now(), rate: rate.max(1) }
    }

    /// The time this clock shows.
    pub fn now(&self) -> SystemTime {
        self.epoch + self.origin.elapsed() * self.rate
    }

    /// [`Clock::now`] in whole seconds since 1970.
    pub fn unix(&self) -> u64 {
        self.now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs())
    }

    /// [`Clock::now`] as RFC 3339 in UTC with seconds, for records and logs.
    pub fn timestamp(&self) -> String {
        timestamp(self.now())
    }

    /// How many virtual seconds pass in one real second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// `duration` of the wall's time, as this clock counts it: for limits on how long a call may
    /// take, which are about machines and networks, not about what AWS is doing meanwhile.
    pub fn wall(&self, duration: Duration) -> Duration {
        duration * self.rate
    }

    /// Waits for `duration` of this clock's time.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / self.rate).await;
    }
}

/// `time` as RFC 3339 in UTC with whole seconds.
pub fn timestamp(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs());
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(|| "(out of range)".to_owned(), |stamp| stamp.to_string())
}

impl AsyncSleep for Clock {
    fn sleep(&self, duration: Duration) -> Sleep {
        let clock = *self;
        Sleep::new(async move { clock.sleep(duration).await })
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        self.now()
    }
}
