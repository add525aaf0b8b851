//! Whether a deployment is well, at a glance.

use super::page::{Line, Page, Paint};
use super::style::Style;
use crate::acceptance::{Check, Verdict};
use serde::Serialize;
use serde_json::{Value, json};

/// Where the words begin behind the names of parts and checks.
const COLUMN: usize = 16;

/// How many resources of a part that are not ready are named.
const SHOWN: usize = 3;

/// A part of a deployment: a section of its addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its name, `network`.
    pub name: String,
    /// How many resources are ready.
    pub ready: usize,
    /// Those that are not, and what they are instead: `address: pending`.
    pub others: Vec<String>,
}

/// A deployment at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Its name, account, pattern and region.
    pub head: String,
    /// Its parts, in the order in which they are made.
    pub parts: Vec<Part>,
    /// What is known of it in a word or two: versions, the owner.
    pub facts: Vec<(String, String)>,
    /// What was looked at from outside.
    pub checks: Vec<Check>,
    /// How the live state compares with the spec, in a sentence.
    pub plan: String,
    /// Why some of it could not be read.
    pub unread: Vec<String>,
}

impl Health {
    /// Whether everything is ready and well, and everything could be read.
    pub fn is_well(&self) -> bool {
        self.unread.is_empty()
            && self.parts.iter().all(|part| part.others.is_empty())
            && self.checks.iter().all(Check::is_good)
    }
}

/// For people.
pub fn human(health: &Health, style: &Style) -> String {
    let mut page = Page::new(style);
    page.hang(Line::new(), Paint::Strong, &health.head);
    page.gap();
    for part in &health.parts {
        let head = Line::new().to(2).then(Paint::Plain, part.name.as_str()).to(COLUMN);
        let all = part.ready + part.others.len();
        if part.others.is_empty() {
            page.hang(head, Paint::Good, &format!("{all} ready"));
            continue;
        }
        page.hang(head, Paint::Bad, &format!("{} of {all} ready", part.ready));
        for other in part.others.iter().take(SHOWN) {
            page.hang(Line::new().to(COLUMN), Paint::Plain, other);
        }
        let more = part.others.len().saturating_sub(SHOWN);
        if more > 0 {
            page.hang(Line::new().to(COLUMN), Paint::Faint, &format!("and {more} more"));
        }
    }
    page.gap();
    for (name, fact) in &health.facts {
        let head = Line::new().to(2).then(Paint::Plain, name.as_str()).to(COLUMN);
        page.hang(head, Paint::Plain, fact);
    }
    checks(&mut page, &health.checks);
    let head = Line::new().to(2).then(Paint::Plain, "plan").to(COLUMN);
    page.hang(head, Paint::Plain, &health.plan);
    for why in &health.unread {
        page.hang(Line::new().then(Paint::Bad, "unread: "), Paint::Plain, why);
    }
    page.finish()
}

/// The checks at the end of an apply, for people.
pub fn accepted(found: &[Check], style: &Style) -> String {
    let mut page = Page::new(style);
    page.gap();
    page.hang(Line::new(), Paint::Strong, "acceptance");
    checks(&mut page, found);
    page.finish()
}

fn checks(page: &mut Page<'_>, found: &[Check]) {
    for check in found {
        let head = Line::new().to(2).then(Paint::Plain, check.name).to(COLUMN);
        match &check.verdict {
            Verdict::Good { what } => page.hang(head, Paint::Good, what),
            Verdict::Unknown { why } => page.hang(head, Paint::Odd, why),
            Verdict::Bad { why, hint } => {
                page.hang(head, Paint::Bad, why);
                let head = Line::new().to(COLUMN).then(Paint::Strong, "hint: ");
                page.hang(head, Paint::Plain, hint);
            }
        }
    }
}

/// For programs.
pub fn json(health: &Health) -> Value {
    json!({
        "format_version": super::FORMAT_VERSION,
        "well": health.is_well(),
        "parts": health.parts,
        "facts": health.facts.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "checks": health.checks,
        "plan": health.plan,
        "unread": health.unread,
    })
}
