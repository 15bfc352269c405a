//! Floor 3: bare mirrors of repositories by git2, and what is read from them. Knows no forge, no conducto.cfg and no pipeline.

mod archive;
mod checkout;
mod error;
mod fetch;
mod mirror;
mod options;
mod prune;
mod read;
mod shallow;
mod snapshot;

pub use archive::{Listed, Listing};
pub use error::Error;
pub use fetch::{Remote, Wanted};
pub use mirror::{MirrorName, Mirrors, Options};
pub use read::FileAtCommit;
pub use snapshot::{Snapshot, WorkingCopy, fingerprint, working_copy};
