//! Floor 3: messages to people. Knows no outbox, no schedule of retries and no pipeline beyond what it is told of one.

mod message;
mod slack;

pub use message::{Failure, Run, SlackMessage};
pub use slack::{Access, Address, BuildError, Posted, Slack, Updated};
