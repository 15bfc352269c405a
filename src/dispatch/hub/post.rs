//! What is to be said to one worker, and of what it may speak. Knows no socket: it outlives connections.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{
    model::Fence,
    worker::protocol::{Message, ToWorker},
};

#[derive(Default)]
struct Orders {
    /// Attempts the worker may speak of, and whether they have ended.
    leases: HashMap<Fence, bool>,
    /// Orders without confirmation, oldest first, and whether this connection has sent them.
    open: Vec<(ToWorker, bool)>,
    /// Answers to questions of this connection: given once, never kept.
    answers: Vec<ToWorker>,
    /// The highest number acknowledged.
    acknowledged: u64,
}

/// Orders and leases of one worker.
#[derive(Default)]
pub(in crate::dispatch) struct Post {
    orders: Mutex<Orders>,
    /// Wakes the connection when there is something to send.
    pub(super) changed: Notify,
}

impl Post {
    pub(in crate::dispatch) fn lease(&self, fence: Fence) {
        self.orders().leases.entry(fence).or_insert(false);
    }

    /// Keeps an order until it is confirmed.
    pub(in crate::dispatch) fn order(&self, order: ToWorker) {
        let mut orders = self.orders();
        match &order {
            ToWorker::Start(start) => {
                let same = |open: &ToWorker| matches!(open, ToWorker::Start(other) if other.fence == start.fence);
                // In its old place: a worker takes starts in the order of their fences only.
                if let Some((open, _)) = orders.open.iter_mut().find(|(open, _)| same(open)) {
                    *open = order;
                    return;
                }
            }
            // An attempt that has ended cannot be stopped; the report of its end is on its way.
            ToWorker::Stop { fence, .. } | ToWorker::Recall { fence } if orders.leases.get(fence) == Some(&true) => {
                return;
            }
            ToWorker::Stop { .. } | ToWorker::Recall { .. } | ToWorker::Bye => {}
            ToWorker::Welcome { .. }
            | ToWorker::Ack { .. }
            | ToWorker::Heartbeat
            | ToWorker::Secrets { .. }
            | ToWorker::NoSecrets { .. } => {
                tracing::error!("this is no order");
                return;
            }
        }
        if !orders.open.iter().any(|(open, _)| *open == order) {
            orders.open.push((order, false));
            drop(orders);
            self.changed.notify_one();
        }
    }

    /// Takes note of what confirms an order; says no when the worker may not speak of this attempt.
    pub(in crate::dispatch) fn confirm(&self, message: &Message) -> bool {
        let mut orders = self.orders();
        let (fence, ended) = match message {
            Message::Output { fence, .. } => return orders.leases.contains_key(fence),
            Message::Started { fence, .. } => (*fence, false),
            Message::Finished { fence, .. } | Message::Returned { fence } => (*fence, true),
        };
        let Some(lease) = orders.leases.get_mut(&fence) else { return false };
        *lease |= ended;
        orders.open.retain(|(open, _)| match open {
            ToWorker::Start(start) => start.fence != fence,
            ToWorker::Stop { fence: stopped, .. } => !ended || *stopped != fence,
            ToWorker::Recall { fence: recalled } => *recalled != fence,
            _ => true,
        });
        true
    }

    /// Says whether the worker may ask about this attempt: it is its own, and has not ended.
    pub(super) fn may_ask(&self, fence: Fence) -> bool {
        self.orders().leases.get(&fence) == Some(&false)
    }

    /// Gives an answer to the connection that there is.
    pub(super) fn answer(&self, answer: ToWorker) {
        self.orders().answers.push(answer);
        self.changed.notify_one();
    }

    /// Begins a new connection: everything without confirmation will be said again, and everything asked again.
    pub(in crate::dispatch) fn begin(&self) {
        let mut orders = self.orders();
        orders.answers.clear();
        for (_, sent) in &mut orders.open {
            *sent = false;
        }
    }

    /// Takes what is to be sent on this connection.
    pub(in crate::dispatch) fn take(&self) -> Vec<ToWorker> {
        let mut orders = self.orders();
        let answers = std::mem::take(&mut orders.answers);
        let unsent = orders.open.iter_mut().filter(|(_, sent)| !sent);
        let orders = unsent.map(|(order, sent)| {
            *sent = true;
            order.clone()
        });
        orders.chain(answers).collect()
    }

    /// Returns the highest number that is safe.
    pub(in crate::dispatch) fn acknowledged(&self) -> u64 {
        self.orders().acknowledged
    }

    /// Notes that everything up to a number is safe.
    pub(in crate::dispatch) fn acknowledge(&self, seq: u64) {
        let mut orders = self.orders();
        orders.acknowledged = orders.acknowledged.max(seq);
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Isolation, KillReason, Outcome},
        worker::protocol::Start,
    };

    fn start(fence: u64) -> ToWorker {
        let (command, env) = (String::new(), std::collections::BTreeMap::new());
        let (keep, isolation) = (false, Isolation::Shared);
        let (max_time_ms, grace_ms) = (0, 0);
        ToWorker::Start(Box::new(Start {
            fence: Fence(fence),
            command,
            env,
            max_time_ms,
            grace_ms,
            keep,
            isolation,
            shell: None,
            secrets: false,
        }))
    }

    fn stop(fence: u64) -> ToWorker {
        ToWorker::Stop { fence: Fence(fence), reason: KillReason::User }
    }

    #[test]
    fn orders_are_repeated_on_every_connection_until_confirmed() {
        let post = Post::default();
        post.lease(Fence(1));
        post.order(start(1));
        post.order(stop(1));
        assert_eq!(post.take(), [start(1), stop(1)]);
        assert!(post.take().is_empty());
        post.begin();
        assert_eq!(post.take(), [start(1), stop(1)]);
        assert!(post.confirm(&Message::Started { fence: Fence(1), pid: 1 }));
        post.begin();
        assert_eq!(post.take(), [stop(1)]);
        let outcome = Outcome::Exited { code: 0 };
        assert!(post.confirm(&Message::Finished { fence: Fence(1), outcome, log_bytes: 0 }));
        post.order(stop(1));
        post.begin();
        assert!(post.take().is_empty());
    }

    #[test]
    fn secrets_are_handed_over_once_and_not_to_another_connection() {
        let post = Post::default();
        let secrets = || ToWorker::Secrets { fence: Fence(1), secrets: Vec::new() };
        assert!(!post.may_ask(Fence(1)));
        post.lease(Fence(1));
        assert!(post.may_ask(Fence(1)));
        post.answer(secrets());
        assert_eq!((post.take(), post.take()), (vec![secrets()], vec![]));
        post.answer(secrets());
        post.begin();
        assert!(post.take().is_empty());
        assert!(post.confirm(&Message::Returned { fence: Fence(1) }) && !post.may_ask(Fence(1)));
    }

    #[test]
    fn nothing_is_accepted_for_attempts_of_other_workers() {
        let post = Post::default();
        post.lease(Fence(1));
        assert!(!post.confirm(&Message::Started { fence: Fence(2), pid: 1 }));
    }
}
