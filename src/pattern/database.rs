//! Aurora: its password, its key, its place in the network, the cluster and its instances.

use super::Draft;
use super::cluster::{ids, subnets};
use super::identity::alias;
use super::network::Made as Network;
use crate::aws::ec2::security_group::SecurityGroup;
use crate::aws::ec2::security_group_rule::{Direction, Peer, SecurityGroupRule, Traffic};
use crate::aws::eks::cluster::Cluster as Eks;
use crate::aws::kms::key::Key;
use crate::aws::logs::log_group::{LogGroup, StorageClass};
use crate::aws::rds::cluster::{Backup, Capacity, Cluster, Master, log_group};
use crate::aws::rds::cluster_parameter_group::ClusterParameterGroup;
use crate::aws::rds::instance::Instance;
use crate::aws::rds::subnet_group::SubnetGroup;
use crate::aws::secretsmanager::secret::{Charset, Content, Fields, ManagedSecret};
use crate::graph::Handle;
use crate::kube::object::{DatabaseUrl, Stored};
use crate::name::Address;
use crate::spec::Spec;
use crate::spec::types::database::Database;
use crate::value::Need;
use std::collections::BTreeMap;

/// PostgreSQL's port.
const PORT: u16 = 5432;

/// The log that goes to CloudWatch.
const LOG: &str = "postgresql";

/// The member of the secret that is the password.
const PASSWORD: &str = "password";

/// What the secret with the master password holds when it is made.
fn content(wanted: &Database) -> Content {
    Content::Generated {
        length: 40,
        charset: Charset::Alphanumeric,
        as_json: Some(Fields {
            key: PASSWORD.to_owned(),
            beside: [("username".to_owned(), wanted.username.clone())].into(),
        }),
    }
}

/// The database's master password: where it is, and who has it.
#[derive(Clone, Debug)]
pub struct DatabasePassword {
    /// The secret in Secrets Manager.
    pub secret: Address,
    /// What a fresh value of the secret is.
    pub content: Content,
    /// The cluster that takes it.
    pub cluster: Address,
    /// The Secret that hands it to Coder, and Coder, where there is one.
    pub readers: Option<(Address, Address)>,
}

impl DatabasePassword {
    /// That of a spec; `None` where there is no database.
    pub fn of(spec: &Spec) -> Option<DatabasePassword> {
        let wanted = spec.database.as_ref()?;
        let here = |rest: &str| Address::in_region(&spec.home_region, rest);
        let readers = spec.coder.as_ref().map(|_| {
            let secret = super::coder::DATABASE_SECRET;
            (here(&format!("kubernetes/secret/{secret}")), here("kubernetes/deployment/server"))
        });
        Some(DatabasePassword {
            secret: here("database/secret/master"),
            content: content(wanted),
            cluster: here("database/cluster"),
            readers,
        })
    }
}

/// The family of parameters of a major version.
fn family(wanted: &Database) -> String {
    let major = wanted.engine_version.split('.').next().unwrap_or_default();
    format!("aurora-postgresql{major}")
}

/// What of the database others refer to.
pub(super) struct Made {
    pub(super) url: DatabaseUrl,
    /// Who takes connections.
    pub(super) instances: Vec<Handle<Instance>>,
}

pub(super) fn add(
    draft: &mut Draft<'_>,
    wanted: &Database,
    network: &Network<'_>,
    eks: Option<Handle<Eks>>,
) -> Made {
    let region = draft.region.clone();
    let name = draft.physical(&draft.here("database/cluster"), draft.deployment.to_string());
    let address = draft.here("database/secret/master");
    let secret = ManagedSecret {
        name: draft.physical(&address, format!("{}/database", draft.deployment)),
        description: format!("the database user of {}", draft.deployment),
        key: None,
        recovery_window_days: 7,
        content: content(wanted),
    };
    let secret = draft.graph.add(&region, address, "database", secret);
    let address = draft.here("database/key/data");
    let key = Key {
        alias: alias(draft, &address, "database"),
        description: format!("database of {}", draft.deployment),
        rotation_days: Some(365),
        policy: None,
        deletion_window_days: 30,
    };
    let key = draft.graph.add(&region, address, "database", key);
    let group = security_group(draft, network, eks);
    let subnet_group = SubnetGroup {
        name: name.clone(),
        description: format!("subnets of the database of {}", draft.deployment),
        subnets: ids(&subnets(network, &wanted.tier, None)),
    };
    let address = draft.here("database/subnet-group");
    let subnet_group = draft.graph.add(&region, address, "database.tier", subnet_group);
    let mut parameters: BTreeMap<String, String> =
        wanted.parameters.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
    parameters.insert("rds.force_ssl".to_owned(), "1".to_owned());
    let parameter_group = ClusterParameterGroup {
        name: name.clone(),
        family: family(wanted),
        description: format!("parameters of the database of {}", draft.deployment),
        parameters,
    };
    let address = draft.here("database/parameter-group");
    let parameter_group = draft.graph.add(&region, address, "database.parameters", parameter_group);
    let logs = wanted.log_exports.then(|| {
        let address = draft.here("database/log-group/postgresql");
        let logs = LogGroup {
            // RDS's own choice of a name; where it finds none, it makes one that is kept for ever.
            name: draft.physical(&address, log_group(&name, LOG)),
            retention_days: Some(retention(i32::from(wanted.backup_retention_days.max(7)))),
            key: None,
            class: StorageClass::Standard,
        };
        draft.graph.add(&region, address, "database.log_exports", logs)
    });
    let cluster = Cluster {
        name: name.clone(),
        version: Some(wanted.engine_version.clone()),
        capacity: Capacity { min: wanted.min_capacity, max: wanted.max_capacity },
        database: wanted.name.clone(),
        master: Master {
            username: wanted.username.clone(),
            secret: secret.arn().ready(),
            version: secret.version().ready(),
            key: Some(PASSWORD.to_owned()),
        },
        subnet_group: subnet_group.name().ready(),
        security_groups: vec![group.id().ready()],
        parameter_group: parameter_group.name().ready(),
        key: Some(key.arn().ready()),
        backup: Backup {
            retention_days: i32::from(wanted.backup_retention_days),
            window: Some(wanted.backup_window.clone()),
            final_snapshot: wanted.final_snapshot,
            delete_automated: true,
        },
        maintenance_window: Some(wanted.maintenance_window.clone()),
        deletion_protection: wanted.deletion_protection,
        iam_authentication: false,
        log_exports: wanted.log_exports.then(|| LOG.to_owned()).into_iter().collect(),
        performance_insights_days: None,
        from_snapshot: wanted.from_snapshot.clone(),
    };
    let cluster = draft.graph.add(&region, draft.here("database/cluster"), "database", cluster);
    if let Some(logs) = logs {
        let reason = "RDS makes the log group itself, to be kept for ever, if it finds none";
        draft.graph.after(cluster, logs, Need::Ready, reason);
    }
    let instances: Vec<Handle<Instance>> = (1..=wanted.instances)
        .map(|number| {
            let address = draft.here(&format!("database/instance/{number}"));
            let instance = Instance {
                name: draft.physical(&address, format!("{name}-{number}")),
                cluster: cluster.name(),
                class: "db.serverless".to_owned(),
                // The first ones take over first.
                promotion_tier: i32::from(number - 1).min(15),
                performance_insights: false,
                minor_upgrades: true,
                monitoring: None,
            };
            draft.graph.add(&region, address, "database.instances", instance)
        })
        .collect();
    draft.graph.show("database_endpoint", cluster.endpoint());
    draft.graph.show("database_secret_arn", secret.arn().map(|arn| arn.to_string()));
    Made {
        url: DatabaseUrl {
            user: wanted.username.clone(),
            password: Stored {
                secret: secret.arn().map(|arn| arn.to_string()).ready(),
                field: Some(PASSWORD.to_owned()),
                version: Some(secret.version().ready()),
            },
            host: cluster.endpoint(),
            port: PORT,
            database: wanted.name.clone(),
            in_force: Some(cluster.password_version().ready()),
        },
        instances,
    }
}

/// A retention that CloudWatch Logs accepts, of so many days at least.
fn retention(days: i32) -> i32 {
    let all = crate::spec::types::logs::RETENTION_DAYS.map(i32::from);
    all.into_iter().find(|known| *known >= days).unwrap_or(365)
}

/// The database's group: what runs on the cluster's nodes gets in, and nothing gets out.
fn security_group(
    draft: &mut Draft<'_>,
    network: &Network<'_>,
    eks: Option<Handle<Eks>>,
) -> Handle<SecurityGroup> {
    let region = draft.region.clone();
    let address = draft.here("database/security-group");
    let group = SecurityGroup {
        vpc: network.vpc.id().ready(),
        name: draft.physical(&address, format!("{}-database", draft.deployment)),
        description: format!("database of {}", draft.deployment),
    };
    let group = draft.graph.add(&region, address, "database", group);
    let peer = match eks {
        Some(eks) => Peer::Group(eks.cluster_security_group()),
        None => Peer::Range(network.network.vpc_cidr.to_string()),
    };
    let rule = SecurityGroupRule {
        group: group.id(),
        direction: Direction::Ingress,
        traffic: Traffic { protocol: "tcp".to_owned(), from: i32::from(PORT), to: i32::from(PORT) },
        peer,
        description: "PostgreSQL from the nodes".to_owned(),
    };
    let address = draft.here("database/security-group-rule/in/postgresql");
    draft.graph.add(&region, address, "database", rule);
    group
}
