//! Floor 5: the whole of a server in one file, and back. Reads and writes base directories; knows no running server.
//!
//! The archive is a tar compressed by zstd, with paths as below the base directory: the database first (a consistent copy,
//! taken while a server may run), then what it mentions (logs, pipeline data, user data) and the few files around it (the key of secrets only when asked), then
//! `SHA256SUMS` and `manifest.json`. What is written after the copy was taken is not in it, so the logs hold at least what
//! the database knows of them. Mirrors, binaries and sockets are not in it: they are made again.

mod error;
mod manifest;
mod place;
mod restore;
mod tree;
mod write;

pub use error::Error;
pub use manifest::Manifest;
pub use place::check_finished;
pub use restore::{Restored, Wish, restore};
pub use write::{Content, Made, write};
