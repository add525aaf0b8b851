//! The spec: loading, merging, checking, and the address plan.

use coderctl::spec::subnets::{Subnet, Unplaced, subnets};
use coderctl::spec::types::network::{NatMode, Network, Zones};
use coderctl::spec::{Diagnostics, Input, Loaded, from_merged, load, presets, reference, schema};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const HEAD: &str = "version: 1\nowner: me\naccount: \"123456789012\"\nhome_region: us-east-1\n";

/// Writes `texts` as files and loads them in order.
fn load_texts(texts: &[&str], set: &[&str]) -> Result<Loaded, Diagnostics> {
    let directory = tempfile::tempdir().unwrap();
    let files = texts
        .iter()
        .enumerate()
        .map(|(at, text)| {
            let file = directory.path().join(format!("{at}.yaml"));
            std::fs::write(&file, text).unwrap();
            file
        })
        .collect();
    load(&Input { files, set: set.iter().map(|text| (*text).to_owned()).collect() })
}

fn loaded(text: &str) -> Loaded {
    load_texts(&[text], &[]).unwrap_or_else(|problems| panic!("{}", problems.render(100, false)))
}

fn with_head(text: &str) -> String {
    format!("{HEAD}{text}")
}

fn messages(result: Result<Loaded, Diagnostics>) -> Vec<String> {
    match result {
        Ok(_) => Vec::new(),
        Err(problems) => problems.items().map(|problem| problem.message().to_owned()).collect(),
    }
}

fn network(loaded: &Loaded) -> &Network {
    loaded.spec.network.as_ref().unwrap()
}

#[test]
fn every_broken_spec_says_what_is_wrong() {
    let directory = Path::new("tests/suite/broken_specs");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 24);
    let mut stale = Vec::new();
    for file in files {
        let result = load(&Input { files: vec![file.clone()], set: Vec::new() });
        let problems = match result {
            Ok(_) => panic!("{} is taken for sound", file.display()),
            Err(problems) => problems,
        };
        let shown = problems.render(100, false);
        assert!(!shown.contains("hunter2"), "a secret is shown:\n{shown}");
        assert!(!problems.to_string().contains("hunter2"));
        assert!(!serde_json::to_string(&problems).unwrap().contains("hunter2"));
        assert!(!problems.render(100, true).contains("hunter2"));
        let golden = file.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            std::fs::write(&golden, &shown).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != shown {
            stale.push(format!("{}\n{shown}", golden.display()));
        }
    }
    assert!(stale.is_empty(), "UPDATE_GOLDENS=1 rewrites:\n{}", stale.join("\n"));
}

#[test]
fn the_example_is_the_five_tier_network() {
    let files = vec![PathBuf::from("examples/network.yaml")];
    let loaded = load(&Input { files, set: Vec::new() }).unwrap();
    assert_eq!(loaded.spec.deployment().as_str(), "coder-prod");
    let network = network(&loaded);
    let tiers: Vec<&str> = network.tiers.names().collect();
    assert_eq!(tiers, ["public", "control", "provisioner", "workspace", "database"]);
    assert_eq!(network.nat.mode, NatMode::PerAz);
    assert_eq!(network.endpoints.len(), 12);
    assert_eq!(loaded.spec.flow_log_group().unwrap(), "/coder/prod/vpc-flow-logs");
    let Zones::Named(zones) = network.zones() else { panic!("zones are named") };
    let plan = subnets(network, zones).unwrap();
    assert_eq!(plan.len(), 15);
    let cidr = |tier: &str, zone: &str| {
        let found = plan.iter().find(|subnet| subnet.tier == tier && subnet.zone == zone);
        found.unwrap().cidr.to_string()
    };
    assert_eq!(cidr("public", "us-east-1a"), "10.0.0.0/22");
    assert_eq!(cidr("database", "us-east-1a"), "10.0.4.0/24");
    assert_eq!(cidr("control", "us-east-1b"), "10.0.72.0/21");
    assert_eq!(cidr("workspace", "us-east-1c"), "10.0.160.0/19");
}

#[test]
fn the_ranges_that_the_example_offers_are_sound() {
    let text = std::fs::read_to_string("examples/network.yaml").unwrap();
    let offered = text.replace("  # tiers:", "  tiers:").replace("  #   ", "    ");
    let loaded = loaded(&offered);
    let Zones::Named(zones) = network(&loaded).zones() else { panic!("zones are named") };
    let plan = subnets(network(&loaded), zones).unwrap();
    let workspace = plan.iter().find(|subnet| subnet.tier == "workspace").unwrap();
    assert_eq!(workspace.cidr.to_string(), "10.0.160.0/19");
}

#[test]
fn the_pattern_and_the_defaults_say_the_same() {
    let pattern = loaded(&with_head("pattern: network\n"));
    let plain = loaded(&with_head("network: {}\n"));
    let (mut pattern, plain) = (network(&pattern).clone(), network(&plain).clone());
    assert!(!pattern.endpoints.is_empty());
    pattern.endpoints = plain.endpoints.clone();
    assert_eq!(pattern, plain);
}

#[test]
fn every_preset_loads() {
    for preset in presets() {
        let own = if preset.text.lines().any(|line| line == "coder:") {
            "dns: {base_domain: example.com}\ncoder: {owner: {email: a@example.com}}\n"
        } else {
            ""
        };
        loaded(&with_head(&format!("pattern: {}\n{own}", preset.name)));
    }
}

#[test]
fn scalars_are_taken_as_they_are_written() {
    let loaded = loaded(
        "version: 1\nowner: 1.30\naccount: 012345678901\nhome_region: us-east-1\n\
         tags: {a: no, b: 06:45, c: 0x1F, d: 1e3, e: 'x', f: \"y\", g: true, h: 2012-10-17, i: .inf}\n",
    );
    assert_eq!(loaded.spec.owner, "1.30");
    assert_eq!(loaded.spec.account.as_str(), "012345678901");
    let tags: Vec<(&str, &str)> =
        loaded.spec.tags.iter().map(|(key, value)| (key, value.as_str())).collect();
    let expected = [
        ("a", "no"),
        ("b", "06:45"),
        ("c", "0x1F"),
        ("d", "1e3"),
        ("e", "x"),
        ("f", "y"),
        ("g", "true"),
        ("h", "2012-10-17"),
        ("i", ".inf"),
    ];
    assert_eq!(tags, expected);
}

#[test]
fn policy_documents_keep_what_json_would_change() {
    let loaded = loaded(&with_head(
        "roles:\n  a:\n    trust: {service: [ec2.amazonaws.com]}\n    inline:\n      p:\n        \
         Version: 2012-10-17\n        Statement:\n          Effect: Allow\n          Action: '*'\n          \
         Resource: '*'\n          Condition: {x: {n: 5, zero: 007, b: true, v: 1.30, big: 123456789012345678901234567890}}\n",
    ));
    let role = loaded.spec.roles.get("a").unwrap();
    let document = &role.inline.get("p").unwrap().0;
    assert_eq!(document["Version"], json!("2012-10-17"));
    assert_eq!(
        document["Statement"]["Condition"]["x"],
        json!({"n": 5, "zero": "007", "b": true, "v": "1.30", "big": "123456789012345678901234567890"})
    );
    let trust = role.trust.document();
    assert_eq!(trust.0["Statement"][0]["Principal"], json!({"Service": ["ec2.amazonaws.com"]}));
}

#[test]
fn anchors_aliases_and_merge_keys_work_and_point_to_where_values_are_written() {
    let loaded = loaded(&with_head(
        "network:\n  security_groups:\n    app:\n      ingress:\n        a: &web {port: 443, cidr: 10.0.0.0/8}\n        b:\n          <<: *web\n          port: 80\n",
    ));
    let rules = &network(&loaded).security_groups.get("app").unwrap().ingress;
    assert_eq!(rules.get("b").unwrap().ports(), (80, 80));
    assert_eq!(rules.get("b").unwrap().cidr, rules.get("a").unwrap().cidr);
    let cidr = loaded.origin("network.security_groups.app.ingress.b.cidr").unwrap();
    assert_eq!(cidr.line, 9);
}

#[test]
fn later_files_lie_on_top_and_set_lies_on_top_of_all() {
    let base = with_head(
        "pattern: network\ntags: {a: '1', b: '2'}\nnetwork:\n  azs: [us-east-1a, us-east-1b]\n  nat: {mode: single}\n",
    );
    let over = "tags: {b: null, c: '3'}\nnetwork:\n  azs: [us-east-1c]\n";
    let set = ["network.flow_logs.retention_days=30", "network.endpoints.\"ecr.api\"=null"];
    let loaded = load_texts(&[&base, over], &set).unwrap();
    let tags: Vec<&str> = loaded.spec.tags.names().collect();
    assert_eq!(tags, ["a", "c"]);
    let network = network(&loaded);
    assert_eq!(network.azs.as_deref(), Some(&["us-east-1c".to_owned()][..]));
    assert_eq!(network.nat.mode, NatMode::Single);
    assert_eq!(network.flow_logs.retention_days.0, 30);
    assert!(network.endpoints.get("ecr.api").is_none());
    assert_eq!(network.endpoints.len(), 11);

    let at = |path: &str| loaded.origin(path).unwrap();
    assert!(at("network.azs").file.ends_with("1.yaml"));
    assert_eq!(at("network.azs[0]").line, 3);
    assert!(at("network.nat.mode").file.ends_with("0.yaml"));
    assert_eq!((at("network.nat.mode").line, at("network.nat.mode").column), (9, 15));
    assert_eq!(at("network.flow_logs.retention_days").to_string(), "--set #1:1");
    assert_eq!(at("network.flow_logs.retention_days").column, 34);
    assert_eq!(at("network.vpc_cidr").file, "pattern network");
    assert_eq!(at("network.endpoints.ecr.dkr.tier").file, "pattern network");
    assert_eq!(loaded.origin("network.security_groups"), None);
    assert_eq!(loaded.origin("network.nowhere.at.all"), None);
}

#[test]
fn a_pattern_can_be_a_file_next_to_the_spec_and_stand_on_another() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = directory.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    write("ours.yaml", "pattern: network\ntags: {team: a}\nnetwork: {nat: {mode: single}}\n");
    let spec = write("spec.yaml", &with_head("pattern: ./ours.yaml\ntags: {team: b}\n"));
    let result = load(&Input { files: vec![spec], set: Vec::new() }).unwrap();
    assert_eq!(result.spec.tags.get("team").unwrap(), "b");
    assert_eq!(network(&result).nat.mode, NatMode::Single);
    assert_eq!(network(&result).endpoints.len(), 12);

    let circle = write("circle.yaml", &with_head("pattern: ./circle.yaml\n"));
    let result = load(&Input { files: vec![circle], set: Vec::new() });
    assert!(messages(result)[0].contains("on top of each other"));
}

#[test]
fn set_is_refused_where_it_is_wrong() {
    let head = with_head("");
    let refused = |set: &str| messages(load_texts(&[&head], &[set])).join("\n");
    assert!(refused("network").contains("no `=`"));
    assert!(refused("a..b=1").contains("is not a path"));
    assert!(refused("=1").contains("is not a path"));
    assert!(refused("network.az_count=many").contains("network.az_count: expected an integer"));
    assert!(refused("tags=[").contains("parsing YAML"));
    let shown = load_texts(&[&head], &["network.az_count=9"]).unwrap_err().render(100, false);
    assert!(shown.contains("--set #1:1:18"), "{shown}");
    let leak = "kubernetes.objects.db.secret.strng_data.password=hunter2";
    assert!(!load_texts(&[&head], &[leak]).unwrap_err().render(100, false).contains("hunter2"));
    let leak = "kubernetes.objects.db.secret.string_data.password={hunter2";
    assert!(!load_texts(&[&head], &[leak]).unwrap_err().render(100, false).contains("hunter2"));
    let leak = "kubernetes.objects.db.secret.string_data.password=hunter2";
    assert!(!load_texts(&[&head], &[leak]).unwrap_err().render(100, false).contains("hunter2"));
}

#[test]
fn secrets_files_are_relative_to_the_file_that_names_them() {
    let text = with_head(
        "kubernetes:\n  objects:\n    a:\n      secret: {namespace: n, name: a, string_data: {x: {file: token.txt}, y: {env: TOKEN}}}\n",
    );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("spec.yaml");
    std::fs::write(&file, text).unwrap();
    let loaded = load(&Input { files: vec![file], set: Vec::new() }).unwrap();
    let data = &loaded.merged["kubernetes"]["objects"]["a"]["secret"]["string_data"];
    let expected = directory.path().join("token.txt");
    assert_eq!(data["x"]["file"], json!(expected.to_string_lossy()));
    assert_eq!(data["y"], json!({"env": "TOKEN"}));
}

#[test]
fn a_merged_document_loads_as_the_same_spec() {
    let files = vec![PathBuf::from("examples/network.yaml")];
    let first = load(&Input { files, set: vec!["account=012345678901".to_owned()] }).unwrap();
    let text = serde_json::to_string(&first.merged).unwrap();
    let again = from_merged(&serde_json::from_str(&text).unwrap()).unwrap();
    assert_eq!(first.spec, again.spec);
    assert_eq!(first.merged, again.merged);
    assert_eq!(again.spec.account.as_str(), "012345678901");

    let mut broken = first.merged.clone();
    broken["network"]["nat"]["mode"] = json!("some");
    let shown = from_merged(&broken).unwrap_err().render(100, false);
    assert!(shown.contains("\"mode\": \"some\""), "{shown}");
}

#[test]
fn a_spec_written_out_with_its_defaults_loads_as_the_same_spec() {
    let files = vec![PathBuf::from("examples/network.yaml")];
    let first = load(&Input { files, set: Vec::new() }).unwrap();
    let again = from_merged(&serde_json::to_value(&first.spec).unwrap()).unwrap();
    assert_eq!(first.spec, again.spec);
}

#[test]
fn an_empty_spec_says_what_is_missing() {
    let missing = messages(load_texts(&[""], &[]));
    for key in ["version", "account", "home_region", "owner"] {
        assert!(missing.iter().any(|message| message.contains(&format!("`{key}` is missing"))));
    }
    assert_eq!(missing.len(), 4);
    assert!(messages(load_texts(&["# nothing\n"], &[])).len() == 4);
    assert!(messages(load(&Input::default())).len() == 4);
}

#[test]
fn files_that_cannot_be_read_are_all_named() {
    let files = vec![PathBuf::from("nowhere.yaml"), PathBuf::from("nor-here.yaml")];
    let missing = messages(load(&Input { files, set: Vec::new() }));
    assert_eq!(missing.len(), 2);
    let large = "# x\n".repeat(1 << 19);
    assert!(messages(load_texts(&[&large], &[]))[0].contains("larger than 1 MiB"));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("spec.yaml");
    std::fs::write(&file, [0xff, 0xfe, 0x00]).unwrap();
    assert!(messages(load(&Input { files: vec![file], set: Vec::new() }))[0].contains("not UTF-8"));
}

#[test]
fn nothing_that_is_deep_or_wide_hangs() {
    let started = std::time::Instant::now();
    let deep = format!("a: {}{}\n", "[".repeat(200_000), "]".repeat(200_000));
    assert!(!messages(load_texts(&[&deep], &[])).is_empty());
    let indented: String = (0..900).map(|at| format!("{}a:\n", " ".repeat(at))).collect();
    assert!(!messages(load_texts(&[&indented], &[])).is_empty());
    let wide: String = (0..12_000).map(|at| format!("  k{at}: v\n")).collect();
    let wide = with_head(&format!("tags:\n{wide}"));
    assert!(!messages(load_texts(&[&wide, &wide], &[])).is_empty());
    let set = format!("{}=1", vec!["a"; 5_000].join("."));
    assert!(!messages(load_texts(&[HEAD], &[&set])).is_empty());
    assert!(started.elapsed().as_secs() < 30, "took {:?}", started.elapsed());
}

#[test]
fn the_schema_and_the_types_agree() {
    let schema = schema();
    // Each key that the schema names is one that the types take, and no other: serde refuses
    // unknown keys in every struct, and its message lists those that it knows.
    let mut checked = 0;
    for (pointer, object) in objects("", &schema) {
        let Some(properties) = object.get("properties").and_then(Value::as_object) else {
            continue;
        };
        assert_eq!(object.get("additionalProperties"), Some(&json!(false)), "at {pointer}");
        for (key, property) in properties {
            // The words on a choice of one key are those on the choice.
            let has_words = [property, object].iter().any(|one| one.get("description").is_some());
            assert!(has_words, "{pointer}/{key} has no description");
            checked += 1;
        }
    }
    assert!(checked > 60, "{checked}");
    let error = serde_json::from_value::<coderctl::spec::Spec>(json!({"": 1})).unwrap_err();
    let error = error.to_string();
    for key in schema["properties"].as_object().unwrap().keys() {
        assert!(error.contains(&format!("`{key}`")), "serde does not know `{key}`");
    }
    let known = error.matches('`').count() / 2 - 1;
    assert_eq!(known, schema["properties"].as_object().unwrap().len());
}

#[test]
fn a_spec_with_every_key_of_the_schema_loads() {
    fn keys<'a>(value: &'a Value, found: &mut std::collections::BTreeSet<&'a str>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(key, member)| {
                found.insert(key);
                keys(member, found);
            }),
            Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
            _ => {}
        }
    }
    let files =
        ["base", "over"].map(|name| PathBuf::from(format!("tests/suite/specs/{name}.yaml")));
    let loaded =
        load(&Input { files: files.to_vec(), set: vec!["network.az_count=null".to_owned()] });
    let loaded = loaded.unwrap_or_else(|problems| panic!("{}", problems.render(100, false)));
    let mut written = std::collections::BTreeSet::new();
    keys(&loaded.merged, &mut written);
    // It cannot be there together with `azs`.
    written.insert("az_count");
    let schema = schema();
    for (pointer, object) in objects("", &schema) {
        for key in object
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|keys| keys.keys())
        {
            assert!(written.contains(key.as_str()), "{pointer}/{key} is in no spec of the tests");
        }
    }
    let again = from_merged(&serde_json::to_value(&loaded.spec).unwrap()).unwrap();
    assert_eq!(loaded.spec, again.spec);
}

#[test]
fn every_pattern_of_the_schema_is_a_regular_expression() {
    fn patterns(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("pattern").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| patterns(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| patterns(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    patterns(&schema(), &mut found);
    assert!(found.len() > 10);
    for pattern in found {
        regex::Regex::new(&pattern).unwrap();
    }
}

/// Every schema of an object within `value`, by its pointer.
fn objects<'a>(pointer: &str, value: &'a Value) -> Vec<(String, &'a Value)> {
    let mut found = Vec::new();
    match value {
        Value::Object(members) => {
            if members.get("type") == Some(&json!("object")) {
                found.push((pointer.to_owned(), value));
            }
            for (key, member) in members.iter().filter(|(key, _)| *key != "default") {
                found.extend(objects(&format!("{pointer}/{key}"), member));
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                found.extend(objects(&format!("{pointer}/{at}"), item));
            }
        }
        _ => {}
    }
    found
}

#[test]
fn the_reference_page_is_up_to_date() {
    let page = reference();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::create_dir_all("docs").unwrap();
        std::fs::write("docs/spec.md", &page).unwrap();
    }
    let written = std::fs::read_to_string("docs/spec.md").unwrap_or_default();
    assert!(written == page, "docs/spec.md is stale: UPDATE_GOLDENS=1 cargo test rewrites it");
}

#[test]
fn problems_are_data_too() {
    let problems = load_texts(&[HEAD], &["network.az_count=9"]).unwrap_err();
    assert_eq!(
        serde_json::to_value(&problems).unwrap(),
        json!([{
            "message": "network.az_count: expected an integer from 1 to 6, found `9`",
            "file": "--set #1",
            "line": 1,
            "column": 18,
        }])
    );
    assert_eq!(
        problems.to_string(),
        "--set #1:1: network.az_count: expected an integer from 1 to 6, found `9`"
    );
}

fn plan(text: &str, zones: usize) -> Result<Vec<Subnet>, Vec<Unplaced>> {
    let loaded = loaded(&with_head(text));
    let zones: Vec<String> =
        ('a'..='z').take(zones).map(|letter| format!("us-east-1{letter}")).collect();
    subnets(network(&loaded), &zones)
}

#[test]
fn a_tier_pinned_to_the_ranges_that_it_has_moves_nothing() {
    let free = plan("pattern: network\n", 2).unwrap();
    let ranges: Vec<String> = free
        .iter()
        .filter(|subnet| subnet.tier == "control")
        .map(|subnet| format!("{}: {}", subnet.zone.chars().last().unwrap(), subnet.cidr))
        .collect();
    let text = format!(
        "pattern: network\nnetwork:\n  azs: [us-east-1a, us-east-1b]\n  tiers: {{control: {{cidrs: {{{}}}}}}}\n",
        ranges.join(", ")
    );
    assert_eq!(plan(&text, 2).unwrap(), free);
}

#[test]
fn more_zones_than_the_plan_has_room_for_are_refused() {
    let refused = plan("pattern: network\n", 5).unwrap_err();
    assert_eq!(refused, [Unplaced::Zones { zones: 5, blocks: 4 }]);
}

/// Trees whose keys tell what they hold, so that a map never meets a scalar.
fn tree() -> impl Strategy<Value = Value> {
    let scalars = prop::collection::btree_map("s[a-c]", "[a-z]{1,3}".prop_map(Value::from), 0..3);
    let leaf = scalars.prop_map(|entries| Value::Object(entries.into_iter().collect()));
    leaf.prop_recursive(3, 24, 3, |inner| {
        (
            prop::collection::btree_map("s[a-c]", "[a-z]{1,3}".prop_map(Value::from), 0..3),
            prop::collection::btree_map("m[a-c]", inner, 0..3),
        )
            .prop_map(|(scalars, maps)| Value::Object(scalars.into_iter().chain(maps).collect()))
    })
}

/// What `texts` merge to, seen through a part of the spec that takes any tree.
fn merged(texts: &[&Value]) -> Value {
    let wrap = |condition: &Value| {
        json!({
            "version": 1, "owner": "me", "account": "123456789012", "home_region": "us-east-1",
            "roles": {"a": {
                "trust": {"service": ["ec2.amazonaws.com"]},
                "inline": {"p": {"Statement": {
                    "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition,
                }}},
            }},
        })
        .to_string()
    };
    let texts: Vec<String> = texts.iter().map(|text| wrap(text)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut loaded = load_texts(&texts, &[]).unwrap();
    loaded.merged["roles"]["a"]["inline"]["p"]["Statement"]["Condition"].take()
}

proptest! {
    #![proptest_config(crate::suite::seeds::config(64))]

    #[test]
    fn merging_is_associative(a in tree(), b in tree(), c in tree()) {
        let left = merged(&[&merged(&[&a, &b]), &c]);
        let right = merged(&[&a, &merged(&[&b, &c])]);
        prop_assert_eq!(&left, &right);
        prop_assert_eq!(&left, &merged(&[&a, &b, &c]));
    }

    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("spec.yaml");
        std::fs::write(&file, &bytes).unwrap();
        if let Err(problems) = load(&Input { files: vec![file], set: Vec::new() }) {
            problems.render(80, true);
            problems.render(0, false);
        }
    }

    #[test]
    fn no_text_makes_it_panic(
        text in "([a-z]{0,4}|[:{}\\[\\]&*#!|>'\"%@`,\\-? \n\t<~é🔑\\\\]){0,40}",
        at in 0_usize..200,
    ) {
        let mut sound = with_head("pattern: network\nnetwork:\n  tiers: {app: {prefix_length: 24}}\n");
        let at = (0..=at.min(sound.len())).rev().find(|at| sound.is_char_boundary(*at)).unwrap();
        sound.insert_str(at, &text);
        for (texts, set) in [(vec![sound.as_str()], vec![]), (vec![HEAD], vec![text.as_str()])] {
            if let Err(problems) = load_texts(&texts, &set) {
                problems.render(80, false);
                let _ = serde_json::to_string(&problems).unwrap();
            }
        }
    }

    #[test]
    fn no_mistake_around_a_secret_shows_it(
        junk in "([a-z_]{1,3}|[:{}\\[\\]&*!|>'\"%@`,\\- \n\t\\\\]){1,6}",
        at in 0_usize..400,
        cut in 0_usize..400,
    ) {
        let secret = "hunter2-correct-horse";
        let texts = [
            format!("kubernetes:\n  objects:\n    db:\n      secret:\n        namespace: n\n        name: db\n        string_data:\n          password: {secret}\n          other: {{env: A}}\n"),
            format!("kubernetes: {{objects: {{db: {{secret: {{namespace: n, name: db, string_data: {{password: \"{secret}\", other: {{env: A}}}}}}}}}}}}\n"),
            format!("assume_role:\n  role_arn: arn:aws:iam::123456789012:role/x\n  external_id: |\n    {secret}\n    {secret}\n"),
        ];
        for text in texts {
            let mut broken = with_head(&text);
            let whole = broken.find(secret).unwrap()..broken.rfind(secret).unwrap() + secret.len();
            if cut < whole.start {
                broken.remove(cut);
            }
            let at = at.min(broken.len());
            // A secret that is cut in two is not one any more.
            if broken.match_indices(secret).all(|(from, _)| at <= from || at >= from + secret.len()) {
                broken.insert_str(at, &junk);
            }
            if let Err(problems) = load_texts(&[&broken], &[]) {
                let shown = format!("{}{problems}", problems.render(200, false));
                prop_assert!(!shown.contains("correct-horse"), "{shown}");
            }
        }
    }

    #[test]
    fn adding_a_zone_or_a_tier_moves_nothing(
        prefixes in prop::collection::vec(18_u8..=28, 1..8),
        zones in 1_usize..4,
    ) {
        let text = |prefixes: &[u8]| {
            let tiers: String = prefixes
                .iter()
                .enumerate()
                .map(|(at, prefix)| format!("    t{at}: {{prefix_length: {prefix}, egress: none}}\n"))
                .collect();
            with_head(&format!("network:\n  az_count: 1\n  tiers:\n{tiers}"))
        };
        let network_of = |prefixes: &[u8]| {
            load_texts(&[&text(prefixes)], &[]).ok().and_then(|loaded| loaded.spec.network)
        };
        let names: Vec<String> = ('a'..='d').map(|letter| format!("us-east-1{letter}")).collect();
        let (Some(fewer), Some(more)) = (network_of(&prefixes[..prefixes.len().max(2) - 1]), network_of(&prefixes))
        else {
            // What does not fit is refused, and then nothing moves either.
            return Ok(());
        };
        let before = subnets(&fewer, &names[..zones]).unwrap();
        let after = subnets(&more, &names[..=zones]).unwrap();
        for subnet in &before {
            prop_assert!(after.contains(subnet), "{:?} moved", subnet);
        }
        for (at, one) in after.iter().enumerate() {
            prop_assert!(more.vpc_cidr.contains(&one.cidr));
            for other in &after[at + 1..] {
                prop_assert!(!one.cidr.contains(&other.cidr) && !other.cidr.contains(&one.cidr));
            }
        }
    }
}
