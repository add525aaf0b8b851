//! Pages of `Describe` operations.

use crate::sandbox::failure::Failure;
use crate::sandbox::service::View;
use crate::sandbox::wire::params::Params;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// One page.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// What to ask with for the next page.
    pub(crate) next: Option<String>,
}

/// Cuts the page that the request asks for. `key` gives what a token remembers: the last item of
/// the page before, so that items which come or go between pages shift nothing.
pub(crate) fn of<T>(
    view: &View<'_>,
    params: &Params,
    items: Vec<T>,
    key: impl Fn(&T) -> String,
) -> Result<Page<T>, Failure> {
    let after = params.text("NextToken").map(decoded).transpose()?;
    let size = params
        .number("MaxResults")
        .and_then(|size| usize::try_from(size).ok())
        .unwrap_or(view.knobs.page_size)
        .max(1);
    let mut items: Vec<T> = items
        .into_iter()
        .filter(|item| after.as_ref().is_none_or(|after| key(item) > *after))
        .collect();
    let more = items.len() > size;
    items.truncate(size);
    let next = items.last().filter(|_| more).map(|last| STANDARD.encode(key(last)));
    Ok(Page { items, next })
}

fn decoded(token: &str) -> Result<String, Failure> {
    STANDARD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Failure::new("InvalidNextToken", "The token is not valid."))
}
