//! Makes terminal output harmless plain text: escape sequences and control characters go, what they would have overwritten too.

/// Removes escape sequences and control characters; after a carriage return the line begins anew, as on a terminal.
pub fn plain_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::with_capacity(text.len());
    let mut line_start = 0;
    let mut chars = text.chars().peekable();
    while let Some(letter) = chars.next() {
        match letter {
            '\u{1b}' => skip_escape(&mut chars),
            '\u{9b}' => skip_until(&mut chars, is_final),
            '\n' => {
                plain.push('\n');
                line_start = plain.len();
            }
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' if chars.peek().is_some() => plain.truncate(line_start),
            '\t' => plain.push('\t'),
            '\u{8}' if plain.len() > line_start => {
                plain.pop();
            }
            letter if letter.is_control() || is_bidirectional(letter) => {}
            letter => plain.push(letter),
        }
    }
    plain
}

/// Returns the last lines of a text and how many lines stand before them.
pub fn tail(text: &str, lines: usize) -> (&str, usize) {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let total = if body.is_empty() { 0 } else { body.matches('\n').count() + 1 };
    if total <= lines {
        return (body, 0);
    }
    let hidden = total - lines;
    let start = body.match_indices('\n').nth(hidden - 1).map_or(0, |(at, _)| at + 1);
    (&body[start..], hidden)
}

type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Skips what follows the escape character, by ECMA-48: `[…final`, `]…BEL or ST`, other strings up to ST, or one letter.
fn skip_escape(chars: &mut Letters<'_>) {
    match chars.next() {
        Some('[') => skip_until(chars, is_final),
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(letter) = chars.next() {
                if letter == '\u{7}' || letter == '\u{9c}' {
                    break;
                }
                if letter == '\u{1b}' {
                    chars.next_if_eq(&'\\');
                    break;
                }
            }
        }
        Some(' '..='/') => skip_until(chars, |letter| ('0'..='~').contains(&letter)),
        _ => {}
    }
}

fn skip_until(chars: &mut Letters<'_>, is_last: fn(char) -> bool) {
    // A line end inside a sequence means that the sequence was cut off: the line end stays.
    while let Some(letter) = chars.next_if(|letter| *letter != '\n') {
        if is_last(letter) {
            break;
        }
    }
}

fn is_final(letter: char) -> bool {
    ('@'..='~').contains(&letter)
}

/// Characters that turn the direction of what follows, with which text can pretend to be other text.
fn is_bidirectional(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("\u{1b}[1;31mred\u{1b}[0m", "red")]
    #[case("\u{1b}]8;;https://evil.example\u{1b}\\link\u{1b}]8;;\u{7} text", "link text")]
    #[case("\u{1b}]52;c;c2VjcmV0\u{7}x", "x")]
    #[case("\u{1b}(Bplain", "plain")]
    #[case("10%\r50%\r100%\r\ndone\r\n", "100%\ndone\n")]
    #[case("bell\u{7}\u{0}", "bell")]
    #[case("ab\u{8}c", "ac")]
    #[case("cut \u{1b}[3\nnext", "cut \nnext")]
    #[case("\u{202e}gnp.exe", "gnp.exe")]
    fn terminal_output_becomes_plain_text(#[case] raw: &str, #[case] plain: &str) {
        assert_eq!(plain_text(raw.as_bytes()), plain);
    }

    #[rstest]
    #[case("a\nb\nc\n", 2, "b\nc", 1)]
    #[case("a\nb", 2, "a\nb", 0)]
    #[case("", 2, "", 0)]
    #[case("a\n\n\n", 2, "\n", 1)]
    fn a_tail_counts_what_it_leaves_out(
        #[case] text: &str,
        #[case] lines: usize,
        #[case] tail_text: &str,
        #[case] hidden: usize,
    ) {
        assert_eq!(tail(text, lines), (tail_text, hidden));
    }
}
