//! Text of strangers as Markdown that shows it and does nothing else. Knows no pipeline.

/// Returns a span of code: no link, no mention, no picture comes of what is in it.
pub(super) fn span(text: &str) -> String {
    let line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if line.trim().is_empty() {
        return "` `".to_owned();
    }
    let fence = "`".repeat(longest_run(&line) + 1);
    format!("{fence} {line} {fence}")
}

/// Returns a block of code.
pub(super) fn block(text: &str) -> String {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

/// Adds a block as long as all together stays within a number of bytes. Says whether it did.
pub(super) fn add(text: &mut String, block: &str, most: usize) -> bool {
    let fits = text.len() + block.len() <= most;
    if fits {
        text.push_str(block);
    }
    fits
}

fn longest_run(text: &str) -> usize {
    text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_shown_cannot_end_its_own_span_or_block(text in "[`a@\\[\\]()<>!\n]{0,60}") {
            let span = span(&text);
            let fence = span.chars().take_while(|letter| *letter == '`').count();
            let inside = &span[fence..span.len() - fence];
            prop_assert!(!span.contains('\n') && longest_run(inside) < fence);
            let block = block(&text);
            let fence = block.chars().take_while(|letter| *letter == '`').count();
            let inside: Vec<&str> = block.lines().collect();
            prop_assert!(inside[1..inside.len() - 1].iter().all(|line| longest_run(line) < fence));
        }
    }
}
