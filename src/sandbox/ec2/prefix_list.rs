//! The prefix lists that AWS keeps for its gateway endpoints.

use super::model::Tags;
use super::resource::{Fields, dry_run};
use super::{filter, page};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, View};
use crate::sandbox::store::number;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// The services that have gateway endpoints.
const SERVICES: [&str; 2] = ["dynamodb", "s3"];

/// One list.
struct PrefixList {
    id: String,
    name: String,
}

fn lists(region: &str) -> Vec<PrefixList> {
    SERVICES
        .iter()
        .map(|service| PrefixList { id: id(region, service), name: name(region, service) })
        .collect()
}

fn name(region: &str, service: &str) -> String {
    format!("com.amazonaws.{region}.{service}")
}

fn id(region: &str, service: &str) -> String {
    match (region, service) {
        // The one that people know by heart.
        ("us-east-1", "s3") => "pl-63a5400a".to_owned(),
        _ => format!("pl-{:08x}", number(&format!("pl/{region}/{service}")) & 0xffff_ffff),
    }
}

/// The list of a gateway endpoint's service (`com.amazonaws.us-east-1.s3`).
pub(super) fn of_service(region: &str, service: &str) -> Option<String> {
    lists(region).into_iter().find(|list| list.name == service).map(|list| list.id)
}

/// Whether there is a list with this id.
pub(super) fn exists(region: &str, id: &str) -> bool {
    lists(region).iter().any(|list| list.id == id)
}

const FIELDS: Fields<PrefixList> = &[
    ("prefix-list-id", |_, list| vec![list.id.clone()]),
    ("prefix-list-name", |_, list| vec![list.name.clone()]),
];

const MANAGED_FIELDS: Fields<PrefixList> = &[
    ("prefix-list-id", |_, list| vec![list.id.clone()]),
    ("prefix-list-name", |_, list| vec![list.name.clone()]),
    ("owner-id", |_, _| vec!["AWS".to_owned()]),
];

fn selected(
    view: &View<'_>,
    params: &Params,
    fields: Fields<PrefixList>,
) -> Result<page::Page<PrefixList>, Failure> {
    dry_run(params)?;
    let ids = params.texts("PrefixListIds");
    let mut lists = lists(&view.scope.region);
    if let Some(unknown) = ids.iter().find(|id| lists.iter().all(|list| list.id != **id)) {
        let message = format!("The prefix list ID '{unknown}' does not exist");
        return Err(Failure::new("InvalidPrefixListID.NotFound", message));
    }
    let filters = filter::read(params, "Filters", fields)?;
    let none = Tags::new();
    lists.retain(|list| ids.is_empty() || ids.contains(&list.id.as_str()));
    lists.retain(|list| filters.iter().all(|filter| filter.keeps_with(view, list, &none)));
    lists.sort_by(|a, b| a.id.cmp(&b.id));
    page::of(view, params, lists, |list| list.id.clone())
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let page = selected(view, params, FIELDS)?;
    let items: Vec<Value> = page
        .items
        .iter()
        .map(|list| {
            json!({
                "prefixListId": list.id, "prefixListName": list.name,
                "cidrSet": ["198.51.100.0/24"],
            })
        })
        .collect();
    Ok(json!({ "prefixListSet": items, "nextToken": page.next }).into())
}

pub(super) fn describe_managed(view: &View<'_>, params: &Params) -> Answer {
    let page = selected(view, params, MANAGED_FIELDS)?;
    let (partition, region) = (view.scope.partition(), &view.scope.region);
    let items: Vec<Value> = page
        .items
        .iter()
        .map(|list| {
            json!({
                "prefixListId": list.id,
                "prefixListName": list.name,
                "prefixListArn": format!("arn:{partition}:ec2:{region}:aws:prefix-list/{}", list.id),
                "addressFamily": "IPv4",
                "state": "create-complete",
                "ownerId": "AWS",
            })
        })
        .collect();
    Ok(json!({ "prefixListSet": items, "nextToken": page.next }).into())
}
