//! What the machine gives, and what people are told while it does not.

use super::desk::{Desk, queue, queue_of};
use crate::{
    dispatch::pool::{book::Wish, budget::Lack, reason::Reason},
    model::NodeIndex,
};

fn run_for(desk: &mut Desk, millis: u64) -> usize {
    (0..millis / 100)
        .map(|_| {
            desk.pass(100);
            desk.go_on().len()
        })
        .sum()
}

#[test]
fn smaller_requests_let_more_nodes_run() {
    for (cpu, expected) in [(1.0, 2), (0.5, 4), (0.25, 8)] {
        let mut desk = Desk::new(2.0);
        desk.offer(&queue_of('a', cpu, 0.5), 0..20);
        let running = desk.go_on().len() + run_for(&mut desk, 10_000);
        assert_eq!(running, expected, "{cpu}");
    }
}

#[test]
fn a_node_that_wants_more_than_there_is_ends_at_once() {
    let mut desk = Desk::new(2.0);
    desk.offer(&queue_of('a', 64.0, 1.0), 3..4);
    assert_eq!(desk.go_on(), []);
    let wishes = desk.wished();
    let [Wish::CannotRun { nodes, message, .. }] = &wishes[..] else { panic!("{wishes:?}") };
    assert_eq!(nodes, &[NodeIndex(3)]);
    assert!(message.starts_with("asks for 64 cpu; this machine gives a node at most 2"), "{message}");
}

#[test]
fn an_idle_worker_makes_room_for_another_queue() {
    let mut desk = Desk::new(2.0);
    desk.offer(&queue('a'), 0..2);
    let running = desk.go_on();
    running.iter().for_each(|given| desk.finish(given));
    desk.offer(&queue('b'), 0..1);
    assert_eq!(desk.go_on(), []);
    assert_eq!(desk.removed(), 1, "one is enough");
    assert_eq!(desk.go_on().len(), 1);
}

#[test]
fn a_large_request_is_not_passed_by_small_ones_for_ever() {
    let mut desk = Desk::new(2.0);
    desk.offer(&queue('a'), 0..1);
    let first = desk.go_on();
    desk.offer(&queue_of('b', 2.0, 1.0), 0..1);
    assert_eq!(desk.go_on(), []);
    desk.offer(&queue('c'), 0..1);
    assert_eq!(desk.go_on().len(), 1, "there is room for a small one");
    desk.pass(5_000);
    desk.go_on();
    desk.offer(&queue('d'), 0..1);
    first.iter().for_each(|given| desk.finish(given));
    assert_eq!(desk.go_on(), [], "what becomes free is kept for the large one");
}

#[test]
fn what_waits_says_why() {
    let mut desk = Desk::new(2.0);
    let said = |desk: &mut Desk| {
        let wishes = desk.book.go_on(desk.now, &mut desk.lots);
        wishes
            .into_iter()
            .filter_map(|wish| match wish {
                Wish::Explain { reason, .. } => Some(reason),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    desk.offer(&queue('a'), 0..10);
    assert_eq!(said(&mut desk), [Some(Reason::Starting)]);
    assert_eq!(said(&mut desk), [], "the same is not said twice");
    let mut desk = Desk::new(2.0);
    desk.offer(&queue_of('a', 2.0, 2.0), 0..1);
    desk.go_on();
    desk.offer(&queue('b'), 0..1);
    assert_eq!(said(&mut desk), [Some(Reason::Lack(Lack::Cpu(1_000)))]);
    desk.book.withdraw(&queue('b').pipeline, NodeIndex(0));
    assert_eq!(said(&mut desk), [None]);
}
