//! The map in `src/lib.rs`, held against the source: which module uses which, who prints, who
//! waits, and what never stands in a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The modules, in the order of the map. Those of one line may use each other.
const ORDER: &[&[&str]] = &[
    &["name", "secret", "clock"],
    &["spec"],
    &["value"],
    &["kind"],
    &["graph"],
    &["event"],
    &["plan"],
    &["observe"],
    &["execute"],
    &["aws", "kube"],
    &["coderd"],
    &["guest"],
    &["registry"],
    &["pattern"],
    &["accept"],
    &["report"],
    &["sandbox"],
    &["cli"],
];

/// Pairs that the order alone would forbid or allow, each with its reason.
const EXCEPTIONS: &[(&str, &str, &str)] =
    &[("plan", "observe", "a plan is made of what observing found, a plain value")];

/// What the sandbox may use: it must not share code with the kinds that it is there to test.
const SANDBOX_USES: &[&str] = &["name", "clock", "sandbox"];

struct Source {
    /// Below `src/`, `plan/items.rs`.
    path: String,
    text: String,
}

impl Source {
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The lines that are code, with their numbers: comments out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().filter_map(|(at, line)| {
            let code = line.split("//").next().unwrap_or_default();
            (!code.trim().is_empty()).then_some((at + 1, code))
        })
    }

    /// The places where a word stands in code.
    fn places(&self, word: &str) -> Vec<String> {
        self.code()
            .filter(|(_, code)| code.contains(word))
            .map(|(at, code)| format!("src/{}:{at}: {}", self.path, code.trim()))
            .collect()
    }
}

fn files(below: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut next = vec![below.to_owned()];
    while let Some(path) = next.pop() {
        if path.is_dir() {
            next.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.to_string_lossy().ends_with(ending) {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let sources: Vec<Source> = files(&src, ".rs")
        .into_iter()
        .map(|path| Source {
            path: path.strip_prefix(&src).unwrap().to_string_lossy().replace('\\', "/"),
            text: std::fs::read_to_string(&path).unwrap(),
        })
        .collect();
    assert!(sources.len() > 20, "the source is not where this test looks for it");
    sources
}

/// The modules that a text names by `crate::`, from `use crate::{a::B, c}` too.
fn named(text: &str) -> Vec<String> {
    let mut modules = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            for (place, c) in list.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if start && depth == 0 && c.is_alphabetic() => {
                        modules.push(word(&list[place..]));
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            modules.push(word(rest));
        }
    }
    modules
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|line| line.contains(&module))
}

#[test]
fn a_path_is_read_as_the_compiler_reads_it() {
    assert_eq!(named("use crate::name::Address;"), ["name"]);
    assert_eq!(named("let x = crate::kind::show(&y);"), ["kind"]);
    assert_eq!(named("use crate::{a::{B, C}, d};"), ["a", "d"]);
    assert_eq!(named("mycrate::x"), Vec::<String>::new());
}

#[test]
fn every_module_has_its_place_in_the_map() {
    let sources = sources();
    let lib = sources.iter().find(|source| source.path == "lib.rs").unwrap();
    for source in &sources {
        let module = source.module();
        if module != "lib" && module != "main" {
            assert!(rank(module).is_some(), "{module} has no place in the order");
            assert!(lib.text.contains(&format!("[`{module}`]")), "{module} is not in the map");
        }
    }
    // The map in the documentation says the same order.
    let places: Vec<usize> = ORDER
        .iter()
        .flat_map(|line| line.iter())
        .map(|module| lib.text.find(&format!("[`{module}`]")).unwrap())
        .collect();
    assert!(places.is_sorted(), "the map in src/lib.rs has another order");
}

#[test]
fn a_module_uses_only_what_stands_above_it() {
    let mut wrong = Vec::new();
    for source in sources() {
        let module = source.module();
        let Some(own) = rank(module) else { continue };
        let code: String = source.code().map(|(_, code)| code).collect::<Vec<_>>().join("\n");
        for used in named(&code) {
            let Some(other) = rank(&used) else { continue };
            let excepted = EXCEPTIONS.iter().any(|(who, whom, _)| *who == module && *whom == used);
            if other > own && !excepted {
                wrong.push(format!("src/{} uses {used}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_engine_names_no_provider() {
    let mut wrong = Vec::new();
    for source in sources() {
        if !["plan", "observe", "execute", "graph", "kind", "value", "event"]
            .contains(&source.module())
        {
            continue;
        }
        for word in ["crate::aws", "crate::kube", "aws_sdk", "aws_config", "kube::", "k8s_openapi"]
        {
            wrong.extend(source.places(word));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn planning_is_pure() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.module() == "plan") {
        for word in
            ["async ", ".await", "Clock", "SystemTime", "Instant", "std::env", "std::fs", "tokio"]
        {
            wrong.extend(source.places(word));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_reports_and_commands_print() {
    let mut wrong = Vec::new();
    for source in sources() {
        if ["report", "cli", "main"].contains(&source.module()) {
            continue;
        }
        for word in ["println!", "print!(", "eprint!(", "stdout()", "stderr()", "dbg!("] {
            wrong.extend(source.places(word));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_one_file_sees_an_sdk_error() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.path != "aws/call.rs") {
        for word in ["SdkError", "into_service_error", "as_service_error"] {
            wrong.extend(source.places(word));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_sandbox_shares_no_code_with_the_kinds() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.module() == "sandbox") {
        let code: String = source.code().map(|(_, code)| code).collect::<Vec<_>>().join("\n");
        for used in named(&code) {
            if rank(&used).is_some() && !SANDBOX_USES.contains(&used.as_str()) {
                wrong.push(format!("src/{} uses {used}", source.path));
            }
        }
        wrong.extend(source.places("aws_sdk_"));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_could_panic_says_why_it_can_not() {
    let mut wrong = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, code) in source.code() {
            if ![".unwrap()", ".expect(", "panic!(", "unreachable!(", "todo!(", "unimplemented!("]
                .iter()
                .any(|word| code.contains(word))
            {
                continue;
            }
            let near = lines[at.saturating_sub(6)..at].iter();
            if !near.clone().any(|line| line.contains("//")) {
                wrong.push(format!("src/{}:{at}: {}", source.path, code.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    let mut wrong = BTreeMap::new();
    let mut all = Vec::new();
    for folder in ["src", "tests", "docs", "patterns", "examples"] {
        let folder = root().join(folder);
        if folder.exists() {
            for ending in [".rs", ".md", ".yaml", ".yml", ".json", ".snap", ".toml"] {
                all.extend(files(&folder, ending));
            }
        }
    }
    // Put together here, so that this file does not find itself.
    let words = ["work", "root", "home", "Users"].map(|folder| format!("/{folder}/"));
    for path in all {
        let text = std::fs::read_to_string(&path).unwrap();
        for (at, line) in text.lines().enumerate() {
            // The folder of Coder's user in its own image is nobody's machine.
            let line = line.replace("/home/coder", "");
            let hit = words.iter().find(|word| {
                line.find(word.as_str()).is_some_and(|place| {
                    // A path starts there; `region/home/…` is part of something else.
                    let before = line[..place].chars().next_back();
                    before.is_none_or(|c| matches!(c, ' ' | '"' | '\'' | '`' | '(' | '='))
                })
            });
            if hit.is_some() {
                let place = path.strip_prefix(root()).unwrap().display().to_string();
                wrong.insert(format!("{place}:{}", at + 1), line.trim().to_owned());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
