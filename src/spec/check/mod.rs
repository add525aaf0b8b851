//! What a schema cannot say: what AWS would refuse, and what contradicts itself. Offline.

mod access;
mod capacity;
mod cluster;
mod coder;
mod database;
mod identity;
mod network;
mod policy;
mod security_group;

use super::diagnostic::Diagnostic;
use super::path;
use super::source::Span;
use super::tree::Node;
use super::types::Spec;
use crate::name::Partition;

/// Everything that is wrong with a spec that fits the schema. Where somebody wrote out a secret is
/// added to `hidden`.
pub(crate) fn check(spec: &Spec, tree: &Node, hidden: &mut Vec<Span>) -> Vec<Diagnostic> {
    let mut cx = Check { tree, problems: Vec::new(), hidden };
    identity::check(spec, &mut cx);
    network::check(spec, &mut cx);
    cluster::check(spec, &mut cx);
    capacity::check(spec, &mut cx);
    database::check(spec, &mut cx);
    coder::check(spec, &mut cx);
    access::check(spec, &mut cx);
    cx.problems
}

/// The tree to point into, and what was found.
struct Check<'a> {
    tree: &'a Node,
    problems: Vec<Diagnostic>,
    hidden: &'a mut Vec<Span>,
}

impl Check<'_> {
    /// Where `path` is written, or the nearest above it that is.
    fn span(&self, path: &[&str]) -> Span {
        let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
        path::nearest(self.tree, &path)
    }

    /// A problem with the value at `path`.
    fn problem(&self, path: &[&str], message: impl AsRef<str>) -> Diagnostic {
        let keys: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
        let message = format!("{}: {}", path::render(&keys), message.as_ref());
        Diagnostic::new(message, Some(self.span(path)))
    }

    /// A problem with the last key of `path` itself.
    fn key_problem(&self, path: &[&str], message: impl AsRef<str>) -> Diagnostic {
        let keys: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
        let message = format!("{}: {}", path::render(&keys), message.as_ref());
        Diagnostic::new(message, Some(self.key(path)))
    }

    /// Where the last key of `path` is written.
    fn key(&self, path: &[&str]) -> Span {
        let keys: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
        path::key(self.tree, &keys).unwrap_or_else(|| self.span(path))
    }

    /// Keeps a problem.
    fn push(&mut self, problem: Diagnostic) {
        self.problems.push(problem);
    }

    /// An ARN must be of the partition of the home region.
    fn partition(&mut self, path: &[&str], arn: &str, partition: Partition) {
        let of_arn = arn.split(':').nth(1).unwrap_or_default();
        if of_arn != partition.as_str() {
            let message = format!(
                "the ARN is of the partition `{of_arn}`, and the home region is in `{partition}`"
            );
            let problem = self.problem(path, message);
            let home = self.span(&["home_region"]);
            self.push(
                problem
                    .also(home, "the home region")
                    .hint(format!("ARNs there start with `arn:{partition}:`")),
            );
        }
    }
}
