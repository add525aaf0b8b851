//! A plan for people.

use super::Context;
use super::fold::{Row, contents, fold};
use super::words::{
    common_reason, estimate, is_nothing, marker, nothing, refused, tally, unread, within,
};
use crate::kind::{Cause, Effect};
use crate::plan::{Action, Item, Plan, Refusal};
use crate::report::error::{self, ErrorReport};
use crate::report::page::{Line, Page, Paint};
use crate::report::text::{count, plural, short, title, width};
use crate::report::{Style, diff};

/// Where an item's marker stands.
const INDENT: usize = 2;
/// The narrowest column for addresses.
const NARROW: usize = 24;

/// The plan, as `coderctl plan` shows it; ends with a line break.
pub fn human(plan: &Plan, context: &Context<'_>, style: &Style) -> String {
    let mut page = Page::new(style);
    if is_nothing(plan) {
        page.hang(Line::new(), Paint::Plain, &nothing(plan));
        if context.verbose {
            notes_of_kept(&mut page, plan);
        }
        return page.finish();
    }
    header(&mut page, plan, context);
    let sections = layout(plan, context.verbose);
    let column = column(&sections, style);
    Items { context, column, common: common_reason(plan) }.write(&mut page, &sections);
    notes_of_kept_or_count(&mut page, plan, context.verbose);
    incomplete(&mut page, plan);
    for refusal in &plan.refusals {
        page.gap();
        refuse(&mut page, plan, refusal, context);
    }
    footer(&mut page, plan);
    page.finish()
}

fn header(page: &mut Page<'_>, plan: &Plan, context: &Context<'_>) {
    let mut about = format!("account {}", plan.account);
    if let Some(pattern) = context.pattern {
        about.push_str(&format!(" · {pattern}"));
    }
    about.push_str(&format!(" · home {}", plan.home_region));
    if plan.options.destroy {
        about.push_str(" · destroy");
    }
    let reads = context
        .reads
        .map(|(calls, took)| format!("read {}, {}", count(calls, "call"), short(took)));
    let name = page.clean(plan.deployment.as_str());
    let about = page.clean(&format!("· {about}"));
    let lead = Line::new().then(Paint::Strong, name).then(Paint::Plain, " ");
    let reads = reads.unwrap_or_default();
    let line = lead.clone().then(Paint::Plain, about.as_str());
    if line.width() + 2 + width(&reads) <= page.style.width {
        let line = line.to(page.style.width - width(&reads)).then(Paint::Faint, reads);
        return page.line(&line);
    }
    page.hang(lead, Paint::Plain, &about);
    if !reads.is_empty() {
        page.hang(Line::new(), Paint::Faint, &reads);
    }
}

/// Where what is said of items begins: behind the longest name, within reason.
fn column(rows: &[(&str, &str, Vec<Row<'_>>)], style: &Style) -> usize {
    let names = rows.iter().flat_map(|(_, _, rows)| rows).map(|row| {
        let (action, name) = match row {
            Row::One(item) => (item.action, within(&item.address).to_owned()),
            Row::Many(items) => (items.first().map_or(Action::Keep, |i| i.action), many(items)),
        };
        INDENT + marker(action).len() + 1 + width(&name) + 2
    });
    names.max().unwrap_or(NARROW).clamp(NARROW, (style.width * 2 / 5).max(NARROW))
}

/// `9 security group rules`.
fn many(items: &[&Item]) -> String {
    let kind = items.first().map(|item| title(&item.kind)).unwrap_or_default();
    format!("{} {}", items.len(), plural(&kind))
}

/// The rows of each region's sections.
fn layout<'a>(plan: &'a Plan, verbose: bool) -> Vec<(&'a str, &'a str, Vec<Row<'a>>)> {
    let shown: Vec<&Item> = plan.items.iter().filter(|item| is_shown(item, verbose)).collect();
    let mut sections = Vec::new();
    for scope in distinct(shown.iter().map(|item| item.address.scope())) {
        let here: Vec<&Item> =
            shown.iter().copied().filter(|item| item.address.scope() == scope).collect();
        for section in distinct(here.iter().map(|item| item.address.section())) {
            let items: Vec<&Item> =
                here.iter().copied().filter(|i| i.address.section() == section).collect();
            sections.push((scope, section, fold(&items, verbose)));
        }
    }
    sections
}

/// Whether an item has a line.
fn is_shown(item: &Item, verbose: bool) -> bool {
    item.action != Action::Keep || !item.drift.is_empty() || verbose
}

struct Items<'a> {
    context: &'a Context<'a>,
    column: usize,
    common: Option<&'a str>,
}

impl<'a> Items<'a> {
    fn write(&self, page: &mut Page<'_>, sections: &[(&str, &str, Vec<Row<'a>>)]) {
        let mut last = None;
        for (scope, section, rows) in sections {
            if last != Some(scope) {
                last = Some(scope);
                page.gap();
                page.hang(Line::new(), Paint::Strong, scope);
            }
            page.hang(Line::new().to(INDENT), Paint::Strong, section);
            for row in rows {
                match row {
                    Row::One(item) => self.item(page, item),
                    Row::Many(items) => self.many(page, items),
                }
            }
        }
    }

    fn many(&self, page: &mut Page<'_>, items: &[&'a Item]) {
        let Some(first) = items.first() else { return };
        let lead = self.lead(page, first.action, &many(items));
        page.entry(lead, self.column, Paint::Plain, &contents(items), None);
        if let Some(reason) = self.reason(first) {
            page.entry(Line::new(), self.column, Paint::Faint, reason, None);
        }
    }

    fn item(&self, page: &mut Page<'_>, item: &'a Item) {
        let name = within(&item.address).to_owned();
        let said = self.said(page.style, item);
        if item.action != Action::Keep || item.drift.is_empty() {
            let origin = item.spec_path.as_deref().and_then(|path| (self.context.origin)(path));
            // A place in the spec is worth its room where something is there to be compared.
            let right = origin
                .filter(|_| matches!(item.action, Action::Update | Action::Replace))
                .unwrap_or_default();
            let mut lead = self.lead(page, item.action, &name);
            let last = said.len().saturating_sub(1);
            for (at, (color, text)) in said.iter().enumerate() {
                let right = (at == last).then_some(right.as_str());
                page.entry(lead, self.column, *color, text, right);
                lead = Line::new();
            }
            if said.is_empty() {
                page.entry(lead, self.column, Paint::Plain, "", Some(&right));
            }
        }
        if !item.drift.is_empty() {
            self.drift(page, item, &name);
        }
        for held in &item.holds {
            let text = format!("{}  {}", held.name, held.detail);
            page.entry(Line::new(), self.column, Paint::Plain, text.trim_end(), None);
        }
        for note in &item.notes {
            self.note(page, note);
        }
    }

    /// What is said of an item, each piece on lines of its own.
    fn said(&self, style: &Style, item: &'a Item) -> Vec<(Paint, String)> {
        let mut said = Vec::new();
        let reason = self.reason(item).map(str::to_owned);
        match item.action {
            Action::Create | Action::Delete | Action::Keep => {
                said.push((Paint::Plain, item.summary.clone()));
                said.extend(reason.map(|reason| (Paint::Faint, reason)));
            }
            Action::Wait | Action::Withheld => {
                said.push((Paint::Plain, reason.unwrap_or_else(|| item.summary.clone())));
            }
            Action::Replace => {
                said.push((Paint::Plain, reason.unwrap_or_else(|| item.summary.clone())));
                // What forces it is in the reason.
                let others = item.changes.iter().filter(|change| change.effect != Effect::Replace);
                said.extend(others.map(|c| (Paint::Plain, self.change(style, c))));
            }
            Action::Update => {
                said.extend(item.changes.iter().map(|c| (Paint::Plain, self.change(style, c))));
                said.extend(reason.map(|reason| (Paint::Faint, reason)));
            }
        }
        if item.destroys_data {
            said.push((Paint::Bad, "its data goes with it".to_owned()));
        }
        said.retain(|(_, text)| !text.is_empty());
        said
    }

    fn change(&self, style: &Style, change: &crate::kind::Change) -> String {
        let text = diff::field(change, self.context.verbose, style);
        match change.cause {
            Cause::Drift if change.from.is_null() => {
                format!("{text}, removed outside and put back")
            }
            Cause::Drift => format!("{text}, changed outside and set back"),
            Cause::Spec | Cause::Unknown => text,
        }
    }

    fn drift(&self, page: &mut Page<'_>, item: &Item, name: &str) {
        let name = page.clean(name);
        let mut lead = Line::new().to(INDENT).then(Paint::Odd, "! ").then(Paint::Plain, name);
        let last = item.drift.len() - 1;
        for (at, change) in item.drift.iter().enumerate() {
            let mut text = diff::drifted(change, self.context.verbose, page.style);
            if at == last {
                text.push_str(": changed outside; set back with --overwrite-drift");
            } else {
                text.push(',');
            }
            page.entry(lead, self.column, Paint::Plain, &text, None);
            lead = Line::new();
        }
    }

    fn note(&self, page: &mut Page<'_>, note: &str) {
        let text = format!("note: {note}");
        page.entry(Line::new(), self.column, Paint::Faint, &text, None);
    }

    fn lead(&self, page: &Page<'_>, action: Action, name: &str) -> Line {
        let color = match action {
            Action::Create => Paint::Good,
            Action::Update | Action::Wait => Paint::Change,
            Action::Replace | Action::Delete => Paint::Bad,
            Action::Withheld => Paint::Odd,
            Action::Keep => Paint::Faint,
        };
        Line::new()
            .to(INDENT)
            .then(color, page.clean(marker(action)))
            .then(Paint::Plain, " ")
            .then(Paint::Plain, page.clean(name))
    }

    fn reason(&self, item: &'a Item) -> Option<&'a str> {
        item.reason.as_deref().filter(|reason| Some(*reason) != self.common)
    }
}

/// Each once, in the order in which they come.
pub(super) fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

fn kept_with_notes(plan: &Plan) -> impl Iterator<Item = &Item> {
    plan.items.iter().filter(|item| {
        item.action == Action::Keep && item.drift.is_empty() && !item.notes.is_empty()
    })
}

/// Notes on what stays as it is, at every plan the same; `-v` shows them.
fn notes_of_kept_or_count(page: &mut Page<'_>, plan: &Plan, verbose: bool) {
    let number: usize = kept_with_notes(plan).map(|item| item.notes.len()).sum();
    if number > 0 && !verbose {
        page.gap();
        let text = format!("{} on what stays as it is: -v shows them", count(number, "note"));
        page.hang(Line::new(), Paint::Faint, &text);
    }
}

fn notes_of_kept(page: &mut Page<'_>, plan: &Plan) {
    for item in kept_with_notes(plan) {
        for note in &item.notes {
            let lead = Line::new().then(Paint::Faint, format!("note: {}: ", item.address));
            page.hang(lead, Paint::Faint, note);
        }
    }
}

fn incomplete(page: &mut Page<'_>, plan: &Plan) {
    for one in &plan.unread {
        page.gap();
        page.hang(Line::new().then(Paint::Odd, "incomplete: "), Paint::Plain, &unread(one));
        if let Some(hint) = &one.hint {
            page.hang(Line::new().to(INDENT).then(Paint::Strong, "hint: "), Paint::Plain, hint);
        }
    }
}

fn refuse(page: &mut Page<'_>, plan: &Plan, refusal: &Refusal, context: &Context<'_>) {
    let Refusal { address, why, hint } = refusal;
    let item = plan.items.iter().find(|item| Some(&item.address) == address.as_ref());
    let at = item.and_then(|item| (context.origin)(item.spec_path.as_deref()?));
    let report = ErrorReport { at, hint: Some(hint.clone()), ..ErrorReport::new(why.as_str()) };
    error::write(page, &report);
}

fn footer(page: &mut Page<'_>, plan: &Plan) {
    page.gap();
    page.hang(Line::new(), Paint::Strong, &tally(plan));
    if let Some(estimate) = estimate(plan) {
        page.hang(Line::new(), Paint::Plain, &estimate);
    }
    let mut changes = plan.items.iter().flat_map(|item| &item.changes);
    if changes.any(|change| change.cause == Cause::Unknown) {
        let text = "there is no record of what was last applied to some of these: a change of the \
                    spec and one from outside look alike";
        page.hang(Line::new(), Paint::Faint, text);
    }
    if plan.is_incomplete() {
        let text = "incomplete: nothing is done with what could not be read or depends on it";
        page.hang(Line::new(), Paint::Odd, text);
    }
    if !plan.refusals.is_empty() {
        page.hang(Line::new(), Paint::Bad, &refused(plan));
    }
}
