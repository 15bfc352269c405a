//! Schedules of repositories: when something is due next. Knows neither what an expression means nor what comes of it.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    error::Error,
    repositories::{self, Seen},
    row::{micros, signed, timestamp},
};

/// A schedule as a section of conducto.cfg has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSchedule {
    /// Name of the section.
    pub section: String,
    /// When, in the words of the section.
    pub expression: String,
    /// Whose clock.
    pub timezone: String,
    /// The first time from now on; nothing when there is none.
    pub next_at: Option<Timestamp>,
}

/// A schedule that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whose it is.
    pub seen: Seen,
    /// Name of the section.
    pub section: String,
    /// When, in the words of the section.
    pub expression: String,
    /// Whose clock.
    pub timezone: String,
    /// When it is due next; nothing when never again.
    pub next_at: Option<Timestamp>,
}

/// Puts the schedules of a repository in the place of those it had. One that has not changed keeps its next time: what is due
/// already is not forgotten. Nothing happens when a later delivery (`seq`) has been here before.
///
/// # Errors
/// [`Error`] of the store.
pub fn replace(
    connection: &Connection,
    host: &str,
    repository: u64,
    seq: i64,
    schedules: &[NewSchedule],
) -> Result<(), Error> {
    let id = signed(repository)?;
    let sql = "UPDATE repository SET read_by = ?3 WHERE host = ?1 AND id = ?2 AND coalesce(read_by, 0) <= ?3";
    if connection.execute(sql, params![host, id, seq])? == 0 {
        return Ok(());
    }
    let sections: Vec<&str> = schedules.iter().map(|schedule| schedule.section.as_str()).collect();
    let sections = serde_json::to_string(&sections)?;
    let sql = "DELETE FROM schedule WHERE host = ?1 AND repository_id = ?2 AND section NOT IN (SELECT value FROM json_each(?3))";
    connection.execute(sql, params![host, id, sections])?;
    for NewSchedule { section, expression, timezone, next_at } in schedules {
        connection.execute(
            "INSERT INTO schedule(host, repository_id, section, expression, timezone, next_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (host, repository_id, section) DO UPDATE SET
                 expression = ?4, timezone = ?5, next_at = ?6 WHERE expression != ?4 OR timezone != ?5",
            params![host, id, section, expression, timezone, next_at.map(micros)],
        )?;
    }
    Ok(())
}

/// Lists the schedules that are due, the longest due first.
///
/// # Errors
/// [`Error`] of the store.
pub fn due(connection: &Connection, now: Timestamp, limit: u32) -> Result<Vec<Kept>, Error> {
    select(connection, "WHERE next_at <= ?1 ORDER BY next_at LIMIT ?2", params![micros(now), limit])
}

/// Lists all schedules.
///
/// # Errors
/// [`Error`] of the store.
pub fn all(connection: &Connection) -> Result<Vec<Kept>, Error> {
    select(connection, "", [])
}

/// Returns when the next schedule is due.
///
/// # Errors
/// [`Error`] of the store.
pub fn next_due_at(connection: &Connection) -> Result<Option<Timestamp>, Error> {
    let sql = "SELECT min(next_at) FROM schedule WHERE next_at IS NOT NULL";
    let next: Option<i64> = connection.query_row(sql, [], |row| row.get(0))?;
    next.map(timestamp).transpose()
}

/// Notes that a schedule has come to a time (`last`) and when the next one is. Returns whether it still stood as it was seen: if
/// not, somebody else was faster, and nothing is changed.
///
/// # Errors
/// [`Error`] of the store.
pub fn advance(
    connection: &Connection,
    kept: &Kept,
    next: Option<Timestamp>,
    last: Option<Timestamp>,
) -> Result<bool, Error> {
    let changed = connection.execute(
        "UPDATE schedule SET next_at = ?5, last_at = coalesce(?6, last_at)
         WHERE host = ?1 AND repository_id = ?2 AND section = ?3 AND next_at IS ?4 AND expression = ?7 AND timezone = ?8",
        params![
            kept.seen.host,
            signed(kept.seen.repository.id)?,
            kept.section,
            kept.next_at.map(micros),
            next.map(micros),
            last.map(micros),
            kept.expression,
            kept.timezone,
        ],
    )?;
    Ok(changed > 0)
}

fn select(connection: &Connection, condition: &str, parameters: impl rusqlite::Params) -> Result<Vec<Kept>, Error> {
    let sql = format!(
        "SELECT repository.host, repository.id, full_name, default_branch, section, expression, timezone, next_at
         FROM schedule JOIN repository ON repository.host = schedule.host AND repository.id = repository_id {condition}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(parameters, |row| {
        Ok((repositories::read(row)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get::<_, Option<i64>>(7)?))
    })?;
    rows.map(|row| {
        let (seen, section, expression, timezone, next_at) = row?;
        let (seen, next_at) = (repositories::seen(seen)?, next_at.map(timestamp).transpose()?);
        Ok(Kept { seen, section, expression, timezone, next_at })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Repository, store::in_memory};

    const HOST: &str = "github.com";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn new(section: &str, expression: &str, next: i64) -> NewSchedule {
        let (section, expression) = (section.to_owned(), expression.to_owned());
        NewSchedule { section, expression, timezone: "UTC".into(), next_at: Some(at(next)) }
    }

    fn repository(name: &str) -> Repository {
        Repository { id: 7, full_name: name.into(), default_branch: Some("main".into()) }
    }

    fn next(connection: &Connection) -> Vec<(String, i64)> {
        let all = all(connection).unwrap();
        all.into_iter().map(|kept| (kept.section, kept.next_at.unwrap().as_second())).collect()
    }

    #[test]
    fn a_schedule_keeps_its_next_time_until_it_is_another() {
        let connection = in_memory().unwrap();
        repositories::note(&connection, HOST, &repository("acme/api")).unwrap();
        replace(&connection, HOST, 7, 5, &[new("cron.a", "0 0 * * *", 100), new("cron.b", "0 1 * * *", 200)]).unwrap();
        assert!(repositories::has_been_read(&connection, HOST, 7).unwrap());
        replace(&connection, HOST, 7, 6, &[new("cron.a", "0 0 * * *", 999), new("cron.b", "0 2 * * *", 300)]).unwrap();
        assert_eq!(next(&connection), [("cron.a".to_owned(), 100), ("cron.b".to_owned(), 300)]);
        replace(&connection, HOST, 7, 4, &[]).unwrap();
        assert_eq!(next(&connection).len(), 2, "an older delivery that comes late changes nothing");
        replace(&connection, HOST, 7, 6, &[new("cron.b", "0 2 * * *", 300)]).unwrap();
        assert_eq!(next(&connection), [("cron.b".to_owned(), 300)]);
    }

    #[test]
    fn a_time_is_taken_once() {
        let connection = in_memory().unwrap();
        repositories::note(&connection, HOST, &repository("acme/api")).unwrap();
        replace(&connection, HOST, 7, 1, &[new("cron.a", "0 0 * * *", 100)]).unwrap();
        assert_eq!((due(&connection, at(99), 9).unwrap().len(), next_due_at(&connection).unwrap()), (0, Some(at(100))));
        let found = due(&connection, at(100), 9).unwrap().remove(0);
        assert_eq!(found.seen.repository, repository("acme/api"));
        assert!(advance(&connection, &found, Some(at(200)), Some(at(100))).unwrap());
        assert!(!advance(&connection, &found, Some(at(200)), Some(at(100))).unwrap(), "somebody was faster");
        assert_eq!(next(&connection), [("cron.a".to_owned(), 200)]);
    }

    #[test]
    fn a_renamed_repository_is_found_by_its_new_name_with_its_schedules() {
        let connection = in_memory().unwrap();
        repositories::note(&connection, HOST, &repository("acme/api")).unwrap();
        replace(&connection, HOST, 7, 1, &[new("cron.a", "0 0 * * *", 100)]).unwrap();
        let unnamed = Repository { default_branch: None, ..repository("acme/gate") };
        repositories::note(&connection, HOST, &unnamed).unwrap();
        assert_eq!(repositories::find(&connection, "acme/api").unwrap(), None);
        let found = repositories::find(&connection, "Acme/Gate").unwrap().unwrap();
        assert_eq!(found.repository, repository("acme/gate"));
        assert_eq!(all(&connection).unwrap()[0].seen, found);
        assert_eq!(repositories::names(&connection, 9).unwrap(), ["acme/gate"]);
    }
}
