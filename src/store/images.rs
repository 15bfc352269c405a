//! Images that were made: when, by which stages, with what result. Knows no engine and no recipe.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    error::Error,
    row::{micros, timestamp},
};

/// One image, by the key of all that goes into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The key, in hexadecimal.
    pub key: String,
    /// What it is, for people.
    pub title: String,
    /// Whose code asked for it: `trusted` or `fork`.
    pub trust: String,
    /// `making`, `done` or `failed`.
    pub state: String,
    /// Its name in the engine, once it is made.
    pub reference: Option<String>,
    /// The stages, as JSON.
    pub stages: String,
    /// Why it could not be made.
    pub error: Option<String>,
    /// Name of the file with the log of the last making.
    pub log: String,
    /// When it was last begun to be made.
    pub asked_at: Timestamp,
    /// When that ended.
    pub finished_at: Option<Timestamp>,
    /// When a node last needed it.
    pub used_at: Timestamp,
}

/// How the making of an image ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Its name in the engine; nothing when it failed.
    pub reference: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// The stages, as JSON.
    pub stages: String,
}

const COLUMNS: &str = "key, title, trust, state, reference, stages, error, log, asked_at, finished_at, used_at";

/// Notes that an image is being made. Returns the log of the making before, which nobody needs any more.
///
/// # Errors
/// [`Error`] of the store.
pub fn begin(
    connection: &Connection,
    (key, title, trust, log): (&str, &str, &str, &str),
    now: Timestamp,
) -> Result<Option<String>, Error> {
    let sql = "SELECT log FROM image WHERE key = ?1";
    let before = connection.query_row(sql, [key], |row| row.get(0)).optional()?;
    connection.execute(
        "INSERT INTO image(key, title, trust, state, stages, log, asked_at, used_at) VALUES (?1, ?2, ?3, 'making', '[]', ?4, ?5, ?5)
         ON CONFLICT (key) DO UPDATE SET title = ?2, state = 'making', stages = '[]', error = NULL, log = ?4, asked_at = ?5,
             finished_at = NULL, used_at = ?5",
        params![key, title, trust, log, micros(now)],
    )?;
    Ok(before)
}

/// Notes how far the making of an image is.
///
/// # Errors
/// [`Error`] of the store.
pub fn advance(connection: &Connection, key: &str, stages: &str) -> Result<(), Error> {
    connection.execute("UPDATE image SET stages = ?2 WHERE key = ?1", [key, stages])?;
    Ok(())
}

/// Notes how the making of an image ended.
///
/// # Errors
/// [`Error`] of the store.
pub fn end(connection: &Connection, key: &str, end: &End, now: Timestamp) -> Result<(), Error> {
    let state = if end.reference.is_some() { "done" } else { "failed" };
    connection.execute(
        "UPDATE image SET state = ?2, reference = ?3, error = ?4, stages = ?5, finished_at = ?6, used_at = ?6 WHERE key = ?1",
        params![key, state, end.reference, end.error, end.stages, micros(now)],
    )?;
    Ok(())
}

/// Notes of whatever was being made when the server ended that nothing came of it. Returns how many there were.
///
/// # Errors
/// [`Error`] of the store.
pub fn end_interrupted(connection: &Connection, now: Timestamp) -> Result<usize, Error> {
    let sql = "UPDATE image SET state = 'failed', error = 'the server ended meanwhile; it is made when a node needs it', \
               finished_at = ?1 WHERE state = 'making'";
    Ok(connection.execute(sql, [micros(now)])?)
}

/// Lists images, the one that was needed last first.
///
/// # Errors
/// [`Error`] of the store.
pub fn list(connection: &Connection, limit: u32) -> Result<Vec<Kept>, Error> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM image ORDER BY used_at DESC, key LIMIT ?1"))?;
    let rows = statement.query_and_then([limit], kept)?;
    rows.collect()
}

/// Finds an image by its key, or by the beginning of one if no other begins so.
///
/// # Errors
/// [`Error`] of the store.
pub fn find(connection: &Connection, key: &str) -> Result<Option<Kept>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM image WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key LIMIT 2");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found: Vec<Kept> = statement.query_and_then([key], kept)?.collect::<Result<_, _>>()?;
    if found.len() == 2 && found[0].key != key {
        return Ok(None);
    }
    Ok(if found.is_empty() { None } else { Some(found.swap_remove(0)) })
}

/// Returns when an image of this name was last needed; nothing when no node ever did.
///
/// # Errors
/// [`Error`] of the store.
pub fn used_at(connection: &Connection, reference: &str) -> Result<Option<Timestamp>, Error> {
    let sql = "SELECT max(used_at) FROM image WHERE reference = ?1";
    let used: Option<i64> = connection.query_row(sql, [reference], |row| row.get(0))?;
    used.map(timestamp).transpose()
}

fn kept(row: &Row<'_>) -> Result<Kept, Error> {
    let finished: Option<i64> = row.get(9)?;
    Ok(Kept {
        key: row.get(0)?,
        title: row.get(1)?,
        trust: row.get(2)?,
        state: row.get(3)?,
        reference: row.get(4)?,
        stages: row.get(5)?,
        error: row.get(6)?,
        log: row.get(7)?,
        asked_at: timestamp(row.get(8)?)?,
        finished_at: finished.map(timestamp).transpose()?,
        used_at: timestamp(row.get(10)?)?,
    })
}
