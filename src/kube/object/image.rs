//! The versions of images, as far as their tags tell.

use serde_json::Value;

/// An image that is wanted, and older than the one of the same container that is live.
#[derive(Debug)]
pub(super) struct Older {
    /// The field with the image.
    pub(super) field: String,
    /// The live version.
    pub(super) live: Version,
    /// The wanted one.
    pub(super) wanted: Version,
}

/// The first container of a Deployment whose wanted image is older than its live one. An image
/// whose tag is no version is neither older nor newer than any other.
pub(super) fn older(wanted: &Value, live: &Value) -> Option<Older> {
    let live = containers(live);
    containers(wanted).iter().find_map(|wanted| {
        let name = &wanted["name"];
        let before = live.iter().find(|live| live["name"] == *name)?;
        let (live, wanted) = (version(&before["image"])?, version(&wanted["image"])?);
        let field = format!("spec.template.spec.containers[name={name}].image");
        (wanted < live).then_some(Older { field, live, wanted })
    })
}

fn containers(deployment: &Value) -> &[Value] {
    let containers = deployment.pointer("/spec/template/spec/containers");
    containers.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Major, minor and patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u64, u64, u64);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Version(major, minor, patch) = self;
        write!(f, "v{major}.{minor}.{patch}")
    }
}

/// The version of an image with a tag like `v2.36.5`; `None` for any other.
fn version(image: &Value) -> Option<Version> {
    let image = image.as_str()?;
    let named = image.split_once('@').map_or(image, |(named, _)| named);
    let (_, tag) = named.rsplit_once(':')?;
    let mut numbers = tag.strip_prefix('v')?.split('.');
    let mut number = || numbers.next()?.parse().ok();
    let version = Version(number()?, number()?, number()?);
    numbers.next().is_none().then_some(version)
}
