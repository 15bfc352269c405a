//! Every line of the old product's semantics (`compat.md` §2.3–2.12), one test a promise.

use std::time::Duration;

use rstest::rstest;

use super::harness::{Run, Tree};
use crate::{
    engine::{effects, waits_for},
    model::{
        Actor, Callback, Command, Duplicate, Edit, Effect, Ending, Event, Fence, Hold, KillReason, Milestone,
        NodeIndex, On, Outcome, Rejected, Remedy, Reuse, Settings, State, Turn,
    },
};

fn serial(children: Vec<Tree>) -> Tree {
    Tree::Serial(true, children)
}

fn leaf(change: impl FnOnce(&mut Settings)) -> Tree {
    Tree::Leaf.with(change)
}

fn on_error(remedy: Remedy) -> Callback {
    Callback { on: On::Error, remedy, inherited: false }
}

fn retry(max_num_retries: u32) -> Callback {
    on_error(Remedy::Retry { max_num_retries })
}

fn out_of_memory(run: &mut Run, path: &str) {
    let fence = run.start(path);
    run.finish(fence, Outcome::OutOfMemory);
}

/// Exit codes of leaves as they become ready, until nothing is left; the states of all nodes then, and how it ended.
fn play(tree: Tree, codes: &[(&str, i32)]) -> (String, Option<Ending>) {
    let mut run = Run::new(&tree);
    for _ in 0..100 {
        let Some(node) = run.pipeline.queued_leaves().first().copied() else { break };
        let path = run.pipeline.definition().path(node).to_string();
        let code = codes.iter().find(|(at, _)| *at == path).map_or(0, |(_, code)| *code);
        run.run(&path, code);
        run.check();
    }
    (run.letters(), run.ending())
}

fn skipped(tree: Tree) -> Tree {
    tree.with(|settings| settings.skip = Some(true))
}

fn suppressed(tree: Tree) -> Tree {
    tree.with(|settings| settings.suppress_errors = true)
}

#[rstest]
// 2.3 Serial
#[case::all_done(serial(vec![Tree::Leaf, Tree::Leaf]), &[], "DDD", Ending::Done)]
#[case::stops(serial(vec![Tree::Leaf, Tree::Leaf]), &[("/0", 1)], "EEP", Ending::Failed)]
#[case::goes_on(Tree::Serial(false, vec![Tree::Leaf, Tree::Leaf]), &[("/0", 1)], "EED", Ending::Failed)]
#[case::empty(serial(vec![]), &[], "D", Ending::Done)]
#[case::empty_inside(serial(vec![Tree::Parallel(vec![]), Tree::Leaf]), &[], "DDD", Ending::Done)]
// 2.4 Parallel
#[case::parallel_never_stops(Tree::Parallel(vec![Tree::Leaf, Tree::Leaf]), &[("/0", 1)], "EED", Ending::Failed)]
// 2.5 suppress_errors
#[case::suppressed_group(suppressed(Tree::Parallel(vec![Tree::Leaf, Tree::Leaf])), &[("/0", 1)], "DED", Ending::Done)]
#[case::suppressed_serial(suppressed(serial(vec![Tree::Leaf, Tree::Leaf])), &[("/0", 1)], "DEP", Ending::Done)]
#[case::suppressed_exec(serial(vec![suppressed(Tree::Leaf), Tree::Leaf]), &[("/0", 1)], "DDD", Ending::Done)]
#[case::suppressed_inner_goes_on(
    serial(vec![suppressed(serial(vec![Tree::Leaf, Tree::Leaf])), Tree::Leaf]), &[("/0/0", 1)], "DDEPD", Ending::Done)]
// 2.6 skip
#[case::skipped_leaf(serial(vec![skipped(Tree::Leaf), Tree::Leaf]), &[], "DPD", Ending::Done)]
#[case::skipped_group(serial(vec![skipped(serial(vec![Tree::Leaf])), Tree::Leaf]), &[], "DPPD", Ending::Done)]
#[case::skip_covers_false_below(
    skipped(serial(vec![leaf(|settings| settings.skip = Some(false))])), &[], "DP", Ending::Done)]
#[case::all_children_skipped(serial(vec![skipped(Tree::Leaf), skipped(Tree::Leaf)]), &[], "DPP", Ending::Done)]
// 2.10 callbacks
#[case::retry_exhausted(
    serial(vec![leaf(|settings| settings.callbacks = vec![retry(2)]), Tree::Leaf]), &[("/0", 1)], "EEP", Ending::Failed)]
#[case::retry_then_skip(
    serial(vec![
        leaf(|settings| settings.callbacks = vec![on_error(Remedy::RetryThenSkip { max_num_retries: 1 })]),
        Tree::Leaf,
    ]),
    &[("/0", 1)], "DED", Ending::Done)]
#[case::few_errors_are_skipped(
    Tree::Parallel(vec![Tree::Leaf, Tree::Leaf])
        .with(|settings| settings.callbacks = vec![on_error(Remedy::SkipSomeErrors { max_num_errors: 1 })]),
    &[("/0", 1)], "DPD", Ending::Done)]
#[case::many_errors_are_not(
    Tree::Parallel(vec![Tree::Leaf, Tree::Leaf])
        .with(|settings| settings.callbacks = vec![on_error(Remedy::SkipSomeErrors { max_num_errors: 1 })]),
    &[("/0", 1), ("/1", 1)], "EEE", Ending::Failed)]
#[case::after_a_skipped_error_the_serial_goes_on(
    serial(vec![Tree::Leaf, Tree::Leaf])
        .with(|settings| settings.callbacks = vec![on_error(Remedy::SkipSomeErrors { max_num_errors: 1 })]),
    &[("/0", 1)], "DPD", Ending::Done)]
fn trees_end_as_the_old_product_ended_them(
    #[case] tree: Tree,
    #[case] codes: &[(&str, i32)],
    #[case] letters: &str,
    #[case] ending: Ending,
) {
    assert_eq!(play(tree, codes), (letters.to_owned(), Some(ending)));
}

#[test]
fn a_retry_never_shows_its_failure_to_the_parent() {
    let mut run = Run::new(&serial(vec![leaf(|settings| settings.callbacks = vec![retry(1)]), Tree::Leaf]));
    let fence = run.start("/0");
    run.finish(fence, Outcome::Exited { code: 1 });
    assert_eq!((run.letters().as_str(), run.ending()), ("QQP", None), "it waits for a worker again");
    let names: Vec<_> = run.log.iter().rev().take(3).map(|at| at.event.name()).collect();
    assert_eq!(names, ["node_queued", "node_retried", "attempt_finished"], "all in one step");
    run.run("/0", 0);
    run.run("/1", 0);
    assert_eq!(run.letters(), "DDD");
    let attempts = &run.pipeline.leaf(run.node("/0")).unwrap().attempts;
    assert_eq!(attempts.len(), 2);
    assert_eq!(*run.pipeline.asked_by(&attempts[1]), Actor::Callback { name: "retry".into() });
}

#[test]
fn retries_start_again_after_a_reset_by_hand() {
    let mut run = Run::new(&leaf(|settings| settings.callbacks = vec![retry(1)]));
    for _ in 0..2 {
        run.run("/", 1);
        assert_eq!(run.letters(), "Q");
        run.run("/", 1);
        assert_eq!((run.letters().as_str(), run.ending()), ("E", Some(Ending::Failed)));
        run.put(Command::Reset { node: NodeIndex::ROOT }).unwrap();
    }
}

#[test]
fn an_inherited_retry_acts_for_each_leaf_by_itself_and_then_for_its_own_node() {
    let inherited = Callback { inherited: true, ..retry(1) };
    let mut run = Run::new(&Tree::Parallel(vec![Tree::Leaf]).with(|settings| settings.callbacks = vec![inherited]));
    for _ in 0..3 {
        run.run("/0", 1);
        assert_eq!(run.letters(), "QQ");
    }
    run.run("/0", 1);
    assert_eq!(run.letters(), "EE", "one retry of the leaf, then the group again with one of its leaf");
}

#[test]
fn a_persons_kill_is_final() {
    let mut run = Run::new(&leaf(|settings| settings.callbacks = vec![retry(5)]));
    let fence = run.start("/");
    run.put(Command::Kill { node: NodeIndex::ROOT }).unwrap();
    run.finish(fence, Outcome::Stopped { reason: KillReason::User });
    assert_eq!((run.letters().as_str(), run.ending()), ("K", Some(Ending::Failed)));
}

#[test]
fn retries_with_double_memory_stop_at_what_the_machine_has() {
    let tree = leaf(|settings| {
        settings.callbacks = vec![on_error(Remedy::RetryWithDoubleMem { max_num_retries: 3 })];
    });
    let mut run = Run::launched(tree.definition(), |launch| launch.most_mem = Some(6.0));
    (0..4).for_each(|_| out_of_memory(&mut run, "/"));
    let attempts = &run.pipeline.leaf(NodeIndex::ROOT).unwrap().attempts;
    assert_eq!(attempts.iter().map(|at| at.needs.mem).collect::<Vec<_>>(), [None, Some(4.0), Some(6.0), Some(6.0)]);
    assert_eq!(run.letters(), "K");
}

#[test]
fn memory_errors_are_retried_below_the_first_bound_once_between_the_two_and_never_above() {
    let remedy = Remedy::HandleMemoryErrors { mem_limits: (8.0, 32.0), max_duration: 3_600.0 };
    let mut run = Run::new(&leaf(|settings| settings.callbacks = vec![on_error(remedy.clone())]));
    for _ in 0..2 {
        out_of_memory(&mut run, "/");
        assert_eq!(run.letters(), "Q", "2 GiB become 4, and 4 become 8 for the one time");
    }
    out_of_memory(&mut run, "/");
    assert_eq!(run.letters(), "K", "16 would be a second time between the bounds");

    let mut run = Run::new(&leaf(|settings| settings.callbacks = vec![on_error(remedy.clone())]));
    run.run("/", 1);
    assert_eq!(run.letters(), "E", "another error is none of its business");

    let mut run = Run::new(&leaf(|settings| settings.callbacks = vec![on_error(remedy)]));
    let fence = run.start("/");
    run.pass_seconds(3_601);
    run.finish(fence, Outcome::OutOfMemory);
    assert_eq!(run.letters(), "K", "it took too long to be worth another try");
}

#[test]
fn nested_limits_of_concurrency_all_hold() {
    let inner = |limit| Tree::Parallel(vec![Tree::Leaf; 3]).with(|settings| settings.max_concurrent = Some(limit));
    let mut run =
        Run::new(&Tree::Parallel(vec![inner(2), inner(3)]).with(|settings| settings.max_concurrent = Some(3)));
    assert_eq!(run.letters(), "QQQQPQQPP", "two of the first, one of the second");
    assert_eq!(waits_for(&run.pipeline, run.node("/1/1")).unwrap(), "waits for /: at most 3 at once");
    run.run("/0/0", 0);
    assert_eq!(run.letters(), "QQDQQQQPP");
    for _ in 0..5 {
        let node = run.pipeline.queued_leaves()[0];
        run.run(run.pipeline.definition().path(node).to_string().as_str(), 0);
        run.check();
    }
    assert_eq!(run.ending(), Some(Ending::Done));
}

fn new_group(children: Vec<Tree>) -> Tree {
    Tree::Parallel(children).with(|settings| settings.container_reuse_context = Some(Reuse::New))
}

#[test]
fn a_group_with_a_container_of_its_own_runs_one_node_at_a_time_and_gives_it_back() {
    let global = leaf(|settings| settings.container_reuse_context = Some(Reuse::Global));
    let mut run = Run::new(&new_group(vec![Tree::Leaf, Tree::Leaf, global]));
    assert_eq!(run.letters(), "QQPQ", "`global` inside goes its own way");
    let (first, second, third) = (run.node("/0"), run.node("/1"), run.node("/2"));
    assert_eq!(run.pipeline.group_container(first), Some((NodeIndex::ROOT, 0)));
    assert_eq!(
        (run.pipeline.group_container(second), run.pipeline.group_container(third)),
        (Some((NodeIndex::ROOT, 0)), None)
    );
    assert_eq!(waits_for(&run.pipeline, second).unwrap(), "waits for its turn in the container of /");
    run.run("/2", 0);
    run.run("/0", 0);
    assert_eq!(run.pipeline.group_workers().count(), 1);
    assert_eq!(run.letters(), "QDQD");
    run.run("/1", 0);
    let released = run.log.iter().find(|at| matches!(at.event, Event::GroupReleased { .. })).unwrap();
    assert_eq!(effects(&run.pipeline, released), [Effect::ReleaseGroup { node: NodeIndex::ROOT, generation: 0 }]);
    assert_eq!(run.ending(), Some(Ending::Done));
}

#[test]
fn such_a_group_is_reset_and_skipped_as_a_unit_with_a_new_container() {
    let mut run = Run::new(&serial(vec![new_group(vec![Tree::Leaf, Tree::Leaf]), Tree::Leaf]));
    run.run("/0/0", 0);
    run.run("/0/1", 1);
    run.put(Command::Reset { node: run.node("/0/1") }).unwrap();
    assert_eq!(run.letters(), "QQQPP", "what the first node left in the container is gone, so it runs again");
    assert_eq!(run.pipeline.group_container(run.node("/0/0")), Some((run.node("/0"), 1)));
    run.put(Command::Skip { node: run.node("/0/1") }).unwrap();
    assert!(run.pipeline.is_skipped(run.node("/0/0")));
    run.run("/1", 0);
    assert_eq!(run.ending(), Some(Ending::Done));
    run.put(Command::Unskip { node: run.node("/0/0") }).unwrap();
    assert_eq!(run.letters(), "QQQPD");
}

#[test]
fn a_retry_in_a_shared_container_runs_there_again_unless_the_container_is_gone() {
    let flaky = || leaf(|settings| settings.callbacks = vec![retry(3)]);
    let mut run = Run::new(&new_group(vec![Tree::Leaf, flaky()]));
    run.run("/0", 0);
    run.run("/1", 1);
    assert_eq!(run.letters(), "QDQ");
    assert_eq!(run.pipeline.group_container(run.node("/1")), Some((NodeIndex::ROOT, 0)));
    let fence = run.start("/1");
    run.finish(fence, Outcome::Infrastructure { message: "its container is gone".into() });
    assert_eq!(run.letters(), "QQP", "all begin again");
    assert_eq!(run.pipeline.group_container(run.node("/1")), Some((NodeIndex::ROOT, 1)));
    run.check();
}

#[test]
fn skipping_a_failed_node_lets_its_parent_go_on_and_unskipping_takes_that_back() {
    let mut run = Run::new(&serial(vec![Tree::Leaf, Tree::Leaf]));
    run.run("/0", 1);
    assert_eq!(run.ending(), Some(Ending::Failed));
    let node = run.node("/0");
    run.put(Command::Skip { node }).unwrap();
    assert_eq!((run.letters().as_str(), run.ending()), ("QEQ", None));
    assert_eq!(run.put(Command::Skip { node }), Err(Rejected::SkippedAlready));
    run.run("/1", 0);
    assert_eq!((run.letters().as_str(), run.ending()), ("DED", Some(Ending::Done)));
    run.put(Command::Unskip { node }).unwrap();
    assert_eq!((run.letters().as_str(), run.ending()), ("EED", Some(Ending::Failed)));
    assert_eq!(run.put(Command::Unskip { node }), Err(Rejected::NotSkipped));
    run.check();
}

#[test]
fn skipping_what_runs_ends_it_and_unskipping_runs_it_again() {
    let mut run = Run::new(&serial(vec![Tree::Parallel(vec![Tree::Leaf; 2]), Tree::Leaf]));
    let fence = run.start("/0/0");
    let events = run.put(Command::Skip { node: run.node("/0") }).unwrap();
    assert!(matches!(effects(&run.pipeline, &events[0])[0], Effect::Stop { fence: at, .. } if at == fence));
    assert_eq!(run.letters(), "QPPPQ");
    run.run("/1", 0);
    assert_eq!(run.ending(), None, "the old attempt has not ended");
    run.finish(fence, Outcome::Stopped { reason: KillReason::User });
    assert_eq!((run.letters().as_str(), run.ending()), ("DPPPD", Some(Ending::Done)));
    assert_eq!(
        run.put(Command::Unskip { node: run.node("/0/0") }),
        Err(Rejected::SkippedAbove("/0".to_owned().try_into().unwrap()))
    );
    run.put(Command::Unskip { node: run.node("/0") }).unwrap();
    assert_eq!(run.letters(), "QQQQD");
    run.check();
}

#[test]
fn rerun_of_what_failed_touches_nothing_else() {
    let mut run = Run::new(&Tree::Parallel(vec![Tree::Leaf; 4]));
    for (path, code) in [("/0", 0), ("/1", 1), ("/2", 0), ("/3", 1)] {
        run.run(path, code);
    }
    run.put(Command::RerunFailed { node: NodeIndex::ROOT }).unwrap();
    assert_eq!(run.letters(), "QDQDQ");
    assert_eq!(run.put(Command::RerunFailed { node: NodeIndex::ROOT }), Err(Rejected::NothingFailed));
}

#[test]
fn a_killed_group_does_not_go_on_with_what_it_had_not_reached() {
    let tree = Tree::Parallel(vec![Tree::Serial(false, vec![Tree::Leaf; 2]), Tree::Leaf]);
    let mut run = Run::new(&tree);
    let fence = run.start("/0/0");
    let node = run.node("/0");
    run.put(Command::Kill { node }).unwrap();
    assert_eq!(run.put(Command::Kill { node }), Err(Rejected::NothingToKill));
    run.finish(fence, Outcome::Stopped { reason: KillReason::User });
    assert_eq!(run.letters(), "QEKPQ");
    run.run("/1", 0);
    assert_eq!(run.ending(), Some(Ending::Failed));
    assert_eq!(run.put(Command::Kill { node }), Err(Rejected::NothingToKill));
}

#[test]
fn an_edit_holds_from_the_next_attempt_on_and_moves_what_is_queued() {
    let mut run = Run::new(&Tree::Leaf);
    let edit = Edit { mem: Some(4.0), command: Some("echo new".into()), ..Edit::default() };
    let events = run.put(Command::Edit { node: NodeIndex::ROOT, edit: edit.clone(), rerun: true }).unwrap();
    let orders = effects(&run.pipeline, &events[0]);
    assert_eq!(orders, [Effect::Withdraw { node: NodeIndex::ROOT }, Effect::Offer { node: NodeIndex::ROOT }]);
    run.run("/", 1);
    assert_eq!(run.pipeline.leaf(NodeIndex::ROOT).unwrap().attempts[0].needs.mem, Some(4.0));
    run.put(Command::Edit { node: NodeIndex::ROOT, edit, rerun: true }).unwrap();
    assert_eq!(run.letters(), "Q", "edited and run again in one step");
    let refuse = |edit| Command::Edit { node: NodeIndex::ROOT, edit, rerun: false };
    assert_eq!(run.put(refuse(Edit::default())), Err(Rejected::NothingToEdit));
    assert_eq!(run.put(refuse(Edit { cpu: Some(-1.0), ..Edit::default() })), Err(Rejected::BadAmount("cpu")));
}

#[test]
fn a_sleeping_pipeline_starts_nothing_and_goes_on_when_woken() {
    let mut run = Run::new(&serial(vec![Tree::Parallel(vec![Tree::Leaf; 2]), Tree::Leaf]));
    run.run("/0/0", 0);
    let fence = run.start("/0/1");
    let events = run.put(Command::Sleep).unwrap();
    assert!(effects(&run.pipeline, &events[0]).iter().any(|order| matches!(order, Effect::Stop { .. })));
    assert_eq!(run.put(Command::Sleep), Err(Rejected::AsleepAlready));
    run.finish(fence, Outcome::Stopped { reason: KillReason::User });
    assert_eq!((run.letters().as_str(), run.ending()), ("RRDPP", None), "what was done stays done");
    assert!(waits_for(&run.pipeline, run.node("/0/1")).unwrap().starts_with("the pipeline sleeps"));
    run.put(Command::Wake).unwrap();
    assert_eq!(run.letters(), "QQDQP");
    assert_eq!(run.put(Command::Wake), Err(Rejected::NotAsleep));
    run.run("/0/1", 0);
    run.run("/1", 0);
    assert_eq!(run.ending(), Some(Ending::Done));
}

#[test]
fn a_held_pipeline_begins_when_somebody_says_so() {
    let mut run = Run::launched(Tree::Leaf.definition(), |launch| launch.hold = Some(Hold::Approval));
    assert_eq!(run.letters(), "P");
    let why = waits_for(&run.pipeline, NodeIndex::ROOT);
    assert_eq!(why.as_deref(), Some("held: fork pull request needs approval"));
    run.put(Command::Run).unwrap();
    assert_eq!(run.put(Command::Run), Err(Rejected::NotHeld));
    run.run("/", 0);
    assert_eq!(run.ending(), Some(Ending::Done));

    let mut run = Run::launched(serial(vec![Tree::Leaf]).definition(), |launch| launch.hold = Some(Hold::Manual));
    run.put(Command::Cancel).unwrap();
    assert_eq!((run.letters().as_str(), run.ending()), ("EP", Some(Ending::Cancelled)));
}

#[test]
fn who_is_let_run_takes_a_turn_where_others_go_first() {
    for (duplicate, waits) in [(Duplicate::Defer, true), (Duplicate::SleepOld, true), (Duplicate::Allow, false)] {
        let mut run = Run::launched(Tree::Leaf.definition(), |launch| {
            launch.hold = Some(Hold::Approval);
            launch.turn = Some(Turn::of(&launch.trigger, "push", duplicate));
        });
        run.put(Command::Run).unwrap();
        assert_eq!(run.pipeline.hold(), waits.then_some(Hold::Turn));
        assert_eq!(run.letters(), if waits { "P" } else { "Q" });
        if waits {
            let why = waits_for(&run.pipeline, NodeIndex::ROOT).unwrap();
            assert_eq!(why, format!("waits for its turn (duplicate = \"{}\")", duplicate.word()));
            run.put(Command::Run).unwrap();
        }
        assert_eq!((run.pipeline.hold(), run.letters().as_str()), (None, "Q"));
        run.check();
    }
}

#[test]
fn what_ends_in_a_pipeline_that_sleeps_is_not_told() {
    let mut run = Run::new(&Tree::Leaf);
    let fence = run.start("/");
    run.put(Command::Sleep).unwrap();
    run.finish(fence, Outcome::Stopped { reason: KillReason::User });
    let last = run.log.last().unwrap();
    assert_eq!(effects(&run.pipeline, last), []);
}

#[test]
fn a_tree_grows_where_its_generator_says_and_goes_when_that_is_reset() {
    let mut run = Run::new(&serial(vec![Tree::Lazy, Tree::Leaf]));
    let fence = run.start("/0/Generate");
    run.finish_with(fence, &serial(vec![Tree::Leaf, Tree::Lazy]));
    run.check();
    run.run("/0/Execute/0", 0);
    let fence = run.start("/0/Execute/1/Generate");
    run.finish_with(fence, &Tree::Leaf);
    assert_eq!(run.state("/0/Execute/1/Execute"), State::Queued, "a single Exec takes the place of the group");
    run.run("/0/Execute/1/Execute", 0);
    run.run("/1", 0);
    assert_eq!(run.ending(), Some(Ending::Done));
    run.check();
    run.put(Command::Reset { node: run.node("/0/Generate") }).unwrap();
    run.check();
    assert_eq!(run.pipeline.definition().children(run.node("/0/Execute")), []);
    assert_eq!(run.state("/0/Generate"), State::Queued);
    let fence = run.start("/0/Generate");
    run.finish_with(fence, &Tree::Parallel(vec![Tree::Leaf]));
    run.run("/0/Execute/0", 0);
    run.check();
    assert_eq!(run.ending(), Some(Ending::Done), "what came after it had been done and stays so");
}

#[rstest]
#[case::nothing(None, "it ended well and printed no pipeline")]
#[case::too_deep(Some(deep()), "its pipeline does not fit at /Execute: the tree is too large")]
fn a_generator_without_a_usable_pipeline_is_an_error(#[case] tree: Option<Tree>, #[case] why: &str) {
    let mut run = Run::new(&Tree::Lazy);
    let fence = run.start("/Generate");
    let grown = tree.map(|tree| Box::new(tree.definition()));
    run.put(Command::AttemptFinished { fence, outcome: Outcome::Exited { code: 0 }, log_bytes: 0, grown }).unwrap();
    assert_eq!((run.letters().as_str(), run.ending()), ("EEP", Some(Ending::Failed)));
    let attempts = &run.pipeline.leaf(run.node("/Generate")).unwrap().attempts;
    let message = attempts[0].outcome.as_ref().unwrap().to_string();
    assert!(message.starts_with(why), "{message}");
}

fn deep() -> Tree {
    (0..crate::model::MAX_DEPTH).fold(Tree::Leaf, |inner, _| serial(vec![inner]))
}

#[test]
fn time_asleep_is_not_the_groups_and_a_retry_after_a_timeout_gets_its_time_anew() {
    let tree = serial(vec![Tree::Leaf]).with(|settings| {
        settings.max_time = Some(Duration::from_secs(10));
        settings.callbacks = vec![retry(1)];
    });
    let mut run = Run::new(&tree);
    let fence = run.start("/0");
    run.put(Command::Sleep).unwrap();
    run.finish(fence, Outcome::Stopped { reason: KillReason::User });
    run.pass_seconds(60);
    run.put(Command::Wake).unwrap();
    let fence = run.start("/0");
    assert_eq!(run.pipeline.next_deadline().unwrap().0.as_second(), 70);
    run.pass_seconds(10);
    run.put(Command::DeadlinePassed { node: NodeIndex::ROOT }).unwrap();
    run.finish(fence, Outcome::Stopped { reason: KillReason::Timeout });
    assert_eq!(run.letters(), "QQ", "the group begins again");
    run.run("/0", 0);
    assert_eq!(run.ending(), Some(Ending::Done));
}

#[test]
fn every_attempt_says_who_asked_for_it() {
    let mut run = Run::new(&Tree::Leaf);
    run.run("/", 1);
    run.put(Command::Reset { node: NodeIndex::ROOT }).unwrap();
    run.run("/", 0);
    let attempts = &run.pipeline.leaf(NodeIndex::ROOT).unwrap().attempts;
    let asked: Vec<_> = attempts.iter().map(|at| (at.fence, run.pipeline.asked_by(at).clone())).collect();
    assert_eq!(asked, [(Fence(1), Actor::Forge { login: "kim".into() }), (Fence(2), Actor::Server)]);
}

#[test]
fn what_changes_about_a_pipeline_that_has_ended_tells_its_end_again() {
    let mut run = Run::new(&Tree::Parallel(vec![Tree::Leaf; 2]));
    run.run("/0", 0);
    run.run("/1", 0);
    let events = run.put(Command::Skip { node: run.node("/0") }).unwrap();
    assert_eq!(run.ending(), Some(Ending::Done));
    let orders = effects(&run.pipeline, &events[0]);
    assert_eq!(orders, [Effect::Report(Milestone::Finished(Ending::Done))], "or the world would take it for going on");
}
