//! Floor 3: one SQLite file. Keeps what it is given, in transactions; knows no engine rule and no outside service.
//!
//! One thread owns the only writing connection and commits whatever waits together (one fsync for all); reads go to a few
//! connections of their own.

mod connection;
pub mod copy;
mod error;
pub mod inbox;
mod migrations;
pub mod outbox;
mod packed;
pub mod pipelines;
pub mod repositories;
pub mod retention;
mod row;
pub mod schedules;
pub mod secrets;
pub mod server;
pub mod tokens;
pub mod turns;

#[cfg(test)]
pub(crate) use connection::in_memory;
pub use connection::{Connection, Store};
pub use error::Error;
pub use migrations::SCHEMA;
pub use packed::Packed;

#[cfg(test)]
mod tests;
