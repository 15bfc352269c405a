//! Reads the tree that a node has printed. Knows the two forms it may have, and neither of them from inside.

use super::{
    super::{pipeline::read_printed, render::summary},
    blob::{find, unpack},
    bounded::has_too_many_values,
    serialization::Serialization,
    tree::build,
};
use crate::model::Definition;

/// A larger definition in JSON is not read.
const LARGEST_DEFINITION: usize = 16 << 20;

/// Reads the last tree in what a node has printed to its standard output. Paths in its callbacks are relative to its root.
///
/// A tree without anything to run is a tree: there may be nothing to do today.
///
/// # Errors
/// One sentence for people: that there is none, that it cannot be unpacked, or which of its nodes cannot be used and why.
pub fn read(stdout: &[u8]) -> Result<Definition, String> {
    let text = find(stdout)?;
    if text.starts_with('{') {
        let (definition, diagnostics) = read_printed("the pipeline it printed", text.as_bytes(), LARGEST_DEFINITION);
        let words = || summary(&diagnostics).unwrap_or_else(|| "the pipeline it printed cannot be read".to_owned());
        return definition.ok_or_else(words);
    }
    let json = unpack(text)?;
    if has_too_many_values(&json) {
        return Err("the pipeline it printed is too large: it holds more values than a pipeline can have".to_owned());
    }
    let mut reader = serde_json::Deserializer::from_slice(&json);
    let serialization: Serialization = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| format!("the pipeline it printed is not a serialization: {error}"))?;
    build(&serialization)
}
