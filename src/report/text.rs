//! Measuring, cutting and wrapping text, and how durations and counts are written.

use super::Style;
use std::time::Duration;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns that `text` takes.
pub(super) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// `text` as one line that can do no harm: what others wrote (tags, messages) may hold line
/// breaks and sequences that command a terminal. Without Unicode, ASCII stands in.
pub(super) fn clean(text: &str, style: &Style) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match c {
            '\n' | '\t' | '\r' => out.push(' '),
            c if is_harmful(c) => out.push_str(if style.unicode { "\u{fffd}" } else { "?" }),
            c if style.unicode || c.is_ascii() => out.push(c),
            c => out.push_str(ascii(c)),
        }
    }
    out
}

/// Control characters, and those that change the direction of text.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// What stands in for a character where only ASCII can be shown.
fn ascii(c: char) -> &'static str {
    match c {
        '→' => "->",
        '·' | '–' | '—' | '─' => "-",
        '…' => "...",
        '✓' => "ok",
        '✗' => "failed:",
        '┌' => "at",
        '│' => "|",
        '‘' | '’' => "'",
        '“' | '”' => "\"",
        '×' => "x",
        '⠋' | '⠦' => "|",
        '⠙' | '⠧' => "/",
        '⠹' | '⠇' => "-",
        '⠸' | '⠏' | '⠼' | '⠴' => "\\",
        _ => "?",
    }
}

/// Breaks `text` into lines of at most `columns` columns. Runs of spaces within a line stay, for
/// they align things; a word that is longer than a line is cut, behind a sign where it has one.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut gap = String::new();
    for piece in text.split_inclusive(' ') {
        let word = piece.trim_end_matches(' ');
        if !word.is_empty() {
            if !line.is_empty() && width(&line) + width(&gap) + width(word) > columns {
                lines.push(std::mem::take(&mut line));
            } else {
                line.push_str(&gap);
            }
            gap.clear();
            let mut rest = word;
            while width(&line) + width(rest) > columns {
                let (head, tail) = split_word(rest, columns - width(&line).min(columns));
                line.push_str(head);
                lines.push(std::mem::take(&mut line));
                rest = tail;
            }
            line.push_str(rest);
        }
        gap.push_str(&piece[word.len()..]);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Cuts `text` before the character that goes over `columns`; takes at least one character.
fn split_at(text: &str, columns: usize) -> (&str, &str) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns && at > 0 {
            return text.split_at(at);
        }
    }
    (text, "")
}

/// As [`split_at`], but behind the last sign of a path or an ARN in the second half of what fits.
fn split_word(text: &str, columns: usize) -> (&str, &str) {
    let (head, tail) = split_at(text, columns);
    let sign = head.rfind(['/', ':', ',', '=']).map(|at| at + 1);
    match sign.filter(|at| !tail.is_empty() && *at > head.len() / 2) {
        Some(at) => text.split_at(at),
        None => (head, tail),
    }
}

/// `text` in at most `columns` columns, its end replaced by an ellipsis if it is longer.
pub(super) fn clip(text: &str, columns: usize, style: &Style) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let dots = if style.unicode { "…" } else { "..." };
    if columns <= width(dots) {
        return dots.chars().take(columns).collect();
    }
    let (head, _) = split_at(text, columns - width(dots));
    format!("{}{dots}", head.trim_end())
}

/// `text` in at most `columns` columns, its beginning replaced by an ellipsis if it is longer: the
/// end of a path tells more than its beginning.
pub(super) fn keep_end(text: &str, columns: usize, style: &Style) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let dots = if style.unicode { "…" } else { "..." };
    let mut kept = text;
    while width(kept) + width(dots) > columns {
        let mut chars = kept.chars();
        if chars.next().is_none() {
            break;
        }
        kept = chars.as_str();
    }
    format!("{dots}{kept}")
}

/// `9:50`, `1:02:03`.
pub(super) fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// As [`clock`], to ten seconds above a minute: nobody knows it better.
pub(super) fn nearly(seconds: u64) -> String {
    if seconds < 60 { clock(seconds) } else { clock((seconds + 5) / 10 * 10) }
}

/// `40 s`, `14 min`, `2 h 10 min`.
pub(super) fn rough(seconds: u64) -> String {
    let minutes = (seconds + 30) / 60;
    match minutes {
        _ if seconds < 90 => format!("{seconds} s"),
        ..90 => format!("{minutes} min"),
        _ if minutes.is_multiple_of(60) => format!("{} h", minutes / 60),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

/// `0.4 s` below ten seconds, `12 s` from there.
pub(super) fn short(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

/// `1 call`, `2 calls`.
pub(super) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {}", plural(one)) }
}

/// `subnets`, `policies`.
pub(super) fn plural(one: &str) -> String {
    crate::plan::plural(one)
}

/// How a kind is called in prose, by its name: `aws.ec2.security_group_rule` is a
/// `security group rule`.
pub(super) fn title(kind: &str) -> String {
    let word = kind.rsplit('.').next().unwrap_or(kind);
    match word {
        "vpc" => "VPC".to_owned(),
        "elastic_ip" => "Elastic IP".to_owned(),
        "nat_gateway" => "NAT gateway".to_owned(),
        "kms_key" => "KMS key".to_owned(),
        word => word.replace('_', " "),
    }
}
