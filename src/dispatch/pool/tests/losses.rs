//! Workers that go away with what they have.

use super::desk::{Desk, pipeline, queue, queue_of};
use crate::{
    dispatch::pool::{
        book::{End, Wish},
        workers::Gone,
    },
    executor,
    model::{Fence, KillReason, NodeIndex, WorkerId},
};

fn gone() -> Gone {
    Gone { evidence: "its worker is gone".into(), out_of_memory: false }
}

#[test]
fn a_leaf_is_offered_once() {
    let mut desk = Desk::new(4.0);
    desk.offer(&queue('a'), 0..1);
    desk.offer(&queue('a'), 0..1);
    assert_eq!(desk.go_on().len(), 1);
}

#[test]
fn a_leaf_that_loses_its_worker_three_times_before_it_began_is_given_up() {
    let mut desk = Desk::new(4.0);
    let mut ends = Vec::new();
    for _ in 0..3 {
        desk.offer(&queue('a'), 0..1);
        let given = desk.go_on().remove(0);
        desk.book.disconnected(&given.worker, desk.now);
        desk.book.checked(&given.worker, Some(&gone()), desk.now);
        desk.go_on();
        let removed = desk.wished();
        let [Wish::Remove { worker, ends: found, .. }] = &removed[..] else { panic!("{removed:?}") };
        desk.book.removed(worker);
        ends.extend(found.iter().map(|(_, end)| end.clone()));
    }
    let evidence = || "its worker is gone".to_owned();
    let last = End::Failed("its worker is gone 3 times before its command began".into());
    assert_eq!(ends, [End::GiveBack(evidence()), End::GiveBack(evidence()), last]);
}

#[test]
fn what_was_sent_ahead_to_a_lost_worker_goes_back_and_only_what_ran_has_failed() {
    let mut desk = Desk::new(1.0);
    let worker = WorkerId::from_random([9; 6]);
    for fence in 1..4_u64 {
        let node = NodeIndex(u32::try_from(fence).unwrap());
        desk.book.adopt(&worker, &queue('a'), (node, Fence(fence), fence == 1), desk.now);
    }
    desk.stop('a', &super::desk::Given { worker: worker.clone(), node: 3, fence: Fence(3) });
    desk.wished();
    desk.book.checked(&worker, Some(&gone()), desk.now);
    desk.go_on();
    let wishes = desk.wished();
    let Some(Wish::Remove { ends, .. }) = wishes.last() else { panic!("{wishes:?}") };
    let words = || "its worker is gone".to_owned();
    let expected = [
        (Fence(1), End::Failed(words())),
        (Fence(2), End::GiveBack(words())),
        (Fence(3), End::Stopped(KillReason::User)),
    ];
    assert_eq!(ends[..], expected);
}

#[test]
fn a_lease_that_arrives_after_its_worker_went_away_is_given_back() {
    let mut desk = Desk::new(1.0);
    desk.book.leased(&pipeline('a'), &WorkerId::from_random([9; 6]), Fence(7));
    desk.go_on();
    let wishes = desk.wished();
    assert!(matches!(&wishes[..], [Wish::Settle { fence: Fence(7), end: End::GiveBack(_), .. }]), "{wishes:?}");
}

#[test]
fn an_image_that_cannot_be_had_ends_all_that_wait_for_it() {
    let mut desk = Desk::new(1.0);
    desk.is_quick = false;
    desk.offer(&queue('a'), 0..3);
    let given = desk.go_on().remove(0);
    let error = executor::Error::Image { image: "none".into(), message: "no such image".into() };
    desk.book.start_failed(&given.worker, &error);
    desk.go_on();
    let wishes = desk.wished();
    let [Wish::CannotRun { nodes, .. }, Wish::Remove { ends, .. }] = &wishes[..] else { panic!("{wishes:?}") };
    assert_eq!(nodes, &[NodeIndex(1), NodeIndex(2)]);
    assert!(matches!(&ends[..], [(_, End::Failed(_))]));
}

#[test]
fn an_attempt_that_does_not_end_in_time_loses_its_worker() {
    let mut desk = Desk::new(1.0);
    desk.offer(&queue('a'), 0..1);
    let given = desk.go_on().remove(0);
    desk.start(&given);
    desk.stop('a', &given);
    desk.go_on();
    assert!(matches!(&desk.wished()[..], [Wish::Stop { .. }]));
    desk.pass(30_000);
    desk.go_on();
    let wishes = desk.wished();
    let [Wish::Remove { ends, .. }] = &wishes[..] else { panic!("{wishes:?}") };
    assert_eq!(ends[..], [(given.fence, End::Stopped(KillReason::User))]);
}

#[test]
fn a_worker_that_goes_away_before_it_ever_dials_is_missed() {
    let mut desk = Desk::new(1.0);
    desk.is_quick = false;
    desk.offer(&queue('a'), 0..1);
    let given = desk.go_on().remove(0);
    desk.book.launched(&given.worker, desk.now);
    desk.pass(2_000);
    desk.go_on();
    assert!(desk.wished().iter().any(|wish| matches!(wish, Wish::Check { worker, .. } if *worker == given.worker)));
}

#[test]
fn a_leaf_that_moved_while_a_lease_failed_stays_where_it_moved_to() {
    let mut desk = Desk::new(4.0);
    desk.offer(&queue('a'), 0..1);
    let wishes = desk.book.go_on(desk.now, &mut desk.lots);
    let lease = wishes.into_iter().find_map(|wish| match wish {
        Wish::Lease { worker, fence, .. } => Some((worker, fence)),
        _ => None,
    });
    let (worker, fence) = lease.unwrap();
    // The store has failed; before the pool hears of it somebody edits the leaf, which needs another worker now.
    desk.book.withdraw(&pipeline('a'), NodeIndex(0));
    desk.offer(&queue_of('a', 2.0, 2.0), 0..1);
    desk.book.lease_refused(&worker, fence, true, desk.now);
    let given = desk.go_on();
    assert_eq!(given.len(), 1);
    assert_eq!(desk.book.workers[&given[0].worker].queue, queue_of('a', 2.0, 2.0));
}
