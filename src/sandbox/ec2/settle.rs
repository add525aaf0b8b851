//! What time does: things that were being deleted go, and take what belongs to them along. All
//! other states are functions of the time.

use super::compute::{Instance, Volume};
use super::model::{Ec2, NatGateway, VpcEndpoint};
use super::network_interface;
use crate::sandbox::store::Millis;

impl Ec2 {
    /// Does all that has become due by `now`.
    pub(crate) fn settle(&mut self, now: Millis) {
        let over = |nat: &&NatGateway| nat.is_over(now);
        let ids: Vec<String> =
            self.nat_gateways.values().filter(over).map(|nat| nat.id.clone()).collect();
        for id in ids {
            network_interface::remove_of(self, &id);
        }
        self.nat_gateways.retain(|_, nat| nat.listed_until().is_none_or(|until| now < until));
        let gone = |endpoint: &&VpcEndpoint| endpoint.gone.is_some_and(|gone| gone <= now);
        let ids: Vec<String> =
            self.vpc_endpoints.values().filter(gone).map(|endpoint| endpoint.id.clone()).collect();
        for id in ids {
            network_interface::remove_of(self, &id);
            self.vpc_endpoints.remove(&id);
        }
        let over = |instance: &&Instance| instance.ends().is_some_and(|ends| ends <= now);
        let ids: Vec<String> =
            self.instances.values().filter(over).map(|instance| instance.id.clone()).collect();
        for id in ids {
            network_interface::remove_of(self, &id);
            let of_it = |volume: &Volume| volume.instance.as_deref() == Some(id.as_str());
            self.volumes.retain(|_, volume| volume.outlives || !of_it(volume));
            for volume in self.volumes.values_mut().filter(|volume| of_it(volume)) {
                volume.instance = None;
            }
        }
        self.instances
            .retain(|_, instance| instance.listed_until().is_none_or(|until| now < until));
    }

    /// Whether [`Ec2::settle`] would change anything.
    pub(crate) fn is_due(&self, now: Millis) -> bool {
        let has_interface =
            |id: &str| self.network_interfaces.values().any(|nic| nic.owner.as_deref() == Some(id));
        self.nat_gateways.values().any(|nat| {
            nat.listed_until().is_some_and(|until| until <= now)
                || (nat.is_over(now) && has_interface(&nat.id))
        }) || self.vpc_endpoints.values().any(|e| e.gone.is_some_and(|gone| gone <= now))
            || self.instances.values().any(|instance| {
                instance.listed_until().is_some_and(|until| until <= now)
                    || (instance.ends().is_some_and(|ends| ends <= now)
                        && has_interface(&instance.id))
            })
    }
}
