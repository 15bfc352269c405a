//! The door through which time and randomness enter. Floors 1 and 2 take both as arguments.

use jiff::Timestamp;
use uuid::Uuid;

use crate::model::{PipelineId, WorkerId};

/// Returns the time now, in UTC, as exactly as it is stored: a state in memory is the one that a replay gives.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// Returns a new UUIDv7.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn new_uuid() -> Uuid {
    Uuid::now_v7()
}

/// Draws random bytes from the operating system.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system has randomness");
    bytes
}

/// Draws a pipeline id.
pub fn new_pipeline_id() -> PipelineId {
    PipelineId::from_random(random())
}

/// Draws a worker id.
pub fn new_worker_id() -> WorkerId {
    WorkerId::from_random(random())
}

/// Draws a secret of 32 bytes, as 64 hexadecimal digits.
pub fn new_key() -> String {
    hex::encode(random::<32>())
}
