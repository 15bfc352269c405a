//! The definition file: a tree of nodes, in TOML or JSON keyed by node path. Knows no repository and no event.

mod callback;
mod keys;
mod misplaced;
mod node;
mod read;
mod tree;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use keys::{KEYS, is_inherited};
pub use read::read_pipeline;
pub(super) use value::is_variable;
