//! The pool's loop and its chores, as `pool::room`, `chores`, `start` and `leave` have them.

use std::collections::VecDeque;

use super::{
    agenda::{MILLISECOND, SECOND},
    chaos::Sabotage,
    live::{Letter, Next, Reply},
    server::{Chore, Died, Server, Started},
    worker::Life,
    world::{Due, World},
};
use crate::{
    dispatch::{
        pool::{self, End, Gone, Lease, Queue, Wish},
        start::GRACE_MS,
    },
    executor,
    model::{Actor, Command, Fence, NodeIndex, Outcome, PipelineId, WorkerId},
    store::pipelines,
    worker::protocol::{Start, ToWorker},
};

impl Server {
    pub(super) fn tick(&mut self, world: &mut World) {
        self.book.tick(world.clock());
        self.grant_wishes(world);
        self.soon(world, 400 * MILLISECOND, Chore::Tick);
    }

    pub(super) fn run_pool(&mut self, world: &mut World) {
        for message in std::mem::take(&mut self.pool_mail) {
            self.tell(world, message);
        }
        self.grant_wishes(world);
    }

    fn tell(&mut self, world: &mut World, message: pool::Message) {
        use pool::Message;
        let (book, now) = (&mut self.book, world.clock());
        match message {
            Message::Offer { queue, node } => book.offer(&queue, node, now),
            Message::Refuse { pipeline, node, message } => book.refuse(pipeline, node, message),
            Message::Withdraw { pipeline, node } => book.withdraw(&pipeline, node),
            Message::Start { pipeline, worker, start } => {
                let fence = start.fence;
                self.starts.insert(fence, start);
                book.leased(&pipeline, &worker, fence);
            }
            Message::LeaseRefused { worker, fence, again } => book.lease_refused(&worker, fence, again, now),
            Message::Stop { pipeline, worker, fence, reason } => {
                let by = pool::stop_deadline(now, std::time::Duration::from_millis(GRACE_MS));
                book.stop(&pipeline, &worker, fence, reason, by);
            }
            Message::Destroy { pipeline, worker, fence, reason } => book.destroy(&pipeline, &worker, fence, reason),
            Message::Launched { worker } => book.launched(&worker, now),
            Message::StartFailed { worker, error } => book.start_failed(&worker, &error),
            Message::Connected { worker } => book.connected(&worker, now),
            Message::Disconnected { worker } => book.disconnected(&worker, now),
            Message::Started { worker, fence } => book.started(&worker, fence),
            Message::Finished { worker, fence } => book.finished(&worker, fence, now),
            Message::Returned { worker, fence } => book.returned(&worker, fence, now),
            Message::Checked { worker, gone } => book.checked(&worker, gone.as_ref(), now),
            Message::RuntimeAway => book.runtime_away(),
            Message::RuntimeBack => book.runtime_back(),
            Message::Removed { worker } => book.removed(&worker),
            Message::ReleaseGroup { pipeline, node, generation } => book.release_group(&pipeline, node, generation),
            Message::Release { pipeline } => book.release(pipeline),
            Message::Released { pipeline } => book.released(&pipeline),
            Message::Adopt { worker, queue, node, fence, started } => {
                book.adopt(&worker, &queue, (node, fence, started), now);
            }
            Message::AdoptGroup { worker, queue } => book.adopt_group(&worker, &queue, now),
            // Its servers keep no spare.
            Message::TakeSpare { .. } | Message::DropSpare { .. } => {}
        }
    }

    fn grant_wishes(&mut self, world: &mut World) {
        let mut leases: Vec<(Queue, Vec<Lease>)> = Vec::new();
        for wish in self.wishes(world) {
            match wish {
                Wish::Lease { queue, worker, node, fence } => {
                    let lease = Lease { node, fence, worker };
                    match leases.iter_mut().find(|(other, _)| *other == queue) {
                        Some((_, leases)) => leases.push(lease),
                        None => leases.push((queue, vec![lease])),
                    }
                }
                other => self.grant(world, other),
            }
        }
        for (queue, leases) in leases {
            self.soon(world, MILLISECOND, Chore::Lease(queue, leases));
        }
    }

    fn grant(&mut self, world: &mut World, wish: Wish) {
        let pause = world.luck.below(Self::PAUSE);
        match wish {
            Wish::Lease { .. } | Wish::Explain { .. } => {}
            Wish::Launch { queue, worker, fence } => {
                let Some(start) = self.starts.remove(&fence) else { return };
                self.enrol(&worker, &queue.pipeline);
                self.soon(world, pause, Chore::Start(queue, worker, start));
            }
            Wish::Send { worker, fence } => {
                let Some(start) = self.starts.remove(&fence) else { return };
                if let Some(counter) = self.counters.get(&worker) {
                    counter.post.lease(fence);
                }
                self.order(world, &worker, ToWorker::Start(start));
            }
            Wish::Stop { worker, fence, reason } => self.order(world, &worker, ToWorker::Stop { fence, reason }),
            Wish::Recall { worker, fence } => self.order(world, &worker, ToWorker::Recall { fence }),
            Wish::Settle { pipeline, fence, end } => {
                self.starts.remove(&fence);
                self.soon(world, pause, Chore::Settle(pipeline, None, VecDeque::from([(fence, end)])));
            }
            Wish::CannotRun { pipeline, nodes, message } => {
                for node in nodes {
                    self.cannot_run(world, &pipeline, node, message.clone());
                }
            }
            Wish::Check { pipeline, worker } => self.soon(world, pause, Chore::Check(pipeline, worker)),
            Wish::Remove { pipeline, worker, ends } => {
                ends.iter().for_each(|(fence, _)| drop(self.starts.remove(fence)));
                world.note(|| format!("{worker} is to be removed: {ends:?}"));
                self.soon(world, pause, Chore::Remove(pipeline, worker, ends.into()));
            }
            Wish::Release { pipeline } => self.soon(world, pause, Chore::Release(pipeline)),
            Wish::AwaitRuntime => self.soon(world, 2 * SECOND, Chore::Probe),
        }
    }

    pub(super) fn cannot_run(&mut self, world: &mut World, pipeline: &PipelineId, node: NodeIndex, message: String) {
        let command = Command::CannotRun { node, message: message.clone() };
        let reply = Reply::CannotRun { node, message };
        self.post(world, pipeline, Letter::ask(command, Actor::Server, reply));
    }

    pub(super) fn start_worker(&mut self, world: &mut World, queue: Queue, id: &WorkerId, start: Box<Start>) {
        let Some(enrolled) = self.roster.get(id) else { return };
        if enrolled.is_to_go {
            return;
        }
        world.disk.directories.insert(id.clone());
        self.counters.entry(id.clone()).or_default().post.lease(start.fence);
        self.order(world, id, ToWorker::Start(start));
        let epoch = self.epoch;
        let most = if world.luck.happens(50) { 6 * SECOND } else { 600 * MILLISECOND };
        world.put_in(50 * MILLISECOND, most, Due::Create(epoch, id.clone(), queue));
    }

    pub(super) fn worker_started(&mut self, world: &mut World, worker: WorkerId, started: Started) {
        if self.roster.get(&worker).is_none_or(|enrolled| enrolled.is_to_go) {
            return;
        }
        let message = "drawn".to_owned();
        let error = match started {
            Started::Well => return self.tell_pool(world, pool::Message::Launched { worker }),
            Started::NoImage => executor::Error::Image { image: String::new(), message },
            Started::Refused => executor::Error::Refused { message },
            Started::Unavailable => executor::Error::Unavailable { message },
        };
        world.note(|| format!("{worker} cannot be started: {error}"));
        self.tell_pool(world, pool::Message::StartFailed { worker, error });
    }

    pub(super) fn check(&mut self, world: &mut World, _pipeline: &PipelineId, worker: WorkerId) {
        let gone = |evidence: &str, out_of_memory| Some(Gone { evidence: evidence.to_owned(), out_of_memory });
        if world.runtime.is_down {
            self.tell_pool(world, pool::Message::RuntimeAway);
        }
        let gone = match world.runtime.containers.get(&worker).map(|worker| worker.life) {
            _ if world.runtime.is_down => None,
            Some(Life::Runs) => None,
            Some(Life::Exited { out_of_memory }) => gone("its worker ended", out_of_memory),
            None => gone("its worker is gone", false),
        };
        self.tell_pool(world, pool::Message::Checked { worker, gone });
    }

    pub(super) fn remove(
        &mut self,
        world: &mut World,
        pipeline: PipelineId,
        id: WorkerId,
        ends: VecDeque<(Fence, End)>,
    ) {
        if ends.is_empty() {
            self.order(world, &id, ToWorker::Bye);
        }
        if let Some(enrolled) = self.roster.get_mut(&id) {
            enrolled.is_to_go = true;
        }
        if world.chaos.is(Sabotage::SettleBeforeRemoval) && !ends.is_empty() {
            self.settle(world, pipeline.clone(), None, ends);
            return self.soon(world, 5 * SECOND, Chore::Remove(pipeline, id, VecDeque::new()));
        }
        if world.runtime.is_down {
            return self.soon(world, SECOND, Chore::Remove(pipeline, id, ends));
        }
        world.remove_container(&id);
        self.forget(world, &id);
        let pause = world.luck.below(Self::PAUSE);
        self.soon(world, pause, Chore::Settle(pipeline, Some(id), ends));
    }

    pub(super) fn settle(
        &mut self,
        world: &mut World,
        pipeline: PipelineId,
        worker: Option<WorkerId>,
        mut ends: VecDeque<(Fence, End)>,
    ) {
        let all = ends.clone();
        let Some((fence, end)) = ends.pop_front() else {
            if let Some(worker) = worker {
                self.roster.remove(&worker);
                self.tell_pool(world, pool::Message::Removed { worker });
            }
            return;
        };
        let again = Box::new(Chore::Settle(pipeline.clone(), worker.clone(), all));
        let next = Next { rest: Box::new(Chore::Settle(pipeline.clone(), worker, ends)), again };
        let outcome = match end {
            End::GiveBack(evidence) => {
                let outcome = Outcome::Infrastructure { message: evidence.clone() };
                let reply = Reply::GivenBack { fence, outcome, next };
                let unlease = Command::Unlease { fence, evidence };
                return self.post(world, &pipeline, Letter::ask(unlease, Actor::Server, reply));
            }
            End::Stopped(reason) => Outcome::Stopped { reason },
            End::OutOfMemory => Outcome::OutOfMemory,
            End::Failed(message) => Outcome::Infrastructure { message },
        };
        let end = Command::AttemptFinished { fence, outcome, log_bytes: 0, grown: None };
        self.post(world, &pipeline, Letter::ask(end, Actor::Server, Reply::Settled(next)));
    }

    pub(super) fn release(&mut self, world: &mut World, pipeline: PipelineId) -> Result<(), Died> {
        if world.runtime.is_down {
            self.soon(world, SECOND, Chore::Release(pipeline));
            return Ok(());
        }
        let left: Vec<WorkerId> = world
            .runtime
            .containers
            .values()
            .filter(|worker| worker.made_for.pipeline == pipeline)
            .map(|worker| worker.id.clone())
            .collect();
        left.iter().for_each(|id| world.remove_container(id));
        world.runtime.networks.remove(&pipeline);
        if self.write(world, |connection| pipelines::set_released(connection, &pipeline))?.is_none() {
            self.soon(world, SECOND, Chore::Release(pipeline));
            return Ok(());
        }
        self.tell_pool(world, pool::Message::Released { pipeline });
        Ok(())
    }

    pub(super) fn probe(&mut self, world: &mut World) {
        if world.runtime.is_down {
            self.soon(world, 2 * SECOND, Chore::Probe);
        } else {
            self.tell_pool(world, pool::Message::RuntimeBack);
        }
    }

    /// Removes what exists in the runtime and nowhere else.
    pub(super) fn sweep(&mut self, world: &mut World) {
        self.soon(world, 60 * SECOND, Chore::Sweep);
        if world.runtime.is_down {
            return;
        }
        let unknown: Vec<WorkerId> =
            world.runtime.containers.keys().filter(|id| !self.roster.contains_key(*id)).cloned().collect();
        for id in unknown {
            world.note(|| format!("{id} is known to nobody"));
            world.remove_container(&id);
            self.forget(world, &id);
        }
        let live = pipelines::unreleased(&world.disk.connection).unwrap();
        world.runtime.networks.retain(|pipeline| live.contains(pipeline));
    }
}
