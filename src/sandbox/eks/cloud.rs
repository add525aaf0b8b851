//! What the controllers of a cluster make in AWS: volumes for claims, load balancers for Services.
//! <https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/tagging.md>
//! <https://github.com/kubernetes/cloud-provider-aws/blob/master/docs/service_controller.md>

use super::model::Cluster;
use crate::sandbox::ec2::{security_group, volume};
use crate::sandbox::elbv2;
use crate::sandbox::kube::{Claimed, Cloud};
use crate::sandbox::service::Cx;
use crate::sandbox::store::Scope;
use crate::sandbox::wire::params::Params;
use crate::sandbox::world::Sandbox;
use serde_json::json;
use std::collections::BTreeSet;

/// The add-on with the driver of EBS volumes.
const DRIVER: &str = "aws-ebs-csi-driver";

/// The AWS around one cluster.
#[derive(Debug)]
pub(crate) struct Around {
    pub(crate) sandbox: Sandbox,
    pub(crate) scope: Scope,
    pub(crate) cluster: String,
}

impl Around {
    fn cluster(&self, cx: &Cx<'_>) -> Option<Cluster> {
        cx.store.eks(&self.scope).clusters.get(&self.cluster).cloned()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Cx<'_>) -> Option<T>) -> Option<T> {
        self.sandbox.change(&self.scope, change)?
    }

    fn tags(&self, more: &[(&str, &str)]) -> crate::sandbox::ec2::model::Tags {
        let own = (format!("kubernetes.io/cluster/{}", self.cluster), "owned".to_owned());
        let more = more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        more.chain([own]).collect()
    }
}

impl Cloud for Around {
    fn drives_volumes(&self) -> bool {
        self.sandbox.look(&self.scope, |store, _| {
            let cluster = store.eks(&self.scope).clusters.get(&self.cluster);
            cluster
                .and_then(|cluster| cluster.addons.get(DRIVER))
                .is_some_and(|addon| addon.gone.is_none())
        })
    }

    fn create_volume(&self, claimed: &Claimed) -> Option<String> {
        let tags = self.tags(&[
            ("CSIVolumeName", &claimed.volume),
            ("KubernetesCluster", &self.cluster),
            ("Name", &format!("{}-dynamic-{}", self.cluster, claimed.volume)),
            ("ebs.csi.aws.com/cluster", "true"),
            ("kubernetes.io/created-for/pv/name", &claimed.volume),
            ("kubernetes.io/created-for/pvc/name", &claimed.claim),
            ("kubernetes.io/created-for/pvc/namespace", &claimed.namespace),
        ]);
        self.change(|cx| Some(volume::provision(cx, &claimed.zone, claimed.size, tags)))
    }

    fn attach(&self, volume: &str, instance: Option<&str>) {
        self.change(|cx| {
            volume::attach(cx.ec2(), volume, instance);
            Some(())
        });
    }

    fn delete_volume(&self, volume: &str) -> bool {
        let deleted = self.change(|cx| {
            if !cx.ec2().volumes.contains_key(volume) {
                return Some(());
            }
            volume::delete(cx, &Params::of(json!({"VolumeId": volume}))).ok().map(|_| ())
        });
        deleted.is_some()
    }

    fn create_balancer(&self, namespace: &str, service: &str, uid: &str) -> Option<String> {
        self.change(|cx| {
            let cluster = self.cluster(cx)?;
            let mut zones = BTreeSet::new();
            let subnets: Vec<String> = cluster
                .subnets
                .iter()
                .filter(|id| {
                    let zone = cx.ec2().subnets.get(*id).map(|subnet| subnet.zone.clone());
                    zone.is_some_and(|zone| zones.insert(zone))
                })
                .cloned()
                .collect();
            let name = name_of(uid);
            let group = security_group::make(
                cx,
                &cluster.vpc,
                &format!("k8s-elb-{name}"),
                &format!("Security group for Kubernetes ELB {name} ({namespace}/{service})"),
                self.tags(&[]),
            );
            let tags =
                self.tags(&[("kubernetes.io/service-name", &format!("{namespace}/{service}"))]);
            elbv2::make_for_service(cx, &name, &subnets, &group, tags)
        })
    }

    fn delete_balancer(&self, uid: &str) -> bool {
        let gone = self.change(|cx| {
            let name = name_of(uid);
            elbv2::remove_of_service(cx, &name);
            let group = format!("k8s-elb-{name}");
            let found = cx.ec2().security_groups.values().find(|it| it.name == group);
            let Some(id) = found.map(|group| group.id.clone()) else { return Some(()) };
            security_group::delete(cx, &Params::of(json!({"GroupId": id}))).ok().map(|_| ())
        });
        gone.is_some()
    }
}

/// The name of the load balancer of the Service with this uid.
fn name_of(uid: &str) -> String {
    let hex: String = uid.chars().filter(char::is_ascii_hexdigit).take(31).collect();
    format!("a{hex}")
}
