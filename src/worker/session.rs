//! The worker's one loop: hears the server, runs one node after the other, and tells the server what became of them.

use std::{collections::VecDeque, process::ExitCode, time::Duration};

use futures_util::future::BoxFuture;
use nix::time::{ClockId, clock_gettime};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::{
    Options,
    link::Link,
    memory::OutOfMemory,
    node::Node,
    protocol::{FromWorker, Hello, Message, Start, Stream, ToWorker, VERSION},
    spool::Spool,
    wire,
    workspace::Workspace,
};
use crate::model::{Fence, KillReason, Outcome};

/// What holds until the server has told its own numbers.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(10);
const DEFAULT_ORPHAN: Duration = Duration::from_secs(300);

/// How many ended attempts are remembered, to repeat their end when asked.
const REMEMBERED: usize = 16;

/// How long a worker that was told to end by a signal waits for its last words to be heard.
const LAST_WORDS: Duration = Duration::from_secs(8);

const EXIT_FORGOTTEN: u8 = 4;
const EXIT_BROKEN: u8 = 5;

/// The connection, in whatever state it is.
enum Line {
    Dialing(BoxFuture<'static, Link>),
    Greeting(Link),
    Online(Link),
}

/// What came of waiting for the connection.
enum Heard {
    Connected(Box<Link>),
    Word(ToWorker),
    Lost,
}

/// Where the next node would run.
enum Ground {
    /// As the last node left it.
    Used(Workspace),
    Preparing(JoinHandle<(Workspace, Result<(), String>)>),
    Ready(Workspace),
    Unfit(Workspace, String),
    /// Something could not be killed: nothing more runs here.
    Dirty,
}

/// Whether and why the worker is about to end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    /// The server said `Bye`.
    Dismissed,
    /// SIGTERM; the time by which all is said.
    Terminated(Instant),
    /// No word of the server for too long.
    Orphaned,
}

/// The whole state of a worker.
pub(crate) struct Session {
    options: Options,
    line: Line,
    failures: u32,
    resume_key: Option<String>,
    heartbeat: Duration,
    orphan: Duration,
    /// By the clock that also counts while the machine sleeps.
    last_word: Duration,
    /// When the server was last heard, or the connection was made.
    heard_at: Instant,
    next_heartbeat: Instant,
    spool: Spool,
    queue: VecDeque<Start>,
    node: Option<Node>,
    last_fence: Option<Fence>,
    ended: VecDeque<(Fence, Outcome, u64)>,
    ground: Ground,
    memory: OutOfMemory,
    leaving: Leaving,
    child_ended: Signal,
    terminate: Signal,
}

impl Session {
    /// Makes everything that can be made without the server.
    pub(crate) fn new(options: Options) -> std::io::Result<Self> {
        std::fs::create_dir_all(&options.private)?;
        let workspace = Workspace::new(&options);
        let now = Instant::now();
        Ok(Self {
            line: Line::Dialing(Box::pin(Link::dial(options.socket.clone(), 0))),
            failures: 0,
            resume_key: None,
            heartbeat: DEFAULT_HEARTBEAT,
            orphan: DEFAULT_ORPHAN,
            last_word: since_boot(),
            heard_at: now,
            next_heartbeat: now + DEFAULT_HEARTBEAT,
            spool: Spool::new(options.private.join("spool")),
            queue: VecDeque::new(),
            node: None,
            last_fence: None,
            ended: VecDeque::new(),
            ground: prepare(workspace),
            memory: OutOfMemory::open(),
            leaving: Leaving::No,
            child_ended: signal(SignalKind::child())?,
            terminate: signal(SignalKind::terminate())?,
            options,
        })
    }

    /// Works until dismissed, ended or orphaned.
    pub(crate) async fn run(mut self) -> ExitCode {
        let mut stdout = vec![0; wire::MAX_OUTPUT];
        let mut stderr = vec![0; wire::MAX_OUTPUT];
        loop {
            let now = Instant::now();
            self.advance_node(now);
            if let Err(error) = self.talk(now) {
                tracing::error!(%error, "the spool is lost");
                return ExitCode::from(EXIT_BROKEN);
            }
            if let Some(code) = self.may_end(now) {
                return self.end(code).await;
            }
            if self.tidy() {
                continue;
            }
            let wake = self.wakes_at(now);
            let may_read = self.spool.has_room(matches!(self.line, Line::Online(_)));
            let Self { line, node, ground, child_ended, terminate, .. } = &mut self;
            let (out, err) = node.as_mut().map(|node| (&mut node.stdout, &mut node.stderr)).unzip();
            tokio::select! {
                heard = listen(line) => self.hear(heard),
                length = read(out, &mut stdout), if may_read => self.output(Stream::Stdout, &stdout[..length]),
                length = read(err, &mut stderr), if may_read => self.output(Stream::Stderr, &stderr[..length]),
                _ = child_ended.recv() => self.reap(),
                _ = terminate.recv() => self.leave(Leaving::Terminated(now + LAST_WORDS)),
                prepared = prepared(ground) => self.ground = prepared,
                () = sleep_until(wake) => self.reap(),
            }
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Connected(mut link) => {
                let running = self.node.as_ref().map(|node| node.fence);
                let (resume_key, last_fence) = (self.resume_key.clone(), self.last_fence);
                let hello = Hello { version: VERSION, resume_key, running, last_fence };
                self.heard_at = Instant::now();
                if link.send(wire::encode_from_worker(&FromWorker::Hello(hello))).is_ok() {
                    self.line = Line::Greeting(*link);
                } else {
                    self.redial();
                }
            }
            Heard::Word(word) => {
                self.last_word = since_boot();
                self.heard_at = Instant::now();
                self.obey(word);
            }
            Heard::Lost => self.redial(),
        }
    }

    fn redial(&mut self) {
        self.spool.rewind();
        self.failures = self.failures.saturating_add(1);
        self.line = Line::Dialing(Box::pin(Link::dial(self.options.socket.clone(), self.failures)));
    }

    fn obey(&mut self, word: ToWorker) {
        match word {
            ToWorker::Welcome { resume_key, heartbeat_ms, orphan_ms } => {
                self.welcome(resume_key, heartbeat_ms, orphan_ms);
            }
            ToWorker::Start(start) => self.start(*start),
            ToWorker::Stop { fence, reason } => self.stop(fence, reason),
            ToWorker::Ack { seq } => self.spool.acknowledge(seq),
            ToWorker::Heartbeat => {}
            ToWorker::Bye => self.leave(Leaving::Dismissed),
        }
    }

    fn welcome(&mut self, resume_key: Option<String>, heartbeat_ms: u64, orphan_ms: u64) {
        if resume_key.is_some() {
            self.resume_key = resume_key;
        }
        self.heartbeat = Duration::from_millis(heartbeat_ms.max(1));
        self.orphan = Duration::from_millis(orphan_ms);
        self.failures = 0;
        // Says at once that the key has arrived; from then on nobody gets in without it.
        self.next_heartbeat = Instant::now();
        let socket = self.options.socket.clone();
        let line = std::mem::replace(&mut self.line, Line::Dialing(Box::pin(Link::dial(socket, 1))));
        self.line = match line {
            Line::Greeting(link) | Line::Online(link) => Line::Online(link),
            dialing @ Line::Dialing(_) => dialing,
        };
    }

    /// Takes a node, or answers for one that was taken before.
    fn start(&mut self, start: Start) {
        let fence = start.fence;
        if self.last_fence.is_none_or(|last| fence > last) {
            self.last_fence = Some(fence);
            self.queue.push_back(start);
        } else if let Some(node) = self.node.as_ref().filter(|node| node.fence == fence) {
            let pid = node.pid.as_raw().unsigned_abs();
            self.push(&Message::Started { fence, pid });
        } else if let Some((_, outcome, log_bytes)) = self.ended.iter().find(|(ended, ..)| *ended == fence) {
            let again = Message::Finished { fence, outcome: outcome.clone(), log_bytes: *log_bytes };
            self.push(&again);
        } else if !self.queue.iter().any(|queued| queued.fence == fence) {
            tracing::warn!(%fence, "refused to start an attempt that is not new");
        }
    }

    fn stop(&mut self, fence: Fence, reason: KillReason) {
        if let Some(node) = self.node.as_mut().filter(|node| node.fence == fence) {
            node.stop(reason, Instant::now());
        } else if let Some(position) = self.queue.iter().position(|queued| queued.fence == fence) {
            self.queue.remove(position);
            self.finish(fence, Outcome::Stopped { reason }, 0);
        } else {
            tracing::debug!(%fence, "asked to stop what does not run");
        }
    }

    fn reap(&mut self) {
        match &mut self.node {
            Some(node) => node.reap(),
            None => {
                super::processes::reap(|_, _| ());
            }
        }
    }

    fn output(&mut self, stream: Stream, data: &[u8]) {
        let Some(node) = self.node.as_mut().filter(|_| !data.is_empty()) else { return };
        let (fence, offset) = (node.fence, node.log_bytes);
        node.log_bytes += data.len() as u64;
        self.spool.push(|seq| wire::encode_output(seq, fence, stream, offset, data));
    }

    fn push(&mut self, message: &Message) {
        self.spool.push(|seq| wire::encode_from_worker(&FromWorker::Numbered { seq, message: message.clone() }));
    }

    fn finish(&mut self, fence: Fence, outcome: Outcome, log_bytes: u64) {
        self.push(&Message::Finished { fence, outcome: outcome.clone(), log_bytes });
        self.ended.push_back((fence, outcome, log_bytes));
        if self.ended.len() > REMEMBERED {
            self.ended.pop_front();
        }
    }

    /// Moves the node that runs towards its end, or begins the next.
    fn advance_node(&mut self, now: Instant) {
        if let Some(node) = &mut self.node
            && node.advance(now)
        {
            let (fence, log_bytes, dirty) = (node.fence, node.log_bytes, node.is_dirty());
            let outcome = node.outcome(&self.memory);
            self.node = None;
            self.finish(fence, outcome, log_bytes);
            self.clean(dirty);
        }
        while self.node.is_none()
            && !self.queue.is_empty()
            && !matches!(self.ground, Ground::Used(_) | Ground::Preparing(_))
        {
            self.begin_next();
        }
    }

    fn begin_next(&mut self) {
        let Some(start) = self.queue.pop_front() else { return };
        let begun = match &mut self.ground {
            Ground::Ready(workspace) => Node::start(&start, workspace, &self.memory),
            Ground::Unfit(_, message) => Err(message.clone()),
            Ground::Dirty => Err("a process of the node before could not be killed".to_owned()),
            Ground::Used(_) | Ground::Preparing(_) => return self.queue.push_front(start),
        };
        match begun {
            Ok(node) => {
                let (fence, pid) = (node.fence, node.pid.as_raw().unsigned_abs());
                self.node = Some(node);
                self.push(&Message::Started { fence, pid });
            }
            Err(mut message) => {
                message.truncate(message.floor_char_boundary(4_000));
                self.finish(start.fence, Outcome::Infrastructure { message }, 0);
                self.clean(false);
            }
        }
    }

    fn clean(&mut self, dirty: bool) {
        if dirty {
            tracing::error!("a process could not be killed, this worker ends");
            self.ground = Ground::Dirty;
            self.leave(Leaving::Dismissed);
            return;
        }
        self.ground = match std::mem::replace(&mut self.ground, Ground::Dirty) {
            Ground::Ready(workspace) | Ground::Unfit(workspace, _) => Ground::Used(workspace),
            other => other,
        };
    }

    /// Makes the ground ready for the next node, once the end of the last is on its way. Says whether it is so already.
    fn tidy(&mut self) -> bool {
        match std::mem::replace(&mut self.ground, Ground::Dirty) {
            Ground::Used(mut workspace) if workspace.is_small() => {
                // Quicker done than handed to another thread.
                if let Line::Online(link) = &mut self.line {
                    link.flush_now();
                }
                let result = workspace.prepare().map_err(|error| error.to_string());
                self.ground = settled(workspace, result);
                true
            }
            Ground::Used(workspace) => {
                self.ground = prepare(workspace);
                false
            }
            other => {
                self.ground = other;
                false
            }
        }
    }

    /// Hands the connection whatever is due to be sent.
    fn talk(&mut self, now: Instant) -> std::io::Result<()> {
        let silent = now.duration_since(self.heard_at) > self.heartbeat * 3;
        match &mut self.line {
            Line::Dialing(_) => return Ok(()),
            Line::Greeting(_) | Line::Online(_) if silent => {
                self.redial();
                return Ok(());
            }
            Line::Greeting(_) => return Ok(()),
            Line::Online(_) => {}
        }
        let Line::Online(link) = &mut self.line else { return Ok(()) };
        let mut sent = Ok(());
        if now >= self.next_heartbeat {
            self.next_heartbeat = now + self.heartbeat;
            sent = link.send(wire::encode_from_worker(&FromWorker::Heartbeat));
        }
        while sent.is_ok() {
            let Some(frame) = self.spool.next_to_send()? else { break };
            sent = link.send(frame);
        }
        if let Err(error) = sent {
            tracing::debug!(%error, "the connection broke");
            self.redial();
        }
        Ok(())
    }

    fn leave(&mut self, how: Leaving) {
        if matches!(self.leaving, Leaving::Orphaned | Leaving::Terminated(_)) {
            return;
        }
        self.leaving = how;
        if how == Leaving::Dismissed {
            return;
        }
        let reason = KillReason::Infrastructure;
        for queued in std::mem::take(&mut self.queue) {
            self.finish(queued.fence, Outcome::Stopped { reason }, 0);
        }
        if let Some(node) = &mut self.node {
            node.stop(reason, Instant::now());
        }
    }

    fn may_end(&mut self, now: Instant) -> Option<ExitCode> {
        if since_boot().saturating_sub(self.last_word) >= self.orphan {
            self.leave(Leaving::Orphaned);
        }
        let idle = self.node.is_none() && self.queue.is_empty();
        match self.leaving {
            Leaving::Dismissed if idle && self.spool.is_empty() => Some(ExitCode::SUCCESS),
            Leaving::Terminated(_) if idle && self.spool.is_empty() => Some(ExitCode::SUCCESS),
            Leaving::Terminated(by) if idle && now >= by => Some(ExitCode::from(EXIT_FORGOTTEN)),
            Leaving::Orphaned if idle => Some(ExitCode::from(EXIT_FORGOTTEN)),
            _ => None,
        }
    }

    async fn end(self, code: ExitCode) -> ExitCode {
        if let Line::Online(link) = self.line {
            link.close().await;
        }
        let workspace = match self.ground {
            Ground::Preparing(task) => task.await.ok().map(|(workspace, _)| workspace),
            Ground::Used(workspace) | Ground::Ready(workspace) | Ground::Unfit(workspace, _) => Some(workspace),
            Ground::Dirty => None,
        };
        if let Some(mut workspace) = workspace {
            workspace.dissolve();
        }
        code
    }

    fn wakes_at(&self, now: Instant) -> Instant {
        let orphaned_in = self.orphan.saturating_sub(since_boot().saturating_sub(self.last_word));
        // A machine that slept wakes timers late; looking now and then costs nothing.
        let mut wake = now + orphaned_in.clamp(Duration::from_millis(10), Duration::from_secs(30));
        if let Some(at) = self.node.as_ref().and_then(Node::wakes_at) {
            wake = wake.min(at);
        }
        if let Leaving::Terminated(by) = self.leaving {
            wake = wake.min(by.max(now + Duration::from_millis(10)));
        }
        match self.line {
            Line::Dialing(_) => wake,
            Line::Greeting(_) => wake.min(self.heard_at + self.heartbeat * 3),
            Line::Online(_) => wake.min(self.next_heartbeat).min(self.heard_at + self.heartbeat * 3),
        }
    }
}

fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

async fn listen(line: &mut Line) -> Heard {
    match line {
        Line::Dialing(dialing) => Heard::Connected(Box::new(dialing.await)),
        Line::Greeting(link) | Line::Online(link) => link.next().await.map_or(Heard::Lost, Heard::Word),
    }
}

async fn read(pipe: Option<&mut super::node::Pipe>, buffer: &mut [u8]) -> usize {
    match pipe {
        Some(pipe) => pipe.read(buffer).await,
        None => std::future::pending().await,
    }
}

/// Cleaning up after a big node may take long; the server is still heard meanwhile.
fn prepare(mut workspace: Workspace) -> Ground {
    Ground::Preparing(tokio::task::spawn_blocking(move || {
        let result = workspace.prepare().map_err(|error| error.to_string());
        (workspace, result)
    }))
}

async fn prepared(ground: &mut Ground) -> Ground {
    let Ground::Preparing(task) = ground else { return std::future::pending().await };
    match task.await {
        Ok((workspace, result)) => settled(workspace, result),
        Err(error) => {
            tracing::error!(%error, "the preparation of a node ended");
            Ground::Dirty
        }
    }
}

fn settled(workspace: Workspace, result: Result<(), String>) -> Ground {
    match result {
        Ok(()) => Ground::Ready(workspace),
        Err(message) => Ground::Unfit(workspace, message),
    }
}
