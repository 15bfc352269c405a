//! Secrets: kept sealed, set by people, and handed to a node at the moment in which it begins.
//!
//! `claim` says what a pipeline can have, `hand_over` gives it to a worker, `verbs` is what people do. No value is part of an
//! event, an order that is kept, or a log line. The code of a fork has no secrets, whatever it asks for.

mod claim;
mod hand_over;
mod verbs;

pub(super) use claim::{Claim, claim, has_any, is_to_ask};
pub(super) use hand_over::hand_over;
pub use verbs::{NoSecret, Rotated, SecretWish};
