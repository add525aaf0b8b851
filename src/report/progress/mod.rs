//! A run while it goes on.
//!
//! [`Progress`] takes the engine's events and tells any number of views of them. It knows no
//! clock: events carry their time, and whoever owns it calls [`Progress::tick`] a few times a
//! second with the program's time, which may run faster than the wall's.

mod bar;
mod json;
mod lines;
mod track;

pub use bar::{Bar, Size};
pub use json::Json;
pub use lines::Lines;
pub use track::{InFlight, Track};

use crate::event::{Event, Sink};
use crate::plan::Plan;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Something that shows how a run goes.
pub trait View: Send {
    /// Something happened; `track` knows of it already.
    ///
    /// # Errors
    /// When it can not be written.
    fn event(&mut self, event: &Event, track: &Track) -> io::Result<()>;

    /// It is `now`.
    ///
    /// # Errors
    /// When it can not be written.
    fn tick(&mut self, now: SystemTime, track: &Track) -> io::Result<()>;

    /// Nothing more comes, or something else is about to be written: leaves the screen clean.
    ///
    /// # Errors
    /// When it can not be written.
    fn clear(&mut self) -> io::Result<()>;
}

/// Takes events and shows them. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Progress(Arc<Mutex<State>>);

struct State {
    track: Track,
    /// Each with the first error that it met; it is not written to again.
    views: Vec<(Box<dyn View>, Option<io::Error>)>,
    closed: bool,
}

impl Progress {
    /// Shows a run of `plan` in all `views`; none is fine.
    pub fn new(plan: &Plan, views: Vec<Box<dyn View>>) -> Self {
        let views = views.into_iter().map(|view| (view, None)).collect();
        Progress(Arc::new(Mutex::new(State { track: Track::new(plan), views, closed: false })))
    }

    /// Where the engine's events go.
    pub fn sink(&self) -> Sink {
        let progress = self.clone();
        Arc::new(move |event| progress.event(&event))
    }

    /// Takes one event.
    pub fn event(&self, event: &Event) {
        let mut state = self.state();
        state.track.take(event);
        state.tell(|view, track| view.event(event, track));
    }

    /// Says what time it is: spinners turn, and quiet logs get their heartbeat.
    pub fn tick(&self, now: SystemTime) {
        self.state().tell(|view, track| view.tick(now, track));
    }

    /// Takes live views off the screen, so that something else can be written; they come back
    /// with the next event or tick.
    pub fn clear(&self) {
        self.state().tell(|view, _| view.clear());
    }

    /// Ends all views. Late events are counted and not shown.
    ///
    /// # Errors
    /// The first error that any view met. A run is not stopped by a log that can not be written.
    pub fn close(&self) -> io::Result<()> {
        self.clear();
        let mut state = self.state();
        state.closed = true;
        state.views.iter_mut().find_map(|(_, error)| error.take()).map_or(Ok(()), Err)
    }

    /// What is known of the run.
    pub fn track(&self) -> Track {
        self.state().track.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A view that panicked leaves a screen in disorder, nothing worse.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell(&mut self, say: impl Fn(&mut dyn View, &Track) -> io::Result<()>) {
        if self.closed {
            return;
        }
        for (view, failed) in &mut self.views {
            if failed.is_none() {
                *failed = say(view.as_mut(), &self.track).err();
            }
        }
    }
}
