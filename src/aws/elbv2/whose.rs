//! Which of all that a list call answers with are ours: the lists tell no tags, and leave out the
//! attributes.

use super::tags_of;
use crate::aws::tags::foreign;
use crate::kind::{Clash, Cx, Kind, Result, Tags, Wanted};
use crate::name::PhysicalId;
use futures::future::try_join_all;
use std::collections::BTreeMap;
use std::future::Future;

/// What the list calls leave out, by key.
pub(super) type Attributes = BTreeMap<String, String>;

/// Which one of them it is.
pub(super) struct Told<'a> {
    pub(super) arn: &'a str,
    pub(super) name: &'a str,
}

/// Those that are there still.
pub(super) struct Sorted<'a> {
    /// Ours, by ARN.
    pub(super) ours: Vec<(&'a str, Tags, Attributes)>,
    /// Others that have a wanted name.
    pub(super) clashes: Vec<Clash>,
}

/// Sorts out whose they are. `name` is the one that is wanted; `attributes` answers those of an ARN,
/// or nothing when it is gone.
pub(super) async fn sort<'a, K, Sent>(
    cx: &Cx,
    all: &[Told<'a>],
    wanted: &[Wanted<'_, K>],
    name: impl Fn(&K) -> &str,
    attributes: impl Fn(&'a str) -> Sent,
) -> Result<Sorted<'a>>
where
    K: Kind,
    Sent: Future<Output = Result<Option<Attributes>>>,
{
    let arns: Vec<String> = all.iter().map(|one| one.arn.to_owned()).collect();
    // Those of ours, as far as names tell, are read at the same time as whose all are.
    let likely = all.iter().filter(|one| {
        wanted.iter().any(|wants| name(wants.desired) == one.name)
            || cx.remembered(K::NAME).any(|remembered| remembered == one.name)
    });
    let likely = likely.map(|one| {
        let read = attributes(one.arn);
        async move { Ok((one.arn, read.await?)) }
    });
    let (mut tags, likely) = futures::try_join!(tags_of(cx, &arns), try_join_all(likely))?;
    let mut likely: BTreeMap<&str, Option<Attributes>> = likely.into_iter().collect();
    let mut sorted = Sorted { ours: Vec::new(), clashes: Vec::new() };
    for one in all {
        let Some(tags) = tags.remove(one.arn) else { continue };
        if let Some(owner) = foreign(cx, &tags) {
            let wants = wanted.iter().find(|wants| name(wants.desired) == one.name);
            sorted.clashes.extend(wants.map(|wants| {
                let (address, id) = (wants.address.clone(), PhysicalId::new(one.arn));
                Clash { address, id, owner }
            }));
            continue;
        }
        let attributes = match likely.remove(one.arn) {
            Some(attributes) => attributes,
            None => attributes(one.arn).await?,
        };
        sorted.ours.extend(attributes.map(|attributes| (one.arn, tags, attributes)));
    }
    Ok(sorted)
}
