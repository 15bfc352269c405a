//! Names of objects: paths below a store that cannot lead out of it. Knows no disk.

use std::fmt;

/// Longest name, in bytes.
pub const MOST_BYTES: usize = 1024;

/// Longest part of a name between two slashes, in bytes: no file system of Linux takes more.
const MOST_PART: usize = 255;

/// What a part begins and ends with that is being written; no object is called so.
const UNFINISHED: (&str, &str) = (".", ".part");

/// A name: parts with slashes between them, none of them empty, `.` or `..`. The empty name is the whole store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(String);

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Too many bytes.
    #[error("the name has {0} bytes; at most {MOST_BYTES} are possible: choose a shorter one")]
    Long(usize),
    /// A part of it has too many bytes.
    #[error("a part of the name has {0} bytes; at most {MOST_PART} are possible between two slashes")]
    LongPart(usize),
    /// It would lead out of the store.
    #[error("`{}` leads out of the store: a name may not hold `..`", shown(.0))]
    Outside(String),
    /// It holds a null character.
    #[error("the name holds a null character, which no file can")]
    Null,
    /// It is kept for what is being written.
    #[error("`{}` is kept for what is being written: a name may not begin with `.` and end with `.part`", shown(.0))]
    Unfinished(String),
    /// It names the whole store, where an object is meant.
    #[error("the name is empty")]
    Empty,
}

impl Name {
    /// Reads a name. Slashes at its ends, doubled ones, and parts that are `.` mean nothing.
    ///
    /// # Errors
    /// [`BadName`] when it would lead out of the store, or no file can be called so.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        if text.len() > MOST_BYTES {
            return Err(BadName::Long(text.len()));
        }
        if text.contains('\0') {
            return Err(BadName::Null);
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        for part in &parts {
            match *part {
                ".." => return Err(BadName::Outside(text.to_owned())),
                part if part.len() > MOST_PART => return Err(BadName::LongPart(part.len())),
                part if is_unfinished(part) => return Err(BadName::Unfinished(text.to_owned())),
                _ => {}
            }
        }
        Ok(Self(parts.join("/")))
    }

    /// Reads the name of an object: not that of the whole store.
    ///
    /// # Errors
    /// [`BadName`], also for a text without any part.
    pub fn parse_object(text: &str) -> Result<Self, BadName> {
        let name = Self::parse(text)?;
        if name.is_root() { Err(BadName::Empty) } else { Ok(name) }
    }

    /// Says whether it names the whole store.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns it with slashes between its parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns its parts.
    pub(super) fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// Returns the folder that it is in, and its last part; nothing for the whole store.
    pub(super) fn split(&self) -> Option<(Self, &str)> {
        let (above, last) = self.0.rsplit_once('/').unwrap_or(("", &self.0));
        (!last.is_empty()).then(|| (Self(above.to_owned()), last))
    }

    /// Returns the name of something in this folder.
    pub(super) fn child(&self, part: &str) -> String {
        if self.0.is_empty() { part.to_owned() } else { format!("{}/{part}", self.0) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says whether something is called as what is being written.
pub(super) fn is_unfinished(part: &str) -> bool {
    part.starts_with(UNFINISHED.0) && part.ends_with(UNFINISHED.1)
}

/// Returns what something is called while it is being written.
pub(super) fn unfinished(mark: &str) -> String {
    format!("{}{mark}{}", UNFINISHED.0, UNFINISHED.1)
}

/// The beginning is enough to know it again.
fn shown(name: &str) -> String {
    let end = name.floor_char_boundary(80);
    if end < name.len() { format!("{}…", &name[..end]) } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a/b.txt", "a/b.txt")]
    #[case("/a", "a")]
    #[case("//a//./b/", "a/b")]
    #[case("a b/ü%2e", "a b/ü%2e")]
    #[case("...", "...")]
    #[case("", "")]
    #[case("/", "")]
    fn names_are_read_as_paths_below_the_store(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(Name::parse(text).unwrap().as_str(), expected);
    }

    #[test]
    fn what_can_be_no_name_is_refused_with_the_reason() {
        let long = "x/".repeat(2_048);
        assert_eq!(Name::parse(&long).unwrap_err(), BadName::Long(4_096));
        assert!(Name::parse(&long).unwrap_err().to_string().contains("4096 bytes; at most 1024"));
        assert_eq!(Name::parse(&"x".repeat(256)).unwrap_err(), BadName::LongPart(256));
        assert_eq!(Name::parse("a/../b").unwrap_err(), BadName::Outside("a/../b".into()));
        assert_eq!(Name::parse("a\0").unwrap_err(), BadName::Null);
        assert!(matches!(Name::parse("a/.x.part").unwrap_err(), BadName::Unfinished(_)));
        assert_eq!(Name::parse_object("/./").unwrap_err(), BadName::Empty);
        assert!(Name::parse(&vec!["x".repeat(255); 4].join("/")).is_ok());
    }

    proptest! {
        #[test]
        fn no_name_leads_out_of_the_store_and_reading_it_again_changes_nothing(text in "[a./\\\\\0é -]{0,40}|.{0,60}") {
            if let Ok(name) = Name::parse(&text) {
                let parts: Vec<&str> = name.parts().collect();
                prop_assert!(parts.iter().all(|part| !part.is_empty() && !matches!(*part, "." | "..") && !part.contains('\0')));
                prop_assert!(!name.as_str().starts_with('/') && name.as_str().len() <= text.len());
                prop_assert_eq!(Name::parse(name.as_str()).unwrap(), name.clone());
                prop_assert_eq!(Name::parse(&format!("/{name}")).unwrap(), name);
            } else {
                prop_assert!(text.contains("..") || text.contains('\0') || text.contains(".part"), "{:?}", text);
            }
        }
    }
}
