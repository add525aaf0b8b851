//! The sentences about a plan as a whole.

use crate::name::Address;
use crate::plan::{Action, Plan, Tally};
use crate::report::text::{clock, count, plural, rough, title};

/// How an action is marked.
pub(super) fn marker(action: Action) -> &'static str {
    match action {
        Action::Keep => "=",
        Action::Wait => "…",
        Action::Create => "+",
        Action::Update => "~",
        Action::Replace => "-/+",
        Action::Delete => "-",
        Action::Withheld => "?",
    }
}

/// `48 to create, 1 to change, 1 to replace, 0 to delete · 1 drifted · 12 unchanged`.
pub(super) fn tally(plan: &Plan) -> String {
    let Tally { create, update, replace, delete, wait, keep, withheld, drifted } = plan.tally();
    let acts = if plan.options.destroy {
        format!("{delete} to delete")
    } else {
        format!("{create} to create, {update} to change, {replace} to replace, {delete} to delete")
    };
    let mut text = acts;
    let mut also = |number: usize, what: &str| {
        if number > 0 {
            text.push_str(&format!(" · {number} {what}"));
        }
    };
    also(wait, "to wait for");
    also(plan.items.iter().filter(|item| item.destroys_data).count(), "with its data");
    also(drifted, "drifted");
    also(withheld, "withheld");
    also(plan.left_out, "left out");
    also(keep, "unchanged");
    text
}

/// The one line of a plan that has nothing to say.
pub(super) fn nothing(plan: &Plan) -> String {
    let tally = plan.tally();
    let left_out = match plan.left_out {
        0 => String::new(),
        number => format!("; {number} left out by --target or --exclude"),
    };
    if plan.options.destroy {
        return format!("nothing to delete: no resource of {} is live{left_out}", plan.deployment);
    }
    let are = if tally.keep == 1 { "is as the spec says" } else { "are as the spec says" };
    format!("nothing to change: {} {are}{left_out}", count(tally.keep, "resource"))
}

/// Whether [`nothing`] says it all.
pub(super) fn is_nothing(plan: &Plan) -> bool {
    let tally = plan.tally();
    plan.is_empty()
        && plan.refusals.is_empty()
        && plan.unread.is_empty()
        && tally == Tally { keep: tally.keep, ..Tally::default() }
}

/// `about 14 min (cluster 9:50 → nodes 2:10)`: the whole, and what decides it.
pub(super) fn estimate(plan: &Plan) -> Option<String> {
    if plan.estimate == 0 {
        return None;
    }
    let about = format!("about {}", rough(u64::from(plan.estimate)));
    let path =
        longest(plan.critical_path.iter().map(|(address, seconds)| (address, *seconds, None)));
    Some(if path.is_empty() { about } else { format!("{about} ({path})") })
}

/// The links of a chain that matter, in order: `cluster 9:50 → nodes 2:10`; with the typical
/// seconds behind those that are given with them: `cluster 10:21 of typically 9:50`.
pub(in crate::report) fn longest<'a>(
    path: impl Iterator<Item = (&'a Address, u32, Option<u32>)> + Clone,
) -> String {
    let whole: u32 = path.clone().map(|(_, seconds, _)| seconds).sum();
    // What takes less than a twentieth of the whole decides nothing.
    path.filter(|(_, seconds, _)| *seconds >= 5 && u64::from(*seconds) * 20 >= u64::from(whole))
        .map(|(address, seconds, typical)| {
            let took = format!("{} {}", brief(address), clock(u64::from(seconds)));
            match typical {
                Some(typical) => format!("{took} of typically {}", clock(u64::from(typical))),
                None => took,
            }
        })
        .collect::<Vec<_>>()
        .join(" → ")
}

/// An address as short as it still says what it is: `nat/a`, `coder/deployment`, `cluster`.
fn brief(address: &Address) -> String {
    let (section, rest) = (address.section(), address.rest());
    if rest.is_empty() || rest == section {
        section.to_owned()
    } else if rest.contains('/') {
        rest.to_owned()
    } else {
        format!("{section}/{rest}")
    }
}

/// An address without its region and section: `subnet/public-a`.
pub(super) fn within(address: &Address) -> &str {
    match (address.rest(), address.section()) {
        ("", section) => section,
        (rest, _) => rest,
    }
}

/// `subnets in us-east-1 can not be read: …`.
pub(super) fn unread(unread: &crate::plan::Unread) -> String {
    format!("{} in {} can not be read: {}", plural(&title(&unread.kind)), unread.region, unread.why)
}

/// What stands at the end when the plan must not be applied.
pub(super) fn refused(plan: &Plan) -> String {
    match plan.refusals.len() {
        1 => "this plan can not be applied: see the error above".to_owned(),
        number => format!("this plan can not be applied: see the {number} errors above"),
    }
}

/// The reason that most deletes of a destroy share: it need not be said of each.
pub(super) fn common_reason(plan: &Plan) -> Option<&str> {
    if !plan.options.destroy {
        return None;
    }
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for reason in plan.items.iter().filter_map(|item| item.reason.as_deref()) {
        match counted.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, number)) => *number += 1,
            None => counted.push((reason, 1)),
        }
    }
    let (reason, number) = counted.into_iter().max_by_key(|(_, number)| *number)?;
    (number > 1).then_some(reason)
}
