//! Secrets as sealed values, and what was done about them. Knows no key: nothing here can be read without one.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    error::Error,
    row::{micros, signed, timestamp, unsigned},
};
use crate::model::SecretScope;

/// What tells one secret from all others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretKey {
    /// Whose it is.
    pub scope: SecretScope,
    /// Its name.
    pub name: String,
}

/// A secret without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub key: SecretKey,
    /// Whether its value is masked in logs.
    pub is_masked: bool,
    /// Version of the key that it is sealed with.
    pub key_version: u32,
    /// Who set it last.
    pub set_by: String,
    /// When.
    pub set_at: Timestamp,
}

/// A secret with its sealed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Which.
    pub key: SecretKey,
    /// Which of the values that it has had.
    pub version: u64,
    /// Whether the value is masked in logs.
    pub is_masked: bool,
    /// Version of the key that it is sealed with.
    pub key_version: u32,
    /// The sealed value.
    pub sealed: Vec<u8>,
}

/// What is done about secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// One got a value.
    Set,
    /// One was deleted.
    Deleted,
    /// All were sealed with another key.
    Rotated,
}

const COLUMNS: &str = "scope, subject, name, version, key_version, sealed, masked";

/// Notes what is done, and returns its number.
///
/// # Errors
/// [`Error`] of the store.
pub fn note(
    connection: &Connection,
    change: Change,
    key: Option<&SecretKey>,
    actor: &str,
    now: Timestamp,
) -> Result<u64, Error> {
    let what = match change {
        Change::Set => "set",
        Change::Deleted => "deleted",
        Change::Rotated => "rotated",
    };
    let (scope, subject, name) =
        key.map_or(("", "", ""), |key| (key.scope.word(), key.scope.subject(), key.name.as_str()));
    connection.execute(
        "INSERT INTO secret_change(at, actor, what, scope, subject, name) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![micros(now), actor, what, scope, subject, name],
    )?;
    unsigned(connection.last_insert_rowid())
}

/// Keeps a secret in the place of the one that has its name.
///
/// # Errors
/// [`Error`] of the store.
pub fn put(connection: &Connection, secret: &Stored, actor: &str, now: Timestamp) -> Result<(), Error> {
    let Stored { key, version, is_masked, key_version, sealed } = secret;
    connection.execute(
        "INSERT OR REPLACE INTO secret(scope, subject, name, version, key_version, sealed, masked, set_by, set_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            key.scope.word(),
            key.scope.subject(),
            key.name,
            signed(*version)?,
            key_version,
            sealed,
            is_masked,
            actor,
            micros(now)
        ],
    )?;
    Ok(())
}

/// Gives a secret the same value as another key has sealed it.
///
/// # Errors
/// [`Error`] of the store.
pub fn reseal(connection: &Connection, key: &SecretKey, key_version: u32, sealed: &[u8]) -> Result<(), Error> {
    connection.execute(
        "UPDATE secret SET key_version = ?4, sealed = ?5 WHERE scope = ?1 AND subject = ?2 AND name = ?3",
        params![key.scope.word(), key.scope.subject(), key.name, key_version, sealed],
    )?;
    Ok(())
}

/// Removes a secret; says whether there was one.
///
/// # Errors
/// [`Error`] of the store.
pub fn remove(connection: &Connection, key: &SecretKey) -> Result<bool, Error> {
    let removed = connection.execute(
        "DELETE FROM secret WHERE scope = ?1 AND subject = ?2 AND name = ?3",
        params![key.scope.word(), key.scope.subject(), key.name],
    )?;
    Ok(removed > 0)
}

/// Finds a secret without its value.
///
/// # Errors
/// [`Error`] of the store.
pub fn find(connection: &Connection, key: &SecretKey) -> Result<Option<Listed>, Error> {
    let sql = "SELECT scope, subject, name, masked, key_version, set_by, set_at FROM secret
               WHERE scope = ?1 AND subject = ?2 AND name = ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row(params![key.scope.word(), key.scope.subject(), key.name], |row| Ok(listed(row)));
    found.optional()?.transpose()
}

/// Lists all secrets without their values: the organisation's first, then those of repositories, then those of people.
///
/// # Errors
/// [`Error`] of the store.
pub fn list(connection: &Connection) -> Result<Vec<Listed>, Error> {
    let sql = "SELECT scope, subject, name, masked, key_version, set_by, set_at FROM secret
               ORDER BY scope, subject, name";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok(listed(row)))?;
    rows.map(|row| row?).collect()
}

/// Returns the secrets that a pipeline of this repository and this person can have; of the same name, all.
///
/// # Errors
/// [`Error`] of the store.
pub fn within_reach(connection: &Connection, scopes: &[SecretScope]) -> Result<Vec<Stored>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM secret WHERE scope = ?1 AND subject = ?2 ORDER BY name");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = Vec::new();
    for scope in scopes {
        let rows = statement.query_map([scope.word(), scope.subject()], |row| Ok(stored(row)))?;
        for row in rows {
            found.push(row??);
        }
    }
    Ok(found)
}

/// Returns all secrets that are not sealed with this version of the key.
///
/// # Errors
/// [`Error`] of the store.
pub fn not_sealed_with(connection: &Connection, key_version: u32) -> Result<Vec<Stored>, Error> {
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM secret WHERE key_version <> ?1"))?;
    let rows = statement.query_map([key_version], |row| Ok(stored(row)))?;
    rows.map(|row| row?).collect()
}

/// Returns the highest version of the key that a secret is sealed with; nothing where there is no secret.
///
/// # Errors
/// [`Error`] of the store.
pub fn newest_key(connection: &Connection) -> Result<Option<u32>, Error> {
    Ok(connection.query_row("SELECT max(key_version) FROM secret", [], |row| row.get(0))?)
}

fn listed(row: &Row<'_>) -> Result<Listed, Error> {
    Ok(Listed {
        key: key(row)?,
        is_masked: row.get("masked")?,
        key_version: row.get("key_version")?,
        set_by: row.get("set_by")?,
        set_at: timestamp(row.get("set_at")?)?,
    })
}

fn stored(row: &Row<'_>) -> Result<Stored, Error> {
    Ok(Stored {
        key: key(row)?,
        version: unsigned(row.get("version")?)?,
        is_masked: row.get("masked")?,
        key_version: row.get("key_version")?,
        sealed: row.get("sealed")?,
    })
}

fn key(row: &Row<'_>) -> Result<SecretKey, Error> {
    let (word, subject): (String, String) = (row.get("scope")?, row.get("subject")?);
    let scope = SecretScope::from_parts(&word, &subject);
    let scope = scope.ok_or_else(|| Error::Unreadable(format!("`{word}` is no scope of a secret")))?;
    Ok(SecretKey { scope, name: row.get("name")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::in_memory;

    fn secret(scope: SecretScope, version: u64) -> Stored {
        let key = SecretKey { scope, name: "TOKEN".into() };
        Stored { key, version, is_masked: true, key_version: 1, sealed: vec![1, 2, 3] }
    }

    #[test]
    fn secrets_of_one_name_live_beside_one_another_and_each_is_replaced_by_its_like() {
        let connection = in_memory().unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let scopes = [SecretScope::Organisation, SecretScope::repository("a/b"), SecretScope::user("ada")];
        assert_eq!(newest_key(&connection).unwrap(), None);
        for (scope, actor) in scopes.iter().zip(["one", "two", "three"]) {
            let key = secret(scope.clone(), 0).key;
            let version = note(&connection, Change::Set, Some(&key), actor, now).unwrap();
            put(&connection, &secret(scope.clone(), version), actor, now).unwrap();
            put(&connection, &secret(scope.clone(), version), actor, now).unwrap();
        }
        let all = list(&connection).unwrap();
        let by: Vec<_> = all.iter().map(|listed| (&listed.key.scope, listed.set_by.as_str())).collect();
        assert_eq!(by, [(&scopes[0], "one"), (&scopes[1], "two"), (&scopes[2], "three")]);
        let reach = within_reach(&connection, &scopes[..2]).unwrap();
        assert_eq!(reach.iter().map(|stored| stored.version).collect::<Vec<_>>(), [1, 2]);
        assert!(within_reach(&connection, &[SecretScope::repository("a/c")]).unwrap().is_empty());

        reseal(&connection, &reach[0].key, 2, &[9]).unwrap();
        assert_eq!(not_sealed_with(&connection, 2).unwrap().len(), 2);
        assert_eq!(newest_key(&connection).unwrap(), Some(2));
        assert!(remove(&connection, &reach[0].key).unwrap() && !remove(&connection, &reach[0].key).unwrap());
        assert_eq!(find(&connection, &reach[0].key).unwrap(), None);
        assert_eq!(find(&connection, &reach[1].key).unwrap().unwrap().set_by, "two");
        // A number is not given out again, even when nothing has it any more.
        assert_eq!(note(&connection, Change::Rotated, None, "one", now).unwrap(), 4);
    }
}
