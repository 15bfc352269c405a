//! The pool's decisions, without a runtime: plain calls on the book.

mod ahead;
mod budget;
mod desk;
mod groups;
mod growth;
mod losses;
mod spare;
