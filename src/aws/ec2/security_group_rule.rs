//! One rule of a security group.
//!
//! Rules have ids and tags of their own, so that each is found and changed by itself and a group
//! may hold rules of others. `ModifySecurityGroupRules` changes what a rule allows and keeps its
//! id, but not its direction, its group, nor what its peer is: an address range stays one.
//! AWS refuses a second equal rule in a group, whoever made the first.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySecurityGroupRules.html>

mod traffic;

pub use traffic::{Direction, Peer, Traffic};

use super::security_group::{SecurityGroup, is_default_egress};
use super::{Ec2, Reading, filter, fresh, from_ec2, ours, retag, tag_on_create, told};
use crate::aws::call::{Repeat, call, gone_is_fine, pages};
use crate::aws::settle::{Patience, until_ready, until_seen};
use crate::aws::tags::{made_before, touches};
use crate::kind::{
    Change, Class, CreateIs, Cx, Diff, Effect, Error, Found, Kind, Listed, Nature, Ownership,
    ReplaceOrder, Result, Seen, Status, TAG_ADDRESS, Typical, Wanted,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_ec2::types::{
    Filter, ResourceType, SecurityGroupRule as Ec2Rule, SecurityGroupRuleUpdate,
};
use serde::Serialize;

/// A rule of a security group.
#[derive(Clone, Debug, Serialize)]
pub struct SecurityGroupRule {
    /// The group it is a rule of.
    pub group: In<Id<SecurityGroup>>,
    /// Whether it lets in or out; fixed.
    pub direction: Direction,
    /// What it lets through.
    pub traffic: Traffic,
    /// From where, or whereto.
    pub peer: Peer,
    /// What it is for; at most 255 characters.
    pub description: String,
}

/// A live rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its id.
    pub id: String,
    /// The group it is a rule of.
    pub group: Id<SecurityGroup>,
    /// Whether it lets in or out.
    pub direction: Direction,
    /// What it lets through.
    pub traffic: Traffic,
    /// From where, or whereto: a range, or an id.
    pub peer: String,
    /// What it is for.
    pub description: String,
}

impl Kind for SecurityGroupRule {
    const NAME: &'static str = "aws.ec2.security_group_rule";
    const TITLE: &'static str = "security group rule";
    const NATURE: Nature = Nature {
        create_is: CreateIs::Named,
        // What the group protects must not lose it in between.
        replace: ReplaceOrder::CreateFirst,
        actions: &[
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:AuthorizeSecurityGroupEgress",
            "ec2:DescribeSecurityGroupRules",
            "ec2:ModifySecurityGroupRules",
            "ec2:RevokeSecurityGroupIngress",
            "ec2:RevokeSecurityGroupEgress",
            "ec2:CreateTags",
            "ec2:DeleteTags",
        ],
        typical: Typical { create: 1, update: 1, delete: 1 },
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { group, direction, traffic, peer, description } = self;
        diff.parent("group", group, &live.group);
        diff.replaces("direction", direction, &live.direction);
        diff.in_place("traffic", &traffic.canonical(), &live.traffic);
        let kept = peer.is_like(&live.peer);
        let peer = peer.in_text(group);
        match if kept { Effect::InPlace } else { Effect::Replace } {
            Effect::InPlace => diff.input("peer", &peer, &live.peer),
            Effect::Replace => diff.replaces_input("peer", &peer, &live.peer),
        }
        diff.in_place("description", description, &live.description);
    }

    fn summary(&self) -> String {
        let Self { direction, traffic, peer, .. } = self;
        format!("{traffic} {} {peer}", direction.preposition())
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        let Live { direction, traffic, peer, .. } = live;
        let lets = format!("{traffic} {} {peer}", direction.preposition());
        vec![("id", live.id.clone()), ("group", live.group.to_string()), ("lets", lets)]
    }

    async fn list(cx: &Cx, _: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let mut listed = Listed::default();
        for rule in rules(cx, ours(cx)).await? {
            reading(&rule)?.list(cx, &mut listed);
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Self::find_foreign(cx, &found.id, &found.owner).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let ec2 = cx.api::<Ec2>()?;
        let group = cx.get(&self.group)?;
        let peer = cx.get(&self.peer.in_text(&self.group))?;
        let permission = traffic::permission(&self.traffic, &peer, &self.description);
        let tags = tag_on_create(cx, ResourceType::SecurityGroupRule)?;
        let fresh = [fresh("InvalidGroup.NotFound")];
        let made = match self.direction {
            Direction::Ingress => {
                let operation = "ec2:AuthorizeSecurityGroupIngress";
                call(cx, operation, Repeat::Safe, &fresh, || {
                    ec2.0
                        .authorize_security_group_ingress()
                        .group_id(group.as_str())
                        .ip_permissions(permission.clone())
                        .tag_specifications(tags.clone())
                        .send()
                })
                .await
                .map(|made| made.security_group_rules)
            }
            Direction::Egress => {
                call(cx, "ec2:AuthorizeSecurityGroupEgress", Repeat::Safe, &fresh, || {
                    ec2.0
                        .authorize_security_group_egress()
                        .group_id(group.as_str())
                        .ip_permissions(permission.clone())
                        .tag_specifications(tags.clone())
                        .send()
                })
                .await
                .map(|made| made.security_group_rules)
            }
        };
        let made = match made {
            Err(error) if error.class == Class::Exists => {
                return self.made_already(cx, &group, &peer, error).await;
            }
            made => made?.unwrap_or_default(),
        };
        let rule = made.first().ok_or_else(|| Error::local("ec2 answered without the new rule"))?;
        let Reading { id, parents, live, .. } = reading(rule)?;
        Found::created(cx, id, Status::Ready, parents, live)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        until_ready(cx, found, Patience { every: 1, at_most: 60 }).await
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let id = found.live.id.as_str();
        if ["traffic", "peer", "description"].iter().any(|field| touches(changes, field)) {
            let ec2 = cx.api::<Ec2>()?;
            let peer = cx.get(&self.peer.in_text(&self.group))?;
            // All of a rule at once: what is left out is taken away.
            let rule = traffic::request(&self.traffic, &peer, &self.description);
            let update = SecurityGroupRuleUpdate::builder()
                .security_group_rule_id(id)
                .security_group_rule(rule)
                .build();
            let fresh = [fresh("InvalidSecurityGroupRuleId.NotFound")];
            call(cx, "ec2:ModifySecurityGroupRules", Repeat::Safe, &fresh, || {
                ec2.0
                    .modify_security_group_rules()
                    .group_id(found.live.group.as_str())
                    .security_group_rules(update.clone())
                    .send()
            })
            .await?;
        }
        retag(cx, id, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let ec2 = cx.api::<Ec2>()?;
        let (id, group) = (found.live.id.as_str(), found.live.group.as_str());
        match found.live.direction {
            Direction::Ingress => {
                gone_is_fine(
                    call(cx, "ec2:RevokeSecurityGroupIngress", Repeat::Safe, &[], || {
                        let request = ec2.0.revoke_security_group_ingress().group_id(group);
                        request.security_group_rule_ids(id).send()
                    })
                    .await,
                )?;
            }
            Direction::Egress => {
                gone_is_fine(
                    call(cx, "ec2:RevokeSecurityGroupEgress", Repeat::Safe, &[], || {
                        let request = ec2.0.revoke_security_group_egress().group_id(group);
                        request.security_group_rule_ids(id).send()
                    })
                    .await,
                )?;
            }
        }
        Ok(())
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let rule = rules(cx, filter("security-group-rule-id", [id.as_str()])).await?.pop();
        Ok(rule.as_ref().map(reading).transpose()?.map(|reading| reading.owned(owner)))
    }
}

impl SecurityGroupRule {
    /// The equal rule that is there already, if it is this step's: an earlier attempt made it, or
    /// it is the one that AWS gives every new group, which is taken over by its tags.
    async fn made_already(
        &self,
        cx: &Cx,
        group: &Id<SecurityGroup>,
        peer: &str,
        error: Error,
    ) -> Result<Found<Self>> {
        let traffic = self.traffic.canonical();
        let look = || async {
            let mut equal = None;
            for rule in rules(cx, filter("group-id", [group.as_str()])).await? {
                let reading = reading(&rule)?;
                let live = &reading.live;
                if live.direction == self.direction && live.traffic == traffic && live.peer == peer
                {
                    equal = Some((is_default_egress(&rule), reading));
                }
            }
            Ok(equal)
        };
        let (is_default, reading) = until_seen(cx, look).await?.ok_or(error)?;
        if is_default {
            let set = |(key, value): (String, String)| Change {
                field: format!("tags.{key}"),
                from: serde_json::Value::Null,
                to: Some(value.into()),
                effect: Effect::InPlace,
                cause: crate::kind::Cause::Unknown,
            };
            let changes: Vec<Change> = cx.tags()?.into_iter().map(set).collect();
            retag(cx, &reading.id, &changes).await?;
            return reading.created(cx);
        }
        match made_before(cx, Self::TITLE, &reading.id, &reading.tags) {
            Ok(owner) => Ok(reading.owned(&owner)),
            Err(error) if reading.tags.contains_key(TAG_ADDRESS) && error.hint.is_none() => {
                Err(error.hint("two rules of one group must differ in what they let through"))
            }
            Err(error) => Err(error),
        }
    }
}

async fn rules(cx: &Cx, by: Filter) -> Result<Vec<Ec2Rule>> {
    let ec2 = cx.api::<Ec2>()?;
    let pages = pages(
        cx,
        "ec2:DescribeSecurityGroupRules",
        |token| {
            let request = ec2.0.describe_security_group_rules().set_next_token(token);
            request.filters(by.clone()).send()
        },
        |page| page.next_token(),
    )
    .await?;
    Ok(pages.into_iter().flat_map(|page| page.security_group_rules.unwrap_or_default()).collect())
}

fn reading(rule: &Ec2Rule) -> Result<Reading<SecurityGroupRule>> {
    let id = told(rule.security_group_rule_id(), "id of a security group rule")?;
    let group = told(rule.group_id(), "group of a security group rule")?;
    let other = rule.referenced_group_info().and_then(|other| other.group_id());
    let peer = [rule.cidr_ipv4(), rule.cidr_ipv6(), rule.prefix_list_id(), other];
    let peer = told(peer.into_iter().flatten().next(), "peer of a security group rule")?;
    let mut parents = vec![PhysicalId::new(group)];
    parents.extend(other.filter(|other| *other != group).map(PhysicalId::new));
    let egress = rule.is_egress().unwrap_or(false);
    let live = Live {
        id: id.to_owned(),
        group: Id::new(group),
        direction: if egress { Direction::Egress } else { Direction::Ingress },
        traffic: Traffic::of(rule),
        peer: peer.to_owned(),
        description: rule.description().unwrap_or_default().to_owned(),
    };
    Ok(Reading {
        id: id.to_owned(),
        status: Status::Ready,
        parents,
        tags: from_ec2(rule.tags()),
        live,
    })
}
