//! How many workers a queue gets, and when they go.

use super::desk::{Desk, pipeline, queue, queue_of};
use crate::dispatch::pool::book::Wish;

#[test]
fn a_thousand_short_nodes_share_two_workers() {
    let mut desk = Desk::new(100.0);
    desk.offer(&queue('a'), 0..1_000);
    let mut running = desk.go_on();
    let mut ended = 0;
    while !running.is_empty() {
        desk.pass(2);
        for given in std::mem::take(&mut running) {
            desk.finish(&given);
            ended += 1;
        }
        running = desk.go_on();
    }
    assert_eq!(ended, 1_000);
    assert_eq!(desk.book.workers.len(), 2);
}

#[test]
fn no_third_worker_is_started_before_the_first_has_come_up() {
    let mut desk = Desk::new(100.0);
    desk.is_quick = false;
    desk.offer(&queue('a'), 0..1_000);
    assert_eq!(desk.go_on().len(), 2);
    desk.pass(5_000);
    assert_eq!(desk.go_on(), []);
}

#[test]
fn long_nodes_get_workers_until_all_run() {
    let mut desk = Desk::new(8.0);
    desk.offer(&queue('a'), 0..8);
    let mut running = desk.go_on().len();
    assert_eq!(running, 2);
    for _ in 0..20 {
        desk.pass(100);
        running += desk.go_on().len();
    }
    assert_eq!(running, 8);
}

#[test]
fn a_queue_that_goes_by_steadily_grows_when_much_is_left() {
    let mut desk = Desk::new(8.0);
    desk.offer(&queue('a'), 0..100);
    let mut running = desk.go_on();
    for _ in 0..20 {
        desk.pass(200);
        let ended = running.remove(0);
        desk.finish(&ended);
        running.extend(desk.go_on());
    }
    assert_eq!(desk.book.workers.len(), 8);
}

#[test]
fn a_worker_that_is_idle_for_two_seconds_goes() {
    let mut desk = Desk::new(4.0);
    desk.offer(&queue('a'), 0..1);
    let given = desk.go_on().remove(0);
    desk.finish(&given);
    desk.pass(1_900);
    desk.go_on();
    assert_eq!(desk.removed(), 0, "it may be needed again soon");
    desk.pass(100);
    desk.go_on();
    assert_eq!(desk.removed(), 1);
    assert!(desk.book.workers.is_empty());
}

#[test]
fn an_ended_pipeline_is_released_after_its_last_worker_and_may_be_reopened_then() {
    let mut desk = Desk::new(4.0);
    desk.offer(&queue('a'), 0..1);
    let given = desk.go_on().remove(0);
    desk.finish(&given);
    desk.book.release(pipeline('a'));
    desk.go_on();
    assert_eq!(desk.removed(), 1);
    desk.go_on();
    assert_eq!(desk.wished(), [Wish::Release { pipeline: pipeline('a') }]);
    desk.go_on();
    assert_eq!(desk.wished(), [], "it is released once");
    desk.offer(&queue('a'), 5..6);
    assert_eq!(desk.go_on(), [], "a reopened pipeline waits until its release is over");
    desk.book.released(&pipeline('a'));
    assert_eq!(desk.go_on().len(), 1);
}

#[test]
fn a_queue_that_waits_gets_its_turn_though_another_is_never_empty() {
    let mut desk = Desk::new(2.0);
    desk.offer(&queue('a'), 0..10_000);
    let mut running = desk.go_on();
    desk.pass(1_000);
    desk.offer(&queue_of('b', 2.0, 1.0), 0..1);
    let mut turns = 0;
    while !running.iter().any(|given| desk.book.workers[&given.worker].queue.pipeline == pipeline('b')) {
        turns += 1;
        assert!(turns < 100, "it never gets its turn");
        desk.pass(1_000);
        for given in std::mem::take(&mut running) {
            desk.finish(&given);
        }
        running = desk.go_on();
        desk.removed();
        running.extend(desk.go_on());
    }
    assert!(turns > 10, "a worker that has just come up is not sent away");
}

#[test]
fn nothing_is_given_out_while_the_disk_is_nearly_full() {
    let mut desk = Desk::new(4.0);
    desk.book.is_disk_short = true;
    desk.offer(&queue('a'), 0..3);
    assert_eq!(desk.go_on(), [], "leaves stay in their queue");
    desk.book.is_disk_short = false;
    assert_eq!(desk.go_on().len(), 2);
}

#[test]
fn nothing_is_started_while_the_runtime_does_not_answer() {
    let mut desk = Desk::new(4.0);
    desk.book.runtime_away();
    desk.book.runtime_away();
    desk.offer(&queue('a'), 0..3);
    assert_eq!(desk.go_on(), [], "leaves stay in their queue");
    let asked = desk.wished().iter().filter(|wish| **wish == Wish::AwaitRuntime).count();
    assert_eq!(asked, 1, "once is enough");
    desk.book.runtime_back();
    assert_eq!(desk.go_on().len(), 2);
}
