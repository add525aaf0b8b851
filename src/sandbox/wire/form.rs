//! Form parameters (`Filter.1.Value.2=x`) as a tree of names.

use std::collections::BTreeMap;

/// A node of the tree: a value, members, or (wrongly) both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    /// The text that stands here.
    pub(crate) leaf: Option<String>,
    /// What is below, by name or by index.
    pub(crate) below: BTreeMap<String, Form>,
}

/// How deep a parameter may nest; no operation of AWS comes near it.
const DEPTH: usize = 32;

impl Form {
    /// Reads `a=b&c.1=d`. Parameters that nest absurdly deep are kept flat, so that the law
    /// refuses them by their whole name.
    pub(crate) fn read(text: &[u8]) -> Self {
        let mut root = Form::default();
        for (name, value) in form_urlencoded::parse(text) {
            let mut node = &mut root;
            if name.split('.').count() > DEPTH {
                node = node.below.entry(name.into_owned()).or_default();
            } else {
                for part in name.split('.') {
                    node = node.below.entry(part.to_owned()).or_default();
                }
            }
            node.leaf = Some(value.into_owned());
        }
        root
    }

    /// Takes a parameter of the top level out of the tree.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.below.remove(name)?.leaf
    }

    /// The children in the order of their indexes, if all are indexes.
    pub(crate) fn items(&self) -> Option<Vec<&Form>> {
        let mut items = self
            .below
            .iter()
            .map(|(name, form)| name.parse::<u32>().ok().map(|index| (index, form)))
            .collect::<Option<Vec<_>>>()?;
        items.sort_by_key(|(index, _)| *index);
        Some(items.into_iter().map(|(_, form)| form).collect())
    }
}
