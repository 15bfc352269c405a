//! The API, version 1. Each file is one kind of resource.

pub(super) mod actions;
pub(super) mod address;
pub(super) mod deliveries;
pub(super) mod edit;
pub(super) mod events;
pub(super) mod launch;
pub(super) mod logs;
pub(super) mod outbox;
pub(super) mod pipelines;
pub(super) mod prune;
pub(super) mod secrets;
