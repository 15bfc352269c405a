//! Floor 3: GitHub. Bytes to triggers, commit statuses to requests; knows no store, no engine and no schedule of retries.

mod event;
mod payload;
mod signature;
mod statuses;

pub use event::{Envelope, Malformed, Parsed, Source, check_braces, parse};
pub use signature::{BadSecrets, Refused, Verified, WebhookSecrets, json_text};
pub use statuses::{BuildError, CommitState, CommitStatus, Statuses};
