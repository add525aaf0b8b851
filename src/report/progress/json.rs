//! A run for programs: one JSON object a line.

use super::{Track, View};
use crate::clock::timestamp;
use crate::event::Event;
use crate::report::FORMAT_VERSION;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::time::SystemTime;

/// Writes every event as a line of JSON; the first line says which version of the format it is.
pub struct Json<W> {
    out: W,
    begun: bool,
}

impl<W: Write> Json<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Json { out, begun: false }
    }

    /// Writes a whole document (a plan, the end of a run) as one line: an object whose `type` is
    /// `name`.
    ///
    /// # Errors
    /// When it can not be written.
    pub fn document(&mut self, name: &str, document: &Value) -> io::Result<()> {
        let mut line = json!({ "type": name });
        if let (Some(line), Some(document)) = (line.as_object_mut(), document.as_object()) {
            line.extend(document.clone());
        }
        self.line(&line)
    }

    fn line(&mut self, line: &Value) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            let version = json!({
                "type": "version",
                "format_version": FORMAT_VERSION,
                "coderctl": env!("CARGO_PKG_VERSION"),
            });
            writeln!(self.out, "{version}")?;
        }
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }
}

impl<W: Write + Send> View for Json<W> {
    fn event(&mut self, event: &Event, _: &Track) -> io::Result<()> {
        let mut line = json!({ "type": "event", "at": timestamp(event.at) });
        let what = serde_json::to_value(&event.what).map_err(io::Error::other)?;
        if let (Some(line), Value::Object(what)) = (line.as_object_mut(), what) {
            line.extend(what);
        }
        self.line(&line)
    }

    fn tick(&mut self, _: SystemTime, _: &Track) -> io::Result<()> {
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
