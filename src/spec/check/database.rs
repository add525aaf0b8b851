//! The database against the network, and against itself.

use super::Check;
use crate::spec::types::Spec;
use crate::spec::types::database::Database;

const MINUTES_A_DAY: u32 = 24 * 60;
const MINUTES_A_WEEK: u32 = 7 * MINUTES_A_DAY;

/// Names that PostgreSQL or RDS keep for themselves.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/CHAP_Limits.html>
const RESERVED: [&str; 6] = ["postgres", "rdsadmin", "admin", "template0", "template1", "rds"];

pub(super) fn check(spec: &Spec, cx: &mut Check<'_>) {
    let Some(database) = &spec.database else { return };
    let Some(network) = &spec.network else {
        let problem = cx.problem(&["database"], "a database needs a `network`");
        cx.push(problem.hint("add `network: {}`, or name a pattern that has one"));
        return;
    };
    if cx.tier(&["database", "tier"], &database.tier, network) {
        cx.two_zones(&["database", "tier"], "Aurora", network);
    }
    if database.min_capacity > database.max_capacity {
        let message = format!("{} is more than `max_capacity`", database.min_capacity);
        let problem = cx.problem(&["database", "min_capacity"], message);
        let other = cx.span(&["database", "max_capacity"]);
        cx.push(problem.also(other, "the most"));
    }
    for (key, name) in [("name", &database.name), ("username", &database.username)] {
        if RESERVED.contains(&name.as_str()) {
            let message = format!("`{name}` is kept by PostgreSQL or RDS");
            cx.push(cx.problem(&["database", key], message));
        }
    }
    for name in database.parameters.names() {
        if name == "rds.force_ssl" {
            let path = ["database", "parameters", name];
            cx.push(cx.key_problem(&path, "connections are always encrypted: it is 1"));
        }
    }
    windows(database, cx);
    connections(spec, database, cx);
}

/// RDS wants half an hour at least for each window, and that they do not overlap.
fn windows(database: &Database, cx: &mut Check<'_>) {
    let Some(backup) = day_window(&database.backup_window) else { return };
    let Some(maintenance) = week_window(&database.maintenance_window) else { return };
    if backup.1 < 30 {
        cx.push(cx.problem(&["database", "backup_window"], "a window is 30 minutes at least"));
    }
    if !(30..MINUTES_A_DAY).contains(&maintenance.1) {
        let message = "a window is 30 minutes at least, and less than a day";
        cx.push(cx.problem(&["database", "maintenance_window"], message));
    }
    let overlaps = (0..=7).any(|day| {
        let start = day * MINUTES_A_DAY + backup.0;
        let meets = |other: u32| start < other + maintenance.1 && other < start + backup.1;
        meets(maintenance.0) || meets(maintenance.0 + MINUTES_A_WEEK)
    });
    if overlaps {
        let problem = cx.problem(
            &["database", "maintenance_window"],
            "it overlaps the time of the daily backup",
        );
        let other = cx.span(&["database", "backup_window"]);
        cx.push(problem.also(other, "the daily backup"));
    }
}

/// Start and length in minutes of `03:00-04:00`.
fn day_window(text: &str) -> Option<(u32, u32)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (time(from)?, time(to)?);
    Some((from, (to + MINUTES_A_DAY - from) % MINUTES_A_DAY))
}

/// Start and length in minutes of `sun:05:00-sun:06:00`, from Monday.
fn week_window(text: &str) -> Option<(u32, u32)> {
    let (from, to) = text.split_once('-')?;
    let at = |text: &str| {
        let (day, time_of_day) = text.split_once(':')?;
        let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let day = days.iter().position(|name| *name == day)?;
        Some(u32::try_from(day).ok()? * MINUTES_A_DAY + time(time_of_day)?)
    };
    let (from, to) = (at(from)?, at(to)?);
    Some((from, (to + MINUTES_A_WEEK - from) % MINUTES_A_WEEK))
}

fn time(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    Some(hours.parse::<u32>().ok()? * 60 + minutes.parse::<u32>().ok()?)
}

/// coderd opens ten connections a server and keeps one for its notifications.
const CONNECTIONS_PER_SERVER: f64 = 11.0;

/// Aurora derives `max_connections` from the most memory, 2 GiB an ACU: one for each 9 531 392
/// bytes, 5 000 at most. Where the least is below 1 ACU it is 2 000 at most.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2.setting-capacity.html>
fn connections(spec: &Spec, database: &Database, cx: &mut Check<'_>) {
    let Some(coder) = &spec.coder else { return };
    let most = if database.min_capacity < 1.0 { 2_000.0 } else { 5_000.0_f64 };
    let has = (database.max_capacity * 2.0 * 1_073_741_824.0 / 9_531_392.0).min(most).floor();
    let needed = f64::from(coder.replicas) * CONNECTIONS_PER_SERVER;
    if needed > has {
        let message =
            format!("the servers may open {needed} connections, and Aurora would allow {has}");
        let problem = cx.problem(&["database", "max_capacity"], message);
        let other = cx.span(&["coder", "replicas"]);
        cx.push(problem.also(other, "so many servers"));
    }
}
