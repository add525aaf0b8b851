//! Witnesses from outside: servers and clients that this project did not write look at what the
//! real program does over a socket.
//!
//! * moto is another implementation of AWS: the lifecycle of every kind that it knows.
//! * A proxy holds every request against AWS's own service models on its way to the sandbox.
//! * The AWS CLI reads what was applied, and kubectl what is in the cluster.
//!
//! All but kubectl are Python; [`python`] sets them up. What takes is python3 with its venv module,
//! once a network to a package index, and kubectl. Without them these tests fail and say so.

mod aws_cli;
mod kubectl;
mod lint;
mod manifests;
mod moto;
mod program;
mod python;
mod server;
mod simple;
