//! The hub's verbs. Cheap to clone; what they mean for a socket is decided next door.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{door::Door, key::Key, post::Post};
use crate::{
    model::{Fence, Outcome, WorkerId},
    worker::protocol::{Hello, Message, Stream, ToWorker},
};

/// What the hub is told once.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder for what proves a worker to be the one of before. Never visible to workers.
    pub keys_directory: PathBuf,
    /// How often both ends say something.
    pub heartbeat: Duration,
    /// After how long without the server a worker ends itself.
    pub orphan: Duration,
    /// How many reports of one worker may be delivered and not yet done. 1: each waits for the one before.
    pub window: usize,
}

/// Something one worker did, in the order in which it did it.
#[derive(Debug)]
pub struct Incoming {
    /// Who.
    pub worker: WorkerId,
    /// What.
    pub report: Report,
    /// To be told when the report is safe; then the worker forgets it. Dropped: the connection ends, the worker comes
    /// again and repeats this report and all after it; those delivered before the next `Connected` are to be dropped too.
    pub done: oneshot::Sender<()>,
}

/// What a worker did. Anything may be reported twice; see [`Message`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// It has a connection, the first or another. Nothing else is delivered before this is done.
    Connected {
        /// Its introduction.
        hello: Hello,
    },
    /// The node of this attempt is about to begin, and needs its secrets; [`Hub::answer`].
    Wants {
        /// Which attempt.
        fence: Fence,
    },
    /// The command runs.
    Started {
        /// Which attempt.
        fence: Fence,
        /// Process id as the worker sees it.
        pid: u32,
    },
    /// The attempt was called back before its command began.
    Returned {
        /// Which attempt.
        fence: Fence,
    },
    /// The command printed something.
    Output {
        /// Which attempt.
        fence: Fence,
        /// On which stream.
        stream: Stream,
        /// How many bytes, of both streams together, came before.
        offset: u64,
        /// The bytes.
        data: Vec<u8>,
    },
    /// The attempt has ended.
    Finished {
        /// Which attempt.
        fence: Fence,
        /// How.
        outcome: Outcome,
        /// Bytes of output, both streams together.
        log_bytes: u64,
    },
    /// The connection is lost. Says nothing about the worker; ask its executor.
    Disconnected,
}

impl From<Message> for Report {
    fn from(message: Message) -> Self {
        match message {
            Message::Started { fence, pid } => Self::Started { fence, pid },
            Message::Returned { fence } => Self::Returned { fence },
            Message::Output { fence, stream, offset, data } => Self::Output { fence, stream, offset, data },
            Message::Finished { fence, outcome, log_bytes } => Self::Finished { fence, outcome, log_bytes },
        }
    }
}

/// Why a worker cannot be listened for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its socket cannot be made.
    #[error("failed to listen on {path}: {source}")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// Its key cannot be kept.
    #[error("failed to keep the worker's key in {path}: {source}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
}

struct Listening {
    post: Arc<Post>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    socket: PathBuf,
}

struct Shared {
    options: Options,
    sink: mpsc::Sender<Incoming>,
    stop: CancellationToken,
    tasks: TaskTracker,
    workers: Mutex<HashMap<WorkerId, Listening>>,
}

/// The handle.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

impl Hub {
    /// Makes a hub that listens to nobody yet. Reports go into the sink.
    pub fn new(options: Options, sink: mpsc::Sender<Incoming>) -> Self {
        let (stop, tasks, workers) = (CancellationToken::new(), TaskTracker::new(), Mutex::default());
        Self { shared: Arc::new(Shared { options, sink, stop, tasks, workers }) }
    }

    /// Listens for a worker on the socket in its directory. Whoever comes first gets the key, unless a key is known
    /// from before a restart. Repeating it changes nothing.
    ///
    /// # Errors
    /// When socket or key cannot be made.
    pub fn listen(&self, worker: &WorkerId, directory: &Path) -> Result<(), Error> {
        self.listen_for(worker, directory, &[])
    }

    /// The same for a worker of before, which may speak of these attempts from its first word on.
    ///
    /// # Errors
    /// As there.
    pub fn listen_for(&self, worker: &WorkerId, directory: &Path, fences: &[Fence]) -> Result<(), Error> {
        let mut workers = self.shared.workers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listening) = workers.get(worker) {
            fences.iter().for_each(|fence| listening.post.lease(*fence));
            return Ok(());
        }
        let options = &self.shared.options;
        let path = options.keys_directory.join(worker.as_str());
        let key = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&options.keys_directory)
            .and_then(|()| Key::load(path.clone()))
            .map_err(|source| Error::Key { path, source })?;
        let (listener, socket) = super::door::bind(directory)?;
        let post = Arc::new(Post::default());
        fences.iter().for_each(|fence| post.lease(*fence));
        let stop = self.shared.stop.child_token();
        let door = Door::new(worker.clone(), key, Arc::clone(&post), options.clone(), self.shared.sink.clone());
        let task = self.shared.tasks.spawn(door.keep(listener, stop.clone()));
        workers.insert(worker.clone(), Listening { post, stop, task, socket });
        Ok(())
    }

    /// Allows a worker to speak of an attempt. What it says of others is dropped.
    pub fn lease(&self, worker: &WorkerId, fence: Fence) {
        self.with_post(worker, |post| post.lease(fence));
    }

    /// Gives a worker an order: `Start`, `Stop`, `Recall` or `Bye`. Kept until confirmed and repeated at every connection.
    pub fn send(&self, worker: &WorkerId, order: ToWorker) {
        self.with_post(worker, |post| post.order(order));
    }

    /// Answers a worker's `Wants`, on the connection that it has now. On the next it asks again.
    pub fn answer(&self, worker: &WorkerId, answer: ToWorker) {
        self.with_post(worker, |post| post.answer(answer));
    }

    /// Forgets a worker that is gone: its key, its socket, its orders. Idempotent.
    pub async fn forget(&self, worker: &WorkerId) {
        let listening = self.shared.workers.lock().unwrap_or_else(PoisonError::into_inner).remove(worker);
        let key = self.shared.options.keys_directory.join(worker.as_str());
        let mut files = vec![key];
        if let Some(Listening { stop, task, socket, .. }) = listening {
            stop.cancel();
            if let Err(error) = task.await {
                tracing::error!(%error, %worker, "listening for a worker ended badly");
            }
            files.push(socket);
        }
        for path in files {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%error, path = %path.display(), "left behind");
                }
                _ => {}
            }
        }
    }

    /// Stops listening; workers go on and come back to the next server.
    pub async fn close(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    fn with_post(&self, worker: &WorkerId, act: impl FnOnce(&Post)) {
        let workers = self.shared.workers.lock().unwrap_or_else(PoisonError::into_inner);
        match workers.get(worker) {
            Some(listening) => act(&listening.post),
            None => tracing::warn!(%worker, "nobody listens for this worker"),
        }
    }
}
