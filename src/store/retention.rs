//! What is old enough to be removed, and the marks that say that it was. Touches no file.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    error::Error,
    row::{micros, timestamp, unsigned},
};
use crate::model::PipelineId;

/// What a pipeline leaves on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remains {
    /// The logs of its attempts.
    Logs,
    /// Its pipeline data.
    Data,
}

impl Remains {
    fn column(self) -> &'static str {
        match self {
            Self::Logs => "logs_removed_at",
            Self::Data => "data_removed_at",
        }
    }
}

/// Before when a pipeline must have come to rest for its remains to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// For those that have ended.
    pub ended: Timestamp,
    /// For those that sleep.
    pub slept: Timestamp,
}

/// Pipelines with nothing live that ended (and of which nothing is left in the runtime) or fell asleep early enough, and
/// whose remains have not been removed since.
fn at_rest(what: Remains) -> String {
    format!(
        "WITH quiet AS (
             SELECT key, id, finished_at, released, {} AS removed_at, CASE WHEN finished_at IS NULL THEN
                 (SELECT CASE json_extract(body, '$.event') WHEN 'pipeline_slept' THEN at END FROM event
                  WHERE event.pipeline = key AND json_extract(body, '$.event') IN ('pipeline_slept', 'pipeline_woken')
                  ORDER BY seq DESC LIMIT 1) END AS slept_at
             FROM pipeline
             WHERE (finished_at < ?1 OR (finished_at IS NULL AND created_at < ?2)) AND (?3 IS NULL OR id = ?3)
                 AND NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.pipeline = key AND live = 1))
         SELECT id FROM quiet
         WHERE (released = 1 AND finished_at < ?1 AND coalesce(removed_at < finished_at, 1))
             OR (slept_at < ?2 AND coalesce(removed_at < slept_at, 1))
         ORDER BY key",
        what.column()
    )
}

/// Lists the pipelines whose remains may go, oldest first.
///
/// # Errors
/// [`Error`] of the store.
pub fn removable(connection: &Connection, what: Remains, before: Before) -> Result<Vec<PipelineId>, Error> {
    let mut statement = connection.prepare_cached(&at_rest(what))?;
    let values = params![micros(before.ended), micros(before.slept), None::<&str>];
    let ids = statement.query_map(values, |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    ids.iter().map(|id| PipelineId::parse(id).map_err(|error| Error::Unreadable(error.to_string()))).collect()
}

/// Notes that the remains of a pipeline are gone. Returns whether they still may go: it may have been reset meanwhile.
///
/// # Errors
/// [`Error`] of the store.
pub fn mark_removed(
    connection: &Connection,
    id: &PipelineId,
    what: Remains,
    before: Before,
    now: Timestamp,
) -> Result<bool, Error> {
    let mut statement = connection.prepare_cached(&at_rest(what))?;
    let values = params![micros(before.ended), micros(before.slept), id.as_str()];
    if statement.query_row(values, |_| Ok(())).optional()?.is_none() {
        return Ok(false);
    }
    let sql = format!("UPDATE pipeline SET {} = ?2 WHERE id = ?1", what.column());
    connection.prepare_cached(&sql)?.execute(params![id.as_str(), micros(now)])?;
    Ok(true)
}

/// Returns when the logs of a pipeline's earlier attempts were removed, if they were.
///
/// # Errors
/// [`Error`] of the store.
pub fn logs_removed_at(connection: &Connection, id: &PipelineId) -> Result<Option<Timestamp>, Error> {
    let mut statement = connection.prepare_cached("SELECT logs_removed_at FROM pipeline WHERE id = ?1")?;
    let at: Option<i64> = statement.query_row([id.as_str()], |row| row.get(0)).optional()?.flatten();
    at.map(timestamp).transpose()
}

/// Says whether a pipeline may need its working copy: it has not ended, or is being released.
///
/// # Errors
/// [`Error`] of the store.
pub fn needs_source(connection: &Connection, id: &PipelineId) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pipeline WHERE id = ?1 AND (finished_at IS NULL OR released = 0))";
    Ok(connection.prepare_cached(sql)?.query_row([id.as_str()], |row| row.get(0))?)
}

/// Lists the forge's numbers of the repositories of which a pipeline has not ended.
///
/// # Errors
/// [`Error`] of the store.
pub fn repositories_in_use(connection: &Connection) -> Result<Vec<u64>, Error> {
    let sql = "SELECT DISTINCT repository_id FROM pipeline WHERE finished_at IS NULL OR released = 0";
    let mut statement = connection.prepare_cached(sql)?;
    let ids = statement.query_map([], |row| row.get::<_, i64>(0))?.collect::<Result<Vec<_>, _>>()?;
    ids.into_iter().map(unsigned).collect()
}

/// Rows of one kind that have served their purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Bodies and headers of deliveries that have their verdict; the deliveries themselves stay.
    Bodies,
    /// Messages that were sent or superseded.
    Messages,
    /// Answers kept for callers who might ask twice.
    Keys,
}

/// Counts old rows, and what they hold in bytes.
///
/// # Errors
/// [`Error`] of the store.
pub fn count(connection: &Connection, rows: Rows, before: Timestamp) -> Result<(u64, u64), Error> {
    let sql = match rows {
        Rows::Bodies => {
            "SELECT count(*), coalesce(sum(length(body) + length(headers)), 0) FROM inbox
             WHERE state <> 'new' AND received_at < ?1 AND length(body) > 0"
        }
        Rows::Messages => {
            "SELECT count(*), coalesce(sum(length(payload)), 0) FROM outbox
             WHERE state IN ('sent', 'superseded') AND created_at < ?1"
        }
        Rows::Keys => "SELECT count(*), coalesce(sum(length(key)), 0) FROM idempotency WHERE at < ?1",
    };
    let (count, bytes): (i64, i64) =
        connection.query_row(sql, [micros(before)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((unsigned(count)?, unsigned(bytes)?))
}

/// Removes old rows, at most so many, so that others get their turn in between. Returns how many there were.
///
/// # Errors
/// [`Error`] of the store.
pub fn remove(connection: &Connection, rows: Rows, before: Timestamp, limit: u32) -> Result<usize, Error> {
    let sql = match rows {
        Rows::Bodies => {
            "UPDATE inbox SET body = x'', headers = '[]' WHERE seq IN (SELECT seq FROM inbox
             WHERE state <> 'new' AND received_at < ?1 AND length(body) > 0 LIMIT ?2)"
        }
        Rows::Messages => {
            "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox
             WHERE state IN ('sent', 'superseded') AND created_at < ?1 LIMIT ?2)"
        }
        Rows::Keys => "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE at < ?1 LIMIT ?2)",
    };
    Ok(connection.prepare_cached(sql)?.execute(params![micros(before), limit])?)
}
