//! From files and flags to a checked spec.

use super::diagnostic::{Diagnostic, Diagnostics, quote};
use super::overlay::{overlay, prune};
use super::source::{Origin, Source, Sources, Span};
use super::tree::{Node, Tree, write_json};
use super::types::Spec;
use super::{check, decode, parse, path, pattern, set};
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How many patterns may stand on top of each other.
const MAX_PATTERNS: usize = 8;

/// What to load, in the order in which it is laid on top of each other.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// The files, later ones on top; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// `path=value`, on top of all files.
    pub set: Vec<String>,
}

/// A spec that passed every check that needs no AWS, and where its values were written.
#[derive(Clone)]
pub struct Loaded {
    /// The spec.
    pub spec: Spec,
    /// The document it was read from: pattern, files and `--set` merged, secrets as references,
    /// nothing filled in. [`from_merged`] reads it back.
    pub merged: Value,
    tree: Node,
    sources: Sources,
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("merged", &self.merged).finish_non_exhaustive()
    }
}

impl Loaded {
    /// Where the value at a dotted path was written; nothing if it is a default. Items of lists
    /// are written `network.azs[0]`.
    pub fn origin(&self, path: &str) -> Option<Origin> {
        if path.is_empty() {
            return None;
        }
        path::find(&self.tree, path).and_then(|span| self.sources.origin(span))
    }
}

/// Reads, merges and checks a spec.
///
/// # Errors
///
/// Everything that is wrong with it, at once: first what cannot be read or parsed; then, if all
/// could be, what the schema refuses; then, if nothing is, what AWS would refuse.
pub fn load(input: &Input) -> Result<Loaded, Diagnostics> {
    let mut sources = Sources::default();
    let mut problems = Vec::new();
    let mut layers = Vec::new();
    for file in &input.files {
        match read(file).map(|text| text.trim_start_matches('\u{feff}').to_owned()) {
            Ok(text) => {
                let is_stdin = file.as_os_str() == "-";
                let directory = file.parent().filter(|_| !is_stdin).map(Path::to_owned);
                let name = if is_stdin { "<stdin>".into() } else { file.display().to_string() };
                let number = sources.add(Source { name, text, directory });
                layers.push(parse::parse(&sources, number));
            }
            Err(problem) => problems.push(problem),
        }
    }
    for (at, text) in input.set.iter().enumerate() {
        let name = format!("--set #{}", at + 1);
        let number = sources.add(Source { name, text: text.clone(), directory: None });
        layers.push(set::parse(&sources, number));
    }
    let mut user = Node::empty(sources.add(Source {
        name: "the spec".to_owned(),
        text: String::new(),
        directory: None,
    }));
    for layer in layers {
        match layer {
            // An empty file says nothing.
            Ok(Node { tree: Tree::Null, .. }) => {}
            Ok(layer) => user = overlay(user, layer),
            Err(problem) => problems.push(problem),
        }
    }
    let mut hidden = Vec::new();
    if problems.is_empty() {
        match on_patterns(&mut user, &mut sources) {
            Ok(()) => return finish(user, sources),
            Err(problem) => {
                // What cannot be checked may hold anything.
                decode::secrets(&user, &mut hidden);
                problems.push(problem);
            }
        }
    }
    Err(Diagnostics::new(problems, sources, &hidden))
}

/// Reads a document that [`Loaded::merged`] gave, as a plan file carries it.
///
/// # Errors
///
/// As [`load`]; the places are those in the document written out as JSON.
pub fn from_merged(value: &Value) -> Result<Loaded, Diagnostics> {
    let mut sources = Sources::default();
    let number = sources.add(Source {
        name: "the plan file's spec".to_owned(),
        text: String::new(),
        directory: None,
    });
    let mut text = String::new();
    let tree = write_json(value, number, 0, &mut text);
    let mut sources = Sources::default();
    sources.add(Source { name: "the plan file's spec".to_owned(), text, directory: None });
    finish(tree, sources)
}

fn finish(tree: Node, sources: Sources) -> Result<Loaded, Diagnostics> {
    let decoded = decode::decode(&tree, &sources);
    let decode::Decoded { merged, mut problems, mut hidden } = decoded;
    let tree = prune(tree);
    if problems.is_empty() {
        match serde_json::from_value::<Spec>(merged.clone()) {
            Ok(spec) => {
                problems = check::check(&spec, &tree, &mut hidden);
                if problems.is_empty() {
                    return Ok(Loaded { spec, merged, tree, sources });
                }
            }
            // The schema is generated from the types, so this is a bug of ours; it is still
            // told, not hidden. The words of serde can quote values, so they are left out.
            Err(_) => problems.push(Diagnostic::new(
                "reading the spec: it fits the schema but not the program's types",
                Some(tree.span),
            )),
        }
    }
    Err(Diagnostics::new(problems, sources, &hidden))
}

fn read(file: &Path) -> Result<String, Diagnostic> {
    let name = file.display();
    let limit = u64::try_from(parse::MAX_BYTES).unwrap_or(u64::MAX) + 1;
    let mut bytes = Vec::new();
    let result = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    if let Err(error) = result {
        let problem = Diagnostic::new(format!("reading {name}: {error}"), None);
        return Err(match error.kind() {
            std::io::ErrorKind::NotFound => problem.hint("name the spec by -f FILE"),
            _ => problem,
        });
    }
    if bytes.len() > parse::MAX_BYTES {
        return Err(Diagnostic::new(format!("reading {name}: it is larger than 1 MiB"), None));
    }
    String::from_utf8(bytes)
        .map_err(|_| Diagnostic::new(format!("reading {name}: it is not UTF-8 text"), None))
}

/// Lays `tree` on top of the pattern that it names, that on top of the one that it names, and so
/// on. If one of them cannot be read, `tree` is what was merged so far.
fn on_patterns(tree: &mut Node, sources: &mut Sources) -> Result<(), Diagnostic> {
    let mut layer = tree.clone();
    for _ in 0..MAX_PATTERNS {
        let Some(entry) = layer.entry("pattern") else { return Ok(()) };
        let Tree::Scalar(name) = &entry.node.tree else { return Ok(()) };
        let number = open(&name.text, entry.node.span, sources)?;
        let below = parse::parse(sources, number)?;
        layer = below.clone();
        *tree = overlay(below, std::mem::replace(tree, Node::empty(number)));
    }
    let at = layer.entry("pattern").map(|entry| entry.node.span);
    let message = format!("reading patterns: more than {MAX_PATTERNS} on top of each other");
    Err(Diagnostic::new(message, at).hint("does a pattern name itself?"))
}

/// Adds the text of a pattern to the sources.
fn open(name: &str, at: Span, sources: &mut Sources) -> Result<usize, Diagnostic> {
    if pattern::is_path(name) {
        let directory = sources.get(at.source).and_then(|source| source.directory.clone());
        let file = directory.unwrap_or_default().join(name.strip_prefix("./").unwrap_or(name));
        let text = read(&file).map_err(|problem| {
            Diagnostic::new(format!("pattern: {}", problem.message()), Some(at))
                .hint("a pattern's path is relative to the file that names it")
        })?;
        let directory = file.parent().map(Path::to_owned);
        return Ok(sources.add(Source { name: file.display().to_string(), text, directory }));
    }
    let presets = pattern::presets();
    match presets.iter().find(|preset| preset.name == name) {
        Some(preset) => Ok(sources.add(Source {
            name: format!("pattern {name}"),
            text: preset.text.to_owned(),
            directory: None,
        })),
        None => {
            let names: Vec<&str> = presets.iter().map(|preset| preset.name).collect();
            let hint = match decode::similar(name, names.iter().copied()) {
                Some(similar) => format!("did you mean `{similar}`?"),
                None => format!("there are: {}; or name a file: ./ours.yaml", names.join(", ")),
            };
            Err(Diagnostic::new(format!("pattern: there is no {}", quote(name)), Some(at))
                .hint(hint))
        }
    }
}
