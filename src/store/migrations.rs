//! Brings the schema forward, one SQL file after another, counted by `user_version`. Never backward.

use rusqlite::Connection;

use super::error::Error;

/// The files in `migrations/`, in order. Append only.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001_first.sql")];

pub(super) fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Err(Error::Newer { found, known });
    }
    let done = usize::try_from(found).unwrap_or(0);
    for (position, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", i64::try_from(position + 1).unwrap_or(i64::MAX))?;
        transaction.commit()?;
    }
    Ok(())
}
