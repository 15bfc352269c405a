//! What can go wrong with the store, by what the caller can do about it.

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// A rule of the schema was broken: a duplicate, a second live attempt.
    #[error("the store refused it: {0}")]
    Conflict(String),
    /// Disk full, file damaged, permission denied. Nothing was written.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The file was written by a newer release.
    #[error(
        "the database has schema {found}, this release knows up to {known}; use the newer release again, or restore a back-up"
    )]
    Newer {
        /// Version found in the file.
        found: i64,
        /// Newest version known here.
        known: i64,
    },
    /// What is stored cannot be read back.
    #[error("the store holds something unreadable: {0}")]
    Unreadable(String),
    /// The writer has ended: the server is stopping.
    #[error("the store is closed")]
    Closed,
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => Self::Conflict(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}
