//! Who this server is, and which start of it this is.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::{
    error::Error,
    row::{micros, unsigned},
};

/// The server's identity in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Names this server in container labels; made once.
    pub uuid: Uuid,
    /// Grows by one at every start.
    pub epoch: u64,
    /// The next free fence.
    pub next_fence: u64,
}

/// Notes a start. The first one keeps `fresh` as the server's name.
///
/// # Errors
/// [`Error`] of the store.
pub fn begin(connection: &Connection, now: Timestamp, fresh: Uuid) -> Result<Identity, Error> {
    connection.execute(
        "INSERT INTO server(id, uuid, epoch, started_at) VALUES (1, ?1, 1, ?2)
         ON CONFLICT(id) DO UPDATE SET epoch = epoch + 1, started_at = ?2",
        rusqlite::params![fresh.as_bytes(), micros(now)],
    )?;
    let (bytes, epoch): (Vec<u8>, i64) =
        connection.query_row("SELECT uuid, epoch FROM server", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let last: Option<i64> =
        connection.query_row("SELECT max(fence) FROM attempt", [], |row| row.get(0)).optional()?.flatten();
    Ok(Identity {
        uuid: Uuid::from_slice(&bytes).map_err(|error| Error::Unreadable(error.to_string()))?,
        epoch: unsigned(epoch)?,
        next_fence: unsigned(last.unwrap_or(0))? + 1,
    })
}
