//! What is remembered of each worker process over a restart of the server. Knows no signals.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::table::Identity;
use crate::model::{PipelineId, WorkerId};

/// One worker process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) pipeline: PipelineId,
    pub(super) worker: WorkerId,
    /// Everything the worker may write to, but for the data folders.
    pub(super) folder: PathBuf,
    /// Nothing between the decision to start it and the start.
    pub(super) process: Option<Identity>,
}

impl Record {
    /// Reads what is known of a worker.
    pub(super) fn load(state: &Path, worker: &WorkerId) -> io::Result<Option<Self>> {
        match fs::read(file(state, worker)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            text => Ok(Some(serde_json::from_slice(&text?)?)),
        }
    }

    /// Reads what is known of all.
    pub(super) fn load_all(state: &Path) -> io::Result<Vec<Self>> {
        let entries = match fs::read_dir(state) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut records = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let worker = name.to_str().and_then(|name| name.strip_suffix(".json")).map(WorkerId::parse);
            if let Some(Ok(worker)) = worker {
                records.extend(Self::load(state, &worker)?);
            }
        }
        Ok(records)
    }

    /// Writes it, whole or not at all.
    pub(super) fn store(&self, state: &Path) -> io::Result<()> {
        fs::create_dir_all(state)?;
        let path = file(state, &self.worker);
        let fresh = path.with_extension("new");
        fs::write(&fresh, serde_json::to_vec(self)?)?;
        fs::rename(fresh, path)
    }

    /// Forgets the worker.
    pub(super) fn erase(state: &Path, worker: &WorkerId) -> io::Result<()> {
        match fs::remove_file(file(state, worker)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn file(state: &Path, worker: &WorkerId) -> PathBuf {
    state.join(format!("{worker}.json"))
}
