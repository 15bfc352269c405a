//! A pipeline driven by hand, with a log that is checked against its replay.

use jiff::Timestamp;

use crate::{
    engine::{self, Pipeline, pipeline::Phase},
    model::{
        Actor, Callback, Command, Definition, Ending, Event, Exec, Fence, Launch, NodeDefinition, NodeIndex, NodeKind,
        NodePath, NodeSettings, On, Outcome, PipelineId, Recorded, Rejected, Remedy, Repository, Settings, State,
        Trigger, TriggerKind, Trust, WorkerId,
    },
};

/// A tree as a test writes it.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Leaf,
    Serial(bool, Vec<Self>),
    Parallel(Vec<Self>),
    /// A leaf that prints a pipeline, and the place where that grows.
    Lazy,
    /// The same with settings.
    With(Box<Settings>, Box<Self>),
}

impl Tree {
    pub(super) fn definition(&self) -> Definition {
        let mut nodes = Vec::new();
        self.push("/".into(), None, &mut nodes);
        let tree = Definition::new(nodes.clone()).unwrap();
        for at in tree.indices().filter(|at| &*tree.node(*at).name == "Generate") {
            let target = tree.path(tree.parent(at).unwrap()).child("Execute");
            let remedy = Remedy::DeserializeIntoNode { target };
            nodes[at.as_usize()].settings.callbacks = vec![Callback { on: On::Done, remedy, inherited: false }];
        }
        Definition::new(nodes).unwrap()
    }

    pub(super) fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        Self::With(Box::new(settings), Box::new(self))
    }

    fn push(&self, name: String, parent: Option<NodeIndex>, nodes: &mut Vec<NodeDefinition>) {
        let (kind, children): (NodeKind, &[Self]) = match self {
            Self::Lazy => {
                let at = NodeIndex(u32::try_from(nodes.len()).unwrap());
                Self::Serial(true, vec![]).push(name, parent, nodes);
                Self::Leaf.push("Generate".into(), Some(at), nodes);
                return Self::Parallel(vec![]).push("Execute".into(), Some(at), nodes);
            }
            Self::With(settings, inner) => {
                let at = nodes.len();
                inner.push(name, parent, nodes);
                nodes[at].settings = settings.as_ref().clone().into();
                return;
            }
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
        Self::launched(definition, |_| ())
    }

    pub(super) fn launched(definition: Definition, change: impl FnOnce(&mut Launch)) -> Self {
        let mut launch = Launch {
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
            turn: None,
            secrets: None,
        };
        change(&mut launch);
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

    pub(super) fn finish_with(&mut self, fence: Fence, tree: &Tree) {
        let grown = Some(Box::new(tree.definition()));
        let outcome = Outcome::Exited { code: 0 };
        self.put(Command::AttemptFinished { fence, outcome, log_bytes: 0, grown }).unwrap();
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
        let reopens = |event: &Event| {
            matches!(event, Event::NodeReset { .. } | Event::NodeSkipped { .. } | Event::NodeUnskipped { .. })
        };
        let finishes = self.log.iter().filter(|at| matches!(at.event, Event::PipelineFinished { .. })).count();
        let reopenings = self.log.iter().filter(|at| reopens(&at.event)).count();
        assert!(finishes <= reopenings + 1);
        self.check_groups();
        self.check_limits();
    }

    /// What groups keep of their children is what their children are.
    fn check_groups(&self) {
        let tree = self.pipeline.definition();
        assert!(self.pipeline.undecided.is_empty() && self.pipeline.ready.is_empty(), "nothing is left half done");
        for node in tree.indices().filter(|at| !tree.is_exec(*at)) {
            let phases = || tree.children(node).iter().map(|child| self.pipeline.node(*child).phase);
            let group = self.pipeline.node(node).group.as_deref().unwrap();
            let active = phases().filter(|phase| *phase == Phase::Active).count();
            assert_eq!(group.active_children as usize, active, "active children of {}", tree.path(node));
            let failed = phases().filter(|phase| *phase == Phase::Finished { failed: true }).count();
            assert_eq!(group.failed_children as usize, failed, "failed children of {}", tree.path(node));
            let is_active = self.pipeline.node(node).phase == Phase::Active;
            assert!(active == 0 || is_active, "{} has active children and is not active itself", tree.path(node));
            assert!(active > 0 || !is_active, "{} is active and nothing below it is", tree.path(node));
        }
        for leaf in tree.indices().filter(|at| tree.is_exec(*at)) {
            let is_active = self.pipeline.node(leaf).phase == Phase::Active;
            let in_frontier = self.pipeline.frontier.contains(&leaf);
            let under_way = matches!(self.pipeline.state(leaf), State::Queued | State::Running);
            assert_eq!(is_active, in_frontier || under_way, "{} is active if it waits or runs", tree.path(leaf));
            assert!(!self.pipeline.is_skipped(leaf) || !is_active, "{} is skipped and active", tree.path(leaf));
        }
    }

    /// No limit is exceeded, and nobody waits for one that has room.
    fn check_limits(&self) {
        let tree = self.pipeline.definition();
        let occupies = |leaf: &NodeIndex| {
            matches!(self.pipeline.state(*leaf), State::Queued | State::Running)
                || self.pipeline.live.values().any(|live| live.node == *leaf)
        };
        // What is being ended where a grown tree has been taken away is nobody's business here.
        let occupied: Vec<NodeIndex> = tree.indices().filter(|at| tree.is_exec(*at)).filter(occupies).collect();
        for node in tree.indices() {
            let limit = tree.node(node).settings.max_concurrent.map_or(usize::MAX, |limit| limit as usize);
            let below = occupied.iter().filter(|leaf| tree.lineage(**leaf).any(|above| above == node));
            assert!(below.count() <= limit, "the limit of {} is exceeded", tree.path(node));
            let shares = occupied.iter().filter(|leaf| tree.reuse_group(**leaf) == Some(node));
            assert!(shares.count() <= 1, "the container of {} has two nodes", tree.path(node));
        }
        for leaf in &self.pipeline.frontier {
            let waits_for_room = self.pipeline.gates.is_shut_for(tree, *leaf);
            let excused = self.pipeline.asleep.is_some() || self.pipeline.has_detached_attempt(*leaf);
            assert!(waits_for_room || excused, "{} waits for nothing", tree.path(*leaf));
        }
        for container in self.pipeline.containers.keys() {
            let works = self.pipeline.live.values().filter(|live| live.container == Some(*container)).count();
            assert!(works <= 1, "two attempts in one container");
            assert_eq!(self.pipeline.containers[container].live as usize, works);
        }
    }
}
