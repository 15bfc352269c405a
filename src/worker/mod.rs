//! Floor 3: the in-container side, and the protocol it shares with the hub.
//!
//! A worker dials the server's socket, runs one node after the other, and keeps everything the server has not yet
//! acknowledged. It knows no pipelines, no trees and no store.

mod entry;
mod ground;
mod kit;
mod layer;
mod line;
mod link;
mod masks;
mod memory;
mod mounts;
mod node;
mod processes;
pub mod protocol;
pub mod redact;
mod secret;
mod session;
mod spawn;
mod spool;
mod streams;
mod tree;
pub mod wire;
mod workspace;

pub use entry::{Options, run};
pub use secret::Secret;
