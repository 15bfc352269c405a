//! Splits a filter at its operators. Knows no precedence and no braces.

use std::ops::Range;

/// One piece of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Or,
    And,
    Equal,
    NotEqual,
    Not,
    Open,
    Close,
    /// Everything between operators, without the blanks around it; never empty.
    Text,
}

const OPERATORS: [(&str, Token); 7] = [
    ("||", Token::Or),
    ("&&", Token::And),
    ("==", Token::Equal),
    ("!=", Token::NotEqual),
    ("!", Token::Not),
    ("(", Token::Open),
    (")", Token::Close),
];

/// Splits a text. Empty pieces vanish.
pub(super) fn split(text: &str) -> Vec<(Token, Range<usize>)> {
    let mut tokens = Vec::new();
    let mut piece_start = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if let Some((word, token)) = OPERATORS.iter().find(|(word, _)| rest.starts_with(word)) {
            push_text(text, piece_start..at, &mut tokens);
            tokens.push((*token, at..at + word.len()));
            at += word.len();
            piece_start = at;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    push_text(text, piece_start..at, &mut tokens);
    tokens
}

fn push_text(text: &str, range: Range<usize>, tokens: &mut Vec<(Token, Range<usize>)>) {
    let piece = &text[range.clone()];
    let trimmed = piece.trim();
    if !trimmed.is_empty() {
        let start = range.start + (piece.len() - piece.trim_start().len());
        tokens.push((Token::Text, start..start + trimmed.len()));
    }
}
