//! The server: what it has in memory, lost when it dies, and how it starts again from what the disk has.
//!
//! Decisions are those of the product itself: the engine, the pool's book, the orders of the hub, the statements of the
//! store. What stands here is only what the tasks between them do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use uuid::Uuid;

use super::{
    agenda::{MILLISECOND, Moment, SECOND},
    desk::Counter,
    disk::Trouble,
    live::Letter,
    world::{Due, World},
};
use crate::{
    dispatch::pool::{self, Book, End, Lease, Lots, Queue},
    engine::Pipeline,
    model::{Fence, NodeIndex, PipelineId, WorkerId},
    store::{Connection, Error, outbox, pipelines, server},
    worker::protocol::Start,
};

/// The server is no more.
pub(super) struct Died;

/// How the start of a worker went.
#[derive(Clone, Copy)]
pub(super) enum Started {
    Well,
    NoImage,
    Refused,
    Unavailable,
}

/// Something that one of the server's tasks does next.
pub(super) enum Chore {
    /// A pipeline takes its mail.
    Pipeline(PipelineId),
    /// The pool takes its mail.
    Pool,
    /// The pool looks for what has become due.
    Tick,
    /// Pipelines look for limits of time that have passed.
    Deadlines,
    Lease(Queue, Vec<Lease>),
    Refuse(Vec<Lease>),
    Start(Queue, WorkerId, Box<Start>),
    Started(WorkerId, Started),
    Check(PipelineId, WorkerId),
    Remove(PipelineId, WorkerId, VecDeque<(Fence, End)>),
    /// Tells a pipeline one end after the other; then the worker, if there is one, is struck off.
    Settle(PipelineId, Option<WorkerId>, VecDeque<(Fence, End)>),
    CannotRun(PipelineId, NodeIndex, String),
    Release(PipelineId),
    /// Asks the runtime whether it answers again.
    Probe,
    Sweep,
    Intake,
    /// Sends what is due, if nothing else has woken the outbox meanwhile.
    Outbox(u64),
    Send(Box<outbox::Claimed>),
}

pub(super) struct Enrolled {
    pub(super) pipeline: PipelineId,
    pub(super) is_to_go: bool,
}

pub(super) struct Server {
    pub(super) epoch: u32,
    next_fence: u64,
    pub(super) book: Book,
    pub(super) starts: BTreeMap<Fence, Box<Start>>,
    pub(super) roster: BTreeMap<WorkerId, Enrolled>,
    pub(super) counters: BTreeMap<WorkerId, Counter>,
    pub(super) pipelines: BTreeMap<PipelineId, Pipeline>,
    pub(super) mail: BTreeMap<PipelineId, Vec<Letter>>,
    pub(super) pool_mail: Vec<pool::Message>,
    /// What is still to be resumed after the start.
    to_resume: BTreeSet<PipelineId>,
    pub(super) outbox_turn: u64,
    pub(super) in_flight: usize,
    /// Whether what came of some message was not written down.
    pub(super) is_unsure: bool,
}

struct Drawn<'a> {
    workers: &'a mut u32,
    next_fence: &'a mut u64,
}

impl Lots for Drawn<'_> {
    fn worker(&mut self) -> WorkerId {
        *self.workers += 1;
        let [a, b, c, d] = self.workers.to_be_bytes();
        WorkerId::from_random([0, 0, a, b, c, d])
    }

    fn fence(&mut self) -> Fence {
        *self.next_fence += 1;
        Fence(*self.next_fence - 1)
    }
}

impl Server {
    pub(super) fn boot(epoch: u32, world: &mut World) -> Result<Self, Died> {
        let mut server = Self {
            epoch,
            next_fence: 0,
            book: Book::new(world.outside.options.budget, world.outside.options.idle_timeout),
            starts: BTreeMap::new(),
            roster: BTreeMap::new(),
            counters: BTreeMap::new(),
            pipelines: BTreeMap::new(),
            mail: BTreeMap::new(),
            pool_mail: Vec::new(),
            to_resume: BTreeSet::new(),
            outbox_turn: 0,
            in_flight: 0,
            is_unsure: false,
        };
        let now = world.clock();
        let begun = server.write(world, |connection| {
            outbox::recover(connection)?;
            server::begin(connection, now, Uuid::from_u128(1))
        })?;
        // A server that cannot write at its start ends again.
        server.next_fence = begun.ok_or(Died)?.next_fence;
        server.recover(world);
        server.soon(world, 0, Chore::Tick);
        server.soon(world, 0, Chore::Deadlines);
        server.wake_outbox(world);
        Ok(server)
    }

    /// As `recovery` does: who is ours, then who works at what, then what else must be under way.
    fn recover(&mut self, world: &mut World) {
        let leased = pipelines::leased(&world.disk.connection).unwrap();
        let mut live = BTreeSet::new();
        for attempt in leased {
            if self.expect(world, &attempt.pipeline, &attempt.worker) {
                self.counters[&attempt.worker].post.lease(attempt.fence);
            }
            live.insert(attempt.pipeline);
        }
        for id in live {
            self.pipelines.insert(id.clone(), world.disk.load(&id).unwrap());
            self.adopt(world, &id);
        }
        let to_resume = pipelines::to_resume(&world.disk.connection).unwrap();
        self.to_resume = to_resume.iter().cloned().collect();
        to_resume.iter().for_each(|id| self.post(world, id, Letter::Resume));
        if to_resume.is_empty() {
            self.open(world);
        }
    }

    /// A pipeline is resumed. After the last, new ones are taken and leftovers looked for.
    pub(super) fn resumed(&mut self, world: &mut World, id: &PipelineId) {
        if self.to_resume.remove(id) && self.to_resume.is_empty() {
            self.open(world);
        }
    }

    fn open(&self, world: &mut World) {
        self.soon(world, 0, Chore::Intake);
        self.soon(world, 0, Chore::Sweep);
    }

    pub(super) fn expect(&mut self, world: &World, pipeline: &PipelineId, worker: &WorkerId) -> bool {
        self.enrol(worker, pipeline);
        let is_known = world.disk.directories.contains(worker);
        if is_known {
            self.counters.entry(worker.clone()).or_default();
        }
        is_known
    }

    pub(super) fn enrol(&mut self, worker: &WorkerId, pipeline: &PipelineId) {
        let enrolled = Enrolled { pipeline: pipeline.clone(), is_to_go: false };
        self.roster.insert(worker.clone(), enrolled);
    }

    pub(super) fn carry_out(&mut self, chore: Chore, world: &mut World) -> Result<(), Died> {
        self.may_die(world)?;
        match chore {
            Chore::Pipeline(id) => self.take_mail(world, &id)?,
            Chore::Pool => self.run_pool(world),
            Chore::Tick => self.tick(world),
            Chore::Deadlines => self.pass_deadlines(world),
            Chore::Lease(queue, leases) => {
                let pipeline = queue.pipeline.clone();
                self.post(world, &pipeline, Letter::Lease(queue, leases));
            }
            Chore::Refuse(leases) => {
                for Lease { worker, fence, .. } in leases {
                    self.tell_pool(world, pool::Message::LeaseRefused { worker, fence, again: true });
                }
            }
            Chore::Start(queue, worker, start) => self.start_worker(world, queue, &worker, start),
            Chore::Started(worker, started) => self.worker_started(world, worker, started),
            Chore::Check(pipeline, worker) => self.check(world, &pipeline, worker),
            Chore::Remove(pipeline, worker, ends) => self.remove(world, pipeline, worker, ends),
            Chore::Settle(pipeline, worker, ends) => self.settle(world, pipeline, worker, ends),
            Chore::CannotRun(pipeline, node, message) => self.cannot_run(world, &pipeline, node, message),
            Chore::Release(pipeline) => self.release(world, pipeline)?,
            Chore::Probe => self.probe(world),
            Chore::Sweep => self.sweep(world),
            Chore::Intake => self.intake(world)?,
            Chore::Outbox(turn) => self.run_outbox(world, turn)?,
            Chore::Send(message) => self.send_message(world, &message)?,
        }
        Ok(())
    }

    /// Asks the book what is to be done.
    pub(super) fn wishes(&mut self, world: &mut World) -> Vec<pool::Wish> {
        let now = world.clock();
        self.book.go_on(now, &mut Drawn { workers: &mut world.workers_made, next_fence: &mut self.next_fence })
    }

    /// Does a chore a little later.
    pub(super) fn soon(&self, world: &mut World, after: Moment, chore: Chore) {
        let at = world.agenda.now + after;
        world.agenda.put(at, Due::Chore(self.epoch, chore));
    }

    pub(super) fn tell_pool(&mut self, world: &mut World, message: pool::Message) {
        self.pool_mail.push(message);
        if self.pool_mail.len() == 1 {
            let after = world.luck.below(3 * MILLISECOND);
            self.soon(world, after, Chore::Pool);
        }
    }

    pub(super) fn post(&mut self, world: &mut World, pipeline: &PipelineId, letter: Letter) {
        let letters = self.mail.entry(pipeline.clone()).or_default();
        letters.push(letter);
        if letters.len() == 1 {
            let after = world.luck.below(5 * MILLISECOND);
            self.soon(world, after, Chore::Pipeline(pipeline.clone()));
        }
    }

    /// Carries out a transaction. Nothing when it failed.
    pub(super) fn write<T>(
        &self,
        world: &mut World,
        work: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<Option<T>, Died> {
        let fortune = world.chaos.fortune(&mut world.luck);
        match world.disk.write(fortune, work) {
            Ok(value) => Ok(Some(value)),
            Err(Trouble::Failed) => {
                world.note(|| "a write fails".to_owned());
                Ok(None)
            }
            Err(Trouble::Died) => Err(Died),
        }
    }

    pub(super) fn may_die(&self, world: &mut World) -> Result<(), Died> {
        if world.chaos.strikes(&mut world.luck) { Err(Died) } else { Ok(()) }
    }

    pub(super) fn listens_for(&self, worker: &WorkerId) -> bool {
        self.counters.contains_key(worker)
    }

    fn pass_deadlines(&mut self, world: &mut World) {
        let now = world.clock();
        let overdue = |pipeline: &Pipeline| pipeline.next_deadline().filter(|(due, _)| *due <= now);
        let due: Vec<_> =
            self.pipelines.iter().filter_map(|(id, pipeline)| Some((id.clone(), overdue(pipeline)?.1))).collect();
        for (id, node) in due {
            self.post(world, &id, Letter::deadline(node));
        }
        self.soon(world, SECOND, Chore::Deadlines);
    }
}
