//! Keeps small JSON from becoming large in memory: the values of a text are counted before it is read, nodes while it is.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

use super::super::pipeline::MOST_NODES;

/// A node and its edge have about twenty values; in memory each value takes up to a hundred bytes.
const MOST_VALUES: usize = 40 * MOST_NODES;

/// Says whether a text holds more values than any tree needs. What is no JSON has some number of values too.
pub(super) fn has_too_many_values(json: &[u8]) -> bool {
    let (mut values, mut is_text, mut is_escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b',' | b'[' | b'{' if !is_text => values += 1,
            _ => {}
        }
    }
    values > MOST_VALUES
}

/// Reads a list of no more items than a tree may have nodes.
pub(super) fn nodes<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(Nodes(PhantomData))
}

struct Nodes<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Nodes<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of nodes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = items.next_element()? {
            if nodes.len() == MOST_NODES {
                return Err(A::Error::custom(format_args!("it has more than {MOST_NODES} nodes")));
            }
            nodes.push(node);
        }
        Ok(nodes)
    }
}
