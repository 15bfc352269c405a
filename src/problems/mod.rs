//! Floor 2: from lines that programs print to places in files that they complain about. Pure; knows no node, log or forge.

mod formats;
mod scanner;

pub use scanner::{Problem, Scanner, Weight};

#[cfg(test)]
mod tests;
