//! What workers report, as the hub and `dispatch::reports` take it: in order, and confirmed only when it is safe.

use std::collections::VecDeque;

use super::{
    agenda::MILLISECOND,
    chaos::Sabotage,
    live::{Letter, Reply},
    luck::Luck,
    server::{Died, Server},
    trees,
    world::{Down, Up, World},
};
use crate::{
    dispatch::{hub::Post, pool},
    model::{Actor, Command, Definition, Fence, Outcome, WorkerId},
    worker::protocol::{Message, ToWorker},
};

/// Where one worker's reports come in.
#[derive(Default)]
pub(super) struct Counter {
    pub(super) post: Post,
    pub(super) line: Option<u64>,
    /// What was heard and is not confirmed, and whether it is safe.
    pending: VecDeque<(u64, bool)>,
    /// After a report that could not be taken, until the next connection.
    is_deaf: bool,
}

impl Server {
    pub(super) fn hear(&mut self, world: &mut World, id: &WorkerId, line: u64, what: Up) -> Result<(), Died> {
        self.may_die(world)?;
        let Some(counter) = self.counters.get_mut(id) else { return Ok(()) };
        match what {
            Up::Hello => {
                counter.line = Some(line);
                counter.pending.clear();
                counter.is_deaf = false;
                counter.post.begin();
                self.tell_pool(world, pool::Message::Connected { worker: id.clone() });
                self.give_orders(world, id);
            }
            Up::Lost if counter.line == Some(line) => {
                counter.line = None;
                self.tell_pool(world, pool::Message::Disconnected { worker: id.clone() });
            }
            Up::Said(seq, message) if counter.line == Some(line) && !counter.is_deaf => {
                self.listen(world, id, line, seq, message);
            }
            Up::Lost | Up::Said(..) => {}
        }
        Ok(())
    }

    fn listen(&mut self, world: &mut World, id: &WorkerId, line: u64, seq: u64, message: Message) {
        let Some(counter) = self.counters.get_mut(id) else { return };
        let is_known = seq <= counter.post.acknowledged();
        if is_known || !counter.post.confirm(&message) {
            counter.pending.push_back((seq, true));
            return self.acknowledge(world, id);
        }
        counter.pending.push_back((seq, false));
        let Some(enrolled) = self.roster.get(id) else { return };
        let pipeline = enrolled.pipeline.clone();
        let worker = id.clone();
        match message {
            Message::Started { fence, .. } => {
                let then = pool::Message::Started { worker: worker.clone(), fence };
                let reply = Reply::Report { worker, line, seq, then };
                self.post(world, &pipeline, Letter::ask(Command::AttemptStarted { fence }, Actor::Worker, reply));
            }
            Message::Returned { fence } => {
                let command = Command::Return { fence };
                let reply = Reply::Returned { worker, line, seq, fence };
                self.post(world, &pipeline, Letter::ask(command, Actor::Worker, reply));
            }
            Message::Output { fence, offset, data, .. } => {
                let is_kept = !world.chaos.hinders(&mut world.luck);
                let length = u64::try_from(data.len()).unwrap();
                if is_kept && !world.disk.keep(fence, offset, length) {
                    world
                        .judge
                        .condemn("logs", format!("attempt {fence} goes on at {offset} after a piece that is lost"));
                }
                self.confirm(world, id, line, seq, is_kept);
            }
            Message::Notice { .. } => self.confirm(world, id, line, seq, true),
            Message::Finished { fence, outcome, log_bytes } => {
                if world.chaos.hinders(&mut world.luck) {
                    return self.confirm(world, id, line, seq, false);
                }
                let kept = world.disk.logs.get(&fence).copied().unwrap_or(0);
                if kept != log_bytes {
                    world.judge.condemn("logs", format!("attempt {fence} printed {log_bytes} bytes, {kept} are kept"));
                }
                let grown = self.printed(world, &worker, fence, &outcome);
                let finished = Command::AttemptFinished { fence, outcome, log_bytes, grown };
                let then = pool::Message::Finished { worker: worker.clone(), fence };
                let reply = Reply::Report { worker, line, seq, then };
                self.post(world, &pipeline, Letter::ask(finished, Actor::Worker, reply));
            }
        }
    }

    /// The tree that an attempt has printed: the same however often it is read.
    fn printed(&self, world: &World, worker: &WorkerId, fence: Fence, outcome: &Outcome) -> Option<Box<Definition>> {
        let pipeline = self.pipelines.get(&self.roster.get(worker)?.pipeline)?;
        let (node, _) = pipeline.live_attempt(fence)?;
        let tree = pipeline.definition();
        let ended_well = *outcome == Outcome::Exited { code: 0 };
        if !ended_well || !tree.contains(node) || tree.grows_at(node).is_none() || tree.len() > 40 {
            return None;
        }
        Some(Box::new(trees::draw(&mut Luck::new(world.seed ^ fence.0 << 32))))
    }

    /// A report is safe, or could not be taken: then it and all after it are said again on the next connection.
    pub(super) fn confirm(&mut self, world: &mut World, id: &WorkerId, line: u64, seq: u64, is_safe: bool) {
        let Some(counter) = self.counters.get_mut(id).filter(|counter| counter.line == Some(line)) else { return };
        if !is_safe {
            counter.is_deaf = true;
            world.note(|| format!("report {seq} of {id} could not be taken"));
            return world.cut(line);
        }
        if let Some((_, safe)) = counter.pending.iter_mut().find(|(at, _)| *at == seq) {
            *safe = true;
        }
        self.acknowledge(world, id);
    }

    fn acknowledge(&mut self, world: &mut World, id: &WorkerId) {
        let Some(counter) = self.counters.get_mut(id) else { return };
        let mut last = None;
        while let Some((seq, _)) = counter.pending.pop_front_if(|(_, is_safe)| *is_safe && !counter.is_deaf) {
            last = Some(seq);
        }
        let (Some(seq), Some(line)) = (last, counter.line) else { return };
        counter.post.acknowledge(seq);
        if !world.chaos.is(Sabotage::NoAck) {
            world.send_down(line, Down::Word(ToWorker::Ack { seq }));
        }
    }

    /// Gives a worker an order, at once if it listens.
    pub(super) fn order(&mut self, world: &mut World, id: &WorkerId, order: ToWorker) {
        if let Some(counter) = self.counters.get(id) {
            counter.post.order(order);
            self.give_orders(world, id);
        }
    }

    fn give_orders(&mut self, world: &mut World, id: &WorkerId) {
        let Some(counter) = self.counters.get(id) else { return };
        let Some(line) = counter.line else { return };
        for order in counter.post.take() {
            world.send_down(line, Down::Word(order));
        }
    }

    /// Forgets a worker that is gone.
    pub(super) fn forget(&mut self, world: &mut World, id: &WorkerId) {
        if let Some(line) = self.counters.remove(id).and_then(|counter| counter.line) {
            world.cut(line);
        }
        // Its folder goes in the same breath.
        world.disk.directories.remove(id);
    }

    pub(super) const PAUSE: u64 = 20 * MILLISECOND;
}
