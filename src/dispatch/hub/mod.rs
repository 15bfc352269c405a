//! The server's end of every worker's connection: one socket per worker, reports in order, orders until confirmed. Knows
//! the protocol and which attempts a worker may speak of; knows no pipelines and no store.

mod door;
mod handle;
mod key;
mod post;
mod session;

#[cfg(test)]
pub(super) use post::Post;

pub use handle::{Error, Hub, Incoming, Options, Report};
