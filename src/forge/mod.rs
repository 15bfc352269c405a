
mod event;
mod payload;
mod signature;

pub use event::{Envelope, Malformed, Parsed, Source, envelope, parse};
pub use signature::{BadSecrets, Refused, Verified, WebhookSecrets, json_text};
