//! Keeping a group at its desired size.

use super::model::{Group, Member};
use crate::sandbox::ec2::launch;
use crate::sandbox::ec2::model::Ec2;
use crate::sandbox::store::Millis;
use std::time::Duration;

/// How long until a group sees that somebody else has ended one of its instances.
const NOTICING: Duration = Duration::from_secs(45);

impl Group {
    /// Whether the member counts towards the size.
    fn counts(&self, ec2: &Ec2, member: &Member, now: Millis) -> bool {
        let instance = ec2.instances.get(&member.instance);
        member.retires.is_none()
            && instance.is_some_and(|instance| {
                instance.terminated.is_none_or(|at| now < at.plus(NOTICING))
            })
    }

    fn size(&self, ec2: &Ec2, now: Millis) -> usize {
        self.members.iter().filter(|member| self.counts(ec2, member, now)).count()
    }

    fn wanted(&self) -> usize {
        if self.deleting.is_some() { 0 } else { usize::try_from(self.desired).unwrap_or(0) }
    }

    /// Whether the member's instance is to be ended now.
    fn is_over(ec2: &Ec2, member: &Member, now: Millis) -> bool {
        member.retires.is_some_and(|at| at <= now)
            && ec2.instances.get(&member.instance).is_some_and(|i| i.terminated.is_none())
    }

    /// Whether the member's instance is there no more.
    fn is_gone(ec2: &Ec2, member: &Member, now: Millis) -> bool {
        let instance = ec2.instances.get(&member.instance);
        instance.is_none_or(|instance| instance.state(now).0 == "terminated")
    }

    /// The subnet for the next instance: of the zone with the fewest.
    fn next_subnet(&self, ec2: &Ec2, now: Millis) -> Option<String> {
        let used = |subnet: &String| {
            let zone = ec2.subnets.get(subnet).map(|subnet| &subnet.zone);
            let here = self.members.iter().filter(|member| self.counts(ec2, member, now));
            here.filter(|m| ec2.instances.get(&m.instance).map(|i| &i.zone) == zone).count()
        };
        let there = self.subnets.iter().filter(|id| ec2.subnets.contains_key(*id));
        there.min_by_key(|subnet| used(subnet)).cloned()
    }

    /// Whether [`Group::settle`] would change anything.
    pub(crate) fn is_due(&self, ec2: &Ec2, now: Millis) -> bool {
        self.size(ec2, now) > self.wanted()
            || (self.size(ec2, now) < self.wanted() && self.next_subnet(ec2, now).is_some())
            || self
                .members
                .iter()
                .any(|member| Self::is_over(ec2, member, now) || Self::is_gone(ec2, member, now))
    }

    /// Starts what is missing, oldest members going first where there are too many.
    pub(crate) fn settle(&mut self, ec2: &mut Ec2, now: Millis) {
        let over = self.members.iter().filter(|member| Self::is_over(ec2, member, now));
        let over: Vec<(String, Millis)> =
            over.map(|member| (member.instance.clone(), member.retires.unwrap_or(now))).collect();
        over.iter().for_each(|(instance, at)| self.end(ec2, instance, *at));
        let excess = self.size(ec2, now).saturating_sub(self.wanted());
        let counted: Vec<bool> =
            self.members.iter().map(|member| self.counts(ec2, member, now)).collect();
        let mut going = Vec::new();
        for (member, _) in
            self.members.iter_mut().zip(counted).filter(|(_, counts)| *counts).take(excess)
        {
            member.retires = Some(now);
            going.push(member.instance.clone());
        }
        going.iter().for_each(|instance| self.end(ec2, instance, now));
        while self.size(ec2, now) < self.wanted() {
            let Some(subnet) = self.next_subnet(ec2, now) else { break };
            let seed = format!("{}/{}", self.arn, self.started);
            self.started += 1;
            let Some(instance) = launch::start(ec2, &self.recipe, &subnet, &seed, now) else {
                break;
            };
            let version = self.template.2.clone();
            self.members.push(Member { instance, since: now, version, retires: None });
        }
        self.members.retain(|member| !Self::is_gone(ec2, member, now));
    }

    fn end(&self, ec2: &mut Ec2, instance: &str, now: Millis) {
        if let (true, Some(cluster)) = (self.leaves_interfaces, &self.cluster) {
            launch::leave_pod_interface(ec2, instance, cluster, now);
        }
        launch::terminate(ec2, instance, now);
    }

    /// Has every instance replaced: new ones start now, the present ones end at `then`.
    pub(crate) fn replace_all(&mut self, then: Millis) {
        for member in &mut self.members {
            member.retires.get_or_insert(then);
        }
    }
}
