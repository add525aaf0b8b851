//! Pictures of accounts that can be compared: one line a resource, in which everything that AWS
//! or chance has drawn is replaced by what it is.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What differs between a picture and what it should be; empty if nothing does.
pub(crate) fn difference(is: &[String], should: &[String]) -> String {
    let mut counts: BTreeMap<&String, i32> = BTreeMap::new();
    is.iter().for_each(|line| *counts.entry(line).or_default() += 1);
    should.iter().for_each(|line| *counts.entry(line).or_default() -= 1);
    let lines = counts.iter().filter(|(_, count)| **count != 0);
    lines.map(|(line, count)| format!("{count:+} {line}\n")).collect()
}

/// Fields that differ from run to run, or follow from others.
const NOISE: [&str; 23] = [
    "created",
    "available",
    "decided",
    "deleted",
    "gone",
    "updated",
    "since",
    "public_ip",
    "private_ip",
    "association",
    "coderctl:uid",
    "coderctl.dev/uid",
    // How often something was replaced: a run that died half way may leave less to replace.
    "coderctl:generation",
    "coderctl.dev/generation",
    "tokens",
    "last_time",
    "made",
    "writes",
    "deletion",
    // What a database is still doing, as far as it was known when somebody looked last.
    "busy",
    // Passwords are drawn. That those of the database, of its secret and of the cluster are the
    // same is seen where Coder runs.
    "password",
    "text",
    // What Coder keeps in its database is in the picture by itself.
    "contents",
];

/// `things` is more that is to be in the picture, by id.
pub(crate) fn picture(dump: &Value, mut things: BTreeMap<String, (String, Value)>) -> Vec<String> {
    for account in members(&dump["accounts"]) {
        for (kind, mut thing, id) in kinds(account.1) {
            if kind == "rds/clusters" {
                things.extend(super::kube_picture::of_coder(&kind, &thing["contents"]));
            }
            // The values that a secret had before: a run that died may have stored one more.
            if kind == "secrets/secrets"
                && let Some(versions) = thing["versions"].as_object_mut()
            {
                versions.retain(|_, version| version["stages"] != json!(["AWSPREVIOUS"]));
            }
            if thing["deleted"].is_null() && thing["gone"].is_null() && thing["deletion"].is_null()
            {
                things.insert(id, (kind, thing));
            }
        }
    }
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for (id, (kind, thing)) in &things {
        let address = thing["tags"]["coderctl:address"].as_str();
        names.insert(id.clone(), format!("{kind} {}", address.unwrap_or_default()));
    }
    let mut lines = Vec::new();
    // Names of what has no address come from what it points at; a few rounds reach everything.
    for _ in 0..4 {
        lines = things
            .iter()
            .map(|(id, (kind, thing))| (id.clone(), format!("{kind} {}", named(thing, &names))))
            .collect::<Vec<_>>();
        for (id, line) in &lines {
            if things[id].1["tags"]["coderctl:address"].is_null() {
                let digest = line
                    .bytes()
                    .fold(5381_u64, |sum, byte| sum.wrapping_mul(33).wrapping_add(u64::from(byte)));
                names.insert(id.clone(), format!("{}#{digest:x}", things[id].0));
            }
        }
    }
    let mut lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
    lines.sort();
    lines
}

pub(crate) fn members(value: &Value) -> Vec<(&String, &Value)> {
    value.as_object().map(|map| map.iter().collect()).unwrap_or_default()
}

/// Every resource of an account: what it is, itself, its id.
fn kinds(account: &Value) -> Vec<(String, Value, String)> {
    let mut all = Vec::new();
    let mut take = |service: &str, value: &Value| {
        for (kind, map) in members(value) {
            if kind != "tokens" && kind != "deleted" {
                for (id, thing) in members(map) {
                    all.push((format!("{service}/{kind}"), thing.clone(), id.clone()));
                }
            }
        }
    };
    take("iam", &account["iam"]);
    for (_, region) in members(&account["regions"]) {
        for (service, value) in members(region) {
            take(service, value);
        }
    }
    // What a record says follows from what it leads to.
    for (zone, it) in members(&account["route53"]["zones"]) {
        for (_, record) in members(&it["records"]) {
            let (name, kind) = (&record["name"], &record["kind"]);
            let id = format!("{zone}/{}/{}", text_of(name).trim_end_matches('.'), text_of(kind));
            all.push(("route53/records".to_owned(), json!({ "name": name, "kind": kind }), id));
        }
    }
    all
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The ids of all that is in the accounts of a dump, by kind, also of what AWS deletes days later.
pub(crate) fn ids(dump: &Value) -> BTreeSet<(String, String)> {
    let accounts = members(&dump["accounts"]).into_iter();
    let all = accounts.flat_map(|(_, account)| kinds(account));
    let there = all.filter(|(_, thing, _)| thing["deleted"].is_null() && thing["gone"].is_null());
    there.map(|(kind, _, id)| (kind, id)).collect()
}

/// The thing without noise, ids replaced by names, lists in order.
fn named(thing: &Value, names: &BTreeMap<String, String>) -> Value {
    match thing {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, value)| {
                !(NOISE.contains(&key.as_str()) || key.as_str() == "id" && value.is_string())
            });
            // A map by ids: what was drawn tells nothing, how many there are does.
            let mut shown: BTreeMap<String, Value> = BTreeMap::new();
            for (key, value) in kept {
                let (mut key, value) = (text(key, names), named(value, names));
                while shown.contains_key(&key) {
                    key.push('+');
                }
                shown.insert(key, value);
            }
            Value::Object(shown.into_iter().collect())
        }
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(|item| named(item, names)).collect();
            list.sort_by_key(ToString::to_string);
            Value::Array(list)
        }
        Value::String(line) => Value::String(text(line, names)),
        // Milliseconds since 1970.
        Value::Number(number) if number.as_u64().is_some_and(|n| n > 1_600_000_000_000) => {
            "{time}".into()
        }
        other => other.clone(),
    }
}

/// A text with the names of what it names, and without what was drawn.
fn text(line: &str, names: &BTreeMap<String, String>) -> String {
    if let Some(name) = names.get(line).filter(|_| is_id(line)) {
        return name.clone();
    }
    if line.len() == 20 && line.ends_with('Z') && line.as_bytes()[10] == b'T' {
        return "{time}".to_owned();
    }
    let mut shown = String::with_capacity(line.len());
    // The ARN of a secret ends in six letters that are drawn.
    let of_secret = line.contains(":secret:");
    let inside = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let mut rest = line;
    while !rest.is_empty() {
        let end = rest.find(|letter| !inside(letter)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        shown.push_str(&self::word(word, names, of_secret));
        let next = after.find(inside).unwrap_or(after.len());
        shown.push_str(&after[..next]);
        rest = &after[next..];
    }
    shown
}

/// Ids are long enough not to be met by chance; names of roles and groups stay.
fn is_id(word: &str) -> bool {
    word.starts_with("arn:") && !word.starts_with("arn:aws:iam:")
        || word.rsplit_once('-').is_some_and(|(_, last)| {
            last.len() == 17 && last.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
        || is_uuid(word)
}

fn word(word: &str, names: &BTreeMap<String, String>, of_secret: bool) -> String {
    if let Some(name) = names.get(word).filter(|_| is_id(word)) {
        return name.clone();
    }
    if let Some((before, last)) =
        word.len().checked_sub(36).and_then(|at| word.split_at_checked(at))
        && is_uuid(last)
    {
        return format!("{before}{{uuid}}");
    }
    let (before, last) = word.rsplit_once('-').unwrap_or(("", word));
    let all = |of: fn(&u8) -> bool| last.bytes().all(|byte| of(&byte));
    let drawn = if all(u8::is_ascii_digit) {
        // Twelve digits are an account.
        last.len() >= 6 && last.len() != 12
    } else {
        last.len() >= 9 && all(u8::is_ascii_hexdigit)
            || of_secret && !before.is_empty() && last.len() == 6 && all(u8::is_ascii_alphabetic)
    };
    if drawn { format!("{before}{{drawn}}") } else { word.to_owned() }
}

fn is_uuid(word: &str) -> bool {
    let dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    word.len() == 36
        && word
            .bytes()
            .enumerate()
            .all(|(at, byte)| if dash(at) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}
