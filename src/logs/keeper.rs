//! The thread that owns all growing logs, and the signal that wakes those who follow one.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
};

use jiff::Timestamp;
use tokio::sync::{oneshot, watch};

use super::{
    file::{Appender, Stream},
    lines::{Indexes, Page},
    reader::Reader,
    search::{self, Found, Wanted},
};

/// Why a piece of log could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused: disk full, permission denied. The sender keeps the piece and tries again.
    #[error("the log cannot be written: {0}")]
    Failed(#[from] io::Error),
    /// The keeper has ended: the server is stopping.
    #[error("the log keeper is closed")]
    Closed,
}

type Answer<T> = oneshot::Sender<io::Result<T>>;

enum Job {
    Output { path: PathBuf, stream: Stream, offset: u64, at: Timestamp, data: Vec<u8>, answer: Answer<()> },
    Notice { path: PathBuf, at: Timestamp, text: String, answer: Answer<()> },
    Finish { path: PathBuf, answer: Answer<u64> },
}

/// How far a log has grown, for those who follow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Growth {
    pub(super) length: u64,
    pub(super) is_finished: bool,
}

type Followers = Arc<Mutex<HashMap<PathBuf, watch::Sender<Growth>>>>;

/// A handle to the keeper; cheap to clone.
#[derive(Clone)]
pub struct Logs {
    jobs: mpsc::Sender<Job>,
    followers: Followers,
    indexes: Arc<Indexes>,
}

impl Logs {
    /// Starts the keeper's thread; it ends with the last handle.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn start() -> io::Result<Self> {
        let (jobs, inbox) = mpsc::channel();
        let followers = Followers::default();
        let keeper = Keeper { open: HashMap::new(), followers: Arc::clone(&followers) };
        std::thread::Builder::new().name("logs".into()).spawn(move || keeper.run(&inbox))?;
        Ok(Self { jobs, followers, indexes: Arc::default() })
    }

    /// Keeps output that begins at this position of its attempt. Taking the same piece twice is harmless.
    ///
    /// # Errors
    /// [`Error`]; nothing torn is left behind.
    pub async fn output(
        &self,
        path: &Path,
        stream: Stream,
        offset: u64,
        at: Timestamp,
        data: Vec<u8>,
    ) -> Result<(), Error> {
        let path = path.to_owned();
        self.ask(|answer| Job::Output { path, stream, offset, at, data, answer }).await
    }

    /// Keeps a line of Conducto's own.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn notice(&self, path: &Path, at: Timestamp, text: impl Into<String>) -> Result<(), Error> {
        let (path, text) = (path.to_owned(), text.into());
        self.ask(|answer| Job::Notice { path, at, text, answer }).await
    }

    /// Makes a log safe against power cuts and lets its followers go. Returns the bytes of output in it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn finish(&self, path: &Path) -> Result<u64, Error> {
        let path = path.to_owned();
        self.ask(|answer| Job::Finish { path, answer }).await
    }

    /// Opens a log for reading from the start. With `follow`, the reader waits for more until the log is finished.
    pub fn read(&self, path: &Path, follow: bool) -> Reader {
        let growth = follow.then(|| match self.followers.lock() {
            Ok(mut followers) => followers.entry(path.to_owned()).or_default().subscribe(),
            Err(_) => watch::channel(Growth { length: 0, is_finished: true }).1,
        });
        Reader::new(path.to_owned(), growth)
    }

    /// Reads lines of a log: from this one on (the first is 1), or the last ones. A log that does not exist has none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn lines(&self, path: &Path, from: Option<u64>, count: u64) -> io::Result<Page> {
        let (indexes, path) = (Arc::clone(&self.indexes), path.to_owned());
        tokio::task::spawn_blocking(move || indexes.page(&path, from, count)).await.map_err(io::Error::other)?
    }

    /// Searches a log from its first to its last line.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn search(&self, path: &Path, wanted: Wanted) -> io::Result<Found> {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || search::search(&path, &wanted)).await.map_err(io::Error::other)?
    }

    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(job(answer)).map_err(|_| Error::Closed)?;
        Ok(answered.await.map_err(|_| Error::Closed)??)
    }
}

struct Keeper {
    open: HashMap<PathBuf, Appender>,
    followers: Followers,
}

impl Keeper {
    fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            // A caller that has gone away does not mind the answer.
            match job {
                Job::Output { path, stream, offset, at, data, answer } => {
                    let result = self.with(&path, |log| log.append_output(stream, offset, at, &data).map(drop));
                    drop(answer.send(result));
                }
                Job::Notice { path, at, text, answer } => {
                    drop(answer.send(self.with(&path, |log| log.append_notice(at, &text))));
                }
                Job::Finish { path, answer } => drop(answer.send(self.finish(&path))),
            }
        }
    }

    fn with(&mut self, path: &Path, work: impl FnOnce(&mut Appender) -> io::Result<()>) -> io::Result<()> {
        if !self.open.contains_key(path) {
            self.open.insert(path.to_owned(), Appender::open(path)?);
        }
        let Some(log) = self.open.get_mut(path) else { return Err(io::ErrorKind::NotFound.into()) };
        let result = work(log);
        let length = log.length();
        if let Ok(followers) = self.followers.lock()
            && let Some(follower) = followers.get(path)
        {
            follower.send_replace(Growth { length, is_finished: false });
        }
        result
    }

    fn finish(&mut self, path: &Path) -> io::Result<u64> {
        let log = match self.open.remove(path) {
            Some(log) => Some(log),
            // A log that does not exist is empty, and a file costs more than all else that a short node leaves behind.
            None if !path.try_exists()? => None,
            None => Some(Appender::open(path)?),
        };
        let (length, output) = log.as_ref().map_or((0, 0), |log| (log.length(), log.output()));
        if let Some(log) = log.filter(|_| length > 0) {
            log.sync()?;
        }
        if let Ok(mut followers) = self.followers.lock()
            && let Some(follower) = followers.remove(path)
        {
            follower.send_replace(Growth { length, is_finished: true });
        }
        Ok(output)
    }
}
