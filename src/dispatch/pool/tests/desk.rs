//! A book with somebody who answers it: leases are granted, workers come up, and what is not answered is kept.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    dispatch::pool::{
        book::{Book, Lots, Wish},
        budget::{Amounts, Budget},
        queue::{Queue, QueueKey},
    },
    model::{Fence, Isolation, KillReason, NodeIndex, PipelineId, Trust, WorkerId},
};

/// Draws in order.
#[derive(Default)]
pub(super) struct Drawn {
    workers: u8,
    fences: u64,
}

impl Lots for Drawn {
    fn worker(&mut self) -> WorkerId {
        self.workers += 1;
        WorkerId::from_random([self.workers; 6])
    }

    fn fence(&mut self) -> Fence {
        self.fences += 1;
        Fence(self.fences)
    }
}

/// A leaf that was given to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) worker: WorkerId,
    pub(super) node: u32,
    pub(super) fence: Fence,
}

pub(super) struct Desk {
    pub(super) book: Book,
    pub(super) lots: Drawn,
    pub(super) now: Timestamp,
    /// Whether new workers come up at once.
    pub(super) is_quick: bool,
    /// What was wished and not answered here.
    pub(super) wishes: Vec<Wish>,
}

pub(super) fn pipeline(letter: char) -> PipelineId {
    PipelineId::parse(&format!("{letter}{letter}{letter}-{letter}{letter}{letter}")).unwrap()
}

pub(super) fn queue(letter: char) -> Queue {
    queue_of(letter, 1.0, 2.0)
}

pub(super) fn queue_of(letter: char, cpu: f64, mem: f64) -> Queue {
    Arc::new(QueueKey {
        folder: String::new(),
        pipeline: pipeline(letter),
        trust: Trust::Trusted,
        owner: None,
        group: None,
        image: "busybox".into(),
        amounts: Amounts::of(cpu, mem, 0),
        requires_docker: false,
        docker_run_args: Vec::new(),
        isolation: Isolation::Shared,
    })
}

pub(super) fn group_of(letter: char, generation: u32) -> Queue {
    Arc::new(QueueKey { group: Some((NodeIndex(1), generation)), ..(*queue(letter)).clone() })
}

impl Desk {
    pub(super) fn new(cpu: f64) -> Self {
        let whole = Amounts::of(cpu, 1_000.0, 0);
        let budget = Budget { whole, largest: whole, workers: 1_000 };
        let (lots, now) = (Drawn::default(), Timestamp::UNIX_EPOCH);
        Self { book: Book::new(budget, Duration::from_secs(2)), lots, now, is_quick: true, wishes: Vec::new() }
    }

    pub(super) fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.book.tick(self.now);
    }

    pub(super) fn offer(&mut self, queue: &Queue, nodes: std::ops::Range<u32>) {
        nodes.for_each(|node| self.book.offer(queue, NodeIndex(node), self.now));
    }

    /// Lets the book go on until it wishes nothing that is answered here. Returns what workers were told to start.
    pub(super) fn go_on(&mut self) -> Vec<Given> {
        let (mut leased, mut given) = (Vec::<Given>::new(), Vec::new());
        loop {
            let wishes = self.book.go_on(self.now, &mut self.lots);
            if wishes.is_empty() {
                return given;
            }
            for wish in wishes {
                match wish {
                    Wish::Lease { queue, worker, node, fence } => {
                        leased.push(Given { worker: worker.clone(), node: node.0, fence });
                        self.book.leased(&queue.pipeline, &worker, fence);
                    }
                    Wish::Launch { worker, fence, .. } => {
                        if self.is_quick {
                            self.book.connected(&worker, self.now);
                        }
                        given.extend(leased.iter().find(|given| given.fence == fence).cloned());
                    }
                    Wish::Send { fence, .. } => given.extend(leased.iter().find(|given| given.fence == fence).cloned()),
                    Wish::Explain { .. } => {}
                    other => self.wishes.push(other),
                }
            }
        }
    }

    pub(super) fn start(&mut self, given: &Given) {
        self.book.started(&given.worker, given.fence);
    }

    pub(super) fn finish(&mut self, given: &Given) {
        self.book.started(&given.worker, given.fence);
        self.book.finished(&given.worker, given.fence, self.now);
    }

    pub(super) fn stop(&mut self, letter: char, given: &Given) {
        let by = self.now + Duration::from_secs(30);
        self.book.stop(&pipeline(letter), &given.worker, given.fence, KillReason::User, by);
    }

    /// Takes out what was wished.
    pub(super) fn wished(&mut self) -> Vec<Wish> {
        std::mem::take(&mut self.wishes)
    }

    /// Has the workers removed that were to be.
    pub(super) fn removed(&mut self) -> usize {
        let (removed, rest): (Vec<Wish>, Vec<Wish>) =
            self.wished().into_iter().partition(|wish| matches!(wish, Wish::Remove { .. }));
        self.wishes = rest;
        for wish in &removed {
            if let Wish::Remove { worker, .. } = wish {
                self.book.removed(worker);
            }
        }
        removed.len()
    }
}
