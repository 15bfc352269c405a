//! Conducto: self-hosted CI/CD. The floor plan is `ARCHITECTURE.md`; a room uses only the floors below it.

// Floor 1: the nouns.
pub mod model;

// Floor 2: pure rules.
pub mod engine;
pub mod problems;
// Floor 2: pure functions over the nouns.
pub mod definition;

// Between the floors: the door for time and randomness; floors 1 and 2 never use it.
pub mod clock;
pub mod layout;

// Floor 3: adapters; none imports another.
pub mod data;
pub mod executor;
pub mod forge;
pub mod git;
pub mod logs;
pub mod notify;
pub mod store;
pub mod vault;
pub mod worker;

// Beside floor 3: what the demo and the tests talk to instead of the world.
pub mod standin;

// Floor 4: where engine and adapters meet.
pub mod dispatch;

// Floor 5: what the doors are made of.
pub mod backup;
pub mod present;
pub mod settings;

// Floor 6: the doors.
pub mod cli;
pub mod http;
pub mod serve;

// Floor 7: the whole service, shown.
pub mod demo;

#[cfg(test)]
mod checked_in;
