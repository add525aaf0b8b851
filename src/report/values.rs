//! A heading, and what there is to say below it, by name.

use super::Style;
use super::page::{Line, Page, Paint};
use super::text::width;

/// The narrowest and the widest column of names; a longer one has a line of its own.
const NAMES: std::ops::RangeInclusive<usize> = 10..=16;

/// `rows` are names and values; a value that is too long goes on below where it began.
pub fn human(heading: &str, rows: &[(String, String)], style: &Style) -> String {
    let mut page = Page::new(style);
    page.hang(Line::new(), Paint::Strong, heading);
    let names = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let names = names.clamp(*NAMES.start(), *NAMES.end());
    for (name, value) in rows {
        let name = page.clean(name);
        let lead = Line::new().then(Paint::Faint, format!("  {name}"));
        page.entry(lead, names + 4, Paint::Plain, value, None);
    }
    page.finish()
}
