//! The security group, without its rules: those are [`super::security_group_rule`], so that two
//! groups can name each other.
//!
//! Every new group comes with an untagged rule that lets everything out. It is revoked right
//! after the create; a group that lost its maker between the two shows it as `default_egress`
//! until it is gone. A rule like it that somebody tagged, we above all, is not taken for it.
//!
//! Name, description and VPC are fixed, and names are unique within a VPC, so a group that
//! replaces another has its generation behind its name.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html>

use super::vpc::Vpc;
use super::{Ec2, Reading, blockers, filter, fresh, from_ec2, ours, retag, tag_on_create, told};
use crate::aws::call::{Repeat, call, gone_is_fine, pages, safe};
use crate::aws::settle::{Patience, until_ready, until_seen};
use crate::aws::tags::{foreign, made_before, touches, without_generation};
use crate::graph::Handle;
use crate::kind::{
    Change, Clash, Class, CreateIs, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership,
    ReplaceOrder, Result, Seen, Status, Typical, Wanted, seen,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_ec2::types::{
    Filter, IpPermission, IpRange, ResourceType, SecurityGroup as Ec2SecurityGroup,
    SecurityGroupRule as Ec2Rule,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// A security group.
#[derive(Clone, Debug, Serialize)]
pub struct SecurityGroup {
    /// The VPC it is a part of.
    pub vpc: In<Id<Vpc>>,
    /// Its name, unique in the VPC whatever the case; not `default`, not `sg-…`. From the second
    /// generation on, `-2` and so on stand behind it.
    pub name: String,
    /// What it is for; fixed.
    pub description: String,
}

/// A live security group.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its id.
    pub id: Id<SecurityGroup>,
    /// The VPC it is a part of.
    pub vpc: Id<Vpc>,
    /// Its name, the generation included.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The id of the rule that AWS gave it to let everything out, while that is there.
    pub default_egress: Option<String>,
}

impl Handle<SecurityGroup> {
    /// The group's id.
    pub fn id(&self) -> In<Id<SecurityGroup>> {
        self.output("security group id", |live| Some(live.id.clone()))
    }
}

impl Kind for SecurityGroup {
    const NAME: &'static str = "aws.ec2.security_group";
    const TITLE: &'static str = "security group";
    const NATURE: Nature = Nature {
        // Looks into the VPCs that were found.
        wave: 1,
        create_is: CreateIs::Named,
        replace: ReplaceOrder::CreateFirst,
        typical: Typical { create: 2, update: 1, delete: 1 },
        actions: &[
            "ec2:CreateSecurityGroup",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSecurityGroupRules",
            "ec2:RevokeSecurityGroupEgress",
            "ec2:DeleteSecurityGroup",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DeleteNetworkInterface",
            "ec2:CreateTags",
            "ec2:DeleteTags",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { vpc, name, description } = self;
        diff.parent("vpc", vpc, &live.vpc);
        diff.replaces("name", name, &without_generation(name, &live.name));
        diff.replaces("description", description, &live.description);
        diff.in_place("default_egress", &false, &live.default_egress.is_some());
    }

    fn summary(&self) -> String {
        self.name.clone()
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("id", live.id.to_string()), ("name", live.name.clone())]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], found: &dyn Seen) -> Result<Listed<Self>> {
        let mut listed = Listed::default();
        for reading in readings(cx, &groups(cx, &[ours(cx)]).await?).await? {
            reading.list(cx, &mut listed);
        }
        // Names can clash only in a VPC that is there already.
        let mut vpcs: Vec<&str> =
            seen::<Vpc>(found).into_iter().map(|(id, _, _)| id.as_str()).collect();
        for wants in wanted {
            if let In::Literal(vpc) = &wants.desired.vpc {
                vpcs.push(vpc.as_str());
            }
        }
        let missing: Vec<&Wanted<'_, Self>> = wanted
            .iter()
            .filter(|wants| !listed.ours.iter().any(|ours| ours.owner.address == *wants.address))
            .collect();
        if vpcs.is_empty() || missing.is_empty() {
            return Ok(listed);
        }
        let names = missing.iter().map(|wants| wants.desired.name.as_str());
        let taken = groups(cx, &[filter("vpc-id", vpcs), filter("group-name", names)]).await?;
        for group in &taken {
            let tags = from_ec2(group.tags());
            let wants = missing
                .iter()
                .find(|wants| Some(wants.desired.name.as_str()) == group.group_name());
            if let (Some(wants), Some(owner)) = (wants, foreign(cx, &tags)) {
                let id = PhysicalId::new(told(group.group_id(), "id of a security group")?);
                listed.clashes.push(Clash { address: wants.address.clone(), id, owner });
            }
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Self::find_foreign(cx, &found.id, &found.owner).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let ec2 = cx.api::<Ec2>()?;
        let vpc = cx.get(&self.vpc)?;
        let name = cx.unique_name(&self.name)?;
        let tags = tag_on_create(cx, ResourceType::SecurityGroup)?;
        let fresh_vpc = [fresh("InvalidVpcID.NotFound")];
        let made = call(cx, "ec2:CreateSecurityGroup", Repeat::Safe, &fresh_vpc, || {
            ec2.0
                .create_security_group()
                .vpc_id(vpc.as_str())
                .group_name(&name)
                .description(&self.description)
                .tag_specifications(tags.clone())
                .send()
        })
        .await;
        let id = match made {
            Err(error) if error.class == Class::Exists => {
                let found = made_already(cx, &vpc, &name, error).await?;
                if let Some(rule) = &found.live.default_egress
                    && let Err(error) = revoke(cx, found.id.as_str(), rule).await
                {
                    tracing::warn!(group = %found.id, %error, "{STAYS}");
                }
                return Ok(found);
            }
            made => told(made?.group_id(), "id of a security group")?.to_owned(),
        };
        revoke_default_egress(cx, &id).await;
        let live = Live {
            id: Id::new(&id),
            vpc: vpc.clone(),
            name,
            description: self.description.clone(),
            // Read again before it is compared.
            default_egress: None,
        };
        let status = Status::Busy("not visible yet".to_owned());
        Found::created(cx, id, status, vec![PhysicalId::new(vpc.as_str())], live)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        until_ready(cx, found, Patience { every: 1, at_most: 120 }).await
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let id = found.live.id.as_str();
        if let Some(rule) = &found.live.default_egress
            && touches(changes, "default_egress")
        {
            revoke(cx, id, rule).await?;
        }
        retag(cx, id, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let ec2 = cx.api::<Ec2>()?;
        let id = found.live.id.as_str();
        let deleted = blockers::delete_once_swept(cx, filter("group-id", [id]), || async {
            safe(cx, "ec2:DeleteSecurityGroup", || {
                ec2.0.delete_security_group().group_id(id).send()
            })
            .await?;
            Ok(())
        })
        .await;
        match deleted {
            Err(error) if error.class == Class::InUse && error.hint.is_none() => {
                let named = groups(cx, &[filter("ip-permission.group-id", [id])]).await?;
                let let_out = groups(cx, &[filter("egress.ip-permission.group-id", [id])]).await?;
                let others: Vec<&str> = named
                    .iter()
                    .chain(&let_out)
                    .filter_map(|group| group.group_id())
                    .filter(|other| *other != id)
                    .collect();
                Err(match others.as_slice() {
                    [] => error,
                    others => error
                        .hint(format!("remove the rules that name it from {}", others.join(", "))),
                })
            }
            other => other,
        }
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let group = groups(cx, &[filter("group-id", [id.as_str()])]).await?;
        let reading = readings(cx, &group).await?.pop();
        Ok(reading.map(|reading| reading.owned(owner)))
    }
}

const STAYS: &str = "the default egress rule could not be revoked yet";

/// Takes one egress rule away.
async fn revoke(cx: &Cx, group: &str, rule: &str) -> Result<()> {
    let ec2 = cx.api::<Ec2>()?;
    gone_is_fine(
        safe(cx, "ec2:RevokeSecurityGroupEgress", || {
            let request = ec2.0.revoke_security_group_egress().group_id(group);
            request.security_group_rule_ids(rule).send()
        })
        .await,
    )?;
    Ok(())
}

/// Takes away the rule that AWS gives a new group; by what it allows, since its id is not known
/// yet. When that fails the group is there all the same, and what is left shows as
/// `default_egress`, so that the failure is told when it is tried again.
async fn revoke_default_egress(cx: &Cx, group: &str) {
    let Ok(ec2) = cx.api::<Ec2>() else { return };
    let everything = IpPermission::builder()
        .ip_protocol("-1")
        .ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").build())
        .build();
    let fresh = [fresh("InvalidGroup.NotFound")];
    let revoked = gone_is_fine(
        call(cx, "ec2:RevokeSecurityGroupEgress", Repeat::Safe, &fresh, || {
            let request = ec2.0.revoke_security_group_egress().group_id(group);
            request.ip_permissions(everything.clone()).send()
        })
        .await,
    );
    if let Err(error) = revoked {
        tracing::warn!(group, %error, "{STAYS}");
    }
}

/// The group that has the name already, if an earlier attempt of this step made it.
async fn made_already(
    cx: &Cx,
    vpc: &Id<Vpc>,
    name: &str,
    error: Error,
) -> Result<Found<SecurityGroup>> {
    let filters = [filter("vpc-id", [vpc.as_str()]), filter("group-name", [name])];
    let look = || async { Ok(readings(cx, &groups(cx, &filters).await?).await?.pop()) };
    let reading = until_seen(cx, look).await?.ok_or(error)?;
    let owner = made_before(cx, SecurityGroup::TITLE, &reading.id, &reading.tags)?;
    Ok(reading.owned(&owner))
}

/// Groups by filters: an id that is gone gives an empty list, not an error.
async fn groups(cx: &Cx, filters: &[Filter]) -> Result<Vec<Ec2SecurityGroup>> {
    let ec2 = cx.api::<Ec2>()?;
    let pages = pages(
        cx,
        "ec2:DescribeSecurityGroups",
        |token| {
            let request = ec2.0.describe_security_groups().set_next_token(token);
            request.set_filters(Some(filters.to_vec())).send()
        },
        |page| page.next_token(),
    )
    .await?;
    Ok(pages.into_iter().flat_map(|page| page.security_groups.unwrap_or_default()).collect())
}

/// EC2 takes this many values in a filter.
const FILTER_VALUES: usize = 200;

/// Groups with their default rules. Those are looked for, with one call for all, only if there is
/// a group that lets everything out: `DescribeSecurityGroups` shows no tags of rules.
async fn readings(cx: &Cx, groups: &[Ec2SecurityGroup]) -> Result<Vec<Reading<SecurityGroup>>> {
    let open: Vec<&str> = groups
        .iter()
        .filter(|group| group.ip_permissions_egress().iter().any(lets_all_out))
        .filter_map(|group| group.group_id())
        .collect();
    let ec2 = cx.api::<Ec2>()?;
    let mut defaults = BTreeMap::new();
    for some in open.chunks(FILTER_VALUES) {
        let of_groups = filter("group-id", some.iter().copied());
        let pages = pages(
            cx,
            "ec2:DescribeSecurityGroupRules",
            |token| {
                let request = ec2.0.describe_security_group_rules().set_next_token(token);
                request.filters(of_groups.clone()).send()
            },
            |page| page.next_token(),
        )
        .await?;
        for rule in pages.iter().flat_map(|page| page.security_group_rules()) {
            if let (true, Some(group), Some(id)) =
                (is_default_egress(rule), rule.group_id(), rule.security_group_rule_id())
            {
                defaults.insert(group.to_owned(), id.to_owned());
            }
        }
    }
    groups.iter().map(|group| reading(group, &defaults)).collect()
}

fn reading(
    group: &Ec2SecurityGroup,
    defaults: &BTreeMap<String, String>,
) -> Result<Reading<SecurityGroup>> {
    let id = told(group.group_id(), "id of a security group")?;
    let vpc = told(group.vpc_id(), "vpc of a security group")?;
    let live = Live {
        id: Id::new(id),
        vpc: Id::new(vpc),
        name: group.group_name().unwrap_or_default().to_owned(),
        description: group.description().unwrap_or_default().to_owned(),
        default_egress: defaults.get(id).cloned(),
    };
    Ok(Reading {
        id: id.to_owned(),
        status: Status::Ready,
        parents: vec![PhysicalId::new(vpc)],
        tags: from_ec2(group.tags()),
        live,
    })
}

fn lets_all_out(permission: &IpPermission) -> bool {
    permission.ip_protocol() == Some("-1")
        && permission.ip_ranges().iter().any(|range| range.cidr_ip() == Some("0.0.0.0/0"))
}

/// Whether it is the rule that AWS gives every new group: everything out, without description and
/// tags.
pub(super) fn is_default_egress(rule: &Ec2Rule) -> bool {
    rule.is_egress() == Some(true)
        && rule.ip_protocol() == Some("-1")
        && rule.cidr_ipv4() == Some("0.0.0.0/0")
        && rule.description().unwrap_or_default().is_empty()
        && rule.tags().is_empty()
}
