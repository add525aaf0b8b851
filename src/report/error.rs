//! Failures for people.

use super::Style;
use super::page::{Line, Page, Paint};
use super::text::{clip, title};
use crate::event::StepName;
use crate::kind;
use std::error::Error;

/// A failure, taken apart for showing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorReport {
    /// What was being done, to what, and what went wrong.
    pub message: String,
    /// What caused it, from near to far.
    pub causes: Vec<String>,
    /// Where in the spec: `coderctl.yaml:12`.
    pub at: Option<String>,
    /// The lines that stand there, with their caret.
    pub excerpt: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// The provider's request id.
    pub request_id: Option<String>,
    /// How often the call was sent; 0 when none was.
    pub attempts: u32,
}

impl ErrorReport {
    /// A failure of which nothing more is known.
    pub fn new(message: impl Into<String>) -> Self {
        ErrorReport { message: message.into(), ..ErrorReport::default() }
    }

    /// An error with all its sources.
    pub fn of(error: &dyn Error) -> Self {
        let mut report = ErrorReport::new(error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            report.causes.push(cause.to_string());
            source = cause.source();
        }
        report
    }

    /// A failure at a provider's edge while `doing` something: `reading the record`.
    pub fn of_call(doing: &str, error: &kind::Error) -> Self {
        ErrorReport {
            hint: error.hint.clone(),
            request_id: error.request_id.clone(),
            attempts: error.attempts,
            ..ErrorReport::new(format!("{doing}: {error}"))
        }
    }

    /// A step that failed.
    pub fn of_step(step: &StepName, error: &kind::Error) -> Self {
        let doing = format!("{} {} ({})", step.verb.gerund(), title(&step.kind), step.address);
        ErrorReport::of_call(&doing, error)
    }
}

/// A failure as it is shown; ends with a line break.
pub fn human(report: &ErrorReport, style: &Style) -> String {
    let mut page = Page::new(style);
    write(&mut page, report);
    page.finish()
}

/// A failure as it is shown, on a page.
pub(super) fn write(page: &mut Page<'_>, report: &ErrorReport) {
    let ErrorReport { message, causes, at, excerpt, hint, request_id, attempts } = report;
    page.hang(Line::new().then(Paint::Bad, "error: "), Paint::Plain, message);
    for cause in causes {
        page.hang(Line::new().to(2).then(Paint::Strong, "cause: "), Paint::Plain, cause);
    }
    if let Some(at) = at {
        let corner = page.clean("┌");
        page.hang(Line::new().to(2).then(Paint::Faint, format!("{corner} ")), Paint::Plain, at);
    }
    for line in excerpt {
        let bar = page.clean("│");
        let text = clip(&page.clean(line), page.style.width - 6, page.style);
        page.line(&Line::new().to(2).then(Paint::Faint, bar).to(6).then(Paint::Plain, text));
    }
    if let Some(hint) = hint {
        page.hang(Line::new().to(2).then(Paint::Strong, "hint: "), Paint::Plain, hint);
    }
    let tried = match attempts {
        0 => None,
        1 => Some("tried once".to_owned()),
        2 => Some("tried twice".to_owned()),
        number => Some(format!("tried {number} times")),
    };
    let id = request_id.as_ref().map(|id| format!("request id {id}"));
    let call: Vec<String> = id.into_iter().chain(tried).collect();
    if !call.is_empty() {
        page.hang(Line::new().to(2), Paint::Faint, &call.join(", "));
    }
}
