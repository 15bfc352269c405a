//! One worker's door: lets in who may come in, one at a time, and lets everybody else stand outside without a word.

use std::{
    fs::{self, File, Permissions},
    future::pending,
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::{SinkExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    io::DuplexStream,
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config};
use tokio_util::sync::CancellationToken;

use super::{
    handle::{Error, Incoming, Options, Report},
    key::{Key, Pass},
    post::Post,
    session::{Session, millis},
};
use crate::{
    model::WorkerId,
    worker::{
        protocol::{FromWorker, Hello, SOCKET, ToWorker, VERSION},
        tunnel, wire,
    },
};

pub(super) type Socket = WebSocketStream<UnixStream>;

/// How long a newcomer may take for each step.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many may stand at the door.
const CROWD: usize = 16;

/// How many bytes of an answer, or of a question, wait for a node's tunnel to take them.
const TUNNEL: usize = 256 * 1024;

/// Longest path the kernel takes for a Unix socket, without its final zero.
const LONGEST_ADDRESS: usize = 107;

/// Somebody at the door, one step further.
enum Visitor {
    /// Has said who they are.
    Named(Box<(Socket, Hello)>),
    /// Has been welcomed and has answered.
    Answered(Box<(Socket, Hello, Pass, FromWorker)>),
    /// Wants to carry what a node asks, and shows this key.
    Tunnel(Box<(Socket, String)>),
}

/// The door.
pub(super) struct Door {
    worker: WorkerId,
    key: Key,
    post: Arc<Post>,
    options: Options,
    sink: mpsc::Sender<Incoming>,
    tunnels: mpsc::Sender<DuplexStream>,
}

/// Makes the socket in a worker's directory, in place of an old one.
pub(super) fn bind(directory: &Path) -> Result<(UnixListener, PathBuf), Error> {
    let path = directory.join(SOCKET);
    let bound = || {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = if path.as_os_str().len() <= LONGEST_ADDRESS {
            UnixListener::bind(&path)?
        } else {
            // By way of an open folder the address becomes short.
            let folder = File::open(directory)?;
            UnixListener::bind(Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(SOCKET))?
        };
        // The container's user is not ours.
        fs::set_permissions(&path, Permissions::from_mode(0o666))?;
        Ok(listener)
    };
    match bound() {
        Ok(listener) => Ok((listener, path)),
        Err(source) => Err(Error::Socket { path, source }),
    }
}

impl Door {
    pub(super) fn new(
        worker: WorkerId,
        key: Key,
        post: Arc<Post>,
        options: Options,
        sink: mpsc::Sender<Incoming>,
        tunnels: mpsc::Sender<DuplexStream>,
    ) -> Self {
        Self { worker, key, post, options, sink, tunnels }
    }

    /// Keeps the door until told to stop.
    pub(super) async fn keep(mut self, listener: UnixListener, stop: CancellationToken) {
        let mut visitors: FuturesUnordered<BoxFuture<'static, Option<Visitor>>> = FuturesUnordered::new();
        let mut session: Option<BoxFuture<'static, ()>> = None;
        let mut carried = JoinSet::new();
        loop {
            let live = async {
                match &mut session {
                    Some(session) => session.await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = live => {
                    session = None;
                    self.report(Report::Disconnected, &stop).await;
                }
                accepted = listener.accept(), if visitors.len() < CROWD => match accepted {
                    Ok((stream, _)) => visitors.push(Box::pin(name(stream))),
                    Err(error) => {
                        tracing::warn!(%error, worker = %self.worker, "a connection was not accepted");
                        sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(_) = carried.join_next() => {}
                Some(visitor) = visitors.next() => match visitor {
                    Some(Visitor::Tunnel(tunnel)) => self.carry(*tunnel, &mut carried),
                    Some(Visitor::Named(named)) => visitors.extend(self.welcome(*named)),
                    Some(Visitor::Answered(answered)) => {
                        if let Some(fresh) = self.seat(*answered) {
                            // The worker itself came back: the old connection is dead, whatever it looks like.
                            session = Some(Box::pin(fresh.run()));
                        }
                    }
                    None => {}
                },
            }
        }
    }

    /// Lets what a node asks through to those who answer.
    fn carry(&self, (socket, key): (Socket, String), carried: &mut JoinSet<()>) {
        if !self.key.is_shown(&key) {
            return tracing::warn!(worker = %self.worker, "somebody who is not the worker wants a tunnel");
        }
        let (ours, theirs) = tokio::io::duplex(TUNNEL);
        if carried.len() >= CROWD || self.tunnels.try_send(theirs).is_err() {
            return tracing::debug!(worker = %self.worker, "too many ask at once; they ask again");
        }
        carried.spawn(tunnel::carry(ours, socket));
    }

    /// Judges somebody who has said who they are.
    fn welcome(&mut self, (socket, hello): (Socket, Hello)) -> Option<BoxFuture<'static, Option<Visitor>>> {
        let worker = &self.worker;
        if hello.version != VERSION {
            tracing::error!(%worker, version = hello.version, "a worker of another version");
            return None;
        }
        match self.key.admit(hello.resume_key.as_deref()) {
            Ok(Some(pass)) => {
                let (heartbeat_ms, orphan_ms) = (millis(self.options.heartbeat), millis(self.options.orphan));
                let welcome = ToWorker::Welcome { resume_key: pass.key.clone(), heartbeat_ms, orphan_ms };
                Some(Box::pin(answer(socket, hello, pass, welcome)))
            }
            Ok(None) => {
                tracing::warn!(%worker, "somebody who is not the worker dialed its socket");
                None
            }
            Err(error) => {
                tracing::error!(%worker, %error, "a worker's key cannot be kept");
                None
            }
        }
    }

    fn seat(&mut self, (socket, mut hello, pass, first): (Socket, Hello, Pass, FromWorker)) -> Option<Session> {
        match self.key.confirm(&pass) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                tracing::error!(worker = %self.worker, %error, "a worker's key cannot be kept");
                return None;
            }
        }
        // It has served its purpose, and shall stand in no report.
        hello.resume_key = None;
        let (worker, options) = (self.worker.clone(), self.options.clone());
        Some(Session::new(worker, options, Arc::clone(&self.post), self.sink.clone(), socket, hello, first))
    }

    async fn report(&self, report: Report, stop: &CancellationToken) {
        let (done, _) = oneshot::channel();
        let incoming = Incoming { worker: self.worker.clone(), report, done };
        tokio::select! {
            () = stop.cancelled() => {}
            result = self.sink.send(incoming) => if result.is_err() {
                tracing::debug!("nobody takes reports any more");
            }
        }
    }
}

async fn name(stream: UnixStream) -> Option<Visitor> {
    let named = async {
        let mut socket = accept_async_with_config(stream, Some(wire::server_limits())).await.ok()?;
        match next(&mut socket).await? {
            FromWorker::Hello(hello) => Some(Visitor::Named(Box::new((socket, hello)))),
            FromWorker::Tunnel { version: VERSION, resume_key } => {
                Some(Visitor::Tunnel(Box::new((socket, resume_key))))
            }
            _ => None,
        }
    };
    timeout(PATIENCE, named).await.ok().flatten()
}

async fn answer(mut socket: Socket, hello: Hello, pass: Pass, welcome: ToWorker) -> Option<Visitor> {
    let answered = async {
        socket.send(wire::encode_to_worker(&welcome)).await.ok()?;
        let first = next(&mut socket).await?;
        Some(Visitor::Answered(Box::new((socket, hello, pass, first))))
    };
    timeout(PATIENCE, answered).await.ok().flatten()
}

async fn next(socket: &mut Socket) -> Option<FromWorker> {
    loop {
        let frame = socket.next().await?.ok()?;
        if let Some(message) = wire::decode_from_worker(&frame).ok()? {
            return Some(message);
        }
    }
}
