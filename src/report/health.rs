//! How a deployment is, at a glance.

use super::page::{Line, Page, Paint};
use super::{FORMAT_VERSION, Style};
use crate::accept::Verdict;
use serde_json::{Value, json};

/// A line of the table: what it is called, and how it is.
pub type Row<'a> = (&'a str, &'a Verdict);

/// Where the second column begins.
const COLUMN: usize = 24;

/// For people.
pub fn human(title: &str, rows: &[Row<'_>], style: &Style) -> String {
    let mut page = Page::new(style);
    page.line(&Line::new().then(Paint::Strong, title));
    page.gap();
    for (name, verdict) in rows {
        let (mark, color, text, hint) = match verdict {
            Verdict::Good(found) => ("ok", Paint::Good, found, None),
            Verdict::Bad { why, hint } => ("!!", Paint::Bad, why, hint.as_ref()),
            Verdict::Unread(why) => ("??", Paint::Odd, why, None),
        };
        let lead = Line::new().then(color, mark).then(Paint::Plain, format!("  {name}"));
        let text = if matches!(verdict, Verdict::Unread(_)) {
            format!("could not be read: {text}")
        } else {
            text.clone()
        };
        page.entry(lead, COLUMN, Paint::Plain, &text, None);
        if let Some(hint) = hint {
            page.entry(Line::new(), COLUMN, Paint::Faint, &format!("hint: {hint}"), None);
        }
    }
    page.gap();
    page.line(&Line::new().then(Paint::Strong, verdict(rows)));
    page.finish()
}

/// The last line.
fn verdict(rows: &[Row<'_>]) -> String {
    let bad = rows.iter().filter(|(_, one)| matches!(one, Verdict::Bad { .. })).count();
    let unread = rows.iter().filter(|(_, one)| matches!(one, Verdict::Unread(_))).count();
    match (bad, unread) {
        (0, 0) => format!("healthy: {} of {}", rows.len(), rows.len()),
        (0, unread) => format!("{unread} of {} could not be read", rows.len()),
        (bad, 0) => format!("not healthy: {bad} of {}", rows.len()),
        (bad, unread) => {
            format!("not healthy: {bad} of {}, and {unread} could not be read", rows.len())
        }
    }
}

/// For programs.
pub fn json(deployment: &str, rows: &[Row<'_>]) -> Value {
    let parts: Vec<Value> = rows
        .iter()
        .map(|(name, verdict)| match verdict {
            Verdict::Good(found) => json!({"part": name, "state": "healthy", "found": found}),
            Verdict::Bad { why, hint } => {
                json!({"part": name, "state": "unhealthy", "why": why, "hint": hint})
            }
            Verdict::Unread(why) => json!({"part": name, "state": "unread", "why": why}),
        })
        .collect();
    json!({
        "format_version": FORMAT_VERSION,
        "deployment": deployment,
        "healthy": rows.iter().all(|(_, verdict)| verdict.is_good()),
        "parts": parts,
    })
}
