//! A plan for a pull request.

use super::Context;
use super::human::distinct;
use super::words::{estimate, is_nothing, marker, nothing, tally, unread};
use crate::plan::{Action, Item, Plan};
use crate::report::{Style, diff, text};

/// GitHub refuses a comment of more than 65,536 characters; this leaves room for a frame.
pub const MAX_BYTES: usize = 60_000;

/// Markdown is read in a browser.
const STYLE: Style = Style { width: usize::MAX, color: false, unicode: true };

/// The plan as GitHub's Markdown, of at most about `max_bytes`. The first line is a comment by
/// which a bot finds what it wrote earlier.
pub fn markdown(plan: &Plan, context: &Context<'_>, max_bytes: usize) -> String {
    let name = escape(plan.deployment.as_str());
    let marker = comment(plan.deployment.as_str());
    let mut out = format!("<!-- coderctl:{marker} -->\n### coderctl plan: {name}\n\n");
    if is_nothing(plan) {
        out.push_str(&escape(&nothing(plan)));
        out.push('\n');
        return out;
    }
    out.push_str(&format!("**{}**", escape(&tally(plan))));
    if let Some(estimate) = estimate(plan) {
        out.push_str(&format!(" · {}", escape(&estimate)));
    }
    out.push_str("\n\n");
    alerts(&mut out, plan, context);
    tables(&mut out, plan, context, max_bytes);
    out
}

fn alerts(out: &mut String, plan: &Plan, context: &Context<'_>) {
    if !plan.refusals.is_empty() {
        out.push_str("> [!CAUTION]\n> This plan can not be applied:\n");
        for refusal in &plan.refusals {
            let item = plan.items.iter().find(|i| Some(&i.address) == refusal.address.as_ref());
            let at = item.and_then(|item| (context.origin)(item.spec_path.as_deref()?));
            let at = at.map(|at| format!(" ({})", escape(&at))).unwrap_or_default();
            let (why, hint) = (escape(&refusal.why), escape(&refusal.hint));
            out.push_str(&format!("> - {why}{at}<br>hint: {hint}\n"));
        }
        out.push('\n');
    }
    if !plan.unread.is_empty() {
        out.push_str("> [!WARNING]\n> The plan is incomplete: nothing is done with what could not be read or depends on it.\n");
        for one in &plan.unread {
            let hint = one.hint.as_ref().map(|hint| format!("<br>hint: {}", escape(hint)));
            out.push_str(&format!("> - {}{}\n", escape(&unread(one)), hint.unwrap_or_default()));
        }
        out.push('\n');
    }
    let going: Vec<&Item> =
        plan.items.iter().filter(|item| item.destroys_data || item.of_others).collect();
    if !going.is_empty() {
        out.push_str("> [!CAUTION]\n> Data goes with these:\n");
        for item in going {
            let held: Vec<String> = item.holds.iter().map(|held| escape(&held.name)).collect();
            let held =
                if held.is_empty() { String::new() } else { format!(": {}", held.join(", ")) };
            out.push_str(&format!("> - {}{held}\n", code(item.address.as_str())));
        }
        out.push('\n');
    }
}

fn tables(out: &mut String, plan: &Plan, context: &Context<'_>, max_bytes: usize) {
    let shown = |item: &&Item| item.action != Action::Keep || !item.drift.is_empty();
    let shown: Vec<&Item> = plan.items.iter().filter(shown).collect();
    let mut cut = 0;
    for scope in distinct(shown.iter().map(|item| item.address.scope())) {
        let here: Vec<&&Item> = shown.iter().filter(|item| item.address.scope() == scope).collect();
        let rows: Vec<String> = here.iter().map(|item| row(item, context)).collect();
        let open = if here.len() <= 20 { " open" } else { "" };
        let head = format!(
            "<details{open}><summary>{} ({})</summary>\n\n| | resource | what |\n|---|---|---|\n",
            escape(scope),
            text::count(here.len(), "resource")
        );
        let foot = "\n</details>\n\n";
        let mut body = String::new();
        let mut whole = true;
        for (at, row) in rows.iter().enumerate() {
            // The last words on what is missing need room as well.
            if out.len() + head.len() + body.len() + row.len() + foot.len() + 120 > max_bytes {
                cut += rows.len() - at;
                whole = false;
                break;
            }
            body.push_str(row);
        }
        if whole || !body.is_empty() {
            out.push_str(&head);
            out.push_str(&body);
            out.push_str(foot);
        }
    }
    if cut > 0 {
        out.push_str(&format!("{} more did not fit; `coderctl plan` shows all.\n", cut));
    }
}

fn row(item: &Item, context: &Context<'_>) -> String {
    let mut said: Vec<String> = Vec::new();
    if !matches!(item.action, Action::Update) && !item.summary.is_empty() {
        said.push(escape(&item.summary));
    }
    said.extend(item.reason.as_deref().map(escape));
    if item.action == Action::Update {
        said.extend(item.changes.iter().map(|change| escape(&diff::field(change, false, &STYLE))));
    }
    let outside = item.drift.iter().map(|change| {
        let change = diff::drifted(change, false, &STYLE);
        format!("{}: changed outside; set back with `--overwrite-drift`", escape(&change))
    });
    said.extend(outside);
    said.extend(item.notes.iter().map(|note| format!("<i>{}</i>", escape(note))));
    let origin = item.spec_path.as_deref().and_then(|path| (context.origin)(path));
    if let Some(origin) = origin.filter(|_| !item.changes.is_empty()) {
        said.push(format!("<sub>{}</sub>", escape(&origin)));
    }
    let mark = match item.action {
        Action::Keep => "!",
        action => marker(action),
    };
    let address = item.address.as_str();
    let address = address.split_once('/').map_or(address, |(_, rest)| rest);
    format!("| {} | {} | {} |\n", code(mark), code(address), said.join("<br>"))
}

/// `text` so that Markdown and HTML leave it alone, nobody is notified, and a table's row stays
/// one row.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text::clean(text, &STYLE).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A reference would notify somebody, or link to something.
            '@' => out.push_str("@\u{2060}"),
            '#' => out.push_str("&#35;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// `text` as code within a table.
fn code(text: &str) -> String {
    let text = text::clean(text, &STYLE).replace('`', "'").replace('|', "\\|");
    format!("`{text}`")
}

/// What can stand in an HTML comment.
fn comment(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>()
}
