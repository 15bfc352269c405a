//! What the documents promise, one test a promise.

use std::time::Duration;

use super::harness::{Run, Tree};
use crate::{
    engine::{effects, waits_for},
    model::{Command, Definition, Effect, Ending, Event, KillReason, NodeIndex, Outcome, Rejected, State},
};

fn serial(stop_on_error: bool, leaves: usize) -> Tree {
    Tree::Serial(stop_on_error, vec![Tree::Leaf; leaves])
}

fn with_max_time(tree: &Tree, path: usize, limit: Duration) -> Definition {
    let mut nodes: Vec<_> = tree.definition().into();
    nodes[path].settings.max_time = Some(limit);
    Definition::new(nodes).unwrap()
}

#[test]
fn serial_children_run_one_after_another() {
    let mut run = Run::new(&serial(true, 2));
    assert_eq!(run.letters(), "QQP");
    run.run("/0", 0);
    assert_eq!(run.letters(), "QDQ");
    run.run("/1", 0);
    assert_eq!((run.letters().as_str(), run.ending()), ("DDD", Some(Ending::Done)));
}

#[test]
fn a_failed_child_of_a_serial_leaves_the_later_ones_pending() {
    let mut run = Run::new(&serial(true, 3));
    run.run("/0", 0);
    run.run("/1", 3);
    assert_eq!((run.letters().as_str(), run.ending()), ("EDEP", Some(Ending::Failed)));
    assert_eq!(waits_for(&run.pipeline, run.node("/2")).as_deref(), Some("held back: /1 failed"));
}

#[test]
fn a_serial_that_does_not_stop_runs_all_and_ends_in_error() {
    let mut run = Run::new(&serial(false, 2));
    run.run("/0", 1);
    assert_eq!(run.letters(), "QEQ");
    run.run("/1", 0);
    assert_eq!((run.letters().as_str(), run.ending()), ("EED", Some(Ending::Failed)));
}

#[test]
fn parallel_children_are_queued_at_once_and_none_stops_another() {
    let mut run = Run::new(&Tree::Parallel(vec![Tree::Leaf; 3]));
    assert_eq!(run.letters(), "QQQQ");
    run.run("/0", 1);
    assert_eq!(run.letters(), "QEQQ");
    run.run("/1", 0);
    run.run("/2", 0);
    assert_eq!((run.letters().as_str(), run.ending()), ("EEDD", Some(Ending::Failed)));
}

#[test]
fn groups_without_children_are_done_at_once() {
    let run = Run::new(&Tree::Serial(true, vec![Tree::Parallel(vec![]), Tree::Serial(true, vec![]), Tree::Leaf]));
    assert_eq!(run.letters(), "QDDQ");
    assert_eq!(Run::new(&Tree::Parallel(vec![])).ending(), Some(Ending::Done));
}

#[test]
fn a_leaf_is_leased_once_and_old_fences_decide_nothing() {
    let mut run = Run::new(&Tree::Leaf);
    let fence = run.lease(NodeIndex::ROOT).unwrap();
    assert_eq!(run.lease(NodeIndex::ROOT), Err(Rejected::NotQueued));
    run.put(Command::AttemptStarted { fence }).unwrap();
    assert_eq!(run.put(Command::AttemptStarted { fence }), Err(Rejected::StaleFence(fence)));
    run.finish(fence, Outcome::Exited { code: 0 });
    let again = Command::AttemptFinished { fence, outcome: Outcome::Exited { code: 1 }, log_bytes: 0, grown: None };
    assert_eq!(run.put(again), Err(Rejected::StaleFence(fence)));
    assert_eq!(run.ending(), Some(Ending::Done));
}

#[test]
fn a_worker_lost_before_the_command_began_gives_the_leaf_back() {
    let mut run = Run::new(&Tree::Leaf);
    let fence = run.lease(NodeIndex::ROOT).unwrap();
    let events = run.put(Command::Unlease { fence, evidence: "container gone".into() }).unwrap();
    assert_eq!(effects(&run.pipeline, &events[0]), [Effect::Offer { node: NodeIndex::ROOT }]);
    run.run("/", 0);
    assert_eq!((run.ending(), run.pipeline.leaf(NodeIndex::ROOT).unwrap().attempts.len()), (Some(Ending::Done), 2));
}

#[test]
fn a_leaf_that_is_given_back_unbegun_has_had_no_attempt() {
    let mut run = Run::new(&Tree::Leaf);
    let fence = run.lease(NodeIndex::ROOT).unwrap();
    let events = run.put(Command::Return { fence }).unwrap();
    assert_eq!(effects(&run.pipeline, &events[0]), [Effect::Offer { node: NodeIndex::ROOT }]);
    run.run("/", 0);
    run.check();
    assert_eq!((run.ending(), run.pipeline.leaf(NodeIndex::ROOT).unwrap().attempts.len()), (Some(Ending::Done), 1));
}

#[test]
fn what_cannot_run_is_killed_and_the_pipeline_ends_as_infrastructure() {
    let mut run = Run::new(&serial(true, 2));
    run.put(Command::CannotRun { node: run.node("/0"), message: "no such image".into() }).unwrap();
    assert_eq!((run.letters().as_str(), run.ending()), ("EKP", Some(Ending::Infrastructure)));
    assert_eq!(run.pipeline.leaf(run.node("/0")).unwrap().cause.as_deref(), Some("no such image"));
}

#[test]
fn cancel_kills_what_waits_at_once_and_what_runs_when_it_has_ended() {
    let mut run = Run::new(&Tree::Serial(true, vec![Tree::Parallel(vec![Tree::Leaf; 2]), Tree::Leaf]));
    let fence = run.start("/0/0");
    let events = run.put(Command::Cancel).unwrap();
    assert_eq!((run.letters().as_str(), run.ending()), ("RRRKP", None));
    let worker = run.pipeline.live_attempt(fence).unwrap().1.worker.clone();
    assert_eq!(effects(&run.pipeline, &events[0]), [Effect::Stop { fence, worker, reason: KillReason::User }]);
    run.finish(fence, Outcome::Stopped { reason: KillReason::User });
    assert_eq!((run.letters().as_str(), run.ending()), ("EEKKP", Some(Ending::Cancelled)));
    assert_eq!(run.put(Command::Cancel), Err(Rejected::Ended));
}

#[test]
fn a_group_out_of_time_ends_what_is_below_it_and_nothing_else() {
    let tree = Tree::Parallel(vec![Tree::Serial(true, vec![Tree::Leaf; 2]), Tree::Leaf]);
    let mut run = Run::of(with_max_time(&tree, 1, Duration::from_secs(10)));
    assert_eq!(run.pipeline.next_deadline(), None, "the time runs from the first command below");
    let slow = run.start("/0/0");
    let (due, node) = run.pipeline.next_deadline().unwrap();
    assert_eq!((due.as_second(), node), (10, run.node("/0")));
    assert_eq!(run.put(Command::DeadlinePassed { node }), Err(Rejected::NoDeadline));
    run.pass_seconds(10);
    run.put(Command::DeadlinePassed { node }).unwrap();
    run.finish(slow, Outcome::Stopped { reason: KillReason::Timeout });
    assert_eq!(run.letters(), "QEKPQ");
    run.run("/1", 0);
    assert_eq!(run.ending(), Some(Ending::Failed));
}

#[test]
fn a_worker_that_does_not_end_an_overdue_leaf_is_destroyed() {
    let mut run = Run::of(with_max_time(&Tree::Leaf, 0, Duration::from_secs(5)));
    let fence = run.start("/");
    run.pass_seconds(65);
    let events = run.put(Command::DeadlinePassed { node: NodeIndex::ROOT }).unwrap();
    assert!(matches!(effects(&run.pipeline, &events[0])[..], [Effect::Destroy { fence: f, .. }] if f == fence));
}

#[test]
fn reset_of_a_failed_leaf_lets_the_run_pick_up_where_it_left_off() {
    let mut run = Run::new(&serial(true, 3));
    run.run("/0", 0);
    run.run("/1", 1);
    run.put(Command::Reset { node: run.node("/1") }).unwrap();
    assert_eq!((run.letters().as_str(), run.ending()), ("QDQP", None));
    run.run("/1", 0);
    run.run("/2", 0);
    assert_eq!((run.letters().as_str(), run.ending()), ("DDDD", Some(Ending::Done)));
    assert_eq!(run.pipeline.leaf(run.node("/1")).unwrap().attempts.len(), 2, "every attempt is kept");
}

#[test]
fn reset_of_a_running_leaf_waits_until_the_old_attempt_has_ended() {
    let mut run = Run::new(&Tree::Parallel(vec![Tree::Leaf; 2]));
    let old = run.start("/0");
    let sibling = run.start("/1");
    let events = run.put(Command::Reset { node: run.node("/0") }).unwrap();
    assert!(matches!(effects(&run.pipeline, &events[0])[..], [Effect::Stop { fence, .. }, _] if fence == old));
    assert_eq!(run.letters(), "RPR");
    assert_eq!(waits_for(&run.pipeline, run.node("/0")).as_deref(), Some("waits until its previous attempt has ended"));
    run.finish(old, Outcome::Exited { code: 0 });
    assert_eq!(run.letters(), "RQR", "the end of the old attempt decides nothing but that the new one may start");
    run.finish(sibling, Outcome::Exited { code: 0 });
    run.run("/0", 0);
    assert_eq!(run.ending(), Some(Ending::Done));
}

#[test]
fn reset_below_a_serial_waits_for_what_stands_before_it() {
    let mut run = Run::new(&Tree::Serial(true, vec![Tree::Leaf, Tree::Parallel(vec![Tree::Leaf; 2])]));
    run.run("/0", 0);
    run.run("/1/0", 0);
    run.run("/1/1", 0);
    run.put(Command::Reset { node: run.node("/0") }).unwrap();
    run.put(Command::Reset { node: run.node("/1/1") }).unwrap();
    assert_eq!(run.letters(), "QQPDP");
    run.run("/0", 0);
    assert_eq!(run.letters(), "QDQDQ");
    run.run("/1/1", 0);
    assert_eq!(run.ending(), Some(Ending::Done));
}

#[test]
fn reset_of_the_root_runs_everything_again_after_a_cancel() {
    let mut run = Run::new(&serial(true, 2));
    run.put(Command::Cancel).unwrap();
    assert_eq!(run.ending(), Some(Ending::Cancelled));
    run.put(Command::Reset { node: NodeIndex::ROOT }).unwrap();
    run.run("/0", 0);
    run.run("/1", 0);
    assert_eq!(run.ending(), Some(Ending::Done));
}

#[test]
fn reset_after_a_cancel_goes_on_with_all_that_was_cut_short() {
    let mut run = Run::new(&Tree::Parallel(vec![Tree::Leaf, serial(true, 2)]));
    let (first, second) = (run.start("/0"), run.start("/1/0"));
    run.put(Command::Cancel).unwrap();
    run.finish(first, Outcome::Stopped { reason: KillReason::User });
    run.finish(second, Outcome::Exited { code: 0 });
    assert_eq!((run.letters().as_str(), run.ending()), ("EKEDP", Some(Ending::Cancelled)));
    run.put(Command::Reset { node: run.node("/0") }).unwrap();
    assert_eq!(run.letters(), "QQQDQ", "the node that was reset, and what had not been reached");
    run.run("/0", 0);
    run.run("/1/1", 0);
    assert_eq!(run.ending(), Some(Ending::Done));
}

#[test]
fn reset_is_refused_where_nothing_ran_and_while_a_cancel_is_under_way() {
    let mut run = Run::new(&serial(true, 2));
    assert_eq!(run.put(Command::Reset { node: run.node("/1") }), Err(Rejected::NothingToReset));
    assert_eq!(run.put(Command::Reset { node: NodeIndex(99) }), Err(Rejected::NoSuchNode));
    run.start("/0");
    run.put(Command::Cancel).unwrap();
    assert_eq!(run.put(Command::Reset { node: run.node("/0") }), Err(Rejected::BeingCancelled));
}

#[test]
fn the_log_shows_pending_queued_running_in_that_order() {
    let mut run = Run::new(&Tree::Leaf);
    run.run("/", 0);
    let names: Vec<&str> = run.log.iter().map(|recorded| recorded.event.name()).collect();
    let expected = [
        "pipeline_created",
        "node_queued",
        "attempt_leased",
        "attempt_started",
        "attempt_finished",
        "pipeline_finished",
    ];
    assert_eq!(names, expected);
}

#[test]
fn events_keep_the_encoding_they_are_stored_in() {
    let mut run = Run::new(&Tree::Leaf);
    let fence = run.start("/");
    run.finish(fence, Outcome::Signaled { signal: 11 });
    let encoded: Vec<String> = run.log[1..].iter().map(|at| serde_json::to_string(&at.event).unwrap()).collect();
    insta::assert_snapshot!(encoded.join("\n"), @r#"
    {"event":"node_queued","node":0}
    {"event":"attempt_leased","node":0,"fence":1,"worker":"wk_070707070707"}
    {"event":"attempt_started","fence":1}
    {"event":"attempt_finished","fence":1,"outcome":{"kind":"signaled","signal":11},"log_bytes":0}
    {"event":"pipeline_finished","ending":"failed"}
    "#);
    for recorded in &run.log {
        let text = serde_json::to_string(&recorded.event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), recorded.event);
    }
}

#[test]
fn a_group_between_two_leaves_counts_as_running() {
    let mut run = Run::new(&serial(true, 2));
    run.run("/0", 0);
    let fence = run.start("/1");
    run.put(Command::Reset { node: run.node("/1") }).unwrap();
    assert_eq!(run.state("/"), State::Running);
    run.finish(fence, Outcome::Exited { code: 1 });
    assert_eq!(run.letters(), "QDQ");
}
