//! Notices that a file of the working copy has changed, for `--watch`. Knows no pipeline.

use std::{path::PathBuf, time::Duration};

use crate::{cli::failure::Failure, git};

/// Between two looks. A change counts when the next look finds the same: editors write in several steps.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// The files as they were last seen.
pub(super) struct Files {
    root: PathBuf,
    seen: u64,
}

impl Files {
    pub(super) async fn look(root: PathBuf) -> Result<Self, Failure> {
        let seen = now(root.clone()).await?;
        Ok(Self { root, seen })
    }

    /// Waits until they differ from what was last seen, and have come to rest.
    pub(super) async fn changed(&mut self) -> Result<(), Failure> {
        let mut before = self.seen;
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let found = now(self.root.clone()).await?;
            if found != self.seen && found == before {
                self.seen = found;
                return Ok(());
            }
            before = found;
        }
    }
}

async fn now(root: PathBuf) -> Result<u64, Failure> {
    let looked = tokio::task::spawn_blocking(move || git::fingerprint(&root)).await;
    looked.map_err(Failure::new)?.map_err(Failure::new)
}
