//! Floor 3: data that nodes share, as named objects beneath one folder, and caches in it.
//!
//! Whoever runs a node may have put anything into such a folder: links, pipes, devices. Nothing here follows a link, waits
//! for a pipe, or opens what is no regular file. Knows no pipeline, no owner and no HTTP.

mod archive;
mod cache;
mod draft;
mod error;
mod evict;
mod folder;
mod name;
mod store;
#[cfg(test)]
mod tests;
mod unpack;

pub use archive::pack;
pub use cache::{cache_folder, cache_name};
pub use draft::Draft;
pub use error::Error;
pub use evict::Evicted;
pub use name::{BadName, MOST_BYTES, Name};
pub use store::{Entry, Limits, Object, Store, Usage};
pub use unpack::{Place, unpack};
