//! Why a secret cannot be sealed or opened, and what to do about it. Holds no key and no value.

use std::{io, path::PathBuf};

/// What went wrong with a secret or its key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There are secrets, and the file with their key is gone.
    #[error(
        "there are secrets, and `{}` with their key is missing: put it back (a back-up leaves it out unless asked), or \
         delete the secrets and set them again", path.display()
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Others than its owner can get at the key.
    #[error(
        "`{}` holds the key of all secrets and has mode {mode:03o}: others can read it; `chmod 600` it, and rotate the key \
         if anybody may have done so", path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file cannot be read or written.
    #[error("`{}` with the key of secrets cannot be used: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// What should be keys is none.
    #[error("entry {entry} of {place} is no key: each is a version and 64 hexadecimal digits, as in `2:0a1b…`")]
    Malformed {
        /// Where the keys are from, in words.
        place: String,
        /// Which of them, from 1.
        entry: usize,
    },
    /// The key is not among those there are.
    #[error("a secret is sealed with version {version} of the key, which is not in {place}: add it there")]
    NoVersion {
        /// Which.
        version: u32,
        /// Where the keys are from, in words.
        place: String,
    },
    /// Another key has its number.
    #[error(
        "version {version} of the key in {place} is not the one that secrets were sealed with: put the right one there"
    )]
    WrongKey {
        /// Which.
        version: u32,
        /// Where the keys are from, in words.
        place: String,
    },
    /// The value was changed, or put in another's place.
    #[error("secret `{name}` is not what was stored: its row was changed or moved; set it again")]
    Damaged {
        /// Which.
        name: String,
    },
    /// The server was told the keys and cannot make one.
    #[error(
        "the keys of secrets come from the settings, where this server cannot write: add `{next}:` and 64 new hexadecimal \
         digits to `secrets.key`, restart the server, and rotate again"
    )]
    Given {
        /// The version that a new key would have.
        next: u32,
    },
}
