//! Who is in whose way: pipelines with the same key that have not ended. Knows not who gives way.

use rusqlite::{Connection, Row};

use super::{error::Error, row::from_word};
use crate::model::{Hold, PipelineId};

/// A pipeline that has not ended, among those with the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Public id.
    pub id: PipelineId,
    /// Position in the inbox of what launched it: events come in this order, though they may be dealt with in another.
    pub position: i64,
    /// The commit.
    pub sha: String,
    /// Why it has not begun.
    pub hold: Option<Hold>,
    /// Whether it was put to sleep.
    pub is_asleep: bool,
    /// Whether something of it runs; of one that sleeps, only until that has stopped.
    pub is_live: bool,
}

/// Lists the pipelines with this key that have not ended, in the order of what launched them.
///
/// # Errors
/// [`Error`] of the store.
pub fn rivals(connection: &Connection, turn: &str) -> Result<Vec<Rival>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT id, coalesce(inbox_seq, 0) AS position, sha, hold, asleep,
                EXISTS (SELECT 1 FROM attempt WHERE attempt.pipeline = key AND live = 1)
         FROM pipeline WHERE turn = ?1 AND finished_at IS NULL ORDER BY position, key",
    )?;
    let mut rows = statement.query([turn])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read_row(row)?);
    }
    Ok(found)
}

/// Lists the keys of which a pipeline waits for its turn.
///
/// # Errors
/// [`Error`] of the store.
pub fn contested(connection: &Connection) -> Result<Vec<String>, Error> {
    let sql = "SELECT DISTINCT turn FROM pipeline INDEXED BY pipeline_waiting WHERE hold = 'turn' AND turn IS NOT NULL";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn read_row(row: &Row<'_>) -> Result<Rival, Error> {
    let id: String = row.get(0)?;
    Ok(Rival {
        id: PipelineId::parse(&id).map_err(|error| Error::Unreadable(error.to_string()))?,
        position: row.get(1)?,
        sha: row.get(2)?,
        hold: row.get::<_, Option<String>>(3)?.map(from_word).transpose()?,
        is_asleep: row.get(4)?,
        is_live: row.get(5)?,
    })
}
