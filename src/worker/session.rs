//! The worker's one loop: hears the server, runs one node after the other, and tells the server what became of them.

use std::{collections::VecDeque, process::ExitCode, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    Options,
    ground::Ground,
    kit::Kit,
    line::{Heard, Line},
    masks::Masks,
    memory::OutOfMemory,
    node::Node,
    processes::{self, Reach},
    protocol::{FromWorker, Message, Start, Stream, ToWorker},
    secret::Secret,
    spawn::Spawner,
    spool::Spool,
    streams::{Pipe, Streams},
    wire,
    workspace::Workspace,
};
use crate::model::{Fence, KillReason, Outcome};

/// How many ended attempts are remembered, to repeat their end when asked.
const REMEMBERED: usize = 16;

/// How long a worker that was told to end by a signal waits for its last words to be heard.
const LAST_WORDS: Duration = Duration::from_secs(8);

/// How long the worker waits at its own end for what a group has left running.
const LAST_KILLS: Duration = Duration::from_secs(5);
const KILL_AGAIN: Duration = Duration::from_millis(20);

const EXIT_FORGOTTEN: u8 = 4;
const EXIT_BROKEN: u8 = 5;

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
    line: Line,
    spool: Spool,
    queue: VecDeque<Start>,
    secrets: Secrets,
    node: Option<Running>,
    last_fence: Option<Fence>,
    ended: VecDeque<(Fence, Outcome, u64)>,
    ground: Ground,
    spawner: Spawner,
    /// The pipes of the last node, where they can serve the next.
    streams: Option<Streams>,
    /// Reads what processes still print whose node has ended.
    drains: JoinSet<()>,
    memory: OutOfMemory,
    leaving: Leaving,
    child_ended: Signal,
    terminate: Signal,
}

/// A node, and whether its container is kept for the next of its group.
struct Running {
    node: Node,
    keep: bool,
    /// Over its output, where it has secrets that are masked.
    masks: Option<Masks>,
}

/// How far the worker is with the secrets of the node that begins next.
enum Secrets {
    /// Nobody was asked for them, or not on this connection.
    NotAsked,
    /// The server was.
    Asked(Fence),
    /// It has answered: here they are, or why there are none.
    Answered(Fence, Result<Vec<Secret>, String>),
}

impl Session {
    /// Makes everything that can be made without the server.
    pub(crate) fn new(options: &Options) -> std::io::Result<Self> {
        std::fs::create_dir_all(&options.private)?;
        Ok(Self {
            line: Line::dial(options.socket.clone()),
            spool: Spool::new(options.private.join("spool")),
            queue: VecDeque::new(),
            secrets: Secrets::NotAsked,
            node: None,
            last_fence: None,
            ended: VecDeque::new(),
            ground: Ground::prepare(Workspace::new(options)),
            spawner: Spawner::new(options.kit.clone().map(Kit::new))?,
            streams: None,
            drains: JoinSet::new(),
            memory: OutOfMemory::open(),
            leaving: Leaving::No,
            child_ended: signal(SignalKind::child())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Works until dismissed, ended or orphaned.
    pub(crate) async fn run(mut self) -> ExitCode {
        let mut stdout = vec![0; wire::MAX_OUTPUT];
        let mut stderr = vec![0; wire::MAX_OUTPUT];
        loop {
            let now = Instant::now();
            self.advance_node(now);
            if let Err(error) = self.line.talk(&mut self.spool, now) {
                tracing::error!(%error, "the spool is lost");
                return ExitCode::from(EXIT_BROKEN);
            }
            if let Some(code) = self.may_end(now) {
                return self.end(code).await;
            }
            if self.ground.is_quickly_cleaned() {
                if self.queue.is_empty() {
                    // The server waits for nothing else. Otherwise it hears of the end together with the next beginning.
                    self.line.flush_now();
                }
                self.ground.clean();
                continue;
            }
            self.ground.clean();
            let wake = self.wakes_at(now);
            let may_read = self.spool.has_room(self.line.is_open());
            let Self { line, node, ground, drains, child_ended, terminate, .. } = &mut self;
            let (out, err) =
                node.as_mut().map(|Running { node, .. }| (&mut node.streams.stdout, &mut node.streams.stderr)).unzip();
            tokio::select! {
                heard = line.listen() => self.hear(heard),
                length = read(out, &mut stdout), if may_read => self.output(Stream::Stdout, &stdout[..length]),
                length = read(err, &mut stderr), if may_read => self.output(Stream::Stderr, &stderr[..length]),
                _ = child_ended.recv() => self.reap(),
                _ = terminate.recv() => self.leave(Leaving::Terminated(now + LAST_WORDS)),
                () = ground.prepared() => {}
                Some(_) = drains.join_next() => {}
                () = sleep_until(wake) => self.reap(),
            }
        }
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Connected(link) => {
                let running = self.node.as_ref().map(|running| running.node.fence);
                if matches!(self.secrets, Secrets::Asked(_)) {
                    self.secrets = Secrets::NotAsked;
                }
                if !self.line.greet(*link, running, self.last_fence) {
                    self.line.redial(&mut self.spool);
                }
            }
            Heard::Word(word) => self.obey(word),
            Heard::Lost => self.line.redial(&mut self.spool),
        }
    }

    fn obey(&mut self, word: ToWorker) {
        match word {
            ToWorker::Welcome { resume_key, heartbeat_ms, orphan_ms } => {
                self.line.welcome(resume_key, heartbeat_ms, orphan_ms);
            }
            ToWorker::Start(start) => self.start(*start),
            ToWorker::Stop { fence, reason } => self.stop(fence, reason),
            ToWorker::Recall { fence } => self.recall(fence),
            ToWorker::Secrets { fence, secrets } => self.answered(fence, Ok(secrets)),
            ToWorker::NoSecrets { fence, message } => self.answered(fence, Err(message)),
            ToWorker::Ack { seq } => self.spool.acknowledge(seq),
            ToWorker::Heartbeat => {}
            ToWorker::Bye => self.leave(Leaving::Dismissed),
        }
    }

    /// Takes a node, or answers for one that was taken before.
    fn start(&mut self, start: Start) {
        let fence = start.fence;
        if self.last_fence.is_none_or(|last| fence > last) {
            self.last_fence = Some(fence);
            if matches!(self.leaving, Leaving::Terminated(_) | Leaving::Orphaned) {
                // Its command would not come to its end here.
                return self.push(&Message::Returned { fence });
            }
            self.ground.furnish();
            self.queue.push_back(start);
        } else if let Some(Running { node, .. }) = self.node.as_ref().filter(|running| running.node.fence == fence) {
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
        if let Some(Running { node, .. }) = self.node.as_mut().filter(|running| running.node.fence == fence) {
            node.stop(reason, Instant::now());
        } else if let Some(position) = self.queue.iter().position(|queued| queued.fence == fence) {
            self.queue.remove(position);
            self.finish(fence, Outcome::Stopped { reason }, 0);
        } else {
            tracing::debug!(%fence, "asked to stop what does not run");
        }
    }

    fn recall(&mut self, fence: Fence) {
        let Some(position) = self.queue.iter().position(|queued| queued.fence == fence) else {
            return tracing::debug!(%fence, "called back too late");
        };
        self.queue.remove(position);
        self.push(&Message::Returned { fence });
    }

    /// Takes the secrets of the node that begins next. Those of one that was called back meanwhile are dropped.
    fn answered(&mut self, fence: Fence, answer: Result<Vec<Secret>, String>) {
        if matches!(self.secrets, Secrets::Asked(asked) if asked == fence) {
            self.secrets = Secrets::Answered(fence, answer);
        }
    }

    fn reap(&mut self) {
        match &mut self.node {
            Some(Running { node, .. }) => node.reap(),
            None => drop(processes::reap(|_, _| ())),
        }
    }

    fn output(&mut self, stream: Stream, data: &[u8]) {
        if data.is_empty() {
            // A stream ends with the last who writes to it: most likely the node's own process, just now.
            return self.reap();
        }
        let Some(Running { node, masks, .. }) = &mut self.node else { return };
        let shown = masks.as_mut().map_or(data, |masks| masks.feed(stream, data, Instant::now()));
        keep(&mut self.spool, node, stream, shown);
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
        if let Some(Running { node, masks, .. }) = &mut self.node {
            if let Some(masks) = masks {
                masks.rest(now, |stream, shown| keep(&mut self.spool, node, stream, shown));
            }
            if !node.advance(now) {
                return;
            }
        }
        if let Some(running) = self.node.take() {
            self.bury(running);
        }
        while self.node.is_none()
            && self.ground.is_settled()
            && self.has_secrets()
            && let Some(start) = self.queue.pop_front()
        {
            self.begin(&start);
        }
    }

    /// Says whether the next node can begin, as far as its secrets go; asks for them if not.
    fn has_secrets(&mut self) -> bool {
        let Some(&Start { fence, secrets: true, .. }) = self.queue.front() else { return true };
        match self.secrets {
            Secrets::Answered(answered, _) if answered == fence => return true,
            Secrets::Asked(asked) if asked == fence => {}
            _ if self.line.say(&FromWorker::Wants { fence }) => self.secrets = Secrets::Asked(fence),
            _ => self.secrets = Secrets::NotAsked,
        }
        false
    }

    fn begin(&mut self, start: &Start) {
        let Start { fence, keep, .. } = *start;
        let secrets = match std::mem::replace(&mut self.secrets, Secrets::NotAsked) {
            Secrets::Answered(answered, answer) if answered == fence => answer,
            _ => Ok(Vec::new()),
        };
        let secrets = match secrets {
            Ok(secrets) => secrets,
            Err(message) => return self.finish(fence, Outcome::Infrastructure { message }, 0),
        };
        let (spawner, memory, last) = (&mut self.spawner, &self.memory, self.streams.take());
        let node = self.ground.begin(keep, |workspace| {
            let streams = last.map_or_else(Streams::open, Ok);
            let streams = streams.map_err(|error| format!("no pipes for the node's output: {error}"))?;
            Node::start(start, &secrets, workspace, spawner, streams, memory)
        });
        match node {
            Ok(node) => {
                let pid = node.pid.as_raw().unsigned_abs();
                self.node = Some(Running { node, keep, masks: Masks::over(&secrets) });
                self.push(&Message::Started { fence, pid });
            }
            Err(mut message) => {
                message.truncate(message.floor_char_boundary(4_000));
                self.finish(fence, Outcome::Infrastructure { message }, 0);
                self.ground.leave(keep);
            }
        }
    }

    fn bury(&mut self, Running { mut node, keep, masks }: Running) {
        if let Some(masks) = masks {
            masks.finish(|stream, shown| self::keep(&mut self.spool, &mut node, stream, shown));
        }
        self.finish(node.fence, node.outcome(&self.memory), node.log_bytes);
        if node.is_dirty() {
            tracing::error!("a process could not be killed, this worker ends");
            self.ground.spoil();
            return self.leave(Leaving::Dismissed);
        }
        self.ground.leave(keep);
        if node.streams.are_ours() {
            self.streams = Some(node.streams);
            return;
        }
        for pipe in [node.streams.stdout, node.streams.stderr].into_iter().filter(Pipe::is_open) {
            self.drains.spawn(pipe.drain());
        }
    }

    fn leave(&mut self, how: Leaving) {
        if matches!(self.leaving, Leaving::Orphaned | Leaving::Terminated(_)) {
            return;
        }
        self.leaving = how;
        if how == Leaving::Dismissed {
            return;
        }
        for queued in std::mem::take(&mut self.queue) {
            self.push(&Message::Returned { fence: queued.fence });
        }
        if let Some(Running { node, .. }) = &mut self.node {
            node.stop(KillReason::Infrastructure, Instant::now());
        }
    }

    fn may_end(&mut self, now: Instant) -> Option<ExitCode> {
        if self.line.is_orphaned() {
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
        self.line.close().await;
        if timeout(LAST_KILLS, end_everybody()).await.is_err() {
            tracing::error!("a process could not be killed and is left behind");
        }
        self.ground.dissolve().await;
        code
    }

    fn wakes_at(&self, now: Instant) -> Instant {
        let mut wake = self.line.wakes_at(now);
        if let Some(Running { node, masks, .. }) = &self.node {
            let masks = masks.as_ref().and_then(Masks::wakes_at);
            wake = [node.wakes_at(), masks].into_iter().flatten().fold(wake, Instant::min);
        }
        if let Leaving::Terminated(by) = self.leaving {
            wake = wake.min(by.max(now + Duration::from_millis(10)));
        }
        wake
    }
}

/// Keeps what a node has printed until the server has it. From here on it may lie on a disk.
fn keep(spool: &mut Spool, node: &mut Node, stream: Stream, shown: &[u8]) {
    for piece in shown.chunks(wire::MAX_OUTPUT) {
        let (fence, offset) = (node.fence, node.log_bytes);
        node.log_bytes += piece.len() as u64;
        spool.push(|seq| wire::encode_output(seq, fence, stream, offset, piece));
    }
}

/// What a group has left running lives as long as the worker, and no longer.
async fn end_everybody() {
    while processes::reap(|_, _| ()) {
        Reach::Everybody.signal(nix::sys::signal::Signal::SIGKILL);
        sleep(KILL_AGAIN).await;
    }
}

async fn read(pipe: Option<&mut Pipe>, buffer: &mut [u8]) -> usize {
    match pipe {
        Some(pipe) => pipe.read(buffer).await,
        None => std::future::pending().await,
    }
}
