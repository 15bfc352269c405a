//! Floor 4: the only place where engine and adapters meet.
//!
//! One task per live pipeline ([`live`]) owns its state: it decides, commits, and only then acts. Around it: `intake` turns
//! deliveries into pipelines, `cron` delivers what the clock brings, `pool` gives queued leaves to workers, `reports` takes what workers say, `outbox` speaks to the
//! outside, `recovery` puts everything back together after a stop or a crash. [`Dispatch`] is the face of it all.

mod action;
mod answer;
mod callbacks;
mod cause;
mod cron;
mod disk;
mod error;
mod feed;
mod feedback;
mod find;
mod follow;
mod growth;
mod handle;
pub mod hub;
mod identity;
mod intake;
mod live;
mod manual;
mod options;
mod outbox;
mod pool;
mod recovery;
mod refetch;
mod registry;
mod reports;
mod retention;
mod secrets;
mod shared;
#[cfg(test)]
mod simulation;
mod start;
mod turns;
pub mod view;
mod waiting;

pub use crate::store::pipelines::Filter as PipelineFilter;
pub use action::{Action, Receipt};
pub use error::Error;
pub use follow::{LogChunk, LogStream};
pub use handle::{Dispatch, Health, NewDelivery, Received};
pub use identity::{Identity, Scope};
pub use manual::{LaunchRequest, NoLaunch};
pub use options::{Options, Parts, Reserve, Retention};
pub use pool::{Amounts, Budget};
pub use secrets::{Credentials, NoSecret, Rotated, SecretWish};
