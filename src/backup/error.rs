//! Why a back-up could not be made or restored, by what the caller can do.

use std::{io, path::PathBuf};

use crate::store;

/// Why there is no back-up, or why it was not restored. Nothing was changed where the message does not say so.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing to back up.
    #[error("there is no database at {}", .0.display())]
    NoDatabase(PathBuf),
    /// The disk said no.
    #[error("failed to {what} {}", path.display())]
    Disk {
        /// What was to be done.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// The database could not be copied, or the copy cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The archive is not whole, or not one of ours.
    #[error("the back-up cannot be used: {0}")]
    Damaged(String),
    /// A server uses the directory.
    #[error("a server (process {pid}) uses {}", base.display())]
    InUse {
        /// The directory.
        base: PathBuf,
        /// Its process.
        pid: String,
    },
    /// Something is there already.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// An earlier restore was interrupted in its last moment.
    #[error("a restore into {} was interrupted and is not finished", .0.display())]
    Unfinished(PathBuf),
}

impl Error {
    pub(super) fn disk(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { what, path, source }
    }

    /// Returns the way out, where there is one to tell.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::NoDatabase(_) => Some("name the base directory with --base-dir, or the settings with --config"),
            Self::InUse { .. } => Some("stop it first, or restore into another directory with --base-dir"),
            Self::NotEmpty(_) => {
                Some("choose another directory with --base-dir, or give --replace: what is there now is kept beside it")
            }
            Self::Unfinished(_) => Some("run `conducto restore` again"),
            Self::Disk { .. } | Self::Store(_) | Self::Damaged(_) => None,
        }
    }
}
