//! Local stand-ins for GitHub, Slack and a mail server: real servers with the rules of the originals, for the demo and the tests.
//! They share no code with the clients they judge.

mod delivery;
mod github;
mod mail;
mod payload;
mod repository;
mod server;
mod slack;

pub use delivery::{Answer, Delivery};
pub use github::{GitHub, Limits, MissedDelivery, ReceivedCheck, ReceivedStatus, Said, StandingPull};
pub use mail::{Mail, MailServer};
pub use payload::{PullRequest, Push, RepositoryFacts, ping, pull_request, push};
pub use repository::{SampleFile, SampleKind, SampleRepository};
pub use server::{Fault, Request};
pub use slack::{Slack, SlackMessage};

/// Why a stand-in could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The sample repository could not be written.
    #[error("failed to write the sample repository: {0}")]
    Repository(String),
    /// The delivery did not arrive.
    #[error("failed to deliver the webhook: {0}")]
    Delivery(String),
}
