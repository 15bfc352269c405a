//! The whole service as its users meet it: the real binary, real SQLite, real git, and stand-ins for GitHub and Slack.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and its words are for people"
)]

mod actions;
mod backup;
mod commands;
mod crash;
mod cron;
mod deliveries;
mod deploy;
mod duplicates;
mod engine;
mod events;
mod feedback;
mod house;
mod kills;
mod launch;
mod looking;
mod mistakes;
mod octokit;
#[path = "../forge/oracles.rs"]
mod oracles;
mod programs;
mod queues;
mod retention;
mod secrets;
mod semantics;
mod separation;
mod spare;
mod together;
mod trouble;
mod whole_way;
