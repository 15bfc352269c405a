//! Any tree, any commands: what must always hold, and an interpreter of a page that must agree.

use std::time::Duration;

use proptest::prelude::*;

use super::harness::{Run, Tree};
use crate::{
    engine::Pipeline,
    model::{Command, Definition, Event, Fence, NodeIndex, NodeKind, Outcome, State},
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

/// What may happen next; numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Step {
    Lease(usize),
    Start(usize),
    Finish(usize, i32),
    Lose(usize),
    CannotRun(usize),
    Reset(usize),
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
    let people =
        prop_oneof![4 => any::<usize>().prop_map(Step::Reset), 1 => Just(Step::Cancel), 1 => Just(Step::Overdue)];
    prop::collection::vec(prop_oneof![5 => machinery, 1 => people], 0..80).boxed()
}

fn take(run: &mut Run, step: &Step) {
    let live: Vec<Fence> = run.pipeline.live_attempts().map(|(_, attempt)| attempt.fence).collect();
    let queued = run.pipeline.queued_leaves();
    let fence = |which: usize| live.get(which % live.len().max(1)).copied();
    let leaf = |which: usize| queued.get(which % queued.len().max(1)).copied();
    let command = match step {
        Step::Lease(which) => {
            if let Some(node) = leaf(*which) {
                run.lease(node).unwrap();
            }
            return;
        }
        Step::Start(which) => fence(*which).map(|fence| Command::AttemptStarted { fence }),
        Step::Finish(which, code) => fence(*which).map(|fence| Command::AttemptFinished {
            fence,
            outcome: Outcome::Exited { code: *code },
            log_bytes: 0,
            grown: None,
        }),
        Step::Lose(which) => fence(*which).map(|fence| Command::Unlease { fence, evidence: "gone".into() }),
        Step::CannotRun(which) => leaf(*which).map(|node| Command::CannotRun { node, message: "no image".into() }),
        Step::Reset(which) => {
            let nodes = u32::try_from(run.pipeline.definition().len()).unwrap();
            Some(Command::Reset { node: NodeIndex(u32::try_from(*which % nodes as usize).unwrap()) })
        }
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
                    Verdict::Ended { failed: true } if stop_on_error => return Verdict::Ended { failed: true },
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
    if going { Verdict::Going } else { Verdict::Ended { failed } }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn without_people_the_engine_agrees_with_the_reference(tree in trees(), steps in steps(false)) {
        let mut run = Run::new(&tree);
        for step in &steps {
            take(&mut run, step);
            let mut runnable = Vec::new();
            let root = verdict(&run.pipeline, NodeIndex::ROOT, &mut runnable);
            let started: Vec<NodeIndex> = run.pipeline.definition().indices()
                .filter(|node| run.pipeline.definition().is_exec(*node))
                .filter(|node| matches!(run.pipeline.state(*node), State::Queued | State::Running))
                .collect();
            runnable.sort();
            prop_assert_eq!(&started, &runnable, "exactly the leaves whose predecessors are satisfied are queued or running");
            match root {
                Verdict::Going => prop_assert_eq!(run.ending(), None),
                Verdict::Ended { failed } => {
                    let state = run.pipeline.state(NodeIndex::ROOT);
                    prop_assert_eq!(state.is_failed(), failed);
                    prop_assert!(run.ending().is_some());
                }
            }
        }
        run.check();
    }

    #[test]
    fn whatever_people_do_the_state_is_sound_and_the_pipeline_ends(tree in trees(), steps in steps(true)) {
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
        let is_whole = run.log.iter().all(|at| !matches!(at.event, Event::DeadlinePassed { .. }));
        if is_whole && run.pipeline.cancelled_by().is_none() {
            let root = verdict(&run.pipeline, NodeIndex::ROOT, &mut runnable);
            prop_assert_eq!(root, Verdict::Ended { failed: run.pipeline.state(NodeIndex::ROOT).is_failed() });
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
