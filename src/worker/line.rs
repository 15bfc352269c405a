//! The line to the server, in whatever state it is: dialing, greeting, open; and for how long nothing was heard on it.
//! Knows no nodes.

use std::{io, path::PathBuf, time::Duration};

use futures_util::future::BoxFuture;
use nix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use super::{
    link::Link,
    protocol::{FromWorker, Hello, ToWorker, VERSION},
    spool::Spool,
    wire,
};
use crate::model::Fence;

/// What holds until the server has told its own numbers.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(10);
const DEFAULT_ORPHAN: Duration = Duration::from_secs(300);

/// After so many silent heartbeats the connection is taken for dead.
const SILENT_BEATS: u32 = 3;

enum State {
    Dialing(BoxFuture<'static, Link>),
    Greeting(Link),
    Open(Link),
}

/// What came of waiting for the server.
pub(crate) enum Heard {
    /// There is a connection: the server is to be greeted.
    Connected(Box<Link>),
    /// The server has said something.
    Word(ToWorker),
    /// The connection is gone.
    Lost,
}

/// The line.
pub(crate) struct Line {
    socket: PathBuf,
    state: State,
    failures: u32,
    resume_key: Option<String>,
    heartbeat: Duration,
    orphan: Duration,
    /// By the clock that also counts while the machine sleeps.
    last_word: Duration,
    /// When the server was last heard, or the connection was made.
    heard_at: Instant,
    next_heartbeat: Instant,
}

impl Line {
    /// Begins to dial.
    pub(crate) fn dial(socket: PathBuf) -> Self {
        let now = Instant::now();
        Self {
            state: State::Dialing(Box::pin(Link::dial(socket.clone(), 0))),
            socket,
            failures: 0,
            resume_key: None,
            heartbeat: DEFAULT_HEARTBEAT,
            orphan: DEFAULT_ORPHAN,
            last_word: since_boot(),
            heard_at: now,
            next_heartbeat: now + DEFAULT_HEARTBEAT,
        }
    }

    /// Sends what is queued and waits for whatever comes next.
    pub(crate) async fn listen(&mut self) -> Heard {
        match &mut self.state {
            State::Dialing(dialing) => Heard::Connected(Box::new(dialing.await)),
            State::Greeting(link) | State::Open(link) => match link.next().await {
                Some(word) => {
                    self.last_word = since_boot();
                    self.heard_at = Instant::now();
                    Heard::Word(word)
                }
                None => Heard::Lost,
            },
        }
    }

    /// Introduces the worker on a new connection; says whether that went well.
    pub(crate) fn greet(&mut self, mut link: Link, running: Option<Fence>, last_fence: Option<Fence>) -> bool {
        let hello = Hello { version: VERSION, resume_key: self.resume_key.clone(), running, last_fence };
        self.heard_at = Instant::now();
        let sent = link.send(wire::encode_from_worker(&FromWorker::Hello(hello))).is_ok();
        if sent {
            self.state = State::Greeting(link);
        }
        sent
    }

    /// Takes the server's answer to the greeting: from now on the line is open.
    pub(crate) fn welcome(&mut self, resume_key: Option<String>, heartbeat_ms: u64, orphan_ms: u64) {
        if resume_key.is_some() {
            self.resume_key = resume_key;
        }
        self.heartbeat = Duration::from_millis(heartbeat_ms.max(1));
        self.orphan = Duration::from_millis(orphan_ms);
        self.failures = 0;
        // Says at once that the key has arrived; from then on nobody gets in without it.
        self.next_heartbeat = Instant::now();
        let dialing = State::Dialing(Box::pin(Link::dial(self.socket.clone(), 1)));
        self.state = match std::mem::replace(&mut self.state, dialing) {
            State::Greeting(link) | State::Open(link) => State::Open(link),
            dialing @ State::Dialing(_) => dialing,
        };
    }

    /// Gives the connection up and dials again; what is not acknowledged will be said again.
    pub(crate) fn redial(&mut self, spool: &mut Spool) {
        spool.rewind();
        self.failures = self.failures.saturating_add(1);
        self.state = State::Dialing(Box::pin(Link::dial(self.socket.clone(), self.failures)));
    }

    /// Says whether the server takes messages.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Hands the connection whatever is due to be sent.
    ///
    /// # Errors
    /// When the spool is lost; the worker is of no use then.
    pub(crate) fn talk(&mut self, spool: &mut Spool, now: Instant) -> io::Result<()> {
        let is_silent = now.duration_since(self.heard_at) > self.heartbeat * SILENT_BEATS;
        let link = match &mut self.state {
            State::Dialing(_) => return Ok(()),
            State::Greeting(_) | State::Open(_) if is_silent => {
                self.redial(spool);
                return Ok(());
            }
            State::Greeting(_) => return Ok(()),
            State::Open(link) => link,
        };
        let mut sent = Ok(());
        if now >= self.next_heartbeat {
            self.next_heartbeat = now + self.heartbeat;
            sent = link.send(wire::encode_from_worker(&FromWorker::Heartbeat));
        }
        while sent.is_ok() {
            let Some(frame) = spool.next_to_send()? else { break };
            sent = link.send(frame);
        }
        if let Err(error) = sent {
            tracing::debug!(%error, "the connection broke");
            self.redial(spool);
        }
        Ok(())
    }

    /// Says something that is not kept; says whether there was a connection to say it on.
    pub(crate) fn say(&mut self, message: &FromWorker) -> bool {
        match &mut self.state {
            State::Open(link) => link.send(wire::encode_from_worker(message)).is_ok(),
            State::Dialing(_) | State::Greeting(_) => false,
        }
    }

    /// Sends what is queued, as far as that needs no waiting.
    pub(crate) fn flush_now(&mut self) {
        if let State::Open(link) = &mut self.state {
            link.flush_now();
        }
    }

    /// Says whether the server has been gone for so long that the worker is of no use to anybody.
    pub(crate) fn is_orphaned(&self) -> bool {
        since_boot().saturating_sub(self.last_word) >= self.orphan
    }

    /// Returns when [`Self::talk`] or [`Self::is_orphaned`] has something new though nothing happens.
    pub(crate) fn wakes_at(&self, now: Instant) -> Instant {
        let orphaned_in = self.orphan.saturating_sub(since_boot().saturating_sub(self.last_word));
        // A machine that slept wakes timers late; looking now and then costs nothing.
        let wake = now + orphaned_in.clamp(Duration::from_millis(10), Duration::from_secs(30));
        let silent_at = self.heard_at + self.heartbeat * SILENT_BEATS;
        match self.state {
            State::Dialing(_) => wake,
            State::Greeting(_) => wake.min(silent_at),
            State::Open(_) => wake.min(self.next_heartbeat).min(silent_at),
        }
    }

    /// Sends what is queued and says good-bye.
    pub(crate) async fn close(self) {
        if let State::Open(link) = self.state {
            link.close().await;
        }
    }
}

fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}
