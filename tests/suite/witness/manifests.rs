//! Coder's manifests, as `coderctl render` writes them, before judges that this project did not
//! write: Kubernetes' own schemas in two versions, and a linter's rules for what runs in a cluster.

use super::program::{Caller, Keys};
use super::python;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The oldest and the newest version of Kubernetes that EKS has in standard support.
/// <https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html>
const VERSIONS: [&str; 2] = ["1.34", "1.36"];

/// Rules of the linter that do not hold, for which object, and why that is right.
const ARGUED: &[(&str, &str, &str)] = &[
    (
        "CKV_K8S_8",
        SERVER,
        "no liveness probe: it would kill a server in the midst of bringing its database up to a \
         new version; a server that can not go on ends by itself",
    ),
    (
        "CKV_K8S_15",
        SERVER,
        "a tag is a version, which never changes: a node must start the server without a registry",
    ),
    ("CKV_K8S_35", SERVER, "Coder takes its secrets from its environment"),
    ("CKV_K8S_38", SERVER, "builds run in the server, and make workspaces with its token"),
    ("CKV_K8S_40", SERVER, "the user of Coder's image is 1000, and owns what is in it"),
    (
        "CKV_K8S_43",
        SERVER,
        "the spec names a version, which people can read; a mirror under `coder.image` can pin \
         what is behind it",
    ),
];

/// The server's Deployment, as the linter calls it.
const SERVER: &str = "Deployment.coder.coder";

/// The spec with everything that makes an object or changes one.
const MORE: &[&str] = &[
    "coder.replicas=3",
    "coder.license={env: LICENSE}",
    "coder.oidc={issuer_url: 'https://login.example.com', client_id: coder, client_secret: {env: OIDC}}",
    "coder.github={client_id: coder, client_secret: {env: GITHUB}, allow_everyone: true}",
    "coder.settings.CODER_SESSION_DURATION=12h",
];

/// Renders into a folder, and gives how many objects there are.
fn render(caller: &Caller, folder: &Path, set: &[&str]) -> usize {
    let into = folder.display().to_string();
    let mut args = vec!["render", "-f", "examples/sr-simple.yaml", "--out", &into];
    args.extend(set.iter().flat_map(|value| ["--set", *value]));
    caller.expect(0, &args);
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn they_fit_the_schemas_of_two_versions() {
    let caller = Caller::new("http://127.0.0.1:9", Keys::any());
    for (name, set) in [("plain", &[][..]), ("more", MORE)] {
        let folder = caller.home().join(name);
        assert!(render(&caller, &folder, set) >= 13);
        let check = |folder: &Path| {
            caller
                .command(&python::of_manifests("python"))
                .arg(python::folder().join("manifests.py"))
                .arg(folder)
                .args(VERSIONS)
                .output()
                .unwrap()
        };
        let output = check(&folder);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let more = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}:\n{said}{more}");
        // The judge judges: a key that no schema has is found, in both versions.
        let mut files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let is_service =
            |file: &PathBuf| file.to_string_lossy().ends_with("-service-coder-coder.yaml");
        let file = files.find(is_service).expect("the Service of the server");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("sessionAffinity:", "sessionAffinty:")).unwrap();
        let said = String::from_utf8(check(&folder).stdout).unwrap();
        assert_eq!(said.matches("sessionAffinty").count(), VERSIONS.len(), "{said}");
    }
}

#[test]
fn a_linter_finds_nothing_that_is_not_argued() {
    let caller = Caller::new("http://127.0.0.1:9", Keys::any());
    let folder = caller.home().join("manifests");
    render(&caller, &folder, &[]);
    let output = caller
        .command(&python::of_manifests("checkov"))
        .args(["--framework", "kubernetes", "--output", "json", "--quiet", "--compact"])
        .args(["--skip-download", "--directory"])
        .arg(&folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report: Value = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    let summary = &report["summary"];
    assert!(summary["resource_count"].as_u64() >= Some(10), "{summary}");
    assert_eq!(summary["parsing_errors"], 0, "{summary}");
    let failed = report["results"]["failed_checks"].as_array().unwrap();
    let found: BTreeSet<(String, String)> = failed
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            (text("check_id"), text("resource"))
        })
        .collect();
    let argued: BTreeSet<(String, String)> =
        ARGUED.iter().map(|(rule, of, _)| ((*rule).to_owned(), (*of).to_owned())).collect();
    let name = |(rule, of): &(String, String)| {
        let one = failed.iter().find(|one| one["check_id"] == rule.as_str()).unwrap();
        format!("{rule} {of}: {}", one["check_name"])
    };
    let new: Vec<String> = found.difference(&argued).map(name).collect();
    assert!(new.is_empty(), "{}", new.join("\n"));
    let old: Vec<_> = argued.difference(&found).collect();
    assert!(old.is_empty(), "argued and not found any more: {old:?}");
}
