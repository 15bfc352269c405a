//! The pool's decisions, without a runtime: plain calls on the book.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    book::{Book, Phase, Wish},
    queue::QueueKey,
};
use crate::model::{Fence, NodeIndex, PipelineId, WorkerId};

struct Desk {
    book: Book,
    drawn: u8,
    now: Timestamp,
}

fn pipeline(letter: char) -> PipelineId {
    PipelineId::parse(&format!("{letter}{letter}{letter}-{letter}{letter}{letter}")).unwrap()
}

fn key(letter: char) -> QueueKey {
    QueueKey { pipeline: pipeline(letter), image: "busybox".into(), milli_cpu: 1_000, mem: 1 << 31 }
}

impl Desk {
    fn new(slots: usize) -> Self {
        Self { book: Book::new(slots, Duration::from_secs(3)), drawn: 0, now: Timestamp::UNIX_EPOCH }
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    fn offer(&mut self, letter: char, nodes: std::ops::Range<u32>) {
        nodes.for_each(|node| self.book.offer(key(letter), NodeIndex(node), self.now));
    }

    /// Schedules, and lets every new worker start at once.
    fn schedule(&mut self) -> Vec<(WorkerId, u32)> {
        let drawn = &mut self.drawn;
        let wishes = self.book.schedule(self.now, || {
            *drawn += 1;
            WorkerId::from_random([*drawn; 6])
        });
        let leases = wishes.into_iter().filter_map(|wish| match wish {
            Wish::Lease { worker, node, .. } => Some((worker, node.0)),
            _ => None,
        });
        leases.collect()
    }

    fn connect(&mut self, worker: &WorkerId, fence: u64) {
        let known = self.book.workers.get_mut(worker).unwrap();
        known.phase = Phase::Ready;
        known.work.as_mut().unwrap().fence = Some(Fence(fence));
    }

    fn finish(&mut self, worker: &WorkerId) {
        self.book.set_idle(worker, self.now);
    }
}

#[test]
fn short_nodes_share_a_few_workers() {
    let mut desk = Desk::new(100);
    desk.offer('a', 0..1_000);
    let first = desk.schedule();
    assert_eq!(first.len(), 2, "two workers are started at once");
    desk.pass(400);
    assert_eq!(desk.schedule(), [], "none is added before one of them has come up");
    for (worker, node) in &first {
        desk.connect(worker, u64::from(*node) + 1);
    }
    for _ in 0..400 {
        desk.pass(2);
        for (worker, _) in &first {
            desk.finish(worker);
        }
        let leases = desk.schedule();
        assert!(leases.len() <= 2);
        for (worker, node) in &leases {
            desk.connect(worker, u64::from(*node) + 1);
        }
    }
    assert_eq!(desk.book.workers.len(), 2);
}

#[test]
fn long_nodes_get_workers_until_all_run() {
    let mut desk = Desk::new(100);
    desk.offer('a', 0..8);
    let mut running = 0;
    for _ in 0..40 {
        for (worker, node) in desk.schedule() {
            desk.connect(&worker, u64::from(node) + 1);
            running += 1;
        }
        desk.pass(100);
    }
    assert_eq!(running, 8);
}

#[test]
fn slots_are_never_exceeded_and_every_pipeline_gets_its_turn() {
    let mut desk = Desk::new(2);
    desk.offer('a', 0..10);
    desk.offer('b', 0..10);
    let mut leased = desk.schedule();
    assert_eq!(desk.book.workers.len(), 2);
    // The pipeline that got both slots loses an idle worker to the other.
    for (worker, node) in &leased {
        desk.connect(worker, u64::from(*node) + 1);
    }
    let owner = desk.book.workers.values().next().unwrap().key.pipeline.clone();
    desk.book.queues.forget(&owner);
    for (worker, _) in leased.drain(..) {
        desk.finish(&worker);
    }
    let wishes = desk.book.schedule(desk.now, || unreachable!("no slot is free"));
    assert!(matches!(&wishes[..], [Wish::Remove { .. }]), "one idle worker makes room");
    assert_eq!(desk.book.workers.len(), 2);
}

#[test]
fn idle_workers_go_and_an_ended_pipeline_is_released_after_its_last() {
    let mut desk = Desk::new(4);
    desk.offer('a', 0..1);
    let (worker, _) = desk.schedule().remove(0);
    desk.connect(&worker, 1);
    desk.finish(&worker);
    assert_eq!(desk.book.tidy(desk.now), [], "it may be needed again soon");
    desk.book.release(pipeline('a'));
    assert!(matches!(&desk.book.tidy(desk.now)[..], [Wish::Remove { .. }]));
    desk.book.workers.remove(&worker);
    assert_eq!(desk.book.tidy(desk.now), [Wish::Release { pipeline: pipeline('a') }]);
    assert_eq!(desk.book.tidy(desk.now), [], "it is released once");
    desk.offer('a', 5..6);
    assert_eq!(desk.schedule(), [], "a reopened pipeline waits until its release is over");
    desk.book.released(&pipeline('a'));
    assert_eq!(desk.schedule().len(), 1);
}

#[test]
fn a_leaf_is_offered_once_and_given_up_after_losing_its_worker_too_often() {
    let mut desk = Desk::new(4);
    desk.offer('a', 0..1);
    desk.offer('a', 0..1);
    assert_eq!(desk.schedule().len(), 1);
    desk.offer('a', 0..1);
    assert_eq!(desk.schedule(), [], "somebody works at it");
    assert!(desk.book.may_lose(&pipeline('a'), NodeIndex(0)));
    assert!(desk.book.may_lose(&pipeline('a'), NodeIndex(0)));
    assert!(!desk.book.may_lose(&pipeline('a'), NodeIndex(0)));
}

#[test]
fn nothing_is_started_while_the_runtime_does_not_answer() {
    let mut desk = Desk::new(4);
    desk.book.is_resting = true;
    desk.offer('a', 0..3);
    assert_eq!(desk.schedule(), [], "leaves stay in their queue");
    desk.book.is_resting = false;
    assert_eq!(desk.schedule().len(), 2);
}
