//! Manifests without a cluster, and the kubeconfig.

use super::binary::{Folder, run};
use crate::suite::deployment::spec;
use coderctl::pattern::{Facts, graph, manifests};
use coderctl::report::yaml;
use serde_json::{Value, json};

const SIMPLE: &str = "examples/sr-simple.yaml";

fn rendered(facts: &Facts, set: &[&str]) -> Vec<Value> {
    let loaded = spec(SIMPLE, set);
    let graph = graph(&loaded.spec, facts).unwrap_or_else(|why| panic!("{why:?}"));
    manifests(&graph).into_iter().map(|one| one.manifest).collect()
}

fn assumed() -> Facts {
    Facts::assumed(&spec(SIMPLE, &[]).spec)
}

/// All texts of a value, with where they stand.
fn texts(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((at.to_owned(), text.clone())),
        Value::Array(list) => {
            for (number, item) in list.iter().enumerate() {
                texts(item, &format!("{at}/{number}"), found);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                texts(item, &format!("{at}/{key}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_object_is_whole_and_nothing_secret_is_in_it() {
    let all = rendered(&assumed(), &[]);
    let kinds: Vec<&str> = all.iter().filter_map(|one| one["kind"].as_str()).collect();
    for kind in ["Namespace", "StorageClass", "Secret", "Service", "Deployment", "NetworkPolicy"] {
        assert!(kinds.contains(&kind), "{kind} is not among {kinds:?}");
    }
    let mut found = Vec::new();
    for one in &all {
        for pointer in ["/apiVersion", "/kind", "/metadata/name"] {
            assert!(one.pointer(pointer).is_some_and(Value::is_string), "{pointer} of {one}");
        }
        assert_eq!(one["metadata"]["labels"]["app.kubernetes.io/managed-by"], "coderctl");
        texts(one, one["kind"].as_str().unwrap(), &mut found);
    }
    assert!(found.iter().all(|(_, text)| !text.contains('\u{1}')), "a hole is left");
    // What a Secret holds is nothing but named.
    let secrets = all.iter().filter(|one| one["kind"] == "Secret");
    let entries: Vec<&str> = secrets
        .flat_map(|one| one["stringData"].as_object().unwrap().values())
        .filter_map(Value::as_str)
        .collect();
    assert!(!entries.is_empty());
    for entry in &entries {
        assert!(entry.contains('<') && entry.contains('>'), "{entry}");
    }
    let url = entries.iter().find(|entry| entry.starts_with("postgres://")).unwrap();
    assert!(url.contains("@<database endpoint of us-east-1/database/cluster>:5432/"), "{url}");
    // Pods are started anew when their configuration changes, whatever that will be.
    let deployment = all.iter().find(|one| one["kind"] == "Deployment").unwrap();
    let checksum = &deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"];
    assert!(checksum.is_string(), "{checksum}");
}

#[test]
fn what_is_assumed_does_not_show() {
    let here = assumed();
    let there = Facts {
        zones: here.zones.iter().map(|zone| zone.replace("us-east-1", "zz-west-9")).collect(),
        hosted_zone: Some("ZOTHER".to_owned()),
    };
    assert_eq!(rendered(&here, &[]), rendered(&there, &[]));
}

#[test]
fn yaml_reads_back_as_what_was_written() {
    let tricky = json!({
        "yes": ["yes", "No", "on", "~", "null", "1e3", "0x1f", "012", "12:30", "1.0", "", " a", "a "],
        "more": ["a: b", "a #b", "- a", "*a", "&a", "{a}", "[a", "line\nline", "tab\t", "\"q\"", "<x>", "é", "@a", "a:"],
        "12": {"true": true, "null": null, "list": [[1, [2]], [], {}], "maps": [{"a": {"b": 1}, "c": [1]}]},
        "empty": {},
        "number": 1.5,
    });
    let mut all = rendered(&assumed(), &[]);
    all.push(tricky);
    for value in all {
        let text = yaml::document(&value);
        let back: Value = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(back, value, "\n{text}");
    }
    let text = yaml::document(&json!(["yes", "1e3", "0x1f", "12:30"]));
    assert_eq!(text, "- \"yes\"\n- \"1e3\"\n- \"0x1f\"\n- \"12:30\"\n");
}

#[test]
fn render_needs_no_cloud_and_follows_the_spec() {
    let folder = Folder::new();
    let example = format!("{}/{SIMPLE}", env!("CARGO_MANIFEST_DIR"));
    let args = ["render", "-f", example.as_str()];
    let one = run(&folder.path(""), &args).exits(0);
    assert_eq!(one.out, run(&folder.path(""), &args).exits(0).out);
    let set = [&args[..], &["--set", "coder.version=2.37.1"]].concat();
    let other = run(&folder.path(""), &set).exits(0);
    assert!(other.out.contains("v2.37.1") && !one.out.contains("v2.37.1"));
    let layer = folder.write("layer.yaml", "coder: {namespace: elsewhere}\n");
    let layered = [&args[..], &["-f", layer.to_str().unwrap()]].concat();
    assert!(run(&folder.path(""), &layered).exits(0).out.contains("namespace: elsewhere"));
    // One file an object; what is left of an earlier run goes, and what is not ours stays.
    let into = [&args[..], &["-o", "out"]].concat();
    run(&folder.path(""), &into).exits(0);
    let stale = folder.write("out/99-stale.yaml", "# Rendered by coderctl: gone\n");
    let foreign = folder.write("out/mine.yaml", "a: 1\n");
    run(&folder.path(""), &into).exits(0);
    assert!(!stale.exists() && foreign.exists());
    let count = std::fs::read_dir(folder.path("out")).unwrap().count();
    assert_eq!(count - 1, one.out.matches("\n---\n").count() + 1);
}

#[test]
fn a_kubeconfig_needs_a_cluster() {
    let folder = Folder::new();
    let example = format!("{}/{SIMPLE}", env!("CARGO_MANIFEST_DIR"));
    folder.run(&["kubeconfig", "-f", &example]).exits(1).says("coder-prod has no cluster yet");
    folder.tiny();
    folder.run(&["kubeconfig"]).exits(11).says("makes no cluster");
}

/// Takes as long as watching an apply does.
#[test]
fn what_was_applied_is_healthy_and_can_be_reached() {
    let folder = Folder::new();
    let example = format!("{}/{SIMPLE}", env!("CARGO_MANIFEST_DIR"));
    let of = |args: &[&str]| folder.run(&[args, &["-f", &example]].concat());
    of(&["status"]).exits(20).says("is not there").says("not healthy");
    of(&["apply", "--yes"]).exits(0).says("healthz OK: https://coder.example.com/healthz says OK");
    let status = of(&["status"]).exits(0).says("healthy").says("1 of 1 replicas available");
    assert!(status.out.lines().all(|line| line.chars().count() <= 80), "{}", status.out);
    let json: Value = serde_json::from_str(&of(&["status", "--json"]).exits(0).out).unwrap();
    assert_eq!(json["healthy"], true, "{json}");
    let url = of(&["outputs", "coder_access_url", "--raw"]).exits(0).out;
    assert_eq!(url, "https://coder.example.com\n");

    let out = of(&["kubeconfig"]).exits(0).out;
    let config: Value = serde_saphyr::from_str(&out).unwrap();
    assert_eq!(config["current-context"], "coder-prod");
    let server = config["clusters"][0]["cluster"]["server"].as_str().unwrap();
    assert!(server.starts_with("https://") && server.ends_with(".eks.amazonaws.com"), "{server}");
    let exec = &config["users"][0]["user"]["exec"];
    assert_eq!(exec["apiVersion"], "client.authentication.k8s.io/v1beta1");
    assert_eq!(config["users"][0]["user"].as_object().unwrap().len(), 1, "a credential is inside");
    let file = folder.path("kube.yaml");
    let into = file.to_str().unwrap();
    of(&["kubeconfig", "-o", into]).exits(0);
    of(&["kubeconfig", "-o", into]).exits(0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), out);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    folder.write("kube.yaml", "apiVersion: v1\n");
    of(&["kubeconfig", "-o", into]).exits(13).says("--force");
    of(&["kubeconfig", "-o", into, "--force"]).exits(0);
}
