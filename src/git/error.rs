//! What can go wrong with git, by what the caller can do about it. Knows no repository.

use std::time::Duration;

use git2::{ErrorClass, ErrorCode};

/// Why something could not be fetched, read or checked out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The repository or the commit is not there (any more): trying again is of no use.
    #[error("{0}")]
    NotFound(String),
    /// The server wants (other) credentials: a person must set a token.
    #[error("{0}")]
    Denied(String),
    /// Worth another try later.
    #[error("{0}")]
    Unavailable(String),
    /// Given up; the thread may go on until its server speaks or hangs up.
    #[error("the fetch took longer than {} s and was abandoned", deadline.as_secs_f64())]
    Overdue {
        /// How long it was given.
        deadline: Duration,
    },
    /// The mirror was damaged and has been put aside: fetch again.
    #[error("the mirror was damaged: {0}")]
    Corrupt(String),
    /// The address or the content of the repository is not acceptable here.
    #[error("{0}")]
    Refused(String),
    /// The disk says no.
    #[error("failed to {doing}: {source}")]
    Disk {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    /// Says whether another try may meet another answer without a person doing anything.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Overdue { .. } | Self::Disk { .. })
    }

    pub(super) fn disk(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Disk { doing, source }
    }
}

impl From<git2::Error> for Error {
    fn from(error: git2::Error) -> Self {
        let message = error.message().to_owned();
        let says = |part: &str| message.contains(part);
        match (error.code(), error.class()) {
            (ErrorCode::Auth, _) => Self::Denied(message),
            (_, ErrorClass::Http) if says("401") || says("403") || says("authentication") => Self::Denied(message),
            (_, ErrorClass::Http) if says("404") => Self::NotFound(format!("there is no such repository: {message}")),
            (_, ErrorClass::Net | ErrorClass::Http) if says("not our ref") => Self::NotFound(message),
            (ErrorCode::NotFound, _) => Self::NotFound(message),
            (ErrorCode::HashsumMismatch, _)
            | (_, ErrorClass::Odb | ErrorClass::Zlib | ErrorClass::Object | ErrorClass::Indexer | ErrorClass::Sha1) => {
                Self::Corrupt(message)
            }
            _ => Self::Unavailable(message),
        }
    }
}
