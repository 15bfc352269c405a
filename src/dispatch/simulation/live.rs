//! The tasks of the live pipelines, as `dispatch::live` has them: decide, commit, and only then act.

use super::{
    agenda::{MILLISECOND, SECOND},
    chaos::Sabotage,
    server::{Chore, Died, Server},
    world::World,
};
use crate::{
    dispatch::{
        answer, feedback,
        pool::{self, Lease, Queue},
        recovery, start,
    },
    engine::{self, Pipeline},
    model::{
        Actor, Command, Effect, Event, Fence, Isolation, KillReason, Milestone, NodeIndex, Outcome, PipelineId,
        Recorded, WorkerId,
    },
    store::{outbox, pipelines},
    worker::protocol::Start,
};

/// What a pipeline is told.
pub(super) enum Letter {
    Ask { command: Box<Command>, actor: Actor, reply: Reply },
    Lease(Queue, Vec<Lease>),
    Resume,
}

/// Who waits for an answer.
pub(super) enum Reply {
    Nobody,
    /// A worker, for its report to be safe; then the pool is told.
    Report {
        worker: WorkerId,
        line: u64,
        seq: u64,
        then: pool::Message,
    },
    /// A worker that has given an attempt back.
    Returned {
        worker: WorkerId,
        line: u64,
        seq: u64,
        fence: Fence,
    },
    /// Somebody who tries to give an attempt back, or else to end it.
    GivenBack {
        fence: Fence,
        outcome: Outcome,
        next: Next,
    },
    /// Somebody who records the end of an attempt and then goes on.
    Settled(Next),
    /// Somebody who says that a leaf cannot run.
    CannotRun {
        node: NodeIndex,
        message: String,
    },
}

/// What is done when the answer is there, and what when there is none.
pub(super) struct Next {
    pub(super) rest: Box<Chore>,
    pub(super) again: Box<Chore>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Rejected,
    Unavailable,
}

#[derive(Default)]
struct Draft {
    events: Vec<Recorded>,
    replies: Vec<(Reply, Answer)>,
    leases: Vec<Lease>,
    refused: Vec<Lease>,
}

impl Letter {
    pub(super) fn ask(command: Command, actor: Actor, reply: Reply) -> Self {
        Self::Ask { command: Box::new(command), actor, reply }
    }

    pub(super) fn deadline(node: NodeIndex) -> Self {
        Self::ask(Command::DeadlinePassed { node }, Actor::Server, Reply::Nobody)
    }
}

impl Server {
    /// Returns a pipeline, brought to life if it was not.
    pub(super) fn find(&mut self, world: &World, id: &PipelineId) -> &Pipeline {
        self.pipelines.entry(id.clone()).or_insert_with(|| world.disk.load(id).unwrap())
    }

    /// Takes what a pipeline was told, all in one commit.
    pub(super) fn take_mail(&mut self, world: &mut World, id: &PipelineId) -> Result<(), Died> {
        let letters = self.mail.remove(id).unwrap_or_default();
        let pipeline = self.pipelines.remove(id).or_else(|| world.disk.load(id));
        let Some(mut pipeline) = pipeline else { return Ok(()) };
        let mut draft = Draft::default();
        let mut is_to_resume = false;
        for letter in letters {
            match letter {
                Letter::Ask { command, actor, reply } => {
                    self.ask(world, &mut pipeline, *command, actor, reply, &mut draft);
                }
                Letter::Lease(queue, leases) => self.lease(world, &mut pipeline, &queue, leases, &mut draft),
                Letter::Resume => is_to_resume = true,
            }
        }
        self.pipelines.insert(id.clone(), pipeline);
        self.commit(world, id, draft)?;
        if is_to_resume {
            self.resume(world, id)?;
            self.resumed(world, id);
        }
        Ok(())
    }

    fn ask(
        &mut self,
        world: &mut World,
        pipeline: &mut Pipeline,
        command: Command,
        actor: Actor,
        reply: Reply,
        draft: &mut Draft,
    ) {
        let asked = command.by(actor);
        match engine::execute(pipeline, world.clock(), &asked) {
            Ok(events) => {
                draft.events.extend(events);
                draft.replies.push((reply, Answer::Done));
            }
            Err(rejected) => {
                world.note(|| format!("{:?} is rejected: {rejected}", asked.command));
                draft.replies.push((reply, Answer::Rejected));
            }
        }
    }

    fn lease(
        &mut self,
        world: &mut World,
        pipeline: &mut Pipeline,
        queue: &Queue,
        leases: Vec<Lease>,
        draft: &mut Draft,
    ) {
        for lease in leases {
            let Lease { node, fence, worker } = lease.clone();
            let belongs =
                pipeline.definition().contains(node) && start::queue(&world.outside.options, pipeline, node) == *queue;
            let asked = Command::Lease { node, fence, worker: worker.clone() }.by(Actor::Server);
            let events = belongs.then(|| engine::execute(pipeline, world.clock(), &asked).ok()).flatten();
            if let Some(events) = events {
                draft.events.extend(events);
                draft.leases.push(lease);
            } else {
                draft.refused.push(lease);
            }
        }
    }

    fn commit(&mut self, world: &mut World, id: &PipelineId, draft: Draft) -> Result<(), Died> {
        let Draft { events, replies, mut leases, refused } = draft;
        if events.is_empty() {
            self.answer_all(world, id, replies, refused);
            return Ok(());
        }
        if world.chaos.is(Sabotage::ActBeforeCommit) {
            self.act_on(world, id, &events)?;
        }
        let is_written = self.write_events(world, id, &events)?;
        if !is_written {
            for (reply, _) in replies {
                self.answer(world, id, reply, Answer::Unavailable);
            }
            leases.extend(refused);
            self.soon(world, SECOND, Chore::Refuse(leases));
            let stored = world.disk.load(id).unwrap();
            self.pipelines.insert(id.clone(), stored);
            return Ok(());
        }
        for recorded in &events {
            world.note(|| format!("{id} #{}: {:?}", recorded.seq, Brief(&recorded.event)));
            if let Event::AttemptStarted { fence } = recorded.event
                && let Some((_, attempt)) = self.pipelines[id].live_attempt(fence)
            {
                world.judge_served(&attempt.worker);
            }
        }
        if !world.chaos.is(Sabotage::ActBeforeCommit) {
            self.act_on(world, id, &events)?;
        }
        self.answer_all(world, id, replies, refused);
        Ok(())
    }

    fn answer_all(&mut self, world: &mut World, id: &PipelineId, replies: Vec<(Reply, Answer)>, refused: Vec<Lease>) {
        for Lease { worker, fence, .. } in refused {
            self.tell_pool(world, pool::Message::LeaseRefused { worker, fence, again: false });
        }
        for (reply, answer) in replies {
            self.answer(world, id, reply, answer);
        }
    }

    fn act_on(&mut self, world: &mut World, id: &PipelineId, events: &[Recorded]) -> Result<(), Died> {
        let effects: Vec<Effect> =
            events.iter().flat_map(|recorded| engine::effects(&self.pipelines[id], recorded)).collect();
        for effect in effects {
            self.may_die(world)?;
            self.act(world, id, effect);
        }
        Ok(())
    }

    fn write_events(&mut self, world: &mut World, id: &PipelineId, events: &[Recorded]) -> Result<bool, Died> {
        let pipeline = &self.pipelines[id];
        let milestone = latest(pipeline, events);
        let messages = milestone.map(|milestone| feedback::messages(&world.outside.options, pipeline, milestone));
        let projection = answer::projection(pipeline);
        let now = world.clock();
        let written = self.write(world, |connection| {
            pipelines::append(connection, id, events, &projection)?;
            let mut is_due_earlier = false;
            for message in messages.iter().flatten() {
                is_due_earlier |= outbox::put(connection, message, now)?;
            }
            Ok(is_due_earlier)
        })?;
        if written == Some(true) {
            self.wake_outbox(world);
        }
        Ok(written.is_some())
    }

    fn act(&mut self, world: &mut World, id: &PipelineId, effect: Effect) {
        let (pipeline, options) = (&self.pipelines[id], &world.outside.options);
        let id = id.clone();
        let message = match effect {
            Effect::Offer { node } => match start::refusal(options, true, pipeline, node) {
                None => pool::Message::Offer { queue: start::queue(options, pipeline, node), node },
                Some(message) => pool::Message::Refuse { pipeline: id, node, message },
            },
            Effect::Withdraw { node } => pool::Message::Withdraw { pipeline: id, node },
            Effect::ReleaseGroup { node, generation } => pool::Message::ReleaseGroup { pipeline: id, node, generation },
            Effect::Start { node, fence, worker } => {
                let max_time = pipeline.definition().max_time(node).unwrap_or(crate::model::DEFAULT_MAX_TIME);
                let start = Start {
                    fence,
                    command: String::new(),
                    env: std::collections::BTreeMap::new(),
                    max_time_ms: u64::try_from(max_time.as_millis()).unwrap(),
                    grace_ms: start::GRACE_MS,
                    keep: pipeline.group_container(node).is_some(),
                    isolation: Isolation::Shared,
                    shell: None,
                    secrets: false,
                };
                let Some((_, attempt)) = pipeline.live_attempt(fence) else { return };
                let queue = start::queue_of(options, pipeline, attempt, pipeline.container_of(fence));
                world.judge.told(fence, &id, node, &queue);
                pool::Message::Start { pipeline: id, worker, start: Box::new(start) }
            }
            Effect::Stop { fence, worker, reason } => pool::Message::Stop { pipeline: id, worker, fence, reason },
            Effect::Destroy { fence, worker, reason } => pool::Message::Destroy { pipeline: id, worker, fence, reason },
            Effect::Report(_) => return,
            Effect::Release => pool::Message::Release { pipeline: id },
        };
        self.tell_pool(world, message);
    }

    /// After a start: the pool gets to know who works at what.
    pub(super) fn adopt(&mut self, world: &mut World, id: &PipelineId) {
        let pipeline = self.pipelines[id].clone();
        for (node, attempt) in pipeline.live_attempts() {
            let (worker, fence) = (attempt.worker.clone(), attempt.fence);
            let queue = start::queue_of(&world.outside.options, &pipeline, attempt, pipeline.container_of(fence));
            let started = attempt.started_at.is_some();
            self.tell_pool(world, pool::Message::Adopt { worker: worker.clone(), queue, node, fence, started });
            self.act(world, id, Effect::Start { node, fence, worker: worker.clone() });
            if let Some(reason) = engine::must_stop(&pipeline, node, attempt) {
                self.act(world, id, Effect::Stop { fence, worker, reason });
            }
        }
    }

    fn resume(&mut self, world: &mut World, id: &PipelineId) -> Result<(), Died> {
        let pipeline = self.pipelines[id].clone();
        for (worker, queue) in recovery::kept_groups(&world.outside.options, &pipeline) {
            if !self.roster.contains_key(&worker) {
                self.expect(world, id, &worker);
            }
            self.tell_pool(world, pool::Message::AdoptGroup { worker, queue });
        }
        for node in pipeline.queued_leaves() {
            self.may_die(world)?;
            self.act(world, id, Effect::Offer { node });
        }
        if pipeline.finished().is_some() && pipeline.live_attempts().next().is_none() {
            self.act(world, id, Effect::Release);
        }
        Ok(())
    }

    fn answer(&mut self, world: &mut World, id: &PipelineId, reply: Reply, answer: Answer) {
        let is_safe = answer != Answer::Unavailable;
        match reply {
            Reply::Nobody => {}
            Reply::Report { worker, line, seq, then } => {
                if is_safe {
                    self.tell_pool(world, then);
                }
                self.confirm(world, &worker, line, seq, is_safe);
            }
            Reply::Returned { worker, line, seq, fence } if answer == Answer::Rejected => {
                // It must not go on: then this is its end.
                let outcome = Outcome::Stopped { reason: KillReason::User };
                let then = pool::Message::Returned { worker: worker.clone(), fence };
                let reply = Reply::Report { worker, line, seq, then };
                let end = Command::AttemptFinished { fence, outcome, log_bytes: 0, grown: None };
                self.post(world, id, Letter::ask(end, Actor::Worker, reply));
            }
            Reply::Returned { worker, line, seq, fence } => {
                if is_safe {
                    self.tell_pool(world, pool::Message::Returned { worker: worker.clone(), fence });
                }
                self.confirm(world, &worker, line, seq, is_safe);
            }
            Reply::GivenBack { next, .. } | Reply::Settled(next) if !is_safe => self.soon(world, SECOND, *next.again),
            Reply::GivenBack { fence, outcome, next } if answer == Answer::Rejected => {
                let end = Command::AttemptFinished { fence, outcome, log_bytes: 0, grown: None };
                self.post(world, id, Letter::ask(end, Actor::Server, Reply::Settled(next)));
            }
            Reply::GivenBack { next, .. } | Reply::Settled(next) => self.soon(world, MILLISECOND, *next.rest),
            Reply::CannotRun { node, message } if !is_safe => {
                self.soon(world, SECOND, Chore::CannotRun(id.clone(), node, message));
            }
            Reply::CannotRun { .. } => {}
        }
    }
}

fn latest(pipeline: &Pipeline, events: &[Recorded]) -> Option<Milestone> {
    events.iter().flat_map(|recorded| engine::effects(pipeline, recorded)).fold(None, |latest, effect| {
        match (effect, latest) {
            (Effect::Report(Milestone::Progress), Some(earlier)) => Some(earlier),
            (Effect::Report(milestone), _) => Some(milestone),
            (_, latest) => latest,
        }
    })
}

/// An event without the trees in it.
struct Brief<'a>(&'a Event);

impl std::fmt::Debug for Brief<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Event::PipelineCreated { .. } | Event::TreeGrown { .. } => f.write_str(self.0.name()),
            event => event.fmt(f),
        }
    }
}
