//! Words of a command line as they can be typed. Knows no verb.

/// Quotes a text for a shell, where it needs that.
pub fn shell_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_program_as_they_are() {
        assert_eq!(shell_word("/a/b"), "/a/b");
        assert_eq!(shell_word("/it's; rm"), "'/it'\\''s; rm'");
        assert_eq!(shell_word(""), "''");
    }
}
