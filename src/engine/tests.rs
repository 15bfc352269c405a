//! Examples and properties of the engine. Plain tests: no IO, no async.

mod examples;
mod harness;
mod properties;
mod semantics;
