//! What a cluster's controllers make in AWS.

use std::fmt::Debug;

/// A claim that gets a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The claim's namespace.
    pub namespace: String,
    /// Its name.
    pub claim: String,
    /// The name of the `PersistentVolume`: `pvc-` and the claim's uid.
    pub volume: String,
    /// Where the pod that asks for it runs: `us-east-1a`.
    pub zone: String,
    /// In GiB.
    pub size: i64,
}

/// The AWS that a cluster runs in, as its controllers use it.
pub trait Cloud: Debug + Send + Sync {
    /// Whether the driver of EBS volumes is installed.
    fn drives_volumes(&self) -> bool;
    /// Makes a volume, and gives its id.
    fn create_volume(&self, claimed: &Claimed) -> Option<String>;
    /// Attaches a volume to an instance, or detaches it.
    fn attach(&self, volume: &str, instance: Option<&str>);
    /// Deletes a volume; answers whether it is gone.
    fn delete_volume(&self, volume: &str) -> bool;
    /// Makes the load balancer of the Service with this uid, and gives its DNS name.
    fn create_balancer(&self, namespace: &str, service: &str, uid: &str) -> Option<String>;
    /// Deletes it; answers whether it is gone with all that it had.
    fn delete_balancer(&self, uid: &str) -> bool;
}

/// No AWS at all.
#[derive(Clone, Copy, Debug)]
pub struct NoCloud;

impl Cloud for NoCloud {
    fn drives_volumes(&self) -> bool {
        false
    }

    fn create_volume(&self, _: &Claimed) -> Option<String> {
        None
    }

    fn attach(&self, _: &str, _: Option<&str>) {}

    fn delete_volume(&self, _: &str) -> bool {
        false
    }

    fn create_balancer(&self, _: &str, _: &str, _: &str) -> Option<String> {
        None
    }

    fn delete_balancer(&self, _: &str) -> bool {
        true
    }
}
