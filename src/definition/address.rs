//! What an e-mail address may look like. Knows no mail.

/// Says whether a text can be the address of a mailbox: one `@`, a name, a domain, nothing that would end a header or begin
/// another address (RFC 5321 §4.5.3.1 for the lengths).
pub(crate) fn is_email(text: &str) -> bool {
    let Some((name, domain)) = text.split_once('@') else { return false };
    let is_plain = |letter: char| !letter.is_control() && !letter.is_whitespace() && !"<>()[],;:\\\"@".contains(letter);
    text.len() <= 254
        && (1..=64).contains(&name.len())
        && name.chars().all(is_plain)
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && domain.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-')
        })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::is_email;

    #[rstest]
    #[case("team@example.com", true)]
    #[case("first.last+ci@mail.example.co", true)]
    #[case("root@localhost", true)]
    #[case("jörg@bücher.example", true)]
    #[case("nobody", false)]
    #[case("@example.com", false)]
    #[case("a@b@c", false)]
    #[case("a..b@example.com", false)]
    #[case("a@example..com", false)]
    #[case("a@-example.com", false)]
    #[case("a@example.com\r\nBcc: everybody@example.com", false)]
    #[case("Team <team@example.com>", false)]
    #[case("a@example.com,b@example.com", false)]
    fn addresses(#[case] text: &str, #[case] is_one: bool) {
        assert_eq!(is_email(text), is_one);
    }
}
