//! Brings the schema forward, one SQL file after another, counted by `user_version`. Never backward.

use rusqlite::Connection;

use super::error::Error;

/// The files in `migrations/`, in order. Append only.
const MIGRATIONS: [&str; 6] = [
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_keeping.sql"),
    include_str!("migrations/0003_one_index.sql"),
    include_str!("migrations/0004_schedules.sql"),
    include_str!("migrations/0005_turns.sql"),
    include_str!("migrations/0007_secrets.sql"),
];

/// Schema of a database that this release has opened.
#[expect(clippy::cast_possible_wrap, reason = "there are few migrations")]
pub const SCHEMA: i64 = MIGRATIONS.len() as i64;

/// Returns the schema of a database.
pub(super) fn schema(connection: &Connection) -> Result<i64, Error> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

pub(super) fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let found = schema(connection)?;
    if found > SCHEMA {
        return Err(Error::Newer { found, known: SCHEMA });
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

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// A change here means that databases in the field differ from new ones: write another migration instead.
    #[test]
    fn released_migrations_never_change() {
        let hashes = MIGRATIONS.map(|sql| hex::encode(Sha256::digest(sql)));
        let released = [
            "f884c8292c97097492c06d8b1c122843f7b2688a3b7a1f3646cf92317c3640f4",
            "c100adb0ac31e5222d6726f846fba788fcce7f2b0a43aed026d3362741932ca6",
            "202b7b2e4f22ce33c165f7b031d9cbfbffc640c649904352366d0fc118ca2b4a",
            "70bbc023f7bccfb3fe80a48192c7323cc538f4bcc4924a76e67ea2d7ace3482e",
            "178a96c7a7eab540130d623303df986a9805926c9ef6fc029c3ec7f13a299a17",
            "2cf8bd6c7b3f39e6486d5d31f02fb4a8ba3acd5608c76a58ea31c1431b2a35c0",
        ];
        assert_eq!(hashes, released);
    }
}
