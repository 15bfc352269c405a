//! Who this server is, and which start of it this is.

use jiff::Timestamp;
use rusqlite::Connection;
use uuid::Uuid;

use super::{
    error::Error,
    row::{micros, signed, unsigned},
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
    /// Live attempts below this fence lost their workers when the database was restored; 0 when it never was.
    pub first_fence: u64,
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
    identity(connection)
}

/// Returns who this server is.
///
/// # Errors
/// [`Error`] of the store, also when no server has ever used it.
pub fn identity(connection: &Connection) -> Result<Identity, Error> {
    let sql = "SELECT uuid, epoch, first_fence, coalesce((SELECT max(fence) FROM attempt), 0) FROM server";
    let (bytes, epoch, first_fence, last): (Vec<u8>, i64, i64, i64) =
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    Ok(Identity {
        uuid: Uuid::from_slice(&bytes).map_err(|error| Error::Unreadable(error.to_string()))?,
        epoch: unsigned(epoch)?,
        next_fence: unsigned((last + 1).max(first_fence))?,
        first_fence: unsigned(first_fence)?,
    })
}

/// Notes that the database was restored from a back-up. Fences go on from the number of microseconds since 1970, which no
/// server reaches by counting: what was leased after the back-up was made, or after an earlier restore of the same one,
/// keeps its numbers to itself. With `fresh`, the server is another one from now on.
///
/// # Errors
/// [`Error`] of the store.
pub fn begin_anew(connection: &Connection, now: Timestamp, fresh: Option<Uuid>) -> Result<Identity, Error> {
    let next = signed(identity(connection)?.next_fence)?;
    connection.execute(
        "UPDATE server SET first_fence = ?1, uuid = coalesce(?2, uuid)",
        rusqlite::params![micros(now).max(next), fresh.map(Uuid::into_bytes)],
    )?;
    identity(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn fences_of_a_restored_database_lie_above_all_that_may_have_been_drawn_meanwhile() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("conducto.db")).unwrap();
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        store
            .write(move |connection| {
                let first = begin(connection, at(0), Uuid::from_u128(1))?;
                assert_eq!((first.next_fence, first.first_fence, first.uuid), (1, 0, Uuid::from_u128(1)));
                let restored = begin_anew(connection, at(1_000), None)?;
                assert_eq!((restored.next_fence, restored.first_fence), (1_000_000_000, 1_000_000_000));
                assert_eq!(begin(connection, at(1_001), Uuid::from_u128(2))?.next_fence, 1_000_000_000);
                // A clock that was set back does not lead back.
                let again = begin_anew(connection, at(5), Some(Uuid::from_u128(3)))?;
                assert_eq!((again.next_fence, again.uuid), (1_000_000_000, Uuid::from_u128(3)));
                Ok(())
            })
            .await
            .unwrap();
    }
}
