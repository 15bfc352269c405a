//! The readers of what strangers write, under attack: damaged inputs for a while, and trees that must come back as they were.
//!
//! Each test runs for two seconds, `CONDUCTO_FUZZ_SECONDS` says otherwise; `CONDUCTO_FUZZ_SEED` repeats a run. What a
//! failure prints is how to see it again.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod bomb;
mod damage;
mod engine;
mod meter;
mod random;
mod round_trip;
mod seeds;
mod targets;

use engine::attack;

#[test]
fn serialization() {
    attack(&targets::serialization());
}

#[test]
fn output() {
    attack(&targets::output());
}

#[test]
fn cfg_toml() {
    attack(&targets::cfg_toml());
}

#[test]
fn cfg_ini() {
    attack(&targets::cfg_ini());
}

#[test]
fn filter() {
    attack(&targets::filter());
}

#[test]
fn command() {
    attack(&targets::command());
}

#[test]
fn definition_toml() {
    attack(&targets::definition_toml());
}

#[test]
fn definition_json() {
    attack(&targets::definition_json());
}
