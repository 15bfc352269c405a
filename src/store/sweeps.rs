//! When the forge's own list of deliveries was last gone through. Knows no delivery.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    error::Error,
    row::{micros, timestamp},
};

/// Returns when the last sweep began that came to its end; nothing when none did.
///
/// # Errors
/// [`Error`] of the store.
pub fn last(connection: &Connection, host: &str) -> Result<Option<Timestamp>, Error> {
    let mut statement = connection.prepare_cached("SELECT begun_at FROM sweep WHERE host = ?1")?;
    let found: Option<i64> = statement.query_row([host], |row| row.get(0)).optional()?;
    found.map(timestamp).transpose()
}

/// Notes a sweep that came to its end.
///
/// # Errors
/// [`Error`] of the store.
pub fn note(connection: &Connection, host: &str, begun: Timestamp) -> Result<(), Error> {
    let sql = "INSERT INTO sweep(host, begun_at) VALUES (?1, ?2) ON CONFLICT (host) DO UPDATE SET begun_at = ?2";
    connection.execute(sql, params![host, micros(begun)])?;
    Ok(())
}
