//! The laws: what must hold at every moment, and what must hold when all is over.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use super::{server::Server, worker::Life, world::World};
use crate::{
    dispatch::{feedback, pool::Queue},
    forge::CommitStatus,
    model::{Ending, Fence, Milestone, NodeIndex, PipelineId, WorkerId},
    store::pipelines,
};

/// A law that was broken.
pub(super) struct Verdict {
    pub(super) seed: u64,
    pub(super) law: &'static str,
    pub(super) words: String,
    /// What happened before.
    pub(super) story: String,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} breaks the law of {}: {}\n{}", self.seed, self.law, self.words, self.story)
    }
}

/// What the server meant with a fence when it first told a worker to start it.
struct Told {
    pipeline: PipelineId,
    node: NodeIndex,
    queue: Queue,
}

pub(super) struct Judge {
    seed: u64,
    pub(super) verdict: Option<Verdict>,
    told: BTreeMap<Fence, Told>,
    /// Attempts whose command has ever begun.
    begun: BTreeSet<Fence>,
    /// Commands that run at this moment.
    running: BTreeMap<Fence, (PipelineId, NodeIndex)>,
    /// Which worker is known to have served a group, for each of its containers and kinds of worker.
    crews: HashMap<Queue, WorkerId>,
}

impl Judge {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            verdict: None,
            told: BTreeMap::new(),
            begun: BTreeSet::new(),
            running: BTreeMap::new(),
            crews: HashMap::new(),
        }
    }

    pub(super) fn verdict(&self, law: &'static str, words: String) -> Verdict {
        Verdict { seed: self.seed, law, words, story: String::new() }
    }

    /// The first law that is broken counts.
    pub(super) fn condemn(&mut self, law: &'static str, words: String) {
        if self.verdict.is_none() {
            self.verdict = Some(self.verdict(law, words));
        }
    }

    /// The server has told a worker, or is about to, to start an attempt.
    pub(super) fn told(&mut self, fence: Fence, pipeline: &PipelineId, node: NodeIndex, queue: &Queue) {
        let told = || Told { pipeline: pipeline.clone(), node, queue: queue.clone() };
        self.told.entry(fence).or_insert_with(told);
    }

    pub(super) fn ended(&mut self, fence: Fence) {
        self.running.remove(&fence);
    }

    fn begins(&mut self, worker: &WorkerId, made_for: &Queue, fence: Fence) {
        let Some(Told { pipeline, node, queue }) = self.told.get(&fence) else {
            return self.condemn("fences", format!("{worker} begins attempt {fence}, of which it was never told"));
        };
        let (pipeline, node) = (pipeline.clone(), *node);
        if made_for.pipeline != pipeline {
            return self.condemn("containers", format!("{worker} of {} runs a node of {pipeline}", made_for.pipeline));
        }
        if made_for.group != queue.group {
            let words = format!("{worker} was made for {:?} and runs a node of {:?}", made_for.group, queue.group);
            return self.condemn("groups", words);
        }
        if !self.begun.insert(fence) {
            return self.condemn("fences", format!("the command of attempt {fence} begins a second time"));
        }
        let place = (pipeline, node);
        if let Some((other, _)) = self.running.iter().find(|(_, at)| **at == place) {
            let words = format!("{} of {} runs as attempt {fence} and still as {other}", node.0, place.0);
            return self.condemn("fences", words);
        }
        self.running.insert(fence, place);
        if let Some(crew) = self.crews.get(made_for).filter(|crew| *crew != worker) {
            let group = made_for.group;
            self.condemn(
                "groups",
                format!("{group:?} of {} was served by {crew} and now by {worker}", made_for.pipeline),
            );
        }
    }
}

impl World {
    /// A command begins.
    pub(super) fn judge_begin(&mut self, id: &WorkerId, fence: Fence) {
        let made_for = self.runtime.containers[id].made_for.clone();
        if !self.disk.is_live(fence) {
            let words = format!("{id} begins attempt {fence}, which the store does not know or knows to be over");
            return self.judge.condemn("commits", words);
        }
        self.judge.begins(id, &made_for, fence);
    }

    /// It is committed that a command has begun: from now on its group knows what is in the container.
    pub(super) fn judge_served(&mut self, id: &WorkerId) {
        // An edit may have changed what its leaf asks for since; what counts is what the container was made for.
        if let Some(worker) = self.runtime.containers.get(id).filter(|worker| worker.made_for.group.is_some()) {
            self.judge.crews.entry(worker.made_for.clone()).or_insert_with(|| id.clone());
        }
    }

    /// Holds what the server has in memory against what is stored, and both against the machine.
    pub(super) fn judge_now(&mut self, server: &Server) {
        for (id, pipeline) in &server.pipelines {
            let stored = self.disk.load(id);
            if stored.as_ref() != Some(pipeline) {
                self.judge.condemn("replay", format!("{id} in memory is not what its log says"));
            }
            let live: Vec<Fence> = pipeline.live_attempts().map(|(_, attempt)| attempt.fence).collect();
            let leased = pipelines::leased(&self.disk.connection).unwrap();
            let mut kept: Vec<Fence> =
                leased.into_iter().filter(|leased| leased.pipeline == *id).map(|leased| leased.fence).collect();
            kept.sort_unstable();
            if live != kept {
                self.judge.condemn("attempts", format!("{id} has {live:?} live, the table {kept:?}"));
            }
            self.judge.judge_limits(id, pipeline);
        }
        self.judge_budget(server);
    }

    fn judge_budget(&mut self, server: &Server) {
        let budget = self.outside.options.budget;
        let mut milli_cpu = 0;
        for worker in self.runtime.containers.values() {
            let is_ours = server.roster.get(&worker.id).is_some_and(|enrolled| !enrolled.is_to_go);
            // The container of a group that waits for its next leaf holds nothing.
            let holds = worker.made_for.group.is_none() || worker.node.is_some();
            if is_ours && holds && worker.life == Life::Runs {
                milli_cpu += worker.made_for.amounts.milli_cpu;
            }
        }
        if milli_cpu > budget.whole.milli_cpu {
            let words = format!("{milli_cpu} thousandths of a processor of {}", budget.whole.milli_cpu);
            self.judge.condemn("budget", words);
        }
    }

    pub(super) fn is_all_done(&self, server: &Server) -> bool {
        let is_quiet =
            server.pipelines.values().all(|at| at.finished().is_some() && at.live_attempts().next().is_none());
        is_quiet
            && self.outside.deliveries.iter().all(|delivery| delivery.is_taken)
            && self.runtime.containers.is_empty()
            && self.runtime.networks.is_empty()
            && self.count("SELECT count(*) FROM inbox WHERE state = 'new'") == 0
            && self.count("SELECT count(*) FROM outbox WHERE state IN ('ready', 'sending')") == 0
    }

    fn count(&self, sql: &str) -> i64 {
        self.disk.connection.prepare_cached(sql).unwrap().query_row([], |row| row.get(0)).unwrap()
    }

    /// What is left of a run that does not end.
    pub(super) fn what_is_left(&self, server: &Server) -> String {
        let mut words = Vec::new();
        for (id, pipeline) in server.pipelines.iter().filter(|(_, pipeline)| pipeline.finished().is_none()) {
            let live: Vec<_> =
                pipeline.live_attempts().map(|(node, at)| (node.0, at.fence.0, at.worker.clone())).collect();
            words.push(format!("{id} has not ended: queued {:?}, live {live:?}", pipeline.queued_leaves()));
        }
        words.extend(self.runtime.containers.values().map(|worker| format!("a container is left: {worker:?}")));
        words.extend(self.runtime.networks.iter().map(|id| format!("a network is left: {id}")));
        let waiting = self.count("SELECT count(*) FROM outbox WHERE state IN ('ready', 'sending')");
        words.push(format!("{waiting} messages are not sent"));
        words.join("; ")
    }

    pub(super) fn judge_the_end(&mut self, server: &Server) {
        self.judge_now(server);
        let pipelines = i64::try_from(self.outside.launches()).unwrap();
        let found = self.count("SELECT count(*) FROM pipeline");
        if found != pipelines {
            self.judge.condemn("deliveries", format!("{pipelines} pipelines were to be launched, {found} were"));
        }
        for (id, pipeline) in &server.pipelines {
            let Some((ending, _)) = pipeline.finished() else { continue };
            let wanted = feedback::messages(&self.outside.options, pipeline, Milestone::Finished(ending));
            let said = wanted.first().and_then(|message| self.outside.statuses.get(&message.lane));
            let read = |text: &String| serde_json::from_str::<CommitStatus>(text).unwrap().state;
            let wanted_state = wanted.first().map(|message| read(&message.payload));
            if said.map(read) != wanted_state {
                let words = format!("{id} ended as {ending:?}, the forge knows {:?}", said.map(read));
                self.judge.condemn("statuses", words);
            }
            if ending == Ending::Done && pipeline.counts(NodeIndex::ROOT).running > 0 {
                self.judge.condemn("endings", format!("{id} is done and something runs"));
            }
        }
    }
}

impl Judge {
    /// As many run below a node as its limit allows.
    fn judge_limits(&mut self, id: &PipelineId, pipeline: &crate::engine::Pipeline) {
        let tree = pipeline.definition();
        let mine: Vec<NodeIndex> = self
            .running
            .values()
            .filter(|(of, node)| of == id && tree.contains(*node))
            .map(|(_, node)| *node)
            .collect();
        for group in tree.indices() {
            let Some(limit) = tree.node(group).settings.max_concurrent else { continue };
            let below = mine.iter().filter(|node| tree.lineage(**node).any(|above| above == group)).count();
            if below > limit as usize {
                self.condemn("limits", format!("{below} run below {} of {id}, which allows {limit}", tree.path(group)));
            }
        }
    }
}
