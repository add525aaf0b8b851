//! The volumes of claims that are no workspace's.
//!
//! They are found by the tags of the EBS driver, whether or not the cluster answers, so one whose
//! claim is gone is found as well. Where the cluster answers, the claim goes, and the driver deletes
//! the volume; where it does not, or the driver is gone or keeps it, the volume is deleted as soon
//! as no node has it.

use super::cluster::{CORE, Site, delete, is_silent, list, sites, text, uses, within};
use super::workspaces::Workspaces;
use super::{not_wanted, owner};
use crate::aws::ec2::volume::{self, Volume as Ebs};
use crate::aws::eks::access::Access;
use crate::kind::{
    self, Change, Class, Consent, CreateIs, Cx, Diff, Error, Found, Held, Kind, Listed, Nature,
    Ownership, Result, Seen, Status, Typical, Wanted, seconds,
};
use crate::kube::client::Kube;
use crate::name::PhysicalId;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// How often, every five seconds, a volume is looked at: fifteen minutes in all, in which its node
/// goes.
const LOOKS: u32 = 180;
/// How many of those the driver is given after the claim is gone.
const DRIVER: u32 = 24;

/// The volume of EBS that a `PersistentVolume` is.
const HANDLE: &str = "/spec/csi/volumeHandle";
/// What becomes of it when its claim goes: `Delete` or `Retain`.
const POLICY: &str = "/spec/persistentVolumeReclaimPolicy";

/// A volume. Nobody's spec asks for it.
#[derive(Clone, Debug, Serialize)]
pub struct Volume {}

/// A volume that there is.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    volume: Ebs,
    /// How the cluster is asked; none where it did not answer.
    cluster: Option<Option<Access>>,
    parents: Vec<PhysicalId>,
}

impl Kind for Volume {
    const NAME: &'static str = "kube.volume";
    const TITLE: &'static str = "volume of a claim";
    const NATURE: Nature = Nature {
        // After the workspaces, whose volumes go with them.
        wave: 5,
        is_guest: true,
        taggable: false,
        create_is: CreateIs::Named,
        typical: Typical { create: 0, update: 0, delete: 30 },
        actions: &["ec2:DescribeVolumes", "ec2:DeleteVolume"],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, _: &Live, _: &mut Diff<'_>) {
        let Self {} = self;
    }

    fn consent(_: &Live) -> Consent {
        Consent::Others
    }

    fn goes_first(live: &Live) -> bool {
        // Where the cluster does not answer, its nodes must go before its volumes.
        live.cluster.is_some()
    }

    fn holds(live: &Live) -> Vec<Held> {
        let Ebs { id, namespace, claim, size, instance, is_deleting: _ } = &live.volume;
        let at = instance
            .as_ref()
            .map_or("attached to nothing".to_owned(), |instance| format!("attached to {instance}"));
        vec![Held {
            name: id.clone(),
            detail: format!("{size} GiB, claim {namespace}/{claim}, {at}"),
        }]
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("volume_id", live.volume.id.clone())]
    }

    async fn list(cx: &Cx, _: &[Wanted<'_, Self>], seen: &dyn Seen) -> Result<Listed<Self>> {
        let workspaces = kind::seen::<Workspaces>(seen);
        let mut listed = Listed::default();
        for mut site in sites(cx, seen)? {
            let volumes = volume::of_cluster(cx, &site.name).await?;
            let mut kept = BTreeSet::new();
            if let (Some(place), false) = (&site.place, volumes.is_empty()) {
                match kept_volumes(cx, place.access.as_ref()).await {
                    Ok(ids) => kept = ids,
                    Err(error) if is_silent(&error) => site.place = None,
                    Err(error) => return Err(error),
                }
            }
            for volume in volumes {
                let of_workspace = workspaces
                    .iter()
                    .any(|(_, _, live)| live.has_claim(&volume.namespace, &volume.claim));
                // What a class keeps does not go with its workspace.
                if (of_workspace && !kept.contains(&volume.id)) || volume.is_deleting {
                    continue;
                }
                listed.ours.push(found(cx, &site, volume));
            }
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, before: &Found<Self>) -> Result<Option<Found<Self>>> {
        let now = volume::one(cx, &before.live.volume.id).await?;
        Ok(now
            .filter(|now| !now.is_deleting)
            .map(|volume| Found { live: Live { volume, ..before.live.clone() }, ..before.clone() }))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        Err(not_wanted(cx))
    }

    async fn update(&self, cx: &Cx, _: &Found<Self>, _: &[Change]) -> Result<()> {
        Err(not_wanted(cx))
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let Live { volume, cluster, .. } = &found.live;
        let mut driver = 0;
        if let Some(access) = cluster {
            match claim_goes(cx, access.as_ref(), volume).await {
                Ok(has_driver) if has_driver => driver = DRIVER,
                Ok(_) => {}
                // Then the driver is of no help either.
                Err(error) if is_silent(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let mut user = String::new();
        for look in 0..LOOKS {
            match volume::one(cx, &volume.id).await? {
                None => return Ok(()),
                Some(now) if now.is_deleting => return Ok(()),
                Some(Ebs { instance: Some(instance), .. }) => {
                    cx.progress(&format!("waiting until {instance} lets it go"));
                    user = instance;
                }
                Some(_) if look < driver => cx.progress("waiting for the driver to delete it"),
                Some(_) => match volume::delete(cx, &volume.id).await {
                    Err(error) if error.class == Class::InUse => {}
                    other => return other,
                },
            }
            cx.pause(seconds(5)).await?;
        }
        let why = format!("volume {} is still attached to {user} after 15 minutes", volume.id);
        Err(Error::of(Class::TimedOut, why)
            .hint("end what uses it, and run the same command again"))
    }

    async fn find_foreign(_: &Cx, _: &PhysicalId, _: &Ownership) -> Result<Option<Found<Self>>> {
        Err(Error::local("a volume of a claim can not be adopted"))
    }
}

fn found(cx: &Cx, site: &Site, volume: Ebs) -> Found<Volume> {
    // Without its cluster, nobody would find it again. Where the cluster answers, what deletes the
    // volume stays until then; where not, it is the nodes that must go first, which is waited for.
    let mut parents = vec![site.id.clone()];
    if let Some(place) = &site.place {
        parents.extend(place.needed.iter().cloned());
    }
    let rest = format!("cluster/volumes/{}/{}", volume.namespace, volume.claim);
    let cluster = site.place.as_ref().map(|place| place.access.clone());
    Found {
        id: PhysicalId::new(&volume.id),
        owner: owner(&cx.region, &rest, &site.owner),
        status: Status::Ready,
        parents: parents.clone(),
        tags: kind::Tags::new(),
        live: Live { volume, cluster, parents },
    }
}

/// The ids of the volumes that the driver does not delete when their claims go.
async fn kept_volumes(cx: &Cx, access: Option<&Access>) -> Result<BTreeSet<String>> {
    let volumes = list(cx, &Kube::of(cx, access)?, "/api/v1/persistentvolumes").await?;
    let kept = volumes.iter().filter(|volume| text(volume, POLICY) != "Delete");
    Ok(kept.map(|volume| text(volume, HANDLE).to_owned()).collect())
}

/// Deletes the claim of a volume, and what runs with it; answers whether the driver deletes the
/// volume then.
async fn claim_goes(cx: &Cx, access: Option<&Access>, volume: &Ebs) -> Result<bool> {
    let kube = Kube::of(cx, access)?;
    let volumes = list(cx, &kube, "/api/v1/persistentvolumes").await?;
    let handle = |object: &&Value| text(object, HANDLE) == volume.id;
    let Some(of_kube) = volumes.iter().find(handle) else { return Ok(false) };
    let keeps = text(of_kube, POLICY) != "Delete";
    let uid = text(of_kube, "/spec/claimRef/uid");
    let path = within(CORE, &volume.namespace, "persistentvolumeclaims");
    let claims = list(cx, &kube, &path).await?;
    let claim = claims.iter().find(|claim| text(claim, "/metadata/uid") == uid);
    if let Some(claim) = claim {
        delete(cx, &kube, CORE, "persistentvolumeclaims", claim).await?;
        for pod in list(cx, &kube, &within(CORE, &volume.namespace, "pods")).await? {
            if uses(&pod, &volume.claim) {
                delete(cx, &kube, CORE, "pods", &pod).await?;
            }
        }
    }
    if keeps {
        delete(cx, &kube, CORE, "persistentvolumes", of_kube).await?;
    }
    Ok(!keeps)
}
