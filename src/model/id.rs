//! Identifiers as types. Minted by the callers of the engine from bytes they drew; nothing here draws randomness.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The public name of a pipeline: `abc-def`, unique per server.
///
/// It appears in URLs, folder names, network names and `CONDUCTO_PIPELINE_ID`, so it is kept in a fixed, harmless alphabet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PipelineId(String);

/// The text is not of the form `abc-def`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a pipeline id; they look like `abc-def`")]
pub struct BadId(pub String);

impl PipelineId {
    /// Makes an id from six random bytes. The letters are drawn by remainder, so they are very slightly uneven; the store
    /// refuses a duplicate, whereupon the caller draws again.
    pub fn from_random(bytes: [u8; 6]) -> Self {
        let letter = |byte: u8| char::from(b'a' + byte % 26);
        let mut text = String::with_capacity(7);
        for (position, byte) in bytes.into_iter().enumerate() {
            if position == 3 {
                text.push('-');
            }
            text.push(letter(byte));
        }
        Self(text)
    }

    /// Reads an id.
    ///
    /// # Errors
    /// [`BadId`] when the text is not three lower-case letters, a dash, three lower-case letters.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let bytes = text.as_bytes();
        let fits = bytes.len() == 7
            && bytes.iter().enumerate().all(|(position, byte)| match position {
                3 => *byte == b'-',
                _ => byte.is_ascii_lowercase(),
            });
        if fits { Ok(Self(text.to_owned())) } else { Err(BadId(text.to_owned())) }
    }

    /// Returns the text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PipelineId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PipelineId {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        Self::parse(&text)
    }
}

impl From<PipelineId> for String {
    fn from(id: PipelineId) -> Self {
        id.0
    }
}

/// The number that fences one attempt: server-wide, never reused, always growing.
///
/// A worker refuses a start whose fence is not above all it has seen; the server drops reports of a fence that is not the
/// live attempt of its node. So two live attempts of one node are impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub u64);

impl std::fmt::Display for Fence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A node's position in its tree: parents before children, stable for the life of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeIndex(pub u32);

impl NodeIndex {
    /// The root's index.
    pub const ROOT: Self = Self(0);

    /// Returns the position as a slice index.
    pub fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// The name of one worker (one container or one worker process): `wk_` and 12 lower-case hexadecimal digits.
/// Cheap to clone: a worker's name stands in every attempt it made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkerId(Arc<str>);

impl WorkerId {
    /// Makes an id from random bytes.
    pub fn from_random(bytes: [u8; 6]) -> Self {
        let mut text = String::from("wk_");
        for byte in bytes {
            text.push_str(&format!("{byte:02x}"));
        }
        Self(text.into())
    }

    /// Reads an id, as found in a label or in the store.
    ///
    /// # Errors
    /// [`BadId`] when it is not `wk_` and 12 lower-case hexadecimal digits (so it is always safe as a file name).
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let digits = text.strip_prefix("wk_").unwrap_or_default();
        let fits = digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if fits { Ok(Self(text.into())) } else { Err(BadId(text.to_owned())) }
    }

    /// Returns the text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WorkerId {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        Self::parse(&text)
    }
}

impl From<WorkerId> for String {
    fn from(id: WorkerId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl std::fmt::Display for WorkerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipeline_ids_read_back_what_they_print() {
        let id = PipelineId::from_random([0, 1, 2, 25, 26, 255]);
        assert_eq!(id.as_str(), "abc-zav");
        assert_eq!(PipelineId::parse(id.as_str()), Ok(id));
    }

    #[test]
    fn pipeline_ids_refuse_anything_that_is_not_six_letters_and_a_dash() {
        for text in ["", "abcdef", "abc_def", "ABC-def", "abc-defg", "../-abc", "abc-dé"] {
            assert_eq!(PipelineId::parse(text), Err(BadId(text.to_owned())));
        }
    }

    #[test]
    fn worker_ids_refuse_what_would_not_be_a_safe_file_name() {
        assert!(WorkerId::parse(WorkerId::from_random([1, 2, 3, 4, 5, 6]).as_str()).is_ok());
        assert!(WorkerId::parse("wk_../../../etc").is_err());
    }
}
