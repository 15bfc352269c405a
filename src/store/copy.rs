//! A copy of the database for a back-up, and what a copy must be told before a server may use it. Knows no archive.

use std::{collections::BTreeSet, path::Path};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::{
    error::Error,
    migrations,
    row::unsigned,
    server::{self, Identity},
};
use crate::model::{Fence, PipelineId};

/// What a copy holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Its schema.
    pub schema: i64,
    /// The server it belongs to.
    pub server: Uuid,
    /// Every attempt, each of which may have a log.
    pub attempts: BTreeSet<(PipelineId, Fence)>,
    /// Every pipeline.
    pub pipelines: Vec<PipelineId>,
}

/// A copy that a server may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// Who that server is.
    pub identity: Identity,
    /// How many attempts were live when the copy was taken.
    pub live: u64,
}

/// Writes a consistent copy of a database into a new file. A server may go on writing meanwhile.
///
/// # Errors
/// [`Error`]; a file that was begun is left to the caller to remove.
pub fn write(database: &Path, to: &Path) -> Result<(), Error> {
    let to = to.to_str().ok_or_else(|| Error::Failed(format!("`{}` is not a name for SQLite", to.display())))?;
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(std::time::Duration::from_secs(30))?;
    connection.execute("VACUUM INTO ?1", [to])?;
    Ok(())
}

/// Returns what a copy of the present schema holds.
///
/// # Errors
/// [`Error::Newer`] and [`Error::Unreadable`] when this release cannot tell.
pub fn contents(copy: &Path) -> Result<Contents, Error> {
    let connection = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let schema = migrations::schema(&connection)?;
    if schema > migrations::SCHEMA {
        return Err(Error::Newer { found: schema, known: migrations::SCHEMA });
    }
    let bytes: Vec<u8> = connection.query_row("SELECT uuid FROM server", [], |row| row.get(0))?;
    let id = |text: String| PipelineId::parse(&text).map_err(|error| Error::Unreadable(error.to_string()));
    let mut statement =
        connection.prepare("SELECT id, fence FROM attempt JOIN pipeline ON attempt.pipeline = pipeline.key")?;
    let mut rows = statement.query([])?;
    let mut attempts = BTreeSet::new();
    while let Some(row) = rows.next()? {
        attempts.insert((id(row.get(0)?)?, Fence(unsigned(row.get(1)?)?)));
    }
    let mut statement = connection.prepare("SELECT id FROM pipeline ORDER BY key")?;
    let mut rows = statement.query([])?;
    let mut pipelines = Vec::new();
    while let Some(row) = rows.next()? {
        pipelines.push(id(row.get(0)?)?);
    }
    let server = Uuid::from_slice(&bytes).map_err(|error| Error::Unreadable(error.to_string()))?;
    Ok(Contents { schema, server, attempts, pipelines })
}

/// Makes a copy fit to be used by a server: checks it, brings its schema forward, and lets fences begin anew. With `fresh`,
/// the server is another one than that from which the copy was taken.
///
/// # Errors
/// [`Error::Newer`], [`Error::Unreadable`] when it is damaged.
pub fn adopt(copy: &Path, now: Timestamp, fresh: Option<Uuid>) -> Result<Adopted, Error> {
    let mut connection = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Error::Unreadable(format!("the database in the back-up is damaged: {verdict}")));
    }
    migrations::migrate(&mut connection)?;
    let transaction = connection.transaction()?;
    let identity = server::begin_anew(&transaction, now, fresh)?;
    let live: i64 = transaction.query_row("SELECT count(*) FROM attempt WHERE live = 1", [], |row| row.get(0))?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(Adopted { identity, live: unsigned(live)? })
}
