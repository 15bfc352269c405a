//! Where caches lie in a store: a folder for each name, in it an archive for each checksum of what it was made from.

use super::name::{BadName, Name};

/// Folder of all caches (`compat.md` §4.5).
pub(super) const FOLDER: &str = "conducto-cache";

/// Ending of an archive. The old name: it is not compressed.
pub(super) const ENDING: &str = ".tar.gz";

/// Returns the name of the folder with all caches of a name.
///
/// # Errors
/// [`BadName`] for a name that is empty or holds a slash.
pub fn cache_folder(cache: &str) -> Result<Name, BadName> {
    part(cache)?;
    Name::parse_object(&format!("{FOLDER}/{cache}"))
}

/// Returns the name of the archive of a cache.
///
/// # Errors
/// [`BadName`] for a name or checksum that is empty or holds a slash.
pub fn cache_name(cache: &str, checksum: &str) -> Result<Name, BadName> {
    part(cache)?;
    part(checksum)?;
    Name::parse_object(&format!("{FOLDER}/{cache}/{checksum}{ENDING}"))
}

fn part(text: &str) -> Result<(), BadName> {
    match text {
        "" | "." => Err(BadName::Empty),
        text if text.contains('/') || text == ".." => Err(BadName::Outside(text.to_owned())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_lie_where_they_always_did() {
        assert_eq!(cache_name("deps", "1a2b").unwrap().as_str(), "conducto-cache/deps/1a2b.tar.gz");
        assert_eq!(cache_folder("deps").unwrap().as_str(), "conducto-cache/deps");
        for bad in ["", ".", "..", "a/b", "/"] {
            assert!(cache_name(bad, "x").is_err() && cache_name("x", bad).is_err(), "{bad}");
        }
    }
}
