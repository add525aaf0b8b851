//! RDS: Aurora clusters and what they need.
