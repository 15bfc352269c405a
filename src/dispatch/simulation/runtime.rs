//! The container runtime, with the workers in its containers and the commands that these run.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    agenda::{MILLISECOND, Moment, SECOND},
    chaos::Sabotage,
    server::{Chore, Server, Started},
    trees::MISSING_IMAGE,
    worker::{Life, Running, Worker},
    world::{Due, Up, World},
};
use crate::{
    dispatch::pool::Queue,
    model::{Fence, KillReason, Outcome, PipelineId, WorkerId},
    worker::protocol::{Message, Stream, ToWorker},
};

/// After how long without a word of the server a worker ends.
const ORPHAN: Moment = 20 * SECOND;

#[derive(Default)]
pub(super) struct Runtime {
    pub(super) containers: BTreeMap<WorkerId, Worker>,
    pub(super) networks: BTreeSet<PipelineId>,
    pub(super) is_down: bool,
}

impl World {
    pub(super) fn create(&mut self, epoch: u32, id: WorkerId, queue: Queue) {
        let started = if self.runtime.is_down {
            Started::Unavailable
        } else if queue.image == MISSING_IMAGE {
            Started::NoImage
        } else if self.chaos.hinders(&mut self.luck) {
            Started::Refused
        } else {
            self.runtime.networks.insert(queue.pipeline.clone());
            if !self.runtime.containers.contains_key(&id) {
                self.note(|| format!("the container of {id} is made"));
                let mut worker = Worker::new(id.clone(), queue, self.agenda.now);
                worker.forgets_fences = self.chaos.is(Sabotage::NoFence);
                worker.is_careless = self.chaos.is(Sabotage::AckBeforeCommit);
                self.runtime.containers.insert(id.clone(), worker);
                self.put_in(MILLISECOND, 100 * MILLISECOND, Due::Dial(id.clone()));
                self.agenda.put(self.agenda.now + ORPHAN, Due::Alone(id.clone()));
            }
            Started::Well
        };
        self.agenda.put(self.agenda.now + MILLISECOND, Due::Chore(epoch, Chore::Started(id, started)));
    }

    /// Ends a worker's process and everything it runs.
    pub(super) fn end_container(&mut self, id: &WorkerId, life: Life) {
        let Some(worker) = self.runtime.containers.get_mut(id).filter(|worker| worker.life == Life::Runs) else {
            return;
        };
        worker.life = life;
        let (line, node) = (worker.line.take(), worker.node.take());
        if let Some(node) = node {
            self.judge.ended(node.fence);
        }
        if let Some(line) = line {
            self.cut(line);
        }
    }

    /// Removes a container.
    pub(super) fn remove_container(&mut self, id: &WorkerId) {
        self.end_container(id, Life::Exited { out_of_memory: false });
        if self.runtime.containers.remove(id).is_some() {
            self.note(|| format!("the container of {id} is removed"));
        }
    }

    fn worker(&mut self, id: &WorkerId) -> Option<&mut Worker> {
        self.runtime.containers.get_mut(id).filter(|worker| worker.life == Life::Runs)
    }

    pub(super) fn dial(&mut self, id: &WorkerId, server: Option<&Server>) {
        if self.worker(id).is_none_or(|worker| worker.line.is_some()) {
            return;
        }
        if server.is_none_or(|server| !server.listens_for(id)) {
            return self.put_in(100 * MILLISECOND, 2 * SECOND, Due::Dial(id.clone()));
        }
        let (line, now) = (self.open_line(id), self.agenda.now);
        self.note(|| format!("{id} dials: line {line}"));
        if let Some(worker) = self.worker(id) {
            worker.connect(line, now);
        }
        self.send_up(line, Up::Hello);
        self.pump(id);
    }

    pub(super) fn worker_lost_line(&mut self, id: &WorkerId, line: u64) {
        let now = self.agenda.now;
        let Some(worker) = self.worker(id).filter(|worker| worker.line == Some(line)) else { return };
        (worker.line, worker.heard_at) = (None, now);
        self.put_in(MILLISECOND, 500 * MILLISECOND, Due::Dial(id.clone()));
    }

    pub(super) fn worker_hears(&mut self, id: &WorkerId, line: u64, word: ToWorker) {
        let now = self.agenda.now;
        let Some(worker) = self.worker(id).filter(|worker| worker.line == Some(line)) else { return };
        worker.heard_at = now;
        match word {
            ToWorker::Start(start) => worker.start(*start),
            ToWorker::Stop { fence, reason } => {
                if worker.stop(fence, reason) && worker.node.as_ref().is_some_and(|node| !node.is_stubborn) {
                    self.put_in(MILLISECOND, 10 * SECOND, Due::Heeded(id.clone(), fence, reason));
                }
            }
            ToWorker::Recall { fence } => worker.recall(fence),
            ToWorker::Ack { seq } => worker.acknowledge(seq),
            ToWorker::Bye => worker.is_dismissed = true,
            ToWorker::Welcome { .. } | ToWorker::Heartbeat | ToWorker::Secrets { .. } | ToWorker::NoSecrets { .. } => {}
        }
        self.advance(id);
    }

    /// Begins the next command if none runs, says what there is to say, and ends if that is all.
    fn advance(&mut self, id: &WorkerId) {
        let Some(worker) = self.worker(id) else { return };
        if worker.node.is_none()
            && let Some(start) = worker.queue.pop_front()
        {
            self.begin(id, start.fence, start.max_time_ms * MILLISECOND);
        }
        self.pump(id);
        if self.worker(id).is_some_and(|worker| worker.is_finished()) {
            self.end_container(id, Life::Exited { out_of_memory: false });
        }
    }

    fn begin(&mut self, id: &WorkerId, fence: Fence, max_time: Moment) {
        self.judge_begin(id, fence);
        let (mut takes, code) = (self.luck.below(3 * SECOND), i32::from(self.luck.happens(200)));
        if self.luck.happens(500) {
            takes /= 100;
        } else if self.luck.happens(50) {
            takes *= 20;
        }
        let is_stubborn = self.chaos.is_on() && self.luck.happens(self.chaos.stubborn);
        let mut outcome = match self.luck.below(40) {
            0 => Outcome::OutOfMemory,
            1 => Outcome::Signaled { signal: 11 },
            _ => Outcome::Exited { code },
        };
        if is_stubborn {
            takes = 600 * SECOND;
        } else if takes > max_time {
            (takes, outcome) = (max_time, Outcome::Stopped { reason: KillReason::Timeout });
        }
        let ends_at = self.agenda.now + takes;
        self.note(|| format!("{id} begins attempt {fence}, which takes {} ms: {outcome}", takes / MILLISECOND));
        let next = self.agenda.now + takes.min(self.luck.below(SECOND));
        if let Some(worker) = self.worker(id) {
            worker.node = Some(Running { fence, log_bytes: 0, outcome, ends_at, is_stubborn });
            worker.say(Message::Started { fence, pid: 1 });
        }
        self.agenda.put(next, Due::Node(id.clone(), fence));
    }

    pub(super) fn node(&mut self, id: &WorkerId, fence: Fence) {
        let now = self.agenda.now;
        let length = self.luck.between(1, 100);
        let pause = self.luck.between(1, 2 * SECOND);
        let Some(worker) = self.worker(id) else { return };
        let Some(node) = worker.node.as_mut().filter(|node| node.fence == fence) else { return };
        let (offset, ends_at) = (node.log_bytes, node.ends_at);
        node.log_bytes += length;
        let data = vec![b'x'; usize::try_from(length).unwrap()];
        worker.say(Message::Output { fence, stream: Stream::Stdout, offset, data });
        if now >= ends_at {
            return self.end(id, None);
        }
        // A command that never ends does not have to print all the time.
        let pause = if ends_at - now > 60 * SECOND { 50 * pause } else { pause };
        self.agenda.put((now + pause).min(ends_at), Due::Node(id.clone(), fence));
        self.pump(id);
    }

    pub(super) fn heeded(&mut self, id: &WorkerId, fence: Fence, reason: KillReason) {
        if self.worker(id).is_some_and(|worker| worker.node.as_ref().is_some_and(|node| node.fence == fence)) {
            self.end(id, Some(Outcome::Stopped { reason }));
        }
    }

    fn end(&mut self, id: &WorkerId, outcome: Option<Outcome>) {
        let Some(worker) = self.worker(id) else { return };
        let Some(node) = worker.node.take() else { return };
        let outcome = outcome.unwrap_or(node.outcome);
        worker.finish(node.fence, outcome.clone(), node.log_bytes);
        self.judge.ended(node.fence);
        self.note(|| format!("{id} has ended attempt {}: {outcome}", node.fence));
        self.advance(id);
    }

    pub(super) fn alone(&mut self, id: &WorkerId) {
        let now = self.agenda.now;
        let Some(worker) = self.worker(id) else { return };
        let is_open = worker.line.is_some();
        let left = (worker.heard_at + ORPHAN).saturating_sub(now);
        if is_open || left > 0 {
            // The server says something now and then as long as there is a connection.
            let left = if is_open { ORPHAN } else { left };
            return self.agenda.put(now + left, Due::Alone(id.clone()));
        }
        self.note(|| format!("{id} gives up: nobody has spoken to it for long"));
        self.end_container(id, Life::Exited { out_of_memory: false });
    }

    /// Sends what the worker has to say.
    fn pump(&mut self, id: &WorkerId) {
        let Some(worker) = self.worker(id) else { return };
        let Some(line) = worker.line else { return };
        for (seq, message) in worker.take_due() {
            self.send_up(line, Up::Said(seq, message));
        }
    }
}
