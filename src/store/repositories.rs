//! Repositories that were seen, as they are called now. Knows no commit.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    error::Error,
    row::{signed, unsigned},
};
use crate::model::Repository;

/// A repository with its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Host name of the forge.
    pub host: String,
    /// The repository.
    pub repository: Repository,
}

/// Notes what a repository is called now. One that is known as it is costs a look and no write.
///
/// # Errors
/// [`Error`] of the store.
pub fn note(connection: &Connection, host: &str, repository: &Repository) -> Result<(), Error> {
    let Repository { id, full_name, default_branch } = repository;
    let id = signed(*id)?;
    let sql = "SELECT 1 FROM repository WHERE host = ?1 AND id = ?2 AND full_name = ?3 AND (default_branch IS ?4 OR ?4 IS NULL)";
    let mut known = connection.prepare_cached(sql)?;
    if known.exists(params![host, id, full_name, default_branch])? {
        return Ok(());
    }
    connection.execute(
        "INSERT INTO repository(host, id, full_name, default_branch) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (host, id) DO UPDATE SET full_name = ?3, default_branch = coalesce(?4, default_branch)",
        params![host, id, full_name, default_branch],
    )?;
    Ok(())
}

/// Notes where the App is installed that has a repository; nothing where it is not any more.
///
/// # Errors
/// [`Error`] of the store.
pub fn install(connection: &Connection, host: &str, id: u64, installation: Option<u64>) -> Result<(), Error> {
    let installation = installation.map(signed).transpose()?;
    let sql = "UPDATE repository SET installation = ?3 WHERE host = ?1 AND id = ?2 AND installation IS NOT ?3";
    connection.prepare_cached(sql)?.execute(params![host, signed(id)?, installation])?;
    Ok(())
}

/// Forgets an installation of the App.
///
/// # Errors
/// [`Error`] of the store.
pub fn uninstall(connection: &Connection, host: &str, installation: u64) -> Result<(), Error> {
    let sql = "UPDATE repository SET installation = NULL WHERE host = ?1 AND installation = ?2";
    connection.execute(sql, params![host, signed(installation)?])?;
    Ok(())
}

/// Returns the repositories whose installation is known, with it.
///
/// # Errors
/// [`Error`] of the store.
pub fn installations(connection: &Connection, host: &str) -> Result<Vec<(u64, u64)>, Error> {
    let sql = "SELECT id, installation FROM repository WHERE host = ?1 AND installation IS NOT NULL";
    let mut found = connection.prepare_cached(sql)?;
    let rows = found.query_map([host], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    rows.map(|row| row.map_err(Error::from).and_then(|(id, at)| Ok((unsigned(id)?, unsigned(at)?)))).collect()
}

/// Finds a repository by its name, in capitals or not. Of several that were called so, the one that was made last.
///
/// # Errors
/// [`Error`] of the store.
pub fn find(connection: &Connection, full_name: &str) -> Result<Option<Seen>, Error> {
    let sql = "SELECT host, id, full_name, default_branch FROM repository WHERE full_name = ?1 COLLATE NOCASE ORDER BY id DESC LIMIT 1";
    let row = connection.prepare_cached(sql)?.query_row([full_name], read).optional()?;
    row.map(seen).transpose()
}

/// Returns the owner of a repository; nothing for the user whose profile the server uses.
///
/// # Errors
/// [`Error`] of the store.
pub fn owner(connection: &Connection, host: &str, id: u64) -> Result<Option<String>, Error> {
    let mut owner = connection.prepare_cached("SELECT owner FROM repository WHERE host = ?1 AND id = ?2")?;
    let found = owner.query_row(params![host, signed(id)?], |row| row.get::<_, Option<String>>(0)).optional()?;
    Ok(found.flatten())
}

/// Notes the owner of a repository: pipelines launched from now on have their user data.
///
/// # Errors
/// [`Error`] of the store.
pub fn set_owner(connection: &Connection, host: &str, id: u64, owner: Option<&str>) -> Result<(), Error> {
    let id = signed(id)?;
    connection.execute("UPDATE repository SET owner = ?3 WHERE host = ?1 AND id = ?2", params![host, id, owner])?;
    Ok(())
}

/// Returns the names of repositories, in the order of the alphabet.
///
/// # Errors
/// [`Error`] of the store.
pub fn names(connection: &Connection, limit: u32) -> Result<Vec<String>, Error> {
    let mut names = connection
        .prepare_cached("SELECT DISTINCT full_name FROM repository ORDER BY full_name COLLATE NOCASE LIMIT ?1")?;
    let rows = names.query_map([limit], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns what all repositories are called, by number.
///
/// # Errors
/// [`Error`] of the store.
pub fn all_names(connection: &Connection) -> Result<HashMap<u64, String>, Error> {
    let mut names = connection.prepare_cached("SELECT id, full_name FROM repository")?;
    let rows = names.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
    rows.map(|row| row.map_err(Error::from).and_then(|(id, name)| Ok((unsigned(id)?, name)))).collect()
}

/// Says whether the schedules of a repository were ever read.
///
/// # Errors
/// [`Error`] of the store.
pub fn has_been_read(connection: &Connection, host: &str, id: u64) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM repository WHERE host = ?1 AND id = ?2 AND read_by IS NOT NULL";
    Ok(connection.prepare_cached(sql)?.exists(params![host, signed(id)?])?)
}

type Row = (String, i64, String, Option<String>);

pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

pub(super) fn seen((host, id, full_name, default_branch): Row) -> Result<Seen, Error> {
    Ok(Seen { host, repository: Repository { id: unsigned(id)?, full_name, default_branch } })
}
