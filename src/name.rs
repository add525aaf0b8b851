//! Names that everything else is built on: regions, accounts, deployments, addresses.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! plain {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is; whoever reads user input checks it first.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

plain!(
    /// An AWS region's code, `us-east-1`.
    Region
);
plain!(
    /// An AWS account's id: twelve digits.
    AccountId
);
plain!(
    /// A deployment's name, `coder-prod`: what its tags, names and record are keyed by.
    DeploymentName
);
plain!(
    /// A deployment's uid: made once, on the first apply, and put on every resource, so that a
    /// second deployment with the same name is not mistaken for this one.
    Uid
);
plain!(
    /// An id that the provider gave (`vpc-0abc`), or the name where names are ids
    /// (`/coder/prod/vpc-flow-logs`). Equal ids mean the same live object.
    PhysicalId
);

/// What a node of the graph is called, forever: `us-east-1/network/vpc`.
///
/// The first part is the region, or `global` for what has none; the second is the section of the
/// spec; the rest names the resource within it. Addresses are a public contract: they are on
/// every resource as a tag, and users write them in `--target` and `--allow-delete`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

impl Address {
    /// The address of `rest` (`network/vpc`) in `region`.
    pub fn in_region(region: &Region, rest: &str) -> Self {
        Address(format!("{region}/{rest}"))
    }

    /// The address of something that no region holds.
    pub fn global(rest: &str) -> Self {
        Address(format!("global/{rest}"))
    }

    /// An address as written in a tag or on the command line.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let whole = parts.next().is_some_and(|part| !part.is_empty())
            && parts.clone().next().is_some()
            && parts.all(|part| !part.is_empty());
        whole.then(|| Address(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `us-east-1`, or `global`.
    pub fn scope(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// `network`.
    pub fn section(&self) -> &str {
        self.0.split('/').nth(1).unwrap_or_default()
    }

    /// What stands behind the section: `subnet/public-a`.
    pub fn rest(&self) -> &str {
        self.0.splitn(3, '/').nth(2).unwrap_or_default()
    }

    /// Whether `pattern` names this address or something above it: `us-east-1/network` covers
    /// `us-east-1/network/vpc`, and `network/vpc` covers it in every region. `*` stands for any
    /// run of characters within one part.
    pub fn is_covered_by(&self, pattern: &str) -> bool {
        let address: Vec<&str> = self.0.split('/').collect();
        let pattern: Vec<&str> = pattern.trim_end_matches('/').split('/').collect();
        let covers = |address: &[&str]| {
            pattern.len() <= address.len()
                && pattern.iter().zip(address).all(|(pattern, part)| matches(pattern, part))
        };
        covers(&address) || covers(&address[1..])
    }
}

/// Whether `text` is what `pattern` says, where `*` stands for any run of characters.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|&at| rest.is_char_boundary(at))
                .any(|at| matches(tail, &rest[at..]))
        }),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The part of AWS that a region belongs to; the second field of every ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Partition {
    /// Commercial AWS.
    Aws,
    /// AWS GovCloud (US).
    AwsUsGov,
    /// AWS China.
    AwsCn,
}

impl Partition {
    /// The partition of a region, by the prefix of its code.
    pub fn of(region: &Region) -> Self {
        match region.as_str() {
            code if code.starts_with("us-gov-") => Partition::AwsUsGov,
            code if code.starts_with("cn-") => Partition::AwsCn,
            _ => Partition::Aws,
        }
    }

    /// As it stands in an ARN: `aws`.
    pub fn as_str(self) -> &'static str {
        match self {
            Partition::Aws => "aws",
            Partition::AwsUsGov => "aws-us-gov",
            Partition::AwsCn => "aws-cn",
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
