//! Why something could not be stored or had. Says what those who ask can do about it.

use std::io;

use super::name::BadName;

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name cannot be that of an object.
    #[error(transparent)]
    Name(#[from] BadName),
    /// Nothing has this name.
    #[error("nothing is stored under `{0}`")]
    Missing(String),
    /// What has this name, or part of it, is of another kind.
    #[error("`{name}` is {what}")]
    Kind {
        /// The name.
        name: String,
        /// What it is, and what it is not.
        what: &'static str,
    },
    /// An object may not be so large.
    #[error("`{name}` has more than {limit} bytes, the most that one object may have here")]
    TooLarge {
        /// The name.
        name: String,
        /// How large it may be.
        limit: u64,
    },
    /// The store may not hold more.
    #[error("the store is full: it may hold {limit} bytes; delete what is not needed any more")]
    Full {
        /// How much it may hold.
        limit: u64,
    },
    /// An archive would write where it may not, or is none.
    #[error("the archive is refused: {0}")]
    Unsafe(String),
    /// The disk.
    #[error("`{name}` cannot be used")]
    Disk {
        /// The name.
        name: String,
        /// What happened.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Makes an error of the disk one of this name.
    pub(super) fn disk(name: &str) -> impl Fn(io::Error) -> Self + '_ {
        move |source| Self::Disk { name: name.to_owned(), source }
    }

    /// Says whether nothing has the name.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_))
    }
}
