//! Floor 3: the in-container side, and the protocol it shares with the hub.

pub mod protocol;
mod spool;
mod tree;
pub mod wire;
