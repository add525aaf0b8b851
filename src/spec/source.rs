//! The texts that a spec is made of, and places in them.

use serde::Serialize;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// One text: a file, standard input, a `--set`, a pattern or a document out of a plan file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// As it is shown: `coderctl.yaml`, `--set #1`, `pattern network`.
    pub(crate) name: String,
    /// All of it.
    pub(crate) text: String,
    /// What relative paths written in it are relative to; nothing means the working directory.
    pub(crate) directory: Option<PathBuf>,
}

/// A range of bytes of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) source: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Where something was written, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The file as it was named, or `--set #1`, or `pattern network`.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// All texts of one load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    /// Adds a text and gives its number.
    pub(crate) fn add(&mut self, source: Source) -> usize {
        self.0.push(source);
        self.0.len() - 1
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Source> {
        self.0.get(number)
    }

    /// The line and column of the start of `span`.
    pub(crate) fn origin(&self, span: Span) -> Option<Origin> {
        let source = self.get(span.source)?;
        let before = &source.text[..floor(&source.text, span.start)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Some(Origin {
            file: source.name.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        })
    }

    /// The whole lines that hold `range` of the numbered source, where they start, and the
    /// number of the first.
    pub(crate) fn lines(&self, number: usize, range: Range<usize>) -> Option<(&str, usize, usize)> {
        let text = &self.get(number)?.text;
        let start = floor(text, range.start);
        let end = floor(text, range.end.max(range.start));
        let from = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let to = text[end..].find('\n').map_or(text.len(), |at| end + at);
        Some((&text[from..to], from, text[..from].matches('\n').count() + 1))
    }

    /// Replaces `hidden` by [`crate::secret::MASK`], keeping the number of lines, and gives the
    /// rule by which offsets move.
    pub(crate) fn mask(&mut self, hidden: &[Span]) -> Moved {
        let mut hidden = hidden.to_vec();
        hidden.sort();
        let mut moved: Vec<(Span, usize)> = Vec::new();
        for span in hidden {
            match moved.last_mut() {
                Some((last, _)) if last.source == span.source && span.start <= last.end => {
                    last.end = last.end.max(span.end);
                }
                _ => moved.push((span, 0)),
            }
        }
        // From the back, so that the offsets of what is still to be replaced stay true.
        for (span, length) in moved.iter_mut().rev() {
            let Some(source) = self.0.get_mut(span.source) else { continue };
            let (start, end) = (floor(&source.text, span.start), floor(&source.text, span.end));
            if start >= end {
                continue;
            }
            let breaks = source.text[start..end].matches('\n').count();
            let mask = format!("{}{}", crate::secret::MASK, "\n".repeat(breaks));
            *length = mask.len();
            source.text.replace_range(start..end, &mask);
        }
        Moved(moved)
    }
}

/// How offsets moved when parts of a text were replaced by others of another length.
pub(crate) struct Moved(Vec<(Span, usize)>);

impl Moved {
    /// Where `span` is now. What lay in a replaced part is the whole of its replacement.
    pub(crate) fn span(&self, span: Span) -> Span {
        let end = self.offset(span.source, span.end, true);
        Span { start: self.offset(span.source, span.start, false), end, ..span }
    }

    fn offset(&self, source: usize, offset: usize, is_end: bool) -> usize {
        let mut shift = 0_isize;
        for (hidden, length) in self.0.iter().filter(|(hidden, _)| hidden.source == source) {
            if offset >= hidden.end {
                shift += signed(*length) - signed(hidden.end - hidden.start);
            } else if offset > hidden.start {
                let edge = if is_end { hidden.start + length } else { hidden.start };
                return edge.saturating_add_signed(shift);
            }
        }
        offset.saturating_add_signed(shift)
    }
}

/// Lengths of texts are far below the limit of `isize`.
fn signed(length: usize) -> isize {
    isize::try_from(length).unwrap_or(isize::MAX)
}

/// The last boundary of a character that is not after `offset`.
pub(crate) fn floor(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default()
}
