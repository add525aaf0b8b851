//! Pages of sorted lists, for the services whose markers are opaque.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// One page.
#[derive(Debug)]
pub(crate) struct Page<T> {
    /// What stands on it.
    pub(crate) items: Vec<T>,
    /// What to ask with for the next one.
    pub(crate) next: Option<String>,
}

/// A marker that no list gave out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BadMarker;

/// Cuts a page of at most `size` items out of `items`, which come with their sort keys in order.
/// The marker remembers the last item of the page before, so that items that come or go between
/// pages shift nothing.
pub(crate) fn cut<T>(
    items: impl IntoIterator<Item = (String, T)>,
    marker: Option<&str>,
    size: usize,
) -> Result<Page<T>, BadMarker> {
    let after = match marker {
        None => None,
        Some(marker) => Some(
            URL_SAFE_NO_PAD
                .decode(marker)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or(BadMarker)?,
        ),
    };
    let rest = items
        .into_iter()
        .filter(|(key, _)| after.as_ref().is_none_or(|after| key.as_str() > after.as_str()));
    let mut found: Vec<(String, T)> = rest.take(size.max(1) + 1).collect();
    let more = found.len() > size.max(1);
    found.truncate(size.max(1));
    let next = match found.last() {
        Some((key, _)) if more => Some(URL_SAFE_NO_PAD.encode(key)),
        _ => None,
    };
    Ok(Page { items: found.into_iter().map(|(_, item)| item).collect(), next })
}
