//! The whole service as its users meet it: the real binary, real SQLite, real git, and stand-ins for GitHub and Slack.

mod crash;
mod deliveries;
mod house;
mod mistakes;
mod octokit;
#[path = "../forge/oracles.rs"]
mod oracles;
mod together;
mod whole_way;
