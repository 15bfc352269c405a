//! A pipeline's whole life in store calls, from the webhook to the last status, against a world that remembers what it saw.
//!
//! [`Life::advance`] does one thing at a time and takes everything it knows from the store, as a server does that may be
//! started anew between any two of them. Which write fails, and how, is the business of [`Faulty`].

use std::{
    cell::Cell,
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::{
    Connection,
    hooks::{AuthAction, AuthContext, Authorization},
};
use uuid::Uuid;

use crate::{
    engine::{self, Pipeline},
    model::{Actor, Command, Ending, Event, Fence, Launch, NodeIndex, Outcome, PipelineId, Recorded, WorkerId},
    store::{
        Error, Packed, inbox, migrations,
        outbox::{self, NewMessage, Sent},
        pipelines::{self, Projection},
        server,
    },
};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The n-th writing statement fails; its transaction is rolled back and the caller is told.
    StatementFails,
    /// The process ends before the n-th writing statement; its transaction was never committed.
    CrashInTransaction,
    /// The process ends after the n-th commit, before anybody acts on it.
    CrashAfterCommit,
    /// From the n-th transaction on there is no room on the disk, until a write has failed for it.
    DiskFull,
}

/// Why a write came to nothing, as far as its caller knows.
#[derive(Debug)]
pub(super) enum Halt {
    /// The caller was told.
    Failed,
    Crashed,
}

/// A database in which one thing goes wrong.
pub(super) struct Faulty {
    path: PathBuf,
    connection: Option<Connection>,
    fault: Fault,
    /// How many points are left until it does; 0 when it has happened.
    left: Arc<AtomicU32>,
    next_fence: Rc<Cell<u64>>,
}

impl Faulty {
    pub(super) fn new(path: &Path, fault: Fault, point: u32) -> Self {
        let left = Arc::new(AtomicU32::new(point));
        let mut faulty = Self { path: path.to_owned(), connection: None, fault, left, next_fence: Rc::default() };
        faulty.start();
        faulty
    }

    /// Says whether the fault lies behind us; if it never comes, there are no more points.
    pub(super) fn has_struck(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// Opens the database as a server does at its start.
    pub(super) fn start(&mut self) {
        let mut connection = Connection::open(&self.path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        // Crashes of the process are tested, not power cuts.
        connection.pragma_update(None, "synchronous", "OFF").unwrap();
        connection.pragma_update(None, "foreign_keys", true).unwrap();
        migrations::migrate(&mut connection).unwrap();
        let identity = server::begin(&connection, Timestamp::UNIX_EPOCH, Uuid::from_u128(1)).unwrap();
        outbox::recover(&connection).unwrap();
        self.next_fence.set(identity.next_fence);
        // What is not cached is compiled before it runs, and compiling is where SQLite asks whether it may write.
        connection.set_prepared_statement_cache_capacity(0);
        self.connection = Some(connection);
    }

    pub(super) fn draw_fence(&self) -> Fence {
        let fence = self.next_fence.get();
        self.next_fence.set(fence + 1);
        Fence(fence)
    }

    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> T {
        work(self.connection.as_ref().unwrap()).unwrap()
    }

    /// One transaction, with its fault if its time has come.
    pub(super) fn write<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Halt> {
        // Dropped on the way out, unless the process lives on; dropping rolls back what is open, as the next start would.
        let mut connection = self.connection.take().unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        self.arm(&mut connection);
        let result = work(&connection);
        connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>).unwrap();
        match result {
            Ok(value) => {
                connection.execute_batch("COMMIT").unwrap();
                if self.fault == Fault::CrashAfterCommit && count(&self.left) {
                    return Err(Halt::Crashed);
                }
                self.connection = Some(connection);
                Ok(value)
            }
            Err(_) if self.fault == Fault::CrashInTransaction => Err(Halt::Crashed),
            Err(error) => {
                if !connection.is_autocommit() {
                    connection.execute_batch("ROLLBACK").unwrap();
                }
                if self.fault == Fault::DiskFull {
                    assert!(error.to_string().contains("full"), "{error}");
                    connection.query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(())).unwrap();
                }
                self.connection = Some(connection);
                Err(Halt::Failed)
            }
        }
    }

    fn arm(&self, connection: &mut Connection) {
        match self.fault {
            Fault::StatementFails | Fault::CrashInTransaction => {
                let left = Arc::clone(&self.left);
                let judge = move |context: AuthContext<'_>| {
                    let writes = matches!(
                        context.action,
                        AuthAction::Insert { .. } | AuthAction::Update { .. } | AuthAction::Delete { .. }
                    );
                    if writes && count(&left) { Authorization::Deny } else { Authorization::Allow }
                };
                connection.authorizer(Some(judge)).unwrap();
            }
            Fault::DiskFull if count(&self.left) => {
                let pages: u32 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
                let full = format!("PRAGMA max_page_count = {pages}");
                connection.query_row(&full, [], |_| Ok(())).unwrap();
            }
            Fault::DiskFull | Fault::CrashAfterCommit => {}
        }
    }

    /// The process ends here.
    fn crash(&mut self) -> Halt {
        self.connection = None;
        Halt::Crashed
    }
}

/// Counts one point down. Returns whether it is the one.
fn count(left: &AtomicU32) -> bool {
    let counted = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    counted == Ok(1)
}

/// What is outside, and remembers.
#[derive(Debug, Default)]
pub(super) struct World {
    /// Webhooks with whether they were answered; those that were not are sent again.
    pub(super) deliveries: BTreeMap<String, bool>,
    /// Whether the person who asked for a reset has an answer; without one, they ask again under the same key.
    pub(super) is_reset: bool,
    /// Attempts that began, in their order.
    pub(super) began: Vec<(Fence, NodeIndex)>,
    /// Those of them that run.
    pub(super) running: BTreeMap<NodeIndex, Fence>,
    /// Messages that arrived.
    pub(super) arrived: Vec<String>,
}

impl World {
    pub(super) fn new() -> Self {
        let deliveries = [("first".to_owned(), false), ("same event, other hook".to_owned(), false)].into();
        Self { deliveries, ..Self::default() }
    }

    /// A worker is told to start an attempt; told twice, it starts once.
    fn start(&mut self, fence: Fence, node: NodeIndex) {
        if self.began.iter().any(|(begun, _)| *begun == fence) {
            return;
        }
        assert_eq!(self.running.get(&node), None, "a node runs twice at once");
        self.began.push((fence, node));
        self.running.insert(node, fence);
    }
}

/// The server's part.
pub(super) struct Life<'a> {
    pub(super) database: Faulty,
    pub(super) world: &'a mut World,
}

pub(super) fn id() -> PipelineId {
    PipelineId::parse("abc-def").unwrap()
}

/// Node 1 fails at its first attempt.
const FAILS_FIRST: NodeIndex = NodeIndex(1);

fn launch() -> Launch {
    let launch = serde_json::json!({
        "pipeline": id(),
        "definition": [
            {"name": "/", "type": "parallel"},
            {"name": "a", "parent": 0, "type": "exec", "command": "test $CONDUCTO_ATTEMPT = 2"},
            {"name": "b", "parent": 0, "type": "exec", "command": "true"},
        ],
        "title": "a change", "section": "push", "slack_channel": null, "trust": "trusted",
        "trigger": {"host": "github.com", "repository": {"id": 1, "full_name": "acme/api", "default_branch": "main"},
            "sha": "0".repeat(40), "kind": "push", "branch": "main", "before": null, "title": "a change", "sender": "kim"},
    });
    serde_json::from_value(launch).unwrap()
}

fn projection(pipeline: &Pipeline) -> Projection {
    Projection {
        state: pipeline.state(NodeIndex::ROOT),
        ending: pipeline.finished().map(|(ending, _)| ending),
        cause: None,
        counts: pipeline.counts(NodeIndex::ROOT),
        finished_at: pipeline.finished().map(|(_, at)| at),
        hold: pipeline.hold(),
        is_asleep: pipeline.asleep().is_some(),
    }
}

fn status(pipeline: &Pipeline) -> NewMessage {
    let ending = pipeline.finished().map(|(ending, _)| ending);
    let payload = ending.map_or_else(|| "pending".to_owned(), |ending| format!("final {ending:?}"));
    NewMessage { lane: "status".into(), kind: "status", payload, is_final: ending.is_some(), pause: Duration::ZERO }
}

/// All events of the pipeline; none before it exists.
pub(super) fn log(connection: &Connection) -> Result<Vec<Recorded>, Error> {
    pipelines::events(connection, &id(), 0, u32::MAX)
}

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

impl Life<'_> {
    /// Does the next thing there is to do. Returns false when there is none.
    pub(super) fn advance(&mut self) -> Result<bool, Halt> {
        let unanswered = self.world.deliveries.iter().find(|(_, answered)| !**answered).map(|(guid, _)| guid.clone());
        if let Some(guid) = unanswered {
            return self.receive(&guid).map(|()| true);
        }
        let due = self.database.read(|connection| inbox::due(connection, NOW, &HashSet::new(), 1)).pop();
        if let Some(waiting) = due {
            return self.conclude(waiting.seq).map(|()| true);
        }
        if self.send()? {
            return Ok(true);
        }
        if self.database.read(pipelines::to_resume).is_empty() {
            return self.reset();
        }
        let pipeline = engine::replay(&self.database.read(log)).unwrap();
        let live: Option<(NodeIndex, Fence, bool)> =
            pipeline.live_attempts().next().map(|(node, attempt)| (node, attempt.fence, attempt.started_at.is_some()));
        if let Some((node, fence, is_started)) = live {
            self.world.start(fence, node);
            let command =
                if is_started { self.finish(&pipeline, node, fence) } else { Command::AttemptStarted { fence } };
            if is_started {
                self.world.running.remove(&node);
            }
            self.ask(pipeline, command, None)?;
        } else if let Some(node) = pipeline.queued_leaves().first().copied() {
            let worker = WorkerId::from_random([7; 6]);
            let lease = Command::Lease { node, fence: self.database.draw_fence(), worker };
            self.ask(pipeline, lease, None)?;
        } else {
            assert!(pipeline.finished().is_some(), "nothing is live, nothing is queued, and it has not ended");
            self.database.write(|connection| pipelines::set_released(connection, &id()))?;
        }
        Ok(true)
    }

    fn receive(&mut self, guid: &str) -> Result<(), Halt> {
        // Long enough for a page of its own, so that a full disk shows.
        let noise: Vec<u8> =
            (0..6_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let delivery = inbox::NewDelivery {
            guid: guid.to_owned(),
            event: "push".into(),
            headers: "[]".into(),
            body: Packed::of(&noise).unwrap(),
        };
        self.database.write(|connection| inbox::put(connection, &delivery, NOW))?;
        self.world.deliveries.insert(guid.to_owned(), true);
        Ok(())
    }

    fn conclude(&mut self, seq: i64) -> Result<(), Halt> {
        let (pipeline, events) = engine::launch(launch(), NOW, Actor::Forge { login: "kim".into() });
        self.database.write(|connection| {
            if inbox::claim_trigger(connection, "one push", seq)?.is_some() {
                return inbox::conclude(connection, seq, inbox::Verdict::Ignored, "the same event", "");
            }
            pipelines::create(connection, pipeline.launch(), Some(seq), Uuid::from_u128(2), NOW)?;
            pipelines::append(connection, &id(), &events, &projection(&pipeline))?;
            outbox::put(connection, &status(&pipeline), NOW)?;
            inbox::conclude(connection, seq, inbox::Verdict::Done, "started", "")
        })
    }

    fn send(&mut self) -> Result<bool, Halt> {
        let claimed = self.database.write(|connection| outbox::claim(connection, NOW, 8))?;
        for message in &claimed {
            self.world.arrived.push(message.payload.clone());
            let arrived = Sent::Arrived { remote_id: Some("17".into()), channel: None };
            if let Err(halt) = self.database.write(|connection| outbox::settle(connection, message, &arrived, NOW)) {
                // What cannot be written down is found as "sending" by the next start.
                return Err(if matches!(halt, Halt::Failed) { self.database.crash() } else { halt });
            }
        }
        Ok(!claimed.is_empty())
    }

    /// A person resets the pipeline once it has failed.
    fn reset(&mut self) -> Result<bool, Halt> {
        if self.world.is_reset {
            return Ok(false);
        }
        if self.database.read(|connection| pipelines::remembered(connection, "a key")).is_none() {
            let pipeline = engine::replay(&self.database.read(log)).unwrap();
            assert_eq!(pipeline.finished().map(|(ending, _)| ending), Some(Ending::Failed));
            self.ask(pipeline, Command::Reset { node: NodeIndex::ROOT }, Some("a key"))?;
        }
        self.world.is_reset = true;
        Ok(true)
    }

    fn finish(&self, pipeline: &Pipeline, node: NodeIndex, fence: Fence) -> Command {
        let is_first = pipeline.leaf(node).unwrap().attempts.len() == 1;
        let code = i32::from(node == FAILS_FIRST && is_first);
        Command::AttemptFinished { fence, outcome: Outcome::Exited { code }, log_bytes: 0, grown: None }
    }

    fn ask(&mut self, mut pipeline: Pipeline, command: Command, key: Option<&str>) -> Result<(), Halt> {
        let events = engine::execute(&mut pipeline, NOW, &command.by(Actor::Worker)).unwrap();
        let seq = pipeline.seq();
        self.database.write(|connection| {
            pipelines::append(connection, &id(), &events, &projection(&pipeline))?;
            let is_news = |recorded: &Recorded| {
                matches!(recorded.event, Event::AttemptStarted { .. } | Event::PipelineFinished { .. })
            };
            if events.iter().any(is_news) {
                outbox::put(connection, &status(&pipeline), NOW)?;
            }
            key.map_or(Ok(()), |key| pipelines::remember(connection, key, seq, NOW))
        })
    }
}
