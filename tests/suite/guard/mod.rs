//! What a run must never do: act on what it can not read, touch what is not its own, work beside
//! another run, carry out a plan that is not the one that was shown, let a secret out.

mod around;
mod binary;
mod calls;
mod canary;
mod canary_simple;
mod cli;
mod codes;
mod deployment;
mod foreign;
mod heal;
mod plan_file;
mod rendered;
mod two;
mod unreadable;
