//! Whose data a pipeline, and an attempt of one of its nodes, may use. Knows no folder.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    error::Error,
    row::{from_word, signed, timestamp},
};
use crate::model::{Fence, PipelineId, Trust};

/// What decides about a pipeline's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// Trust class of its code.
    pub trust: Trust,
    /// Its owner; nothing for the user whose profile the server uses.
    pub owner: Option<String>,
    /// When retention removed its data, if it has not run again since.
    pub removed_at: Option<Timestamp>,
}

/// Finds what decides about a pipeline's data; nothing when there is no such pipeline.
///
/// # Errors
/// [`Error`] of the store.
pub fn of_pipeline(connection: &Connection, id: &PipelineId) -> Result<Option<Access>, Error> {
    let sql = "SELECT id, trust, owner, data_removed_at, finished_at FROM pipeline WHERE id = ?1";
    connection.prepare_cached(sql)?.query_row([id.as_str()], |row| Ok(read(row))).optional()?.transpose()
}

/// Finds the same by an attempt of the pipeline that has not ended.
///
/// # Errors
/// [`Error`] of the store.
pub fn of_live_attempt(connection: &Connection, fence: Fence) -> Result<Option<Access>, Error> {
    let sql = "SELECT p.id, p.trust, p.owner, p.data_removed_at, p.finished_at
               FROM attempt a JOIN pipeline p ON p.key = a.pipeline WHERE a.fence = ?1 AND a.live = 1";
    let Ok(fence) = signed(fence.0) else { return Ok(None) };
    connection.prepare_cached(sql)?.query_row([fence], |row| Ok(read(row))).optional()?.transpose()
}

/// Returns what makes the tokens of attempts; the first call keeps what it is given.
///
/// # Errors
/// [`Error`] of the store, also when no server has ever used it.
pub fn node_key(connection: &Connection, fresh: [u8; 32]) -> Result<Vec<u8>, Error> {
    connection.execute("UPDATE server SET node_key = ?1 WHERE node_key IS NULL", params![fresh])?;
    Ok(connection.query_row("SELECT node_key FROM server", [], |row| row.get(0))?)
}

fn read(row: &Row<'_>) -> Result<Access, Error> {
    let id: String = row.get(0)?;
    let time = |column: usize| row.get::<_, Option<i64>>(column)?.map(timestamp).transpose();
    let (removed_at, finished_at): (Option<Timestamp>, Option<Timestamp>) = (time(3)?, time(4)?);
    Ok(Access {
        pipeline: PipelineId::parse(&id).map_err(|error| Error::Unreadable(error.to_string()))?,
        trust: from_word(row.get(1)?)?,
        owner: row.get(2)?,
        removed_at: removed_at.filter(|removed| finished_at.is_some_and(|finished| finished <= *removed)),
    })
}
