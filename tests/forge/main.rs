//! The adapters for GitHub, git and Slack against real peers: GitHub's own examples and API description, the git command
//! line, and the stand-ins over HTTP.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod app;
mod conformance;
mod examples;
mod git_http;
mod mirrors;
mod oracles;
mod slack;
mod statuses;
mod working_copies;

/// How long anything may take that should take no time.
const SOON: std::time::Duration = std::time::Duration::from_secs(20);

/// Binds a port that nobody else has.
async fn listener() -> tokio::net::TcpListener {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap()
}
