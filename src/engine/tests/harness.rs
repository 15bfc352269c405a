//! A pipeline driven by hand, with a log that is checked against its replay.

use jiff::Timestamp;

use crate::{
    engine::{self, Pipeline},
    model::{
        Actor, Command, Definition, Ending, Event, Exec, Fence, Launch, NodeDefinition, NodeIndex, NodeKind, NodePath,
        NodeSettings, Outcome, PipelineId, Recorded, Rejected, Repository, State, Trigger, TriggerKind, Trust,
        WorkerId,
    },
};

/// A tree as a test writes it.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Leaf,
    Serial(bool, Vec<Self>),
    Parallel(Vec<Self>),
}

impl Tree {
    pub(super) fn definition(&self) -> Definition {
        let mut nodes = Vec::new();
        self.push("/".into(), None, &mut nodes);
        Definition::new(nodes).unwrap()
    }

    fn push(&self, name: String, parent: Option<NodeIndex>, nodes: &mut Vec<NodeDefinition>) {
        let (kind, children): (NodeKind, &[Self]) = match self {
            Self::Leaf => (NodeKind::Exec(Exec { command: "true".into() }), &[]),
            Self::Serial(stop_on_error, children) => (NodeKind::Serial { stop_on_error: *stop_on_error }, children),
            Self::Parallel(children) => (NodeKind::Parallel, children),
        };
        let index = NodeIndex(u32::try_from(nodes.len()).unwrap());
        nodes.push(NodeDefinition { name: name.into(), parent, kind, settings: NodeSettings::default() });
        for (position, child) in children.iter().enumerate() {
            child.push(position.to_string(), Some(index), nodes);
        }
    }
}

pub(super) struct Run {
    pub(super) pipeline: Pipeline,
    pub(super) log: Vec<Recorded>,
    clock: i64,
    next_fence: u64,
}

impl Run {
    pub(super) fn new(tree: &Tree) -> Self {
        Self::of(tree.definition())
    }

    pub(super) fn of(definition: Definition) -> Self {
        let launch = Launch {
            pipeline: PipelineId::parse("abc-def").unwrap(),
            definition,
            title: "test".into(),
            section: "push".into(),
            trigger: Trigger {
                host: "github.com".into(),
                repository: Repository { id: 1, full_name: "acme/api".into(), default_branch: None },
                sha: "0".repeat(40),
                kind: TriggerKind::Push { branch: "main".into(), before: None },
                title: String::new(),
                sender: "kim".into(),
            },
            slack_channel: None,
            trust: Trust::Trusted,
            hold: None,
            most_mem: None,
        };
        let (pipeline, log) = engine::launch(launch, Timestamp::UNIX_EPOCH, Actor::Forge { login: "kim".into() });
        Self { pipeline, log, clock: 0, next_fence: 0 }
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_second(self.clock).unwrap()
    }

    pub(super) fn pass_seconds(&mut self, seconds: i64) {
        self.clock += seconds;
    }

    pub(super) fn put(&mut self, command: Command) -> Result<Vec<Recorded>, Rejected> {
        let now = self.now();
        let events = engine::execute(&mut self.pipeline, now, &command.by(Actor::Server))?;
        self.log.extend(events.iter().cloned());
        Ok(events)
    }

    pub(super) fn node(&self, path: &str) -> NodeIndex {
        self.pipeline.definition().find(&NodePath::parse(path).unwrap()).unwrap()
    }

    pub(super) fn state(&self, path: &str) -> State {
        self.pipeline.state(self.node(path))
    }

    pub(super) fn lease(&mut self, node: NodeIndex) -> Result<Fence, Rejected> {
        self.next_fence += 1;
        let fence = Fence(self.next_fence);
        self.put(Command::Lease { node, fence, worker: WorkerId::from_random([7; 6]) })?;
        Ok(fence)
    }

    pub(super) fn start(&mut self, path: &str) -> Fence {
        let fence = self.lease(self.node(path)).unwrap();
        self.put(Command::AttemptStarted { fence }).unwrap();
        fence
    }

    pub(super) fn finish(&mut self, fence: Fence, outcome: Outcome) {
        self.put(Command::AttemptFinished { fence, outcome, log_bytes: 0, grown: None }).unwrap();
    }

    /// Runs a leaf to its end.
    pub(super) fn run(&mut self, path: &str, code: i32) {
        let fence = self.start(path);
        self.finish(fence, Outcome::Exited { code });
    }

    pub(super) fn ending(&self) -> Option<Ending> {
        self.pipeline.finished().map(|(ending, _)| ending)
    }

    /// States of all nodes, in the order of the tree, as letters.
    pub(super) fn letters(&self) -> String {
        self.pipeline.definition().indices().map(|node| self.pipeline.state(node).letter()).collect()
    }

    /// Holds the state against everything that must be true at any moment.
    pub(super) fn check(&self) {
        assert_eq!(engine::replay(&self.log).unwrap(), self.pipeline, "replaying the log gives the state");
        let tree = self.pipeline.definition();
        for node in tree.indices() {
            let leaves = tree.subtree(node).into_iter().filter(|at| tree.is_exec(*at));
            let mut expected = crate::model::Counts::default();
            leaves.for_each(|leaf| *expected.slot(self.pipeline.state(leaf)) += 1);
            assert_eq!(self.pipeline.counts(node), expected, "counts of {}", tree.path(node));
        }
        let finishes = self.log.iter().filter(|at| matches!(at.event, Event::PipelineFinished { .. })).count();
        let reopenings = self.log.iter().filter(|at| matches!(at.event, Event::NodeReset { .. })).count();
        assert!(finishes <= reopenings + 1);
    }
}
