//! Pipelines: their event logs, and the projections that are kept beside them in the same transaction.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter, types::Value};
use uuid::Uuid;

use super::{
    error::Error,
    row::{from_word, micros, signed, timestamp, unsigned, word},
};
use crate::model::{Counts, Ending, Event, Fence, Hold, Launch, PipelineId, Recorded, State, Trust, WorkerId};

/// What lists show of a pipeline; a projection of its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    /// State of the root.
    pub state: State,
    /// How it ended.
    pub ending: Option<Ending>,
    /// Why it ended so, in words.
    pub cause: Option<String>,
    /// Leaves by state.
    pub counts: Counts,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it has not begun.
    pub hold: Option<Hold>,
    /// Whether it was put to sleep.
    pub is_asleep: bool,
}

/// A line of the list of pipelines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Public id.
    pub id: PipelineId,
    /// Title.
    pub title: String,
    /// Section of conducto.cfg.
    pub section: String,
    /// `owner/name`.
    pub repository: String,
    /// What started it, in words.
    pub described: String,
    /// The commit.
    pub sha: String,
    /// Login of the person who caused it.
    pub sender: String,
    /// Trust class.
    pub trust: Trust,
    /// When it was launched.
    pub created_at: Timestamp,
    /// What its log says now.
    pub projection: Projection,
}

/// Which pipelines to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this `owner/name`.
    pub repository: Option<String>,
    /// Only in this state.
    pub state: Option<State>,
    /// Only those that have every word of this in title, repository, trigger, sender, id, or as the beginning of the commit.
    pub text: Option<String>,
    /// Only those launched before this one.
    pub before: Option<PipelineId>,
    /// At most so many.
    pub limit: u32,
}

/// A pipeline that runs a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtCommit {
    /// Its id.
    pub id: PipelineId,
    /// The section that it is of.
    pub section: String,
}

/// Returns the pipelines of a commit, newest first.
///
/// # Errors
/// [`Error`] of the store.
pub fn at_commit(connection: &Connection, repository: u64, sha: &str) -> Result<Vec<AtCommit>, Error> {
    let sql = "SELECT id, section FROM pipeline WHERE repository_id = ?1 AND sha = ?2 ORDER BY key DESC LIMIT 100";
    let mut statement = connection.prepare_cached(sql)?;
    let rows =
        statement.query_map(params![signed(repository)?, sha], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    rows.map(|row| {
        let (id, section) = row?;
        let id = PipelineId::parse(&id).map_err(|error| Error::Unreadable(error.to_string()))?;
        Ok(AtCommit { id, section })
    })
    .collect()
}

/// Makes the row of a new pipeline. Its events are to be appended in the same transaction.
///
/// # Errors
/// [`Error::Conflict`] when the id is taken: draw another.
pub fn create(
    connection: &Connection,
    launch: &Launch,
    inbox_seq: Option<i64>,
    uuid: Uuid,
    now: Timestamp,
) -> Result<(), Error> {
    let trigger = &launch.trigger;
    connection.execute(
        "INSERT INTO pipeline(uuid, id, inbox_seq, title, section, repository_id, repository, described, sha, sender,
                              trust, turn, owner, state, counts, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 'pending', '{}', ?14)",
        params![
            uuid.as_bytes(),
            launch.pipeline.as_str(),
            inbox_seq,
            launch.title,
            launch.section,
            signed(trigger.repository.id)?,
            trigger.repository.full_name,
            trigger.describe(),
            trigger.sha,
            trigger.sender,
            word(&launch.trust)?,
            launch.turn.as_ref().map(|turn| turn.key.as_str()),
            launch.owner,
            micros(now)
        ],
    )?;
    Ok(())
}

/// Appends events to a pipeline's log and brings its projections along.
///
/// # Errors
/// [`Error::Conflict`] when the log has moved on (a position is taken) or a node would get a second live attempt.
pub fn append(
    connection: &Connection,
    id: &PipelineId,
    events: &[Recorded],
    projection: &Projection,
) -> Result<(), Error> {
    let key = key(connection, id)?.ok_or_else(|| Error::Conflict(format!("there is no pipeline {id}")))?;
    let mut insert = connection
        .prepare_cached("INSERT INTO event(pipeline, seq, at, version, actor, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for recorded in events {
        insert.execute(params![
            key,
            signed(recorded.seq)?,
            micros(recorded.at),
            Event::VERSION,
            serde_json::to_string(&recorded.actor)?,
            serde_json::to_string(&recorded.event)?
        ])?;
        track_attempt(connection, key, &recorded.event)?;
    }
    let Projection { state, ending, cause, counts, finished_at, hold, is_asleep } = projection;
    connection.prepare_cached("UPDATE pipeline SET state = ?2, counts = ?3 WHERE key = ?1")?.execute(params![
        key,
        state.word(),
        serde_json::to_string(counts)?
    ])?;
    // Much can reopen a pipeline. Rows that stay as they are are not written: the index of live ones hangs on them.
    connection
        .prepare_cached(
            "UPDATE pipeline SET ending = ?2, cause = ?3, finished_at = ?4, released = released AND ?4 IS NOT NULL,
                    hold = ?5, asleep = ?6
             WHERE key = ?1 AND (finished_at IS NOT ?4 OR ending IS NOT ?2 OR hold IS NOT ?5 OR asleep IS NOT ?6)",
        )?
        .execute(params![
            key,
            ending.as_ref().map(word).transpose()?,
            cause,
            finished_at.map(micros),
            hold.as_ref().map(word).transpose()?,
            is_asleep
        ])?;
    Ok(())
}

fn track_attempt(connection: &Connection, key: i64, event: &Event) -> Result<(), Error> {
    match event {
        Event::AttemptLeased { node, fence, worker } => {
            let sql = "INSERT INTO attempt(fence, pipeline, node, worker, live) VALUES (?1, ?2, ?3, ?4, 1)";
            let mut insert = connection.prepare_cached(sql)?;
            insert.execute(params![signed(fence.0)?, key, node.0, worker.as_str()])?;
        }
        Event::AttemptUnleased { fence, .. }
        | Event::AttemptReturned { fence, .. }
        | Event::AttemptFinished { fence, .. } => {
            let mut end = connection.prepare_cached("UPDATE attempt SET live = 0 WHERE fence = ?1")?;
            end.execute([signed(fence.0)?])?;
        }
        _ => {}
    }
    Ok(())
}

/// Notes that nothing of a finished pipeline is left in the runtime.
///
/// # Errors
/// [`Error`] of the store.
pub fn set_released(connection: &Connection, id: &PipelineId) -> Result<(), Error> {
    let sql = "UPDATE pipeline SET released = 1 WHERE id = ?1 AND finished_at IS NOT NULL";
    connection.prepare_cached(sql)?.execute([id.as_str()])?;
    Ok(())
}

/// Returns the events after a position, at most so many.
///
/// # Errors
/// [`Error`] of the store; an unknown pipeline has no events.
pub fn events(connection: &Connection, id: &PipelineId, after: u64, limit: u32) -> Result<Vec<Recorded>, Error> {
    let Some(key) = key(connection, id)? else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(
        "SELECT seq, at, actor, body FROM event WHERE pipeline = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
    )?;
    let mut rows = statement.query(params![key, signed(after)?, limit])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(Recorded {
            seq: unsigned(row.get(0)?)?,
            at: timestamp(row.get(1)?)?,
            actor: serde_json::from_str(&row.get::<_, String>(2)?)?,
            event: serde_json::from_str(&row.get::<_, String>(3)?)?,
        });
    }
    Ok(events)
}

/// Returns the pipelines that have not ended, or whose containers and networks may still exist, oldest first.
///
/// # Errors
/// [`Error`] of the store.
pub fn unreleased(connection: &Connection) -> Result<Vec<PipelineId>, Error> {
    let sql = "SELECT id FROM pipeline WHERE finished_at IS NULL OR released = 0 ORDER BY key";
    let mut statement = connection.prepare_cached(sql)?;
    let ids = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    ids.iter().map(|id| PipelineId::parse(id).map_err(|error| Error::Unreadable(error.to_string()))).collect()
}

/// An attempt that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// Its pipeline.
    pub pipeline: PipelineId,
    /// Its number.
    pub fence: Fence,
    /// Who has it.
    pub worker: WorkerId,
}

/// Lists every attempt that has not ended.
///
/// # Errors
/// [`Error`] of the store.
pub fn leased(connection: &Connection) -> Result<Vec<Leased>, Error> {
    let sql = "SELECT id, fence, worker FROM attempt JOIN pipeline ON attempt.pipeline = pipeline.key
               WHERE live = 1 ORDER BY fence";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let unreadable = |error: &dyn std::fmt::Display| Error::Unreadable(error.to_string());
        found.push(Leased {
            pipeline: PipelineId::parse(&row.get::<_, String>(0)?).map_err(|error| unreadable(&error))?,
            fence: Fence(unsigned(row.get(1)?)?),
            worker: WorkerId::parse(&row.get::<_, String>(2)?).map_err(|error| unreadable(&error))?,
        });
    }
    Ok(found)
}

/// Returns the pipelines for which there is something to do after a start: an attempt is live, a leaf is queued, or what
/// they had in the runtime is to be given back. Those with live attempts come first, then the oldest. One that has not
/// ended and is not among them waits for a person: it sleeps, or is held.
///
/// # Errors
/// [`Error`] of the store.
pub fn to_resume(connection: &Connection) -> Result<Vec<PipelineId>, Error> {
    let sql = "SELECT id, EXISTS (SELECT 1 FROM attempt WHERE attempt.pipeline = key AND live = 1) AS is_live
               FROM pipeline WHERE (finished_at IS NULL OR released = 0) AND (finished_at IS NOT NULL OR is_live
                   OR coalesce(json_extract(counts, '$.queued') + json_extract(counts, '$.running') > 0, 1))
               ORDER BY is_live DESC, key";
    let mut statement = connection.prepare(sql)?;
    let ids = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    ids.iter().map(|id| PipelineId::parse(id).map_err(|error| Error::Unreadable(error.to_string()))).collect()
}

/// Lists pipelines, newest first.
///
/// # Errors
/// [`Error`] of the store.
pub fn list(connection: &Connection, filter: &Filter) -> Result<Vec<Listed>, Error> {
    let mut sql = format!("{SELECT} WHERE 1");
    let mut values: Vec<Value> = Vec::new();
    if let Some(repository) = &filter.repository {
        sql.push_str(" AND repository = ?");
        values.push(repository.clone().into());
    }
    if let Some(state) = filter.state {
        sql.push_str(" AND state = ?");
        values.push(state.word().to_owned().into());
    }
    for word in filter.text.iter().flat_map(|text| text.split_whitespace()) {
        sql.push_str(
            " AND (instr(lower(title || ' ' || repository || ' ' || described || ' ' || sender || ' ' || id), ?) > 0
                   OR substr(sha, 1, length(?)) = ?)",
        );
        let word = word.to_lowercase();
        values.extend([word.clone().into(), word.clone().into(), word.into()]);
    }
    if let Some(before) = &filter.before {
        sql.push_str(" AND key < (SELECT key FROM pipeline WHERE id = ?)");
        values.push(before.as_str().to_owned().into());
    }
    sql.push_str(" ORDER BY key DESC LIMIT ?");
    values.push(i64::from(filter.limit).into());
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read_row(row)?);
    }
    Ok(found)
}

/// Finds one pipeline.
///
/// # Errors
/// [`Error`] of the store.
pub fn find(connection: &Connection, id: &PipelineId) -> Result<Option<Listed>, Error> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
    let mut rows = statement.query([id.as_str()])?;
    rows.next()?.map(read_row).transpose()
}

/// Remembers the answer to a command under its caller's key, or returns the one that was given before.
///
/// # Errors
/// [`Error`] of the store.
pub fn remember(connection: &Connection, key: &str, seq: u64, now: Timestamp) -> Result<(), Error> {
    connection.execute(
        "INSERT INTO idempotency(key, at, seq) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        params![key, micros(now), signed(seq)?],
    )?;
    Ok(())
}

/// Returns the answer that was given under this key, if there was one.
///
/// # Errors
/// [`Error`] of the store.
pub fn remembered(connection: &Connection, key: &str) -> Result<Option<u64>, Error> {
    let mut statement = connection.prepare_cached("SELECT seq FROM idempotency WHERE key = ?1")?;
    let seq: Option<i64> = statement.query_row([key], |row| row.get(0)).optional()?;
    seq.map(unsigned).transpose()
}

const SELECT: &str = "SELECT id, title, section, repository, described, sha, sender, trust, created_at,
    state, ending, cause, counts, finished_at, hold, asleep FROM pipeline";

fn read_row(row: &Row<'_>) -> Result<Listed, Error> {
    let id: String = row.get(0)?;
    Ok(Listed {
        id: PipelineId::parse(&id).map_err(|error| Error::Unreadable(error.to_string()))?,
        title: row.get(1)?,
        section: row.get(2)?,
        repository: row.get(3)?,
        described: row.get(4)?,
        sha: row.get(5)?,
        sender: row.get(6)?,
        trust: from_word(row.get(7)?)?,
        created_at: timestamp(row.get(8)?)?,
        projection: Projection {
            state: from_word(row.get(9)?)?,
            ending: row.get::<_, Option<String>>(10)?.map(from_word).transpose()?,
            cause: row.get(11)?,
            counts: serde_json::from_str(&row.get::<_, String>(12)?)?,
            finished_at: row.get::<_, Option<i64>>(13)?.map(timestamp).transpose()?,
            hold: row.get::<_, Option<String>>(14)?.map(from_word).transpose()?,
            is_asleep: row.get(15)?,
        },
    })
}

fn key(connection: &Connection, id: &PipelineId) -> Result<Option<i64>, Error> {
    let mut statement = connection.prepare_cached("SELECT key FROM pipeline WHERE id = ?1")?;
    Ok(statement.query_row([id.as_str()], |row| row.get(0)).optional()?)
}
