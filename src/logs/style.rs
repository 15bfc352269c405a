//! Colours that a terminal would still show at a place of a log: what reads from the middle needs them. Knows no lines.

/// How many bytes of colour are carried along; whoever sets more without ever going back loses the oldest.
const MOST: usize = 96;

/// What was set since all was last put back, as the escape sequences that set it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Style(Vec<u8>);

impl Style {
    /// Follows a piece of output. A sequence that is cut by the end of the piece is not seen.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while let Some(at) = memchr::memchr(0x1b, bytes) {
            bytes = &bytes[at..];
            let Some(length) = sequence(bytes) else {
                bytes = &bytes[1..];
                continue;
            };
            let (this, rest) = bytes.split_at(length);
            self.set(this);
            bytes = rest;
        }
    }

    /// Returns the sequences as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    fn set(&mut self, sequence: &[u8]) {
        let parameters = &sequence[2..sequence.len() - 1];
        if parameters.iter().all(|byte| matches!(byte, b'0' | b';')) {
            return self.0.clear();
        }
        if self.0.len() + sequence.len() > MOST {
            self.0.clear();
        }
        if sequence.len() <= MOST {
            self.0.extend_from_slice(sequence);
        }
    }
}

/// Returns the length of the colour sequence that begins here, if one does.
fn sequence(bytes: &[u8]) -> Option<usize> {
    let rest = bytes.strip_prefix(b"\x1b[")?;
    let length = rest.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':'))?;
    (rest[length] == b'm').then_some(length + 3)
}

/// Removes everything that a terminal would not show as text.
pub(super) fn plain(bytes: &[u8], into: &mut Vec<u8>) {
    into.clear();
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(0x1b, rest) {
        into.extend_from_slice(&rest[..at]);
        rest = &rest[at..][escape(&rest[at..])..];
    }
    into.extend_from_slice(rest);
}

/// Returns the length of the escape sequence that begins here, at least 1.
fn escape(bytes: &[u8]) -> usize {
    match bytes.get(1) {
        Some(b'[') => {
            let end = bytes[2..].iter().position(|byte| (0x40..0x7f).contains(byte));
            end.map_or(bytes.len(), |end| end + 3)
        }
        // A title or a link goes on until a bell or ESC \.
        Some(b']' | b'P' | b'_' | b'^') => {
            let end = bytes[2..].iter().position(|byte| matches!(byte, 0x07 | 0x1b));
            end.map_or(bytes.len(), |end| end + 3 + usize::from(bytes.get(end + 3) == Some(&b'\\')))
        }
        Some(_) => 2,
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_last_until_all_is_put_back() {
        let mut style = Style::default();
        style.follow(b"\x1b[1mbold \x1b[31mand red \x1b[2K\x1b]0;title\x07");
        assert_eq!(style.text(), "\x1b[1m\x1b[31m");
        style.follow(b"plain again \x1b[0m");
        assert_eq!(style.text(), "");
        style.follow(b"\x1b[38;5;1");
        assert_eq!(style.text(), "");
    }

    #[test]
    fn colours_without_end_take_no_more_room() {
        let mut style = Style::default();
        for _ in 0..10_000 {
            style.follow(b"\x1b[38;2;100;100;100m.");
        }
        assert!(style.0.len() <= MOST && style.text().ends_with("100m"));
    }

    #[test]
    fn what_is_searched_is_what_is_seen() {
        let mut text = Vec::new();
        plain(b"\x1b[31mre\x1b[0md \x1b]8;;http://x\x1b\\link\x1b]8;;\x07 \x1b(Bend\x1b", &mut text);
        assert_eq!(String::from_utf8_lossy(&text), "red link Bend");
        plain(b"cut \x1b[31", &mut text);
        assert_eq!(text, b"cut ");
    }
}
