//! The inbox: every webhook delivery, once, with what became of it.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    error::Error,
    packed::Packed,
    row::{micros, timestamp},
};

/// A verified delivery, as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// The forge's id of the delivery; unchanged when it is delivered again.
    pub guid: String,
    /// Event name as the forge calls it.
    pub event: String,
    /// Headers worth keeping, as JSON.
    pub headers: String,
    /// The JSON body.
    pub body: Packed,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was dealt with as meant.
    Done,
    /// It starts nothing, and that is as it should be.
    Ignored,
    /// It should have started something and could not.
    Failed,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Ignored => "ignored",
            Self::Failed => "failed",
        }
    }
}

/// A delivery that is still to be dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Position in the inbox.
    pub seq: i64,
    /// Who put it there: [`GITHUB`], or this server itself.
    pub source: String,
    /// The forge's id of the delivery.
    pub guid: String,
    /// Event name.
    pub event: String,
    /// The JSON body.
    pub body: Vec<u8>,
    /// How often it was tried.
    pub attempts: u32,
}

/// A delivery as shown to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Position in the inbox.
    pub seq: i64,
    /// The forge's id.
    pub guid: String,
    /// Event name.
    pub event: String,
    /// `owner/name`, once the payload was read and where it tells it.
    pub repository: Option<String>,
    /// `new`, `done`, `ignored`, `failed`.
    pub state: String,
    /// What became of it, in words.
    pub verdict: Option<String>,
    /// Mistakes found on the way, rendered.
    pub diagnostics: String,
    /// Ids of the pipelines it started.
    pub pipelines: Vec<String>,
    /// How often it was delivered.
    pub deliveries: u32,
    /// When it first came.
    pub received_at: Timestamp,
}

/// Source of what comes through GitHub's webhook.
pub const GITHUB: &str = "github";

/// Source of what the clock brings.
pub const CRON: &str = "cron";

/// Source of what somebody has asked this server for.
pub const MANUAL: &str = "manual";

/// Stores a delivery of the forge. Returns whether it is new; a known one is only counted.
///
/// # Errors
/// [`Error`] of the store.
pub fn put(connection: &Connection, delivery: &NewDelivery, now: Timestamp) -> Result<bool, Error> {
    put_from(connection, GITHUB, delivery, now)
}

/// The same for any source, within which ids are unique.
///
/// # Errors
/// [`Error`] of the store.
pub fn put_from(connection: &Connection, source: &str, delivery: &NewDelivery, now: Timestamp) -> Result<bool, Error> {
    // Two statements, of which nearly all deliveries need the first only: SQLite's upsert costs each as much as both.
    let mut insert = connection.prepare_cached(
        "INSERT INTO inbox(source, guid, event, received_at, headers, body, next_at)
         VALUES (?6, ?1, ?2, ?3, ?4, ?5, ?3) ON CONFLICT (source, guid) DO NOTHING",
    )?;
    let NewDelivery { guid, event, headers, body } = delivery;
    if insert.execute(params![guid, event, micros(now), headers, body, source])? > 0 {
        return Ok(true);
    }
    let sql = "UPDATE inbox SET deliveries = deliveries + 1 WHERE source = ?2 AND guid = ?1";
    connection.prepare_cached(sql)?.execute([guid.as_str(), source])?;
    Ok(false)
}

/// Returns those of the forge's deliveries that are not here.
///
/// # Errors
/// [`Error`] of the store.
pub fn unknown(connection: &Connection, guids: &[String]) -> Result<HashSet<String>, Error> {
    let mut known = connection.prepare_cached("SELECT 1 FROM inbox WHERE source = ?1 AND guid = ?2")?;
    let mut unknown = HashSet::new();
    for guid in guids {
        if !known.exists([GITHUB, guid.as_str()])? {
            unknown.insert(guid.clone());
        }
    }
    Ok(unknown)
}

/// Bodies are read until there are so many bytes: a delivery may have 25 MB.
const AT_HAND: usize = 1024 * 1024;

/// Returns the next deliveries that are due and not in hand, oldest first: at least one if there is one, at most so many.
///
/// # Errors
/// [`Error`] of the store.
pub fn due(
    connection: &Connection,
    now: Timestamp,
    in_hand: &HashSet<i64>,
    most: usize,
) -> Result<Vec<Waiting>, Error> {
    let mut due = connection.prepare_cached(
        "SELECT seq, guid, event, body, attempts, source FROM inbox INDEXED BY inbox_new
         WHERE state = 'new' AND next_at <= ?1 ORDER BY seq LIMIT ?2",
    )?;
    let window = i64::try_from(in_hand.len().saturating_add(most)).unwrap_or(i64::MAX);
    let mut rows = due.query(params![micros(now), window])?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while found.len() < most
        && bytes < AT_HAND
        && let Some(row) = rows.next()?
    {
        let seq = row.get(0)?;
        if !in_hand.contains(&seq) {
            let body = Packed::stored(row.get(3)?).unpack()?;
            bytes += body.len();
            let (guid, event, attempts, source) = (row.get(1)?, row.get(2)?, row.get(4)?, row.get(5)?);
            found.push(Waiting { seq, source, guid, event, body, attempts });
        }
    }
    Ok(found)
}

/// Returns when the next waiting delivery that is not in hand is due.
///
/// # Errors
/// [`Error`] of the store.
pub fn next_due_at(connection: &Connection, in_hand: &HashSet<i64>) -> Result<Option<Timestamp>, Error> {
    let mut due =
        connection.prepare_cached("SELECT seq, next_at FROM inbox INDEXED BY inbox_new WHERE state = 'new'")?;
    let rows = due.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let waiting = rows.filter_map(Result::ok).filter(|(seq, _)| !in_hand.contains(seq));
    waiting.map(|(_, at)| at).min().map(timestamp).transpose()
}

/// Writes down what a delivery is about, as far as its payload tells.
///
/// # Errors
/// [`Error`] of the store.
pub fn describe(
    connection: &Connection,
    seq: i64,
    repository: Option<&str>,
    action: Option<&str>,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached("UPDATE inbox SET repository = ?2, action = ?3 WHERE seq = ?1")?;
    statement.execute(params![seq, repository, action])?;
    Ok(())
}

/// Writes down what became of a delivery.
///
/// # Errors
/// [`Error`] of the store.
pub fn conclude(
    connection: &Connection,
    seq: i64,
    verdict: Verdict,
    words: &str,
    diagnostics: &str,
) -> Result<(), Error> {
    let mut statement =
        connection.prepare_cached("UPDATE inbox SET state = ?2, verdict = ?3, diagnostics = ?4 WHERE seq = ?1")?;
    statement.execute(params![seq, verdict.word(), words, diagnostics])?;
    Ok(())
}

/// Puts a delivery that started nothing back among those to be dealt with. Returns whether that was done: not where it waits
/// already, has started a pipeline, or its body is not kept any more.
///
/// # Errors
/// [`Error`] of the store.
pub fn revive(connection: &Connection, guid: &str, now: Timestamp) -> Result<bool, Error> {
    let changed = connection.execute(
        "UPDATE inbox SET state = 'new', verdict = NULL, diagnostics = '', attempts = 0, next_at = ?2
         WHERE guid = ?1 AND state IN ('failed', 'ignored') AND length(body) > 0
           AND NOT EXISTS (SELECT 1 FROM pipeline WHERE inbox_seq = inbox.seq)",
        params![guid, micros(now)],
    )?;
    Ok(changed > 0)
}

/// Puts a delivery off: something it needs did not answer.
///
/// # Errors
/// [`Error`] of the store.
pub fn postpone(connection: &Connection, seq: i64, until: Timestamp, words: &str) -> Result<(), Error> {
    connection.execute(
        "UPDATE inbox SET attempts = attempts + 1, next_at = ?2, verdict = ?3 WHERE seq = ?1",
        params![seq, micros(until), words],
    )?;
    Ok(())
}

/// Claims an event on the forge for a delivery. Returns the guid of the delivery that had it before, if there is one.
///
/// # Errors
/// [`Error`] of the store.
pub fn claim_trigger(connection: &Connection, dedupe_key: &str, seq: i64) -> Result<Option<String>, Error> {
    let mut claim = connection
        .prepare_cached("INSERT INTO trigger_seen(dedupe_key, inbox_seq) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    if claim.execute(params![dedupe_key, seq])? > 0 {
        return Ok(None);
    }
    Ok(owner_of_trigger(connection, dedupe_key)?.filter(|(owner, _)| *owner != seq).map(|(_, guid)| guid))
}

/// Returns the delivery that has claimed an event, its position and its guid.
///
/// # Errors
/// [`Error`] of the store.
pub fn owner_of_trigger(connection: &Connection, dedupe_key: &str) -> Result<Option<(i64, String)>, Error> {
    let sql = "SELECT inbox.seq, guid FROM trigger_seen JOIN inbox ON inbox.seq = inbox_seq WHERE dedupe_key = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row([dedupe_key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// Lists deliveries, newest first.
///
/// # Errors
/// [`Error`] of the store.
pub fn list(connection: &Connection, before: Option<i64>, limit: u32) -> Result<Vec<Delivery>, Error> {
    let sql = format!("{SELECT} WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![before.unwrap_or(i64::MAX), limit], read_row)?;
    rows.map(|row| finish(connection, row?)).collect()
}

/// Finds one delivery.
///
/// # Errors
/// [`Error`] of the store.
pub fn find(connection: &Connection, guid: &str) -> Result<Option<Delivery>, Error> {
    let mut statement = connection
        .prepare_cached(&format!("{SELECT} WHERE source IN (?2, ?3, ?4) AND guid = ?1 ORDER BY seq LIMIT 1"))?;
    let row = statement.query_row([guid, GITHUB, CRON, MANUAL], read_row).optional()?;
    row.map(|row| finish(connection, row)).transpose()
}

const SELECT: &str =
    "SELECT seq, guid, event, repository, state, verdict, diagnostics, deliveries, received_at FROM inbox";

fn read_row(row: &Row<'_>) -> rusqlite::Result<(Delivery, i64)> {
    let delivery = Delivery {
        seq: row.get(0)?,
        guid: row.get(1)?,
        event: row.get(2)?,
        repository: row.get(3)?,
        state: row.get(4)?,
        verdict: row.get(5)?,
        diagnostics: row.get(6)?,
        pipelines: Vec::new(),
        deliveries: row.get(7)?,
        received_at: Timestamp::UNIX_EPOCH,
    };
    Ok((delivery, row.get(8)?))
}

fn finish(connection: &Connection, (mut delivery, received): (Delivery, i64)) -> Result<Delivery, Error> {
    delivery.received_at = timestamp(received)?;
    let mut statement = connection.prepare_cached("SELECT id FROM pipeline WHERE inbox_seq = ?1 ORDER BY key")?;
    let ids = statement.query_map([delivery.seq], |row| row.get(0))?;
    delivery.pipelines = ids.collect::<Result<_, _>>()?;
    Ok(delivery)
}
