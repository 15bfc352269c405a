//! What a node keeps from one pipeline to the next so that it need not be made again. Knows no disk.

use serde::{Deserialize, Serialize};

/// Folders and files that are restored before a node, and saved after it where they were not there yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// Name among the caches of one owner.
    pub name: String,
    /// What is kept: relative to the working copy, absolute, or below HOME (`~/…`).
    pub paths: Vec<String>,
    /// What it was made from.
    pub key: CacheKey,
}

/// What a cache was made from: with another content, it is another cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CacheKey {
    /// The content of these files, relative to the working copy.
    Files(Vec<String>),
    /// This text.
    Text(String),
}
