//! The parameters of Aurora PostgreSQL that the sandbox knows: enough for what clusters are
//! usually given, not the several hundred that there are.

/// One parameter of every family.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    /// `None` where the engine decides.
    pub(super) default: Option<&'static str>,
    /// Static parameters take effect at the next reboot.
    pub(super) is_static: bool,
    pub(super) data_type: &'static str,
    /// Empty: anything.
    pub(super) allowed: &'static [&'static str],
}

const fn dynamic(
    name: &'static str,
    default: Option<&'static str>,
    data_type: &'static str,
    allowed: &'static [&'static str],
) -> Parameter {
    Parameter { name, default, is_static: false, data_type, allowed }
}

const fn fixed(
    name: &'static str,
    default: Option<&'static str>,
    data_type: &'static str,
    allowed: &'static [&'static str],
) -> Parameter {
    Parameter { name, default, is_static: true, data_type, allowed }
}

const FLAG: &[&str] = &["0", "1"];
const TLS: &[&str] = &["TLSv1.2", "TLSv1.3"];

/// In the order of their names.
pub(super) static PARAMETERS: &[Parameter] = &[
    dynamic("auto_explain.log_min_duration", None, "integer", &[]),
    dynamic("client_encoding", None, "string", &[]),
    dynamic("idle_in_transaction_session_timeout", Some("86400000"), "integer", &[]),
    dynamic("idle_session_timeout", Some("0"), "integer", &[]),
    dynamic("lock_timeout", None, "integer", &[]),
    dynamic("log_connections", None, "boolean", FLAG),
    dynamic("log_disconnections", None, "boolean", FLAG),
    dynamic("log_lock_waits", None, "boolean", FLAG),
    dynamic("log_min_duration_statement", None, "integer", &[]),
    dynamic("log_rotation_age", Some("60"), "integer", &[]),
    dynamic("log_statement", None, "string", &["none", "ddl", "mod", "all"]),
    dynamic("log_temp_files", None, "integer", &[]),
    fixed("max_connections", Some("LEAST({DBInstanceClassMemory/9531392},5000)"), "integer", &[]),
    dynamic("password_encryption", None, "string", &["md5", "scram-sha-256"]),
    dynamic("pgaudit.log", None, "list", &[]),
    dynamic("pgaudit.role", None, "string", &["rds_pgaudit"]),
    dynamic("rds.accepted_password_auth_method", Some("md5+scram"), "string", &[]),
    dynamic("rds.force_admin_logging_level", None, "string", &[]),
    dynamic("rds.force_autovacuum_logging_level", Some("WARNING"), "string", &[]),
    dynamic("rds.force_ssl", Some("0"), "boolean", FLAG),
    dynamic("rds.log_retention_period", Some("4320"), "integer", &[]),
    fixed("rds.logical_replication", Some("0"), "boolean", FLAG),
    fixed("shared_preload_libraries", Some("pg_stat_statements"), "list", &[]),
    dynamic("ssl_max_protocol_version", None, "string", TLS),
    dynamic("ssl_min_protocol_version", Some("TLSv1.2"), "string", TLS),
    dynamic("statement_timeout", None, "integer", &[]),
    dynamic("timezone", Some("UTC"), "string", &[]),
    fixed("track_activity_query_size", Some("4096"), "integer", &[]),
    dynamic("track_io_timing", Some("1"), "boolean", FLAG),
    dynamic("work_mem", None, "integer", &[]),
];

impl Parameter {
    /// The default in a family: version 17 and later want TLS.
    pub(super) fn default_in(&self, family: &str) -> Option<&'static str> {
        let major = family.trim_start_matches("aurora-postgresql").parse().unwrap_or(0_u32);
        if self.name == "rds.force_ssl" && major >= 17 { Some("1") } else { self.default }
    }

    /// Whether it may have this value.
    pub(super) fn takes(&self, value: &str) -> bool {
        let whole = self.data_type != "integer"
            || value.starts_with('{')
            || value.starts_with("LEAST(")
            || value.starts_with("GREATEST(")
            || value.parse::<i64>().is_ok();
        whole && (self.allowed.is_empty() || self.allowed.contains(&value))
    }
}
