//! Groups that have a container to themselves.

use super::desk::{Desk, group_of, pipeline, queue};
use crate::{
    dispatch::pool::{book::Wish, workers::Gone},
    model::NodeIndex,
};

fn gone() -> Gone {
    Gone { evidence: "its worker ended with code 137".into(), out_of_memory: false }
}

#[test]
fn a_group_has_one_worker_that_takes_one_leaf_after_the_other_and_stays() {
    let mut desk = Desk::new(8.0);
    desk.offer(&group_of('a', 0), 2..12);
    let mut seen = Vec::new();
    for _ in 0..10 {
        let given = desk.go_on();
        assert_eq!(given.len(), 1, "one at a time");
        seen.push(given[0].node);
        desk.pass(1);
        desk.finish(&given[0]);
    }
    assert_eq!(seen, (2..12).collect::<Vec<_>>());
    assert_eq!(desk.book.workers.len(), 1);
    desk.pass(3_600_000);
    desk.go_on();
    assert_eq!(desk.removed(), 0, "it waits for the next leaf of its group, however long");
    desk.book.release_group(&pipeline('a'), NodeIndex(1), 0);
    desk.go_on();
    assert_eq!(desk.removed(), 1);
}

#[test]
fn a_group_that_was_reset_gets_a_new_container() {
    let mut desk = Desk::new(8.0);
    desk.offer(&group_of('a', 0), 2..3);
    let old = desk.go_on().remove(0);
    desk.finish(&old);
    desk.book.release_group(&pipeline('a'), NodeIndex(1), 0);
    desk.offer(&group_of('a', 1), 2..3);
    let new = desk.go_on().remove(0);
    assert_ne!(old.worker, new.worker);
    assert_eq!(desk.removed(), 1);
}

#[test]
fn a_group_that_waits_keeps_nobody_from_what_its_next_leaf_depends_on() {
    let mut desk = Desk::new(1.0);
    desk.offer(&group_of('a', 0), 2..3);
    let given = desk.go_on().remove(0);
    desk.finish(&given);
    desk.offer(&queue('a'), 5..6);
    let between = desk.go_on();
    assert_eq!(between.len(), 1, "the container of the group does not hold the only processor");
    desk.offer(&group_of('a', 0), 3..4);
    assert_eq!(desk.go_on(), [], "its next leaf takes its turn like any other");
    desk.finish(&between[0]);
    assert_eq!(desk.go_on(), []);
    assert_eq!(desk.removed(), 1, "an idle worker makes room for it");
    assert_eq!(desk.go_on().remove(0).worker, given.worker);
}

#[test]
fn a_group_that_lost_its_container_does_not_silently_get_another() {
    let mut desk = Desk::new(8.0);
    desk.offer(&group_of('a', 0), 2..3);
    let given = desk.go_on().remove(0);
    desk.finish(&given);
    desk.book.disconnected(&given.worker, desk.now);
    desk.book.checked(&given.worker, Some(&gone()), desk.now);
    desk.go_on();
    assert_eq!(desk.removed(), 1);
    desk.offer(&group_of('a', 0), 3..4);
    assert_eq!(desk.go_on(), []);
    let wishes = desk.wished();
    let [Wish::CannotRun { nodes, message, .. }] = &wishes[..] else { panic!("{wishes:?}") };
    assert_eq!(nodes, &[NodeIndex(3)]);
    assert!(message.starts_with("the group's container is gone: its worker ended with code 137"), "{message}");
    desk.offer(&group_of('a', 1), 2..3);
    assert_eq!(desk.go_on().len(), 1, "after a reset it begins again");
}

#[test]
fn a_group_keeps_its_container_over_a_restart() {
    let mut desk = Desk::new(8.0);
    let worker = crate::model::WorkerId::from_random([9; 6]);
    desk.book.adopt_group(&worker, &group_of('a', 0), desk.now);
    desk.offer(&group_of('a', 0), 3..4);
    assert_eq!(desk.go_on(), [], "it has not dialled yet");
    desk.book.connected(&worker, desk.now);
    assert_eq!(desk.go_on().remove(0).worker, worker);
}
