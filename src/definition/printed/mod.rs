//! The tree that a node has printed, found in its output. Knows no engine: where it grows is another's business.
//!
//! It stands between `<__conducto_serialization>` and `</__conducto_serialization>`, either as a definition in JSON, as it
//! would stand in a file, or in the old product's serialization (`compat.md` §1).

mod blob;
mod bounded;
mod id;
mod image;
mod node;
mod notice;
mod place;
mod read;
mod serialization;
mod tree;
mod write;

#[cfg(test)]
mod tests;

pub use blob::pack;
pub use read::read;
pub use write::to_json;
