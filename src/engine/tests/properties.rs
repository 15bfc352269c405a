//! Any tree, any commands: what must always hold, and an interpreter of a page that must agree.

use std::time::Duration;

use proptest::prelude::*;

use super::harness::{Run, Tree};
use crate::{
    engine::Pipeline,
    model::{
        Callback, Command, Definition, Edit, Ending, Event, Fence, NodeIndex, NodeKind, On, Outcome, Remedy, Reuse,
        Settings, State,
    },
};

fn trees() -> impl Strategy<Value = Tree> {
    Just(Tree::Leaf).prop_recursive(4, 24, 4, |inner| {
        let children = prop::collection::vec(inner, 0..4);
        prop_oneof![
            (any::<bool>(), children.clone()).prop_map(|(stop, children)| Tree::Serial(stop, children)),
            children.prop_map(Tree::Parallel),
        ]
    })
}

/// Trees in which any node may carry anything.
fn rich_trees() -> impl Strategy<Value = Tree> {
    let leaf = leaf_settings().prop_map(|settings| Tree::With(Box::new(settings), Box::new(Tree::Leaf)));
    let first = prop_oneof![6 => leaf, 1 => Just(Tree::Lazy)];
    first.prop_recursive(4, 24, 4, |inner| {
        let children = prop::collection::vec(inner, 0..4);
        let group = prop_oneof![
            (any::<bool>(), children.clone()).prop_map(|(stop, children)| Tree::Serial(stop, children)),
            children.prop_map(Tree::Parallel),
        ];
        (group_settings(), group).prop_map(|(settings, group)| Tree::With(Box::new(settings), Box::new(group)))
    })
}

fn rarely<T: Clone + std::fmt::Debug + 'static>(value: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Option<T>> {
    prop_oneof![5 => Just(None), 1 => value.prop_map(Some)].boxed()
}

fn leaf_settings() -> impl Strategy<Value = Settings> {
    let remedy = prop_oneof![
        (0..3_u32).prop_map(|max_num_retries| Remedy::Retry { max_num_retries }),
        (0..2_u32).prop_map(|max_num_retries| Remedy::RetryThenSkip { max_num_retries }),
        (1..2_u32).prop_map(|max_num_retries| Remedy::RetryWithDoubleMem { max_num_retries }),
    ];
    let callback = (remedy, any::<bool>(), prop_oneof![3 => Just(On::Error), 1 => Just(On::WorkerError)])
        .prop_map(|(remedy, inherited, on)| Callback { on, remedy, inherited });
    let reuse = prop_oneof![2 => Just(Reuse::New), 1 => Just(Reuse::Global)];
    (rarely(any::<bool>()), prop::bool::weighted(0.1), rarely(reuse), rarely(callback)).prop_map(
        |(skip, suppress_errors, container_reuse_context, callback)| Settings {
            skip,
            suppress_errors,
            container_reuse_context,
            callbacks: callback.into_iter().collect(),
            ..Settings::default()
        },
    )
}

fn group_settings() -> impl Strategy<Value = Settings> {
    let skips = (0..3_u32).prop_map(|max_num_errors| Remedy::SkipSomeErrors { max_num_errors });
    let skips = skips.prop_map(|remedy| Callback { on: On::Error, remedy, inherited: false });
    (leaf_settings(), rarely(1..3_u32), rarely(skips)).prop_map(|(settings, max_concurrent, skips)| {
        let callbacks = settings.callbacks.iter().cloned().chain(skips).collect();
        Settings { max_concurrent, callbacks, ..settings }
    })
}

/// What may happen next; numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Step {
    Lease(usize),
    Start(usize),
    Finish(usize, i32),
    Lose(usize),
    CannotRun(usize),
    Reset(usize),
    RerunFailed(usize),
    Skip(usize),
    Unskip(usize),
    Kill(usize),
    Edit(usize, bool),
    Sleep,
    Wake,
    Cancel,
    /// So much time passes that the next deadline, if there is one, is over.
    Overdue,
}

fn steps(with_people: bool) -> impl Strategy<Value = Vec<Step>> {
    let machinery = prop_oneof![
        4 => any::<usize>().prop_map(Step::Lease),
        4 => any::<usize>().prop_map(Step::Start),
        4 => (any::<usize>(), 0..2_i32).prop_map(|(which, code)| Step::Finish(which, code)),
        1 => any::<usize>().prop_map(Step::Lose),
        1 => any::<usize>().prop_map(Step::CannotRun),
    ];
    if !with_people {
        return prop::collection::vec(machinery, 0..60).boxed();
    }
    let people = prop_oneof![
        4 => any::<usize>().prop_map(Step::Reset),
        2 => any::<usize>().prop_map(Step::RerunFailed),
        3 => any::<usize>().prop_map(Step::Skip),
        3 => any::<usize>().prop_map(Step::Unskip),
        2 => any::<usize>().prop_map(Step::Kill),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(which, rerun)| Step::Edit(which, rerun)),
        1 => Just(Step::Sleep),
        2 => Just(Step::Wake),
        1 => Just(Step::Cancel),
        1 => Just(Step::Overdue),
    ];
    prop::collection::vec(prop_oneof![4 => machinery, 1 => people], 0..80).boxed()
}

/// What a leaf prints that is there to print a pipeline.
fn printed(which: usize) -> Option<Box<Definition>> {
    let tree = match which % 4 {
        0 => Tree::Leaf,
        1 => Tree::Serial(true, vec![Tree::Leaf, Tree::Lazy]),
        2 => Tree::Parallel(vec![Tree::Leaf, Tree::Leaf]).with(|settings| settings.max_concurrent = Some(1)),
        _ => return None,
    };
    Some(Box::new(tree.definition()))
}

fn take(run: &mut Run, step: &Step) {
    let live: Vec<Fence> = run.pipeline.live_attempts().map(|(_, attempt)| attempt.fence).collect();
    let queued = run.pipeline.queued_leaves();
    let fence = |which: usize| live.get(which % live.len().max(1)).copied();
    let all: Vec<NodeIndex> = run.pipeline.definition().indices().collect();
    let node = |which: usize| all[which % all.len()];
    let leaf = |which: usize| queued.get(which % queued.len().max(1)).copied();
    let command = match step {
        Step::Lease(which) => {
            if let Some(node) = leaf(*which) {
                run.lease(node).unwrap();
            }
            return;
        }
        Step::Start(which) => fence(*which).map(|fence| Command::AttemptStarted { fence }),
        Step::Finish(which, code) => fence(*which).map(|fence| {
            let node = run.pipeline.live_attempt(fence).unwrap().0;
            let grown = run.pipeline.definition().grows_at(node).and_then(|_| printed(*which));
            Command::AttemptFinished { fence, outcome: Outcome::Exited { code: *code }, log_bytes: 0, grown }
        }),
        Step::Lose(which) if which % 3 == 0 => fence(*which).map(|fence| Command::Return { fence }),
        Step::Lose(which) => fence(*which).map(|fence| Command::Unlease { fence, evidence: "gone".into() }),
        Step::CannotRun(which) => leaf(*which).map(|node| Command::CannotRun { node, message: "no image".into() }),
        Step::Reset(which) => Some(Command::Reset { node: node(*which) }),
        Step::RerunFailed(which) => Some(Command::RerunFailed { node: node(*which) }),
        Step::Skip(which) => Some(Command::Skip { node: node(*which) }),
        Step::Unskip(which) => Some(Command::Unskip { node: node(*which) }),
        Step::Kill(which) => Some(Command::Kill { node: node(*which) }),
        Step::Edit(which, rerun) => {
            let edit = Edit { mem: Some(3.0), ..Edit::default() };
            Some(Command::Edit { node: node(*which), edit, rerun: *rerun })
        }
        Step::Sleep => Some(Command::Sleep),
        Step::Wake => Some(Command::Wake),
        Step::Cancel => Some(Command::Cancel),
        Step::Overdue => {
            run.pass_seconds(1_000_000);
            run.pipeline.next_deadline().map(|(_, node)| Command::DeadlinePassed { node })
        }
    };
    if let Some(command) = command {
        let before = run.pipeline.clone();
        if run.put(command).is_err() {
            assert_eq!(run.pipeline, before, "a rejected command changes nothing");
        }
    }
}

/// Runs everything that is left; every pipeline must come to an end this way.
fn drive_to_the_end(run: &mut Run) {
    if run.pipeline.asleep().is_some() {
        run.put(Command::Wake).unwrap();
    }
    for _ in 0..10_000 {
        let live = run.pipeline.live_attempts().map(|(_, attempt)| attempt.fence).next();
        if let Some(fence) = live {
            run.finish(fence, Outcome::Exited { code: 0 });
        } else if let Some(node) = run.pipeline.queued_leaves().first().copied() {
            run.lease(node).unwrap();
        } else {
            return;
        }
    }
    panic!("the pipeline does not end");
}

/// The reference: what a group's children's states mean, recomputed from scratch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Going,
    Ended { failed: bool },
}

fn verdict(pipeline: &Pipeline, node: NodeIndex, runnable: &mut Vec<NodeIndex>) -> Verdict {
    let tree = pipeline.definition();
    let mut failed = false;
    let mut going = false;
    if pipeline.is_skipped(node) {
        return Verdict::Ended { failed: false };
    }
    let suppressed = tree.node(node).settings.suppress_errors;
    match tree.node(node).kind {
        NodeKind::Exec(_) => {
            let state = pipeline.state(node);
            if !state.is_finished() {
                runnable.push(node);
                return Verdict::Going;
            }
            return Verdict::Ended { failed: state.is_failed() };
        }
        NodeKind::Serial { stop_on_error } => {
            for child in tree.children(node) {
                match verdict(pipeline, *child, runnable) {
                    Verdict::Going => return Verdict::Going,
                    Verdict::Ended { failed: true } if stop_on_error => return Verdict::Ended { failed: !suppressed },
                    Verdict::Ended { failed: this } => failed |= this,
                }
            }
        }
        NodeKind::Parallel => {
            for child in tree.children(node) {
                match verdict(pipeline, *child, runnable) {
                    Verdict::Going => going = true,
                    Verdict::Ended { failed: this } => failed |= this,
                }
            }
        }
    }
    if going { Verdict::Going } else { Verdict::Ended { failed: failed && !suppressed } }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn without_people_the_engine_agrees_with_the_reference(tree in rich_trees(), steps in steps(false)) {
        let mut run = Run::new(&tree);
        for step in &steps {
            take(&mut run, step);
            let mut runnable = Vec::new();
            let root = verdict(&run.pipeline, NodeIndex::ROOT, &mut runnable);
            let started: Vec<NodeIndex> = run.pipeline.definition().indices()
                .filter(|node| run.pipeline.definition().is_exec(*node))
                .filter(|node| {
                    let state = run.pipeline.state(*node);
                    matches!(state, State::Queued | State::Running) || run.pipeline.frontier.contains(node)
                })
                .collect();
            runnable.sort();
            prop_assert_eq!(&started, &runnable, "exactly the leaves whose predecessors are satisfied wait or run");
            match root {
                Verdict::Going => prop_assert_eq!(run.ending(), None),
                Verdict::Ended { failed } => {
                    prop_assert_eq!(run.ending().map(|ending| ending != Ending::Done), Some(failed));
                }
            }
        }
        run.check();
    }

    #[test]
    fn whatever_people_do_the_state_is_sound_and_the_pipeline_ends(tree in rich_trees(), steps in steps(true)) {
        let mut nodes: Vec<_> = tree.definition().into();
        nodes.iter_mut().for_each(|node| node.settings.max_time = Some(Duration::from_secs(60)));
        let mut run = Run::of(Definition::new(nodes).unwrap());
        for step in &steps {
            take(&mut run, step);
            run.check();
            let mut owners: Vec<NodeIndex> = run.pipeline.live_attempts()
                .filter(|(_, attempt)| !attempt.detached).map(|(node, _)| node).collect();
            owners.dedup();
            prop_assert_eq!(owners.len(), run.pipeline.live_attempts().filter(|(_, attempt)| !attempt.detached).count());
        }
        drive_to_the_end(&mut run);
        run.check();
        prop_assert!(run.ending().is_some());
        let mut runnable = Vec::new();
        // What a cancel or a limit of time cut short is not the reference's business.
        let is_whole = run.log.iter().all(|at| {
            !matches!(at.event, Event::DeadlinePassed { .. } | Event::KillRequested { .. } | Event::CancelRequested)
        });
        if is_whole && run.pipeline.cancelled_by().is_none() {
            let root = verdict(&run.pipeline, NodeIndex::ROOT, &mut runnable);
            prop_assert_eq!(root, Verdict::Ended { failed: run.ending() != Some(Ending::Done) });
        }
    }

    #[test]
    fn terminal_leaves_stay_as_they_are_until_a_reset(tree in trees(), steps in steps(false)) {
        let mut run = Run::new(&tree);
        for step in &steps {
            let before: Vec<State> = run.pipeline.definition().indices().map(|node| run.pipeline.state(node)).collect();
            take(&mut run, step);
            for node in run.pipeline.definition().indices() {
                let was = before[node.as_usize()];
                if run.pipeline.definition().is_exec(node) && was.is_finished() {
                    prop_assert_eq!(run.pipeline.state(node), was);
                }
            }
        }
    }
}
