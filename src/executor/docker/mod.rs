//! Workers as containers of the Docker engine on this machine. Knows no engine of ours and no nodes.

mod args;
mod base;
mod client;
mod container;
mod executor;
mod images;
mod network;
mod subnet;
mod user;

pub use base::{BaseError, check_base};
pub use executor::{Docker, Options};
pub use images::{Access, Registry};
pub use subnet::{BadRange, Range};
