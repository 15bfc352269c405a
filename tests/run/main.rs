//! `conducto run` and `conducto init` as people use them: the real binary in repositories on the disk, on plain processes, with
//! and without a terminal, alone and beside others.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod alone;
mod begin;
mod beside;
mod debug;
mod place;
mod screen;
mod terminal;
