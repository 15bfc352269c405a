//! What outlives the server: its database, the logs, the folders of workers. Writing may fail, and the server may die at it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    engine::{self, Pipeline},
    model::{Fence, PipelineId, Recorded, WorkerId},
    store::{self, Connection, Error, pipelines},
};

/// How a write goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fortune {
    Well,
    /// It is rolled back and the caller is told.
    Fails,
    /// The server dies before the commit.
    DiesBefore,
    /// The server dies after the commit, before anybody hears of it.
    DiesAfter,
}

/// Why a write has no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    Failed,
    /// The server is no more.
    Died,
}

pub(super) struct Disk {
    pub(super) connection: Connection,
    /// How many bytes the log of each attempt has.
    pub(super) logs: BTreeMap<Fence, u64>,
    pub(super) directories: BTreeSet<WorkerId>,
}

impl Disk {
    pub(super) fn new() -> Self {
        let connection = store::in_memory().unwrap();
        Self { connection, logs: BTreeMap::new(), directories: BTreeSet::new() }
    }

    /// Carries out a transaction.
    pub(super) fn write<T>(
        &self,
        fortune: Fortune,
        work: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Trouble> {
        let execute = |sql| self.connection.prepare_cached(sql).unwrap().execute([]).unwrap();
        execute("BEGIN");
        let worked = work(&self.connection);
        if worked.is_ok() && matches!(fortune, Fortune::Well | Fortune::DiesAfter) {
            execute("COMMIT");
        } else {
            execute("ROLLBACK");
        }
        match (fortune, worked) {
            (Fortune::DiesBefore | Fortune::DiesAfter, _) => Err(Trouble::Died),
            (Fortune::Well, Ok(value)) => Ok(value),
            (Fortune::Fails, _) | (Fortune::Well, Err(_)) => Err(Trouble::Failed),
        }
    }

    pub(super) fn log(&self, id: &PipelineId) -> Vec<Recorded> {
        pipelines::events(&self.connection, id, 0, u32::MAX).unwrap()
    }

    pub(super) fn load(&self, id: &PipelineId) -> Option<Pipeline> {
        let events = self.log(id);
        (!events.is_empty()).then(|| engine::replay(&events).unwrap())
    }

    /// Returns every pipeline there ever was.
    pub(super) fn pipelines(&self) -> Vec<PipelineId> {
        let mut statement = self.connection.prepare_cached("SELECT id FROM pipeline ORDER BY key").unwrap();
        let ids = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        ids.map(|id| PipelineId::parse(&id.unwrap()).unwrap()).collect()
    }

    /// Says whether an attempt is committed and has not ended.
    pub(super) fn is_live(&self, fence: Fence) -> bool {
        let sql = "SELECT count(*) FROM attempt WHERE fence = ?1 AND live = 1";
        let mut statement = self.connection.prepare_cached(sql).unwrap();
        statement.query_row([i64::try_from(fence.0).unwrap()], |row| row.get::<_, i64>(0)).unwrap() > 0
    }

    /// Keeps a piece of output, as the log does: what is known already is passed over. Returns false where a piece is missing.
    pub(super) fn keep(&mut self, fence: Fence, offset: u64, length: u64) -> bool {
        let kept = self.logs.entry(fence).or_default();
        if offset > *kept {
            return false;
        }
        *kept = (*kept).max(offset + length);
        true
    }
}
