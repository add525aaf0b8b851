//! A page of text that is never wider than its style, with colours that only add.

use super::Style;
use super::text::{clean, keep_end, width, wrap};

/// What a piece of text means; colours follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// Nothing special.
    Plain,
    /// A heading.
    Strong,
    /// Beside the point.
    Faint,
    /// Something comes.
    Good,
    /// Something changes.
    Change,
    /// Something goes, or went wrong.
    Bad,
    /// Something is not as it should be, and nobody is doing anything about it.
    Odd,
}

impl Paint {
    fn style(self) -> anstyle::Style {
        use anstyle::AnsiColor::{Cyan, Green, Red, Yellow};
        match self {
            Paint::Plain => anstyle::Style::new(),
            Paint::Strong => anstyle::Style::new().bold(),
            Paint::Faint => anstyle::Style::new().dimmed(),
            Paint::Good => Green.on_default(),
            Paint::Change => Yellow.on_default(),
            Paint::Bad => Red.on_default().bold(),
            Paint::Odd => Cyan.on_default(),
        }
    }
}

/// `text`, coloured if the style has colours.
pub(super) fn paint(text: &str, paint: Paint, style: &Style) -> String {
    let color = paint.style();
    if !style.color || text.is_empty() || color == anstyle::Style::new() {
        return text.to_owned();
    }
    format!("{color}{text}{color:#}")
}

/// A line that is being put together. Its pieces are clean and measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(Vec<(Paint, String)>);

impl Line {
    pub(super) fn new() -> Self {
        Line::default()
    }

    /// Appends text as it is.
    #[must_use]
    pub(super) fn then(mut self, paint: Paint, text: impl Into<String>) -> Self {
        self.0.push((paint, text.into()));
        self
    }

    /// Fills up with spaces, so that what follows begins at `column`.
    #[must_use]
    pub(super) fn to(self, column: usize) -> Self {
        let missing = column.saturating_sub(self.width());
        self.then(Paint::Plain, " ".repeat(missing))
    }

    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| width(text)).sum()
    }

    /// The line, without spaces at its end.
    pub(super) fn render(&self, style: &Style) -> String {
        let mut pieces = self.0.clone();
        while let Some((_, last)) = pieces.last_mut() {
            last.truncate(last.trim_end().len());
            if !last.is_empty() {
                break;
            }
            pieces.pop();
        }
        pieces.iter().map(|(color, text)| paint(text, *color, style)).collect()
    }
}

/// Text that grows line by line.
pub(super) struct Page<'a> {
    pub(super) style: &'a Style,
    out: String,
}

impl<'a> Page<'a> {
    pub(super) fn new(style: &'a Style) -> Self {
        Page { style, out: String::new() }
    }

    /// `text` as it can be shown here, on one line.
    pub(super) fn clean(&self, text: &str) -> String {
        clean(text, self.style)
    }

    pub(super) fn line(&mut self, line: &Line) {
        self.out.push_str(&line.render(self.style));
        self.out.push('\n');
    }

    /// An empty line, unless one is there already or nothing is.
    pub(super) fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// `text` behind `lead`, which may be longer than `column` and then has a line of its own;
    /// wrapped so that all its lines begin at `column`; `right` stands at the right edge of the
    /// last one, or below it.
    pub(super) fn entry(
        &mut self,
        lead: Line,
        column: usize,
        color: Paint,
        text: &str,
        right: Option<&str>,
    ) {
        let page = self.style.width;
        let text = self.clean(text);
        let right = right.map(|right| self.clean(right));
        let column = column.min(page / 2);
        let fits = lead.width() < column || lead.width() == 0;
        let mut line = if fits || text.is_empty() {
            lead
        } else {
            for part in self.cut(&lead) {
                self.line(&part);
            }
            Line::new()
        };
        if !text.is_empty() {
            let wrapped = wrap(&text, page - column);
            let last = wrapped.len() - 1;
            for (at, part) in wrapped.into_iter().enumerate() {
                line = line.to(column).then(color, part);
                if at < last {
                    self.line(&line);
                    line = Line::new();
                }
            }
        }
        if let Some(right) = right.filter(|right| !right.is_empty()) {
            let right = keep_end(&right, page - column, self.style);
            if line.width() + 2 + width(&right) > page {
                self.line(&line);
                line = Line::new();
            }
            line = line.to(page - width(&right)).then(Paint::Faint, right);
        }
        if line.width() > page {
            for part in self.cut(&line) {
                self.line(&part);
            }
        } else {
            self.line(&line);
        }
    }

    /// `text` behind `lead`, all further lines indented to where it begins.
    pub(super) fn hang(&mut self, lead: Line, color: Paint, text: &str) {
        if lead.width() > self.style.width / 2 {
            return self.entry(lead, 4, color, text, None);
        }
        let column = lead.width();
        let text = self.clean(text);
        let mut line = lead;
        for part in wrap(&text, self.style.width - column) {
            line = line.to(column).then(color, part);
            self.line(&line);
            line = Line::new();
        }
    }

    /// A line that is too long for the page, in pieces.
    fn cut(&self, line: &Line) -> Vec<Line> {
        if line.width() <= self.style.width {
            return vec![line.clone()];
        }
        let text: String = line.0.iter().map(|(_, text)| text.as_str()).collect();
        let indent = text.len() - text.trim_start().len();
        let indent = indent.min(self.style.width / 2);
        wrap(text.trim_start(), self.style.width - indent)
            .into_iter()
            .map(|part| Line::new().to(indent).then(Paint::Plain, part))
            .collect()
    }

    pub(super) fn finish(self) -> String {
        self.out
    }
}
