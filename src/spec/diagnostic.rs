//! What is wrong with a spec, shown where it is written.

use super::source::{Origin, Sources, Span, floor};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::{Serialize, Serializer};
use std::fmt;

/// How many problems are shown; a file with more has one cause.
const MAX_SHOWN: usize = 100;

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    message: String,
    at: Option<Span>,
    also: Vec<(Span, String)>,
    pub(crate) hint: Option<String>,
    /// The text could not be parsed, so nothing is known of what stands around the place.
    pub(crate) is_syntax: bool,
}

impl Diagnostic {
    pub(crate) fn new(message: impl Into<String>, at: Option<Span>) -> Self {
        Diagnostic { message: message.into(), at, also: Vec::new(), hint: None, is_syntax: false }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Shows a second place, with a few words on it.
    pub(crate) fn also(mut self, at: Span, label: impl Into<String>) -> Self {
        self.also.push((at, label.into()));
        self
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// All problems of one load, in the order of the text, with the texts they are in.
#[derive(Clone)]
pub struct Diagnostics {
    items: Vec<Shown>,
    sources: Sources,
}

/// A problem and where it is in the text as written; its spans are those of the masked text.
#[derive(Clone)]
struct Shown {
    diagnostic: Diagnostic,
    origin: Option<Origin>,
}

impl Diagnostics {
    /// Binds problems to their texts. What `hidden` covers is never shown.
    pub(crate) fn new(items: Vec<Diagnostic>, mut sources: Sources, hidden: &[Span]) -> Self {
        let mut hidden = hidden.to_vec();
        for item in items.iter().filter(|item| item.is_syntax) {
            hidden.extend(item.at.and_then(|at| unknown_value(&sources, at)));
        }
        let origins: Vec<_> =
            items.iter().map(|item| item.at.and_then(|at| sources.origin(at))).collect();
        let mut order: Vec<_> = items.into_iter().zip(origins).collect();
        order.sort_by_key(|(item, _)| item.at.map(|at| (at.source, at.start)));
        order.dedup();
        let moved = sources.mask(&hidden);
        let items = order
            .into_iter()
            .map(|(mut diagnostic, origin)| {
                diagnostic.at = diagnostic.at.map(|at| moved.span(at));
                for (at, _) in &mut diagnostic.also {
                    *at = moved.span(*at);
                }
                Shown { diagnostic, origin }
            })
            .collect();
        Diagnostics { items, sources }
    }

    /// The problems; at least one.
    pub fn items(&self) -> impl Iterator<Item = &Diagnostic> {
        self.items.iter().map(|shown| &shown.diagnostic)
    }

    /// Every problem with its source line, a caret and a hint, for a terminal of `width` columns.
    pub fn render(&self, width: usize, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.term_width(width.max(40)).decor_style(DecorStyle::Unicode);
        let mut shown: Vec<String> = self
            .items
            .iter()
            .take(MAX_SHOWN)
            .map(|shown| renderer.render(&[self.group(&shown.diagnostic, width.max(40))]))
            .collect();
        if self.items.len() > MAX_SHOWN {
            shown.push(format!("and {} more", self.items.len() - MAX_SHOWN));
        }
        let mut text = String::new();
        for part in shown {
            // Padding at the ends of lines is nobody's.
            for line in part.lines() {
                text.push_str(line.trim_end());
                text.push('\n');
            }
            text.push('\n');
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }

    fn group<'a>(&'a self, item: &'a Diagnostic, width: usize) -> Group<'a> {
        let mut group =
            Group::with_title(Level::ERROR.primary_title(wrap(&item.message, width, "error: ")));
        let places = item.at.map(|at| (at, "")).into_iter();
        let mut places: Vec<(Span, &str)> =
            places.chain(item.also.iter().map(|(at, label)| (*at, label.as_str()))).collect();
        while let Some(source) = places.first().map(|(at, _)| at.source) {
            let (here, elsewhere): (Vec<_>, Vec<_>) =
                places.into_iter().partition(|(at, _)| at.source == source);
            places = elsewhere;
            group = match self.snippet(source, &here, item.at) {
                Some(snippet) => group.element(snippet),
                None => group,
            };
        }
        match &item.hint {
            Some(hint) => {
                let hint = wrap(hint, width, "   = hint: ");
                group.element(Level::HELP.with_name("hint").message(hint))
            }
            None => group,
        }
    }

    fn snippet<'a>(
        &'a self,
        source: usize,
        places: &[(Span, &'a str)],
        primary: Option<Span>,
    ) -> Option<Snippet<'a, annotate_snippets::Annotation<'a>>> {
        let start = places.iter().map(|(at, _)| at.start).min()?;
        let end = places.iter().map(|(at, _)| at.end.max(at.start)).max()?;
        let (lines, from, number) = self.sources.lines(source, start..end)?;
        let name = self.sources.get(source)?.name.as_str();
        let snippet = Snippet::source(lines).path(name).line_start(number);
        Some(places.iter().fold(snippet, |snippet, (at, label)| {
            let start = floor(lines, at.start.saturating_sub(from));
            // One line is enough to see what is meant.
            let line_end = lines[start..].find('\n').map_or(lines.len(), |at| start + at);
            let end = floor(lines, at.end.saturating_sub(from)).clamp(start, line_end);
            let kind = if Some(*at) == primary && label.is_empty() {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            let annotation = kind.span(start..end);
            snippet.annotation(if label.is_empty() { annotation } else { annotation.label(*label) })
        }))
    }
}

/// What people call secrets.
const SECRET_WORDS: [&str; 9] = [
    "string_data",
    "external_id",
    "secret",
    "passw",
    "token",
    "credential",
    "private",
    "key",
    "dsn",
];

/// The sections of a spec that refer to secrets, and what they call them.
const SECRET_SECTIONS: [&str; 5] =
    ["assume_role", "kubernetes", "external_id", "string_data", "secret"];

/// Whether people would write a secret under such a key, or on such a line.
pub(crate) fn speaks_of_secrets(text: &str) -> bool {
    let lower = text.to_lowercase();
    SECRET_WORDS.iter().any(|word| lower.contains(word))
}

/// What may be a secret on the line of `at` in a text that could not be parsed: all behind its
/// first colon if the line, or what stands before it, speaks of secrets.
fn unknown_value(sources: &Sources, at: Span) -> Option<Span> {
    let (line, from, _) = sources.lines(at.source, at.start..at.start)?;
    let before = sources.get(at.source)?.text.get(..from)?;
    let is_suspect = speaks_of_secrets(line)
        || SECRET_SECTIONS.iter().any(|word| before.contains(word))
        || !line.contains([':', '=']);
    if !is_suspect {
        return None;
    }
    // Without a colon, the line may be the middle of a text.
    let value = line.split_once([':', '=']).map_or(line, |(_, value)| value).trim_start();
    let start = from + line.len() - value.len();
    let end = start + value.trim_end().len();
    (start < end).then_some(Span { source: at.source, start, end })
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, shown) in self.items.iter().enumerate() {
            let lead = if at == 0 { "" } else { "\n" };
            match &shown.origin {
                Some(origin) => write!(f, "{lead}{origin}: {}", shown.diagnostic.message)?,
                None => write!(f, "{lead}{}", shown.diagnostic.message)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The sources can hold what must not be shown.
        f.write_str(&self.to_string())
    }
}

impl std::error::Error for Diagnostics {}

impl Serialize for Diagnostics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Item<'a> {
            message: &'a str,
            #[serde(flatten)]
            origin: Option<&'a Origin>,
            #[serde(skip_serializing_if = "Option::is_none")]
            hint: Option<&'a str>,
        }
        serializer.collect_seq(self.items.iter().map(|shown| Item {
            message: &shown.diagnostic.message,
            origin: shown.origin.as_ref(),
            hint: shown.diagnostic.hint.as_deref(),
        }))
    }
}

/// A value out of a spec, in backquotes, short and printable.
pub(crate) fn quote(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut short: String = printable(text).chars().take(LONGEST).collect();
    if text.chars().count() > LONGEST {
        short.push('…');
    }
    format!("`{short}`")
}

/// `text` without what a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\t' => ' ',
            other if other.is_control() => '\u{fffd}',
            other => other,
        })
        .collect()
}

/// Breaks `text` at spaces so that it fits behind `lead`.
fn wrap(text: &str, width: usize, lead: &str) -> String {
    let room = width.saturating_sub(lead.len()).max(20);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        let length = unicode_width::UnicodeWidthStr::width(line.as_str());
        if length > 0 && length + 1 + unicode_width::UnicodeWidthStr::width(word) > room {
            lines.push(word.to_owned());
        } else {
            if length > 0 {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}
