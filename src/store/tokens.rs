//! API tokens, as hashes.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{error::Error, row::micros};

/// A token as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Name for people and for the event log.
    pub name: String,
    /// Scopes, separated by blanks.
    pub scopes: String,
}

/// Keeps a token, replacing one of the same name.
///
/// # Errors
/// [`Error`] of the store.
pub fn put(connection: &Connection, token: &Token, hash: &[u8], now: Timestamp) -> Result<(), Error> {
    connection.execute(
        "INSERT INTO token(name, hash, scopes, created_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT(name) DO UPDATE SET hash = ?2, scopes = ?3, created_at = ?4",
        params![token.name, hash, token.scopes, micros(now)],
    )?;
    Ok(())
}

/// Finds the token with this hash.
///
/// # Errors
/// [`Error`] of the store.
pub fn find(connection: &Connection, hash: &[u8]) -> Result<Option<Token>, Error> {
    let mut statement = connection.prepare_cached("SELECT name, scopes FROM token WHERE hash = ?1")?;
    let found = statement.query_row([hash], |row| Ok(Token { name: row.get(0)?, scopes: row.get(1)? })).optional()?;
    Ok(found)
}

/// Says whether any token exists.
///
/// # Errors
/// [`Error`] of the store.
pub fn any(connection: &Connection) -> Result<bool, Error> {
    Ok(connection.query_row("SELECT EXISTS (SELECT 1 FROM token)", [], |row| row.get(0))?)
}
