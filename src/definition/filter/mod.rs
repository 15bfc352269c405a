//! Filters: one expression over the event, as in `{branch} == release/* && !({user} == bot)`. Knows no file and no section.
//!
//! A text is split at `|| && == != ! ( )` first and the names in braces get their values afterwards, so that operators
//! inside a branch name are harmless. In a comparison either side may hold a wildcard pattern.

mod expression;
mod glob;
mod parse;
mod token;

#[cfg(test)]
mod tests;

pub use expression::Filter;
