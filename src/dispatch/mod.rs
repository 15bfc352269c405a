//! Floor 4: the only place where engine and adapters meet.
//!
//! One task per live pipeline ([`live`]) owns its state: it decides, commits, and only then acts. Around it: `intake` turns
//! deliveries into pipelines, `cron` delivers what the clock brings, `pool` gives queued leaves to workers, `reports` takes what workers say, `outbox` speaks to the
//! outside, `recovery` puts everything back together after a stop or a crash. [`Dispatch`] is the face of it all.

mod action;
mod answer;
mod callbacks;
mod cause;
mod checks;
mod cron;
mod debug;
mod disk;
mod error;
mod feed;
mod feedback;
mod files;
mod find;
mod follow;
mod glance;
mod growth;
mod handle;
pub mod hub;
mod identity;
mod images;
mod intake;
mod live;
mod manual;
mod node_token;
mod notices;
mod options;
mod outbox;
mod permissions;
mod pool;
mod recovery;
mod refetch;
mod registry;
mod reply;
mod reports;
mod retention;
mod secrets;
mod shared;
#[cfg(test)]
mod simulation;
mod start;
mod sweep;
mod traffic;
mod turns;
pub mod view;
mod waiting;
mod watch;

pub use crate::store::access::Access;
pub use crate::store::pipelines::Filter as PipelineFilter;
pub use action::{Action, Receipt};
pub use debug::DebugView;
pub use error::Error;
pub use files::DataOf;
pub use follow::{LogChunk, LogPage, LogSearch, LogStream};
pub use glance::{ChangeView, Glimpse, Head, RowView, TreeView};
pub use handle::{Dispatch, Health, NewDelivery, Received};
pub use identity::{Identity, Scope};
pub use intake::{LocalLaunch, LocalRequest};
pub use manual::{LaunchRequest, NoLaunch};
pub use options::{Data, Feedback, ForkPolicy, Forks, Options, Parts, Reserve, Retention};
pub use pool::{Amounts, Budget};
pub use secrets::{NoSecret, Rotated, SecretWish};
