//! Workers as plain processes of the server's machine. No isolation whatever; knows no images.

mod record;
mod start;
mod table;

pub use start::{Options, Process};
