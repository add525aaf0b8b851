//! `--set path=value`.

use super::diagnostic::{Diagnostic, quote};
use super::path;
use super::source::{Sources, Span};
use super::tree::{Entry, Node, Tree};

/// The tree that holds nothing but what one `--set` says. Its value is read as YAML: `a=null`
/// removes, `azs=[us-east-1a]` is a list.
pub(crate) fn parse(sources: &Sources, source: usize) -> Result<Node, Diagnostic> {
    let text = sources.get(source).map_or("", |source| source.text.as_str());
    let whole = Span { source, start: 0, end: text.len() };
    let Some((written, value)) = text.split_once('=') else {
        return Err(Diagnostic::new("parsing --set: there is no `=`", Some(whole))
            .hint("write it as path=value: network.nat.mode=single"));
    };
    let Some(segments) = path::parse(written) else {
        let at = Span { end: written.len(), ..whole };
        return Err(Diagnostic::new(
            format!("parsing --set: {} is not a path", quote(written)),
            Some(at),
        )
        .hint("separate keys by dots, and quote a key that holds one: network.endpoints.\"ecr.api\".tier"));
    };
    let leaf = super::parse::parse_text(value, source, written.len() + 1)?;
    Ok(segments.into_iter().rev().fold(leaf, |node, (key, range)| {
        let key_span = Span { source, start: range.start, end: range.end };
        let entry = Entry { key, key_span, node };
        Node { tree: Tree::Map(vec![entry]), span: Span { end: key_span.start, ..key_span } }
    }))
}
