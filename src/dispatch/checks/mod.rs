//! Check runs: what they say of a pipeline, and how they get to the forge. Knows no App and no token.

mod log;
mod markdown;
mod row;
mod sending;

pub(super) use row::{CHECK, message, refusal, suppression};
pub(super) use sending::{creates, send};
