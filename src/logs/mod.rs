//! Floor 3: what nodes print. Append-only files, one an attempt; knows no nodes, no states and no workers.

mod file;
mod keeper;
mod lines;
mod plain;
mod reader;
mod search;
mod style;

pub use file::{Chunk, Stream};
pub use keeper::{Error, Logs};
pub use lines::{Line, Page};
pub use plain::{plain_text, tail};
pub use reader::Reader;
pub use search::{Found, Wanted};
