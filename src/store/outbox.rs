//! The outbox: what is to be said to the outside, in order per lane, at least once.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    error::Error,
    row::{micros, timestamp},
};

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// What it speaks to; messages of a lane go out one after another.
    pub lane: String,
    /// Which client sends it.
    pub kind: &'static str,
    /// What to send, as JSON.
    pub payload: String,
    /// Whether it must go out even when a newer one waits behind it.
    pub is_final: bool,
    /// At least so long after the lane's last message.
    pub pause: Duration,
}

/// A message that is being sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Row number.
    pub id: i64,
    /// Its lane.
    pub lane: String,
    /// Which client sends it.
    pub kind: String,
    /// What to send.
    pub payload: String,
    /// Whether it must go out whatever waits behind it.
    pub is_final: bool,
    /// How often it was tried before.
    pub attempts: u32,
    /// Whether it, or one before it in its lane, may have arrived without our knowing.
    pub is_unsure: bool,
    /// How many messages of the lane have arrived.
    pub sent: u32,
    /// What the outside calls the thing the lane speaks to.
    pub remote_id: Option<String>,
    /// And where that is.
    pub channel: Option<String>,
}

/// What came of sending a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It arrived. What the outside calls the thing now, where it said so.
    Arrived {
        /// Id of the thing.
        remote_id: Option<String>,
        /// Where it is.
        channel: Option<String>,
    },
    /// Try again at this time.
    Later {
        /// When.
        at: Timestamp,
        /// What happened.
        error: String,
        /// Whether the try counts (being told to wait does not).
        counts: bool,
    },
    /// Never again, unless a person asks for it.
    Dead {
        /// What happened.
        error: String,
    },
}

/// A row as shown to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Row number.
    pub id: i64,
    /// Its lane.
    pub lane: String,
    /// Which client sends it.
    pub kind: String,
    /// `ready`, `sending`, `sent`, `superseded`, `dead`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What the last try met.
    pub error: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
}

/// Writes a message. Older ones of its lane that wait and are not final say nothing new any more: a final message
/// supersedes them, another takes the place of the one that waits. Returns whether something is due earlier than before.
///
/// # Errors
/// [`Error`] of the store.
pub fn put(connection: &Connection, message: &NewMessage, now: Timestamp) -> Result<bool, Error> {
    let NewMessage { lane, kind, payload, is_final, pause } = message;
    let mut last = connection.prepare_cached("SELECT last_sent_at FROM remote WHERE lane = ?1")?;
    let last_sent: Option<i64> = last.query_row([lane], |row| row.get(0)).optional()?;
    let pause = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
    let due = last_sent.map_or(0, |at| at.saturating_add(pause)).max(micros(now));
    if *is_final {
        let mut supersede = connection.prepare_cached(
            "UPDATE outbox SET state = 'superseded' WHERE lane = ?1 AND state = 'ready' AND is_final = 0",
        )?;
        supersede.execute([lane])?;
    } else if let Some(is_earlier) = replace(connection, message, due)? {
        return Ok(is_earlier);
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO outbox(lane, kind, is_final, payload, next_at, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    insert.execute(params![lane, kind, is_final, payload, due, micros(now)])?;
    Ok(true)
}

/// Puts a message in the place of the one of its lane that waits and is not final; nothing where none does.
fn replace(connection: &Connection, message: &NewMessage, due: i64) -> Result<Option<bool>, Error> {
    let mut waiting = connection.prepare_cached(
        "SELECT id, next_at, error IS NULL FROM outbox WHERE lane = ?1 AND state = 'ready' AND is_final = 0",
    )?;
    let waiting: Option<(i64, i64, bool)> =
        waiting.query_row([&message.lane], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    let Some((id, next_at, is_untried)) = waiting else { return Ok(None) };
    let mut update = connection.prepare_cached("UPDATE outbox SET payload = ?2 WHERE id = ?1")?;
    update.execute(params![id, message.payload])?;
    // One that could not be sent waits for its next try, whatever it says.
    let is_earlier = is_untried && due < next_at;
    if is_earlier {
        let mut hasten = connection.prepare_cached("UPDATE outbox SET next_at = ?2 WHERE id = ?1")?;
        hasten.execute([id, due])?;
    }
    Ok(Some(is_earlier))
}

/// Claims the next messages that are due: at most one a lane, the oldest of it.
///
/// # Errors
/// [`Error`] of the store.
pub fn claim(connection: &Connection, now: Timestamp, limit: u32) -> Result<Vec<Claimed>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT id, lane, kind, payload, attempts, remote_id, channel, is_final, coalesce(sent, 0),
             EXISTS (SELECT 1 FROM outbox AS earlier WHERE earlier.lane = outbox.lane AND earlier.id <= outbox.id
                     AND earlier.attempts > 0 AND earlier.state <> 'sent')
         FROM outbox LEFT JOIN remote USING (lane)
         WHERE state = 'ready' AND next_at <= ?1 AND id = (SELECT min(id) FROM outbox AS other
               WHERE other.lane = outbox.lane AND other.state IN ('ready', 'sending'))
         ORDER BY is_final DESC, next_at, id LIMIT ?2",
    )?;
    let rows = statement.query_map(params![micros(now), limit], |row| {
        Ok(Claimed {
            id: row.get(0)?,
            lane: row.get(1)?,
            kind: row.get(2)?,
            payload: row.get(3)?,
            attempts: row.get(4)?,
            remote_id: row.get(5)?,
            channel: row.get(6)?,
            is_final: row.get(7)?,
            sent: row.get(8)?,
            is_unsure: row.get(9)?,
        })
    })?;
    let claimed: Vec<Claimed> = rows.collect::<Result<_, _>>()?;
    let mut mark = connection.prepare_cached("UPDATE outbox SET state = 'sending' WHERE id = ?1")?;
    for message in &claimed {
        mark.execute([message.id])?;
    }
    Ok(claimed)
}

/// Returns when the next waiting message is due.
///
/// # Errors
/// [`Error`] of the store.
pub fn next_due_at(connection: &Connection) -> Result<Option<Timestamp>, Error> {
    let sql = "SELECT min(next_at) FROM outbox WHERE state = 'ready'";
    let due: Option<i64> = connection.query_row(sql, [], |row| row.get(0))?;
    due.map(timestamp).transpose()
}

/// Writes down what came of a message.
///
/// # Errors
/// [`Error`] of the store.
pub fn settle(connection: &Connection, message: &Claimed, sent: &Sent, now: Timestamp) -> Result<(), Error> {
    match sent {
        Sent::Arrived { remote_id, channel } => {
            connection
                .prepare_cached(
                    "UPDATE outbox SET state = 'sent', attempts = attempts + 1, error = NULL WHERE id = ?1",
                )?
                .execute([message.id])?;
            connection
                .prepare_cached(
                    "INSERT INTO remote(lane, remote_id, channel, last_sent_at, sent) VALUES (?1, ?2, ?3, ?4, 1)
                     ON CONFLICT(lane) DO UPDATE SET remote_id = coalesce(?2, remote_id),
                         channel = coalesce(?3, channel), last_sent_at = ?4, sent = sent + 1",
                )?
                .execute(params![message.lane, remote_id, channel, micros(now)])?;
        }
        Sent::Later { at, error, counts } => {
            // What is no longer news is not tried again.
            connection
                .prepare_cached(
                    "UPDATE outbox SET attempts = attempts + ?2, next_at = ?3, error = ?4, state = CASE
                         WHEN is_final = 0 AND EXISTS (SELECT 1 FROM outbox AS newer
                              WHERE newer.lane = outbox.lane AND newer.id > outbox.id AND newer.state = 'ready')
                         THEN 'superseded' ELSE 'ready' END WHERE id = ?1",
                )?
                .execute(params![message.id, counts, micros(*at), error])?;
        }
        Sent::Dead { error } => {
            connection
                .prepare_cached("UPDATE outbox SET attempts = attempts + 1, state = 'dead', error = ?2 WHERE id = ?1")?
                .execute(params![message.id, error])?;
        }
    }
    Ok(())
}

/// Makes ready again what a crash interrupted: whether it arrived is unknown, and every message may be sent twice.
///
/// # Errors
/// [`Error`] of the store.
pub fn recover(connection: &Connection) -> Result<usize, Error> {
    let sql = "UPDATE outbox SET state = 'ready', attempts = attempts + 1 WHERE state = 'sending'";
    Ok(connection.execute(sql, [])?)
}

/// Puts a dead message back to ready. Returns whether there was one.
///
/// # Errors
/// [`Error`] of the store.
pub fn revive(connection: &Connection, id: i64, now: Timestamp) -> Result<bool, Error> {
    let sql = "UPDATE outbox SET state = 'ready', attempts = 0, next_at = ?2 WHERE id = ?1 AND state = 'dead'";
    Ok(connection.execute(sql, params![id, micros(now)])? > 0)
}

/// Lists messages, newest first.
///
/// # Errors
/// [`Error`] of the store.
pub fn list(connection: &Connection, state: Option<&str>, limit: u32) -> Result<Vec<Listed>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT id, lane, kind, state, attempts, error, created_at FROM outbox
         WHERE ?1 IS NULL OR state = ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    let mut rows = statement.query(params![state, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read_row(row)?);
    }
    Ok(found)
}

fn read_row(row: &Row<'_>) -> Result<Listed, Error> {
    Ok(Listed {
        id: row.get(0)?,
        lane: row.get(1)?,
        kind: row.get(2)?,
        state: row.get(3)?,
        attempts: row.get(4)?,
        error: row.get(5)?,
        created_at: timestamp(row.get(6)?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    const LANE: &str = "gh-status:github.com:1:abc:conducto/push";

    fn message(payload: &str, is_final: bool) -> NewMessage {
        NewMessage {
            lane: LANE.into(),
            kind: "status",
            payload: payload.into(),
            is_final,
            pause: Duration::from_secs(10),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    async fn open() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("conducto.db")).unwrap();
        (directory, store)
    }

    fn payloads(claimed: &[Claimed]) -> Vec<&str> {
        claimed.iter().map(|message| message.payload.as_str()).collect()
    }

    #[tokio::test]
    async fn a_newer_message_supersedes_waiting_ones_but_never_a_final_one() {
        let (_directory, store) = open().await;
        store
            .write(|connection| {
                put(connection, &message("pending", false), at(0))?;
                put(connection, &message("running", false), at(0))?;
                put(connection, &message("success", true), at(0))?;
                put(connection, &message("pending again", false), at(0))?;
                let first = claim(connection, at(0), 10)?;
                assert_eq!(payloads(&first), ["success"]);
                assert_eq!(claim(connection, at(0), 10)?, [], "one message of a lane is under way at a time");
                settle(connection, &first[0], &Sent::Arrived { remote_id: None, channel: None }, at(0))?;
                assert_eq!(payloads(&claim(connection, at(0), 10)?), ["pending again"]);
                Ok(())
            })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn only_what_is_due_earlier_than_before_is_news_to_the_sender() {
        let (_directory, store) = open().await;
        store
            .write(|connection| {
                assert!(put(connection, &message("first", false), at(100))?);
                let first = claim(connection, at(100), 10)?;
                settle(connection, &first[0], &Sent::Arrived { remote_id: None, channel: None }, at(100))?;
                assert!(put(connection, &message("second", false), at(101))?);
                assert!(!put(connection, &message("third", false), at(102))?);
                assert_eq!(next_due_at(connection)?, Some(at(110)));
                assert!(put(connection, &NewMessage { pause: Duration::ZERO, ..message("at once", false) }, at(103))?);
                assert_eq!(payloads(&claim(connection, at(103), 10)?), ["at once"]);
                assert_eq!(list(connection, None, 10)?.len(), 2, "what nobody has seen leaves nothing behind");
                Ok(())
            })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_newer_text_does_not_shorten_the_pause_after_a_failure() {
        let (_directory, store) = open().await;
        store
            .write(|connection| {
                put(connection, &message("first", false), at(0))?;
                let first = claim(connection, at(0), 10)?;
                let later = Sent::Later { at: at(60), error: "502".into(), counts: true };
                settle(connection, &first[0], &later, at(0))?;
                assert!(!put(connection, &message("second", false), at(1))?);
                assert_eq!(claim(connection, at(59), 10)?, []);
                assert_eq!(payloads(&claim(connection, at(60), 10)?), ["second"]);
                Ok(())
            })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn messages_of_a_lane_keep_their_distance_and_their_remote_name() {
        let (_directory, store) = open().await;
        store
            .write(|connection| {
                put(connection, &message("first", false), at(100))?;
                let first = claim(connection, at(100), 10)?;
                let arrived = Sent::Arrived { remote_id: Some("17.5".into()), channel: Some("C1".into()) };
                settle(connection, &first[0], &arrived, at(100))?;
                put(connection, &message("second", false), at(101))?;
                assert_eq!(next_due_at(connection)?, Some(at(110)));
                assert_eq!(claim(connection, at(109), 10)?, []);
                let second = claim(connection, at(110), 10)?;
                assert_eq!(second[0].remote_id.as_deref(), Some("17.5"));
                Ok(())
            })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn failures_are_tried_again_and_what_is_dead_can_be_revived() {
        let (_directory, store) = open().await;
        store
            .write(|connection| {
                put(connection, &message("only", true), at(0))?;
                let claimed = claim(connection, at(0), 10)?;
                let later = Sent::Later { at: at(5), error: "502".into(), counts: true };
                settle(connection, &claimed[0], &later, at(0))?;
                assert_eq!(claim(connection, at(4), 10)?, []);
                let again = claim(connection, at(5), 10)?;
                assert_eq!(again[0].attempts, 1);
                settle(connection, &again[0], &Sent::Dead { error: "404".into() }, at(5))?;
                assert_eq!(list(connection, Some("dead"), 10)?[0].error.as_deref(), Some("404"));
                assert!(revive(connection, again[0].id, at(6))?);
                assert_eq!(payloads(&claim(connection, at(6), 10)?), ["only"]);
                assert_eq!(recover(connection)?, 1);
                assert_eq!(payloads(&claim(connection, at(6), 10)?), ["only"]);
                Ok(())
            })
            .await
            .unwrap();
    }
}
