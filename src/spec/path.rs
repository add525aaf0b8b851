//! Dotted paths into a spec: `network.tiers.workspace.prefix_length`.

use super::source::Span;
use super::tree::{Node, Tree};
use std::ops::Range;

/// `segments` as a user writes them; a key that holds a dot is quoted.
pub(crate) fn render(segments: &[String]) -> String {
    let mut path = String::new();
    for segment in segments {
        if segment.starts_with('[') {
            path.push_str(segment);
            continue;
        }
        if !path.is_empty() {
            path.push('.');
        }
        if segment.contains('.') || segment.is_empty() {
            path.push_str(&format!("\"{segment}\""));
        } else {
            path.push_str(segment);
        }
    }
    path
}

/// No path of the spec is as long as this.
const MAX_KEYS: usize = 40;

/// Cuts a written path into its keys and where each stands in `text`. Nothing if it is not one.
pub(crate) fn parse(text: &str) -> Option<Vec<(String, Range<usize>)>> {
    let mut segments = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let (key, length) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"')?;
                (&quoted[..end], end + 2)
            }
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (&rest[..end], end)
            }
        };
        if key.is_empty() || segments.len() == MAX_KEYS {
            return None;
        }
        segments.push((key.to_owned(), at..at + length));
        at += length;
        match text[at..].chars().next() {
            None => return Some(segments),
            Some('.') => at += 1,
            Some(_) => return None,
        }
    }
}

/// Where the node at `path` is written. Keys with dots need no quotes here: the longest key that
/// exists wins. Items of lists are `azs[0]`.
pub(crate) fn find(root: &Node, path: &str) -> Option<Span> {
    let mut candidates = vec![(root, root.span, path)];
    while let Some((node, blame, rest)) = candidates.pop() {
        if rest.is_empty() {
            return Some(blame);
        }
        match &node.tree {
            Tree::Null | Tree::Scalar(_) => {}
            Tree::List(items) => {
                let found = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).and_then(
                    |(number, rest)| Some((items.get(number.parse::<usize>().ok()?)?, rest)),
                );
                if let Some((item, rest)) = found {
                    candidates.push((item, item.span, after(rest)));
                }
            }
            Tree::Map(entries) => {
                let mut next: Vec<_> = entries
                    .iter()
                    .filter_map(|entry| {
                        let quoted = format!("\"{}\"", entry.key);
                        let rest = rest
                            .strip_prefix(quoted.as_str())
                            .or_else(|| rest.strip_prefix(entry.key.as_str()))?;
                        (rest.is_empty() || rest.starts_with(['.', '[']))
                            .then(|| (&entry.node, entry.blame(), after(rest)))
                    })
                    .collect();
                // The longest key is tried first, and so pushed last.
                next.sort_by_key(|(_, _, rest)| std::cmp::Reverse(rest.len()));
                candidates.extend(next);
            }
        }
    }
    None
}

fn after(rest: &str) -> &str {
    rest.strip_prefix('.').unwrap_or(rest)
}

/// Where the node at `segments` is written or, if it is not, the nearest above it that is.
pub(crate) fn nearest(root: &Node, segments: &[String]) -> Span {
    let (mut node, mut blame) = (root, root.span);
    for segment in segments {
        let next = match &node.tree {
            Tree::Map(_) => node.entry(segment).map(|entry| (&entry.node, entry.blame())),
            Tree::List(items) => segment
                .trim_matches(['[', ']'])
                .parse::<usize>()
                .ok()
                .and_then(|at| items.get(at))
                .map(|item| (item, item.span)),
            Tree::Null | Tree::Scalar(_) => None,
        };
        match next {
            Some((next, span)) => (node, blame) = (next, span),
            None => break,
        }
    }
    blame
}

/// Where the last key of `segments` is written, if it is.
pub(crate) fn key(root: &Node, segments: &[String]) -> Option<Span> {
    let (last, above) = segments.split_last()?;
    let mut node = root;
    for segment in above {
        node = &node.entry(segment)?.node;
    }
    node.entry(last).map(|entry| entry.key_span)
}
