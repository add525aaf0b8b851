//! Coder's own configuration, through its API, which is always reached through the cluster.
