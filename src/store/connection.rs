//! The writer thread with group commit, and the readers. Knows no tables.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

pub use rusqlite::Connection;
use rusqlite::{OpenFlags, TransactionBehavior};
use tokio::sync::oneshot;

use super::{error::Error, migrations};

/// How many writes at most share one commit.
const BATCH: usize = 256;

/// From so many writes in one commit on, the next waits for company as long as some comes in every moment, and for so many
/// moments at most: a commit costs more than all that is in it. PostgreSQL knows the like as `commit_siblings` and
/// `commit_delay`.
const COMPANY: usize = 4;
const MOMENT: Duration = Duration::from_micros(200);
const MOMENTS: u32 = 5;

/// After how many pages (of 4 KB) the write-ahead log is brought into the file. SQLite's own 1,000 make a storm of deliveries
/// wait for the disk a dozen times.
const CHECKPOINT_PAGES: u32 = 8_000;

/// What the writer keeps of the file in memory at most. Ids of deliveries come in no order: each touches another page of their
/// index, and with SQLite's own 2 MB a storm waits for pages that were written a moment ago.
const CACHE_KILOBYTES: i64 = 16 * 1024;

/// How many idle reading connections are kept.
const READERS: usize = 4;

type Completion = Box<dyn FnOnce(Result<(), Error>) + Send>;
/// Gets the open transaction, or why there is none.
type Job = Box<dyn FnOnce(Result<&Connection, Error>) -> Completion + Send>;

/// Opens a database that is nowhere but in memory, for tests that need no file and no threads.
///
/// # Errors
/// [`Error::Failed`] when SQLite refuses.
#[cfg(test)]
pub(crate) fn in_memory() -> Result<Connection, Error> {
    let mut connection = Connection::open_in_memory()?;
    connection.pragma_update(None, "foreign_keys", true)?;
    migrations::migrate(&mut connection)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

/// A handle to the store; cheap to clone. The writer ends when the last handle is gone and all that waits is committed.
#[derive(Clone)]
pub struct Store {
    writer: mpsc::Sender<Job>,
    readers: Arc<Readers>,
}

struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Store {
    /// Opens the file, makes it when it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// [`Error::Newer`] for a file of a later release, [`Error::Failed`] when it cannot be opened or written.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A 202 to the forge is a promise: it must outlive a power cut.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        // The same pages are written again and again: the longer the log, the more of that is saved.
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "cache_size", -CACHE_KILOBYTES)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        migrations::migrate(&mut connection)?;
        connection.set_prepared_statement_cache_capacity(128);

        let (writer, jobs) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || write_loop(&mut connection, &jobs))
            .map_err(|error| Error::Failed(error.to_string()))?;
        let readers = Readers { path: path.to_owned(), idle: Mutex::new(Vec::new()) };
        Ok(Self { writer, readers: Arc::new(readers) })
    }

    /// Runs a closure in a transaction and returns when that is committed. A closure that fails changes nothing.
    ///
    /// # Errors
    /// The closure's error, or [`Error::Failed`] when the commit fails.
    pub async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        self.send(move |connection| in_savepoint(connection, work)).await
    }

    /// As [`Self::write`], for a closure of one statement: what of that was done SQLite itself undoes when it fails.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_at_once<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        self.send(work).await
    }

    async fn send<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = connection.and_then(work);
            Box::new(move |committed| {
                // A caller that has gone away is no reason to fail the batch.
                drop(answer.send(result.and_then(|value| committed.map(|()| value))));
            })
        });
        self.writer.send(job).map_err(|_| Error::Closed)?;
        answered.await.map_err(|_| Error::Closed)?
    }

    /// Runs a closure on a reading connection, off the async threads.
    ///
    /// # Errors
    /// The closure's error, or [`Error::Failed`] when no connection can be had.
    pub async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        tokio::task::spawn_blocking(move || {
            let connection = readers.take()?;
            let result = work(&connection);
            readers.give_back(connection);
            result
        })
        .await
        .map_err(|_| Error::Closed)?
    }
}

impl Readers {
    fn take(&self) -> Result<Connection, Error> {
        if let Some(connection) = self.idle.lock().ok().and_then(|mut idle| idle.pop()) {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        Ok(connection)
    }

    fn give_back(&self, connection: Connection) {
        if let Ok(mut idle) = self.idle.lock()
            && idle.len() < READERS
        {
            idle.push(connection);
        }
    }
}

fn write_loop(connection: &mut Connection, jobs: &mpsc::Receiver<Job>) {
    let mut company = 0;
    while let Ok(first) = jobs.recv() {
        let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(transaction) => transaction,
            Err(error) => {
                tracing::error!(error = %error, "cannot begin a transaction");
                let error = Error::from(error);
                first(Err(error.clone()))(Err(error));
                continue;
            }
        };
        let mut completions = vec![first(Ok(&transaction))];
        for moment in 0..=MOMENTS {
            let known = completions.len();
            while completions.len() < BATCH
                && !is_rolled_back(&transaction)
                && let Ok(job) = jobs.try_recv()
            {
                completions.push(job(Ok(&transaction)));
            }
            let comes_company = moment == 0 && company >= COMPANY || completions.len() > known;
            if moment == MOMENTS || company < COMPANY || !comes_company {
                break;
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "this thread does nothing else; to wake for each write would cost more"
            )]
            std::thread::sleep(MOMENT);
        }
        company = completions.len();
        let committed = if is_rolled_back(&transaction) {
            Err(Error::Failed("the disk is full or failed, and the transaction was rolled back".into()))
        } else {
            transaction.commit().map_err(Error::from)
        };
        if let Err(error) = &committed {
            tracing::error!(error = %error, "commit failed; nothing of the batch is kept");
        }
        for complete in completions {
            complete(committed.clone());
        }
    }
}

/// Keeps one failing piece of work from spoiling the others that share its commit.
fn in_savepoint<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
    connection.prepare_cached("SAVEPOINT work")?.execute([])?;
    match work(connection) {
        Ok(value) => {
            connection.prepare_cached("RELEASE work")?.execute([])?;
            Ok(value)
        }
        Err(error) => {
            if !is_rolled_back(connection) {
                connection.execute_batch("ROLLBACK TO work; RELEASE work")?;
            }
            Err(error)
        }
    }
}

/// Says whether SQLite has given up a transaction that was open, all of it: it may when the disk is full or fails.
fn is_rolled_back(connection: &Connection) -> bool {
    connection.is_autocommit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("conducto.db")).unwrap();
        (directory, store)
    }

    fn count(connection: &Connection) -> Result<i64, Error> {
        Ok(connection.query_row("SELECT count(*) FROM token", [], |row| row.get(0))?)
    }

    fn add(connection: &Connection, name: &str) -> Result<(), Error> {
        let sql = "INSERT INTO token(name, hash, scopes, created_at) VALUES (?1, ?2, '', 0)";
        connection.execute(sql, rusqlite::params![name, name.as_bytes()])?;
        Ok(())
    }

    #[tokio::test]
    async fn what_was_answered_can_be_read() {
        let (_directory, store) = open();
        store.write(|connection| add(connection, "a")).await.unwrap();
        assert!(matches!(store.write(|connection| add(connection, "a")).await, Err(Error::Conflict(_))));
        assert_eq!(store.read(count).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_failing_write_leaves_nothing_and_spoils_no_other() {
        let (_directory, store) = open();
        let write = |name: &'static str, fails: bool| {
            store.write(move |connection| {
                add(connection, name)?;
                if fails { Err(Error::Conflict("on purpose".into())) } else { Ok(()) }
            })
        };
        let (first, second, third) = tokio::join!(write("a", false), write("b", true), write("c", false));
        assert!(first.is_ok() && second.is_err() && third.is_ok());
        assert_eq!(store.read(count).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn on_a_full_disk_what_was_answered_is_kept_and_there_is_a_way_back() {
        let (_directory, store) = open();
        let limit = |pages: u32| {
            store.write(move |connection| {
                let of_file: u32 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
                Ok(connection.query_row(&format!("PRAGMA max_page_count = {}", of_file + pages), [], |_| Ok(()))?)
            })
        };
        let name = |number: usize| format!("{number} {}", "x".repeat(1_000));
        limit(3).await.unwrap();
        let writes = (0..64).map(|number| store.write(move |connection| add(connection, &name(number))));
        let answers = futures_util::future::join_all(writes).await;
        let kept = answers.iter().filter(|answer| answer.is_ok()).count();
        assert!(answers.iter().any(|answer| matches!(answer, Err(Error::Failed(_)))), "{answers:?}");
        assert_eq!(store.read(count).await.unwrap(), i64::try_from(kept).unwrap());
        limit(1_000).await.unwrap();
        store.write(move |connection| add(connection, &name(100))).await.unwrap();
        assert_eq!(store.read(count).await.unwrap(), i64::try_from(kept + 1).unwrap());
    }

    #[tokio::test]
    async fn while_another_process_holds_the_file_writes_fail_and_the_writer_lives_on() {
        let (directory, store) = open();
        let other = Connection::open(directory.path().join("conducto.db")).unwrap();
        store.write(|connection| Ok(connection.busy_timeout(Duration::ZERO)?)).await.unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let refused = store.write(|connection| add(connection, "a")).await;
        assert!(matches!(refused, Err(Error::Failed(_))), "{refused:?}");
        other.execute_batch("ROLLBACK").unwrap();
        store.write(|connection| add(connection, "a")).await.unwrap();
    }

    #[tokio::test]
    async fn a_file_of_a_later_release_is_refused() {
        let (directory, store) = open();
        drop(store);
        let path = directory.path().join("conducto.db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", 999).unwrap();
        drop(connection);
        assert!(matches!(Store::open(&path), Err(Error::Newer { found: 999, .. })));
    }
}
