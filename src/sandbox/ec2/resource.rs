//! What all EC2 resources have in common: an id, tags, a way to be listed, filtered and written.

use super::model::{Ec2, Tags};
use super::{filter, page};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The filters of a kind: AWS's name, and the values that a resource has for it.
pub(crate) type Fields<T> = &'static [(&'static str, fn(&View<'_>, &T) -> Vec<String>)];

/// One kind of EC2 resource.
pub(crate) trait Resource: Sized + 'static {
    /// What ids begin with, without the hyphen.
    const PREFIX: &'static str;
    /// The type in `TagSpecifications` and in `DescribeTags`: `vpc`.
    const TYPE: &'static str;
    /// The code where an id is not there.
    const NOT_FOUND: &'static str;
    /// The kind in messages: `vpc ID`.
    const NOUN: &'static str;
    /// The filters that its `Describe` operation takes, besides `tag:` and `tag-key`.
    const FIELDS: Fields<Self>;

    /// All of them in a region.
    fn all(ec2: &Ec2) -> &BTreeMap<String, Self>;
    /// The same, to change them.
    fn all_mut(ec2: &mut Ec2) -> &mut BTreeMap<String, Self>;
    /// Its id.
    fn id(&self) -> &str;
    /// Its tags.
    fn tags(&self) -> &Tags;
    /// The same, to change them.
    fn tags_mut(&mut self) -> &mut Tags;
    /// As `Describe` answers it.
    fn write(&self, view: &View<'_>) -> Value;
    /// Whether it counts as there when it is named to an operation that would use or change it
    /// (what is deleted may stay listed for a while).
    fn is_alive(&self, _now: Millis) -> bool {
        true
    }
    /// Whether `Describe` still lists it.
    fn is_listed(&self, _now: Millis) -> bool {
        true
    }
}

/// The part of [`Resource`] that is the same for every kind: where it is stored.
macro_rules! stored {
    ($field:ident) => {
        fn all(
            ec2: &$crate::sandbox::ec2::model::Ec2,
        ) -> &std::collections::BTreeMap<String, Self> {
            &ec2.$field
        }

        fn all_mut(
            ec2: &mut $crate::sandbox::ec2::model::Ec2,
        ) -> &mut std::collections::BTreeMap<String, Self> {
            &mut ec2.$field
        }

        fn id(&self) -> &str {
            &self.id
        }

        fn tags(&self) -> &$crate::sandbox::ec2::model::Tags {
            &self.tags
        }

        fn tags_mut(&mut self) -> &mut $crate::sandbox::ec2::model::Tags {
            &mut self.tags
        }
    };
}
pub(crate) use stored;

/// The words that one `Describe` operation has of its own.
pub(crate) struct Listing {
    /// The member with ids: `VpcIds`.
    pub(crate) ids: &'static str,
    /// The member with filters: `Filters`, or `Filter`.
    pub(crate) filters: &'static str,
    /// The list in the answer: `vpcSet`.
    pub(crate) set: &'static str,
}

/// Answers a `Describe` operation.
pub(crate) fn describe<T: Resource>(view: &View<'_>, params: &Params, listing: &Listing) -> Answer {
    let found = selected::<T>(view, params, listing)?;
    let page = page::of(view, params, found, |item| item.id().to_owned())?;
    let items = page.items.into_iter().map(|item| item.write(view)).collect();
    let mut answer = Map::new();
    answer.insert(listing.set.to_owned(), Value::Array(items));
    answer.insert("nextToken".to_owned(), page.next.into());
    Ok(Value::Object(answer).into())
}

/// What a `Describe` operation's ids and filters leave.
pub(crate) fn selected<'a, T: Resource>(
    view: &View<'a>,
    params: &Params,
    listing: &Listing,
) -> Result<Vec<&'a T>, Failure> {
    dry_run(params)?;
    let all = T::all(view.ec2());
    let ids = params.texts(listing.ids);
    for id in &ids {
        if !all.get(*id).is_some_and(|item| item.is_listed(view.now)) {
            return Err(not_found::<T>(id));
        }
    }
    let filters = filter::read(params, listing.filters, T::FIELDS)?;
    Ok(all
        .values()
        .filter(|item| item.is_listed(view.now))
        .filter(|item| ids.is_empty() || ids.contains(&item.id()))
        .filter(|item| filters.iter().all(|filter| filter.keeps(view, *item)))
        .collect())
}

/// Finds one by id, or fails as AWS does.
pub(crate) fn find<'a, T: Resource>(ec2: &'a Ec2, id: &str, now: Millis) -> Result<&'a T, Failure> {
    T::all(ec2).get(id).filter(|item| item.is_alive(now)).ok_or_else(|| not_found::<T>(id))
}

/// Finds one by id to change it, or fails as AWS does.
pub(crate) fn find_mut<'a, T: Resource>(
    ec2: &'a mut Ec2,
    id: &str,
    now: Millis,
) -> Result<&'a mut T, Failure> {
    T::all_mut(ec2).get_mut(id).filter(|item| item.is_alive(now)).ok_or_else(|| not_found::<T>(id))
}

/// What AWS says about an id that it does not know.
pub(crate) fn not_found<T: Resource>(id: &str) -> Failure {
    Failure::new(T::NOT_FOUND, format!("The {} '{id}' does not exist", T::NOUN))
}

/// With `DryRun`, AWS only says whether the call would be allowed.
pub(crate) fn dry_run(params: &Params) -> Result<(), Failure> {
    match params.flag("DryRun") {
        Some(true) => Err(Failure::new(
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.",
        )
        .with_status(412)),
        _ => Ok(()),
    }
}

/// What stands in the way of a delete.
pub(crate) fn dependency(message: impl Into<String>) -> Failure {
    Failure::new("DependencyViolation", message)
}
