//! Floor 4: the only place where engine and adapters meet.

pub mod hub;
pub mod view;
