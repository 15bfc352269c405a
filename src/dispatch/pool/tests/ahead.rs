//! Leaves that are sent ahead, and called back.

use super::desk::{Desk, Given, pipeline, queue};
use crate::{
    dispatch::pool::book::{End, Wish},
    model::{KillReason, NodeIndex},
};

/// A worker that has ended a few short leaves, and what it has been told since.
fn busy(desk: &mut Desk) -> Vec<Given> {
    desk.offer(&queue('a'), 0..100);
    let mut running = desk.go_on();
    for _ in 0..20 {
        desk.pass(1);
        let ended = running.remove(0);
        desk.finish(&ended);
        running.extend(desk.go_on());
    }
    running
}

fn nodes(given: &[Given]) -> Vec<u32> {
    given.iter().map(|given| given.node).collect()
}

#[test]
fn short_leaves_are_sent_ahead_in_order() {
    let mut desk = Desk::new(1.0);
    let told = busy(&mut desk);
    assert!(told.len() > 4, "{told:?}");
    assert!(nodes(&told).is_sorted());
    assert_eq!(desk.book.workers.len(), 1);
}

#[test]
fn a_worker_hears_of_leases_in_the_order_of_their_fences_though_answers_come_in_another() {
    let mut desk = Desk::new(1.0);
    let told = busy(&mut desk);
    desk.finish(&told[0]);
    desk.finish(&told[1]);
    let leases: Vec<_> = desk
        .book
        .go_on(desk.now, &mut desk.lots)
        .into_iter()
        .filter_map(|wish| match wish {
            Wish::Lease { worker, fence, .. } => Some((worker, fence)),
            _ => None,
        })
        .collect();
    assert_eq!(leases.len(), 2);
    for (worker, fence) in leases.iter().rev() {
        desk.book.leased(&pipeline('a'), worker, *fence);
    }
    let sent: Vec<_> = desk
        .book
        .go_on(desk.now, &mut desk.lots)
        .into_iter()
        .filter_map(|wish| match wish {
            Wish::Send { fence, .. } => Some(fence),
            _ => None,
        })
        .collect();
    assert_eq!(sent, [leases[0].1, leases[1].1]);
}

#[test]
fn what_waits_behind_a_long_leaf_is_called_back_where_another_worker_can_take_it() {
    let mut desk = Desk::new(2.0);
    desk.book.budget.workers = 1;
    let told = busy(&mut desk);
    desk.start(&told[0]);
    desk.pass(300);
    assert_eq!(desk.go_on(), []);
    assert_eq!(desk.wished(), [], "nobody else could take it");
    desk.book.budget.workers = 2;
    desk.pass(1);
    desk.go_on();
    let recalled: Vec<_> = desk
        .wished()
        .into_iter()
        .filter_map(|wish| match wish {
            Wish::Recall { fence, .. } => Some(fence),
            _ => None,
        })
        .collect();
    assert_eq!(recalled, told[1..].iter().map(|given| given.fence).collect::<Vec<_>>());
    desk.pass(1);
    desk.go_on();
    assert_eq!(desk.wished(), [], "once");
    // The worker gives one back; it began the other before it heard.
    desk.book.returned(&told[1].worker, told[1].fence, desk.now);
    desk.offer(&queue('a'), told[1].node..told[1].node + 1);
    desk.finish(&told[0]);
    desk.start(&told[2]);
    desk.go_on();
    assert_eq!(desk.wished(), []);
}

#[test]
fn a_leaf_that_was_not_told_yet_is_stopped_without_the_worker() {
    let mut desk = Desk::new(1.0);
    let told = busy(&mut desk);
    desk.finish(&told[0]);
    let leases = desk.book.go_on(desk.now, &mut desk.lots);
    let Some(Wish::Lease { worker, node, fence, .. }) = leases.first().cloned() else { panic!("{leases:?}") };
    desk.stop('a', &Given { worker: worker.clone(), node: node.0, fence });
    let wishes = desk.book.go_on(desk.now, &mut desk.lots);
    let settle = Wish::Settle { pipeline: pipeline('a'), fence, end: End::Stopped(KillReason::User) };
    assert!(wishes.contains(&settle), "{wishes:?}");
}

#[test]
fn a_leaf_that_was_withdrawn_or_moved_is_not_given_to_the_wrong_worker() {
    let mut desk = Desk::new(1.0);
    desk.offer(&queue('a'), 0..3);
    let first = desk.go_on();
    desk.book.withdraw(&pipeline('a'), NodeIndex(1));
    let other = super::desk::queue_of('a', 0.5, 1.0);
    desk.offer(&other, 2..3);
    desk.finish(&first[0]);
    assert_eq!(desk.go_on(), [], "nothing waits for the worker that is there");
    assert_eq!(desk.removed(), 1, "it makes room");
    assert_eq!(nodes(&desk.go_on()), [2]);
}

#[test]
fn a_leaf_whose_lease_the_pipeline_could_not_decide_waits_again() {
    let mut desk = Desk::new(1.0);
    desk.offer(&queue('a'), 7..8);
    let wishes = desk.book.go_on(desk.now, &mut desk.lots);
    let Some(Wish::Lease { worker, fence, .. }) = wishes.first().cloned() else { panic!("{wishes:?}") };
    desk.book.lease_refused(&worker, fence, true, desk.now);
    assert!(desk.book.workers.is_empty(), "nothing of it exists");
    assert_eq!(nodes(&desk.go_on()), [7]);
}
