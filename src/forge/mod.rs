//! Floor 3: GitHub. Bytes to triggers, commit statuses to requests; knows no store, no engine and no schedule of retries.

mod app;
mod checks;
mod deliveries;
mod error;
mod event;
mod github;
mod pace;
mod payload;
mod people;
mod signature;
mod statuses;
mod transport;

pub use checks::{Annotation, Button, CheckRun, CheckStatus, Conclusion, Level};
pub use deliveries::Attempted;
pub use error::BuildError;
pub use event::{Ask, Change, Command, Envelope, Malformed, Parsed, Source, What, check_braces, parse};
pub use github::{Credentials, GitHub};
pub use pace::{Pace, Rates, Write};
pub use people::Head;
pub use signature::{BadSecrets, Refused, Verified, WebhookSecrets, json_text};
pub use statuses::{CommitState, CommitStatus};
