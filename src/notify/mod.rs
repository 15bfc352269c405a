//! Floor 3: messages to people. Knows no outbox, no schedule of retries and no pipeline beyond what it is told of one.

mod email;
mod letter;
mod message;
mod node;
mod slack;

pub use email::{BuildError as MailError, Mailer};
pub use letter::Letter;
pub use message::{Failure, Run, SlackMessage};
pub use node::NodeRun;
pub use slack::{Access, Address, BuildError, Posted, Slack, Updated};
