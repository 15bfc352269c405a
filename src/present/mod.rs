//! Floor 5: how things are put into words: glyphs, durations, the tree as text. Knows neither terminals nor HTML.

mod ago;
mod frame;
mod ink;
#[cfg(test)]
pub(crate) mod sample;
mod shell;
mod state;
mod tree;

pub use crate::logs::{plain_text, tail};
pub use ago::ago;
pub use frame::{Size, cut, frame, plain_glyphs};
pub use ink::Ink;
pub use shell::shell_word;
pub use state::{attempt_outcome, counts_words, glyph, headline, standstill, took};
pub use tree::{Row, failures, remarks, rows, tree_lines, tree_text};
