//! A secret on its way to a node. Its value is shown nowhere, and gone from memory with it.

use std::fmt;

use secrecy::zeroize::Zeroize as _;
use serde::{Deserialize, Serialize};

/// A variable of a node whose value is secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Name of the variable.
    pub name: String,
    /// Its value.
    value: String,
    /// Whether the value is masked in the node's output.
    pub is_masked: bool,
}

impl Secret {
    /// Makes one of its parts.
    pub fn new(name: String, value: &str, is_masked: bool) -> Self {
        Self { name, value: value.to_owned(), is_masked }
    }

    /// Returns the value, for the environment of the node and for the masks over its output.
    pub fn expose(&self) -> &str {
        &self.value
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("name", &self.name).field("value", &"***").finish_non_exhaustive()
    }
}
