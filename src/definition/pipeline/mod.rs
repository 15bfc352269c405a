//! The definition file: a tree of nodes, in TOML or JSON keyed by node path. Knows no repository and no event.

mod cache;
mod callback;
mod keys;
mod misplaced;
mod node;
mod read;
mod tree;
mod value;

#[cfg(test)]
mod tests;

pub(super) use callback::{MAX_DURATION, MEM_LIMITS};
pub(crate) use keys::{KEYS, is_inherited};
pub use read::read_pipeline;
pub(super) use read::{MOST_NODES, read_printed};
pub(super) use value::{choice, command, duration, environment, is_amount, is_image, is_variable, seconds};
