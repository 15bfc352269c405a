//! What authors want told of single nodes (`compat.md` §2.10), as rows for the outbox. Sends nothing.
//!
//! States of groups are folds, which no event names; so it is remembered in which state each node was last told, and looked
//! again at what events touched. What is remembered is what is committed: after a restart it is the state that is read.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use super::{
    cause,
    feedback::{self, Chat, EMAIL, REFUSED, SLACK},
    options::Options,
};
use crate::{
    engine::Pipeline,
    forge::{CommitState, CommitStatus},
    model::{Event, Fence, NodeIndex, Notice, On, Recorded, State, Trust, Watch},
    notify::{Letter, NodeRun, SlackMessage},
    store::outbox::NewMessage,
};

/// The nodes of a pipeline of which somebody wants to hear, each in the state that was last told.
#[derive(Clone, Debug, Default)]
pub(super) struct Watched {
    told: HashMap<NodeIndex, State>,
    /// The leaves of attempts that are under way: of their ends events say no more than the attempt.
    under_way: HashMap<Fence, NodeIndex>,
}

impl Watched {
    /// Finds them. What they are in now counts as told.
    pub(super) fn of(pipeline: &Pipeline) -> Self {
        // Whoever may open a pull request must not thereby write to anybody, or set marks on commits.
        if pipeline.launch().trust != Trust::Trusted {
            return Self::default();
        }
        let tree = pipeline.definition();
        let mut told = HashMap::new();
        for node in tree.indices() {
            let watches = &tree.node(node).settings.watches;
            if watches.iter().any(|watch| watch.inherited) {
                told.extend(tree.subtree(node).into_iter().map(|below| (below, pipeline.state(below))));
            } else if !watches.is_empty() {
                told.insert(node, pipeline.state(node));
            }
        }
        let under_way = pipeline.live_attempts().map(|(node, attempt)| (attempt.fence, node)).collect();
        Self { told, under_way }
    }

    /// Takes what has changed because of events, and returns what is to be told of it.
    pub(super) fn look(&mut self, options: &Options, pipeline: &Pipeline, events: &[Recorded]) -> Vec<NewMessage> {
        if events.iter().any(|recorded| matches!(recorded.event, Event::TreeGrown { .. })) {
            // What grew is new, and was in no state before.
            let before = std::mem::replace(self, Self::of(pipeline)).told;
            for (node, state) in &mut self.told {
                *state = before.get(node).copied().unwrap_or(State::Pending);
            }
        }
        // Most pipelines have none: their commits pay nothing for those of others.
        if self.told.is_empty() {
            return Vec::new();
        }
        let mut changed = Vec::new();
        for node in self.touched(pipeline, events) {
            let now = pipeline.state(node);
            if self.told.get(&node).is_some_and(|told| *told != now) {
                self.told.insert(node, now);
                changed.push(node);
            }
        }
        changed.into_iter().flat_map(|node| messages(options, pipeline, node)).collect()
    }

    /// What changed one leaf can have changed the groups above it; everything else can have changed anything.
    fn touched(&mut self, pipeline: &Pipeline, events: &[Recorded]) -> BTreeSet<NodeIndex> {
        let (mut leaves, mut is_all) = (BTreeSet::new(), false);
        for Recorded { event, .. } in events {
            let leaf = match event {
                Event::AttemptLeased { node, fence, .. } => {
                    self.under_way.insert(*fence, *node);
                    Some(*node)
                }
                Event::AttemptUnleased { node, fence, .. } | Event::AttemptReturned { node, fence } => {
                    self.under_way.remove(fence);
                    Some(*node)
                }
                Event::AttemptFinished { fence, .. } => self.under_way.remove(fence),
                Event::AttemptStarted { fence } => self.under_way.get(fence).copied(),
                Event::NodeQueued { node } | Event::NodeCannotRun { node, .. } => Some(*node),
                _ => None,
            };
            leaves.extend(leaf);
            is_all |= leaf.is_none();
        }
        if is_all {
            return self.told.keys().copied().collect();
        }
        let tree = pipeline.definition();
        leaves.into_iter().flat_map(|leaf| tree.lineage(leaf)).collect()
    }
}

/// Returns what is to be told of a pipeline that has just been launched.
pub(super) fn of_new(options: &Options, pipeline: &Pipeline) -> Vec<NewMessage> {
    let told = Watched::of(pipeline).told.into_iter();
    let nodes: BTreeSet<_> = told.filter(|(_, state)| *state != State::Pending).map(|(node, _)| node).collect();
    nodes.into_iter().flat_map(|node| messages(options, pipeline, node)).collect()
}

fn messages(options: &Options, pipeline: &Pipeline, node: NodeIndex) -> Vec<NewMessage> {
    let (tree, state) = (pipeline.definition(), pipeline.state(node));
    let watches = tree.lineage(node).flat_map(|at| {
        let watches = &tree.node(at).settings.watches;
        watches.iter().filter(move |watch| at == node || watch.inherited)
    });
    watches.filter(|watch| watch.on.is(state)).filter_map(|watch| message(options, pipeline, node, watch)).collect()
}

fn message(options: &Options, pipeline: &Pipeline, node: NodeIndex, watch: &Watch) -> Option<NewMessage> {
    let (launch, told) = (pipeline.launch(), told(options, pipeline, node));
    match &watch.notice {
        Notice::Email { to, cc } => {
            let letter = Letter::of_node(&told, to.clone(), cc.clone(), pipeline.seq());
            let lane = format!("email:{}{}:{}", launch.pipeline, told.path, to.join(","));
            row(lane, EMAIL, serde_json::to_string(&letter).ok()?)
        }
        Notice::SlackStatus { recipient, message, node_summary } => {
            let message = SlackMessage::of_node(&told, message.as_deref(), *node_summary);
            let chat = Chat { channel: recipient.clone(), message, is_final: true };
            // Who asks for every change gets one message that changes; who asks for one state, one about that.
            let which = if watch.on == On::StateChange { "any" } else { told.state.word() };
            let lane = format!("slack:{recipient}:{}{}:{which}", launch.pipeline, told.path);
            row(lane, SLACK, serde_json::to_string(&chat).ok()?)
        }
        Notice::GithubStatus { url, sha } => {
            let cause = told.cause.as_deref().map(|cause| format!(": {cause}")).unwrap_or_default();
            let description = format!("{}{cause}", told.state);
            let name = if node == NodeIndex::ROOT { " (node /)".to_owned() } else { told.path.clone() };
            status(pipeline, url, sha, &name, told.state, description, told.url)
        }
        Notice::GithubPipelineStatus { url, sha } => {
            let state = pipeline.state(NodeIndex::ROOT);
            let counts = pipeline.counts(NodeIndex::ROOT);
            let parts = State::ALL.into_iter().filter(|state| counts.of(*state) > 0);
            let parts: Vec<_> = parts.map(|state| format!("{} {state}", counts.of(state))).collect();
            status(pipeline, url, sha, " (pipeline)", state, parts.join(", "), told.run.url)
        }
    }
}

fn told(options: &Options, pipeline: &Pipeline, node: NodeIndex) -> NodeRun {
    let path = pipeline.definition().path(node);
    let cause = if node == NodeIndex::ROOT { cause::of_pipeline(pipeline) } else { cause::of_leaf(pipeline, node) };
    NodeRun {
        url: feedback::node_page(options, &pipeline.launch().pipeline, &path),
        path: path.into(),
        state: pipeline.state(node),
        cause,
        run: feedback::run(options, pipeline),
    }
}

fn status(
    pipeline: &Pipeline,
    url: &str,
    sha: &str,
    name: &str,
    state: State,
    description: String,
    page: String,
) -> Option<NewMessage> {
    let trigger = &pipeline.launch().trigger;
    let refused = |reason: String| {
        let lane = format!("refused:{}:{url}:{sha}{name}", pipeline.launch().pipeline);
        row(lane, REFUSED, serde_json::to_string(&reason).ok()?)
    };
    if !names(url, &trigger.host, &trigger.repository.full_name) {
        return refused(format!(
            "a status was asked for in `{url}`; a pipeline sets statuses only in its own repository, {}",
            trigger.repository.full_name
        ));
    }
    if !matches!(sha.len(), 40 | 64) || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return refused(format!("a status was asked for on `{sha}`, which is not the whole name of a commit"));
    }
    let status = CommitStatus {
        repository_id: trigger.repository.id,
        sha: sha.to_ascii_lowercase(),
        context: format!("{}{name}", pipeline.launch().status_context()),
        state: match state {
            State::Pending | State::Queued | State::Running => CommitState::Pending,
            State::Done => CommitState::Success,
            State::Error => CommitState::Failure,
            State::Killed => CommitState::Error,
        },
        description,
        target_url: Some(page),
    };
    feedback::status_row(trigger, &status, state.is_finished(), Duration::ZERO)
}

fn row(lane: String, kind: &'static str, payload: String) -> Option<NewMessage> {
    Some(NewMessage { lane, kind, payload, is_final: true, pause: Duration::ZERO })
}

/// Says whether an address, in any form that git takes, is that of a repository.
fn names(url: &str, host: &str, full_name: &str) -> bool {
    // With a scheme the path begins at a slash; git's own short form has a colon there.
    let parts = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/'),
        None => url.split_once(':'),
    };
    let Some((place, path)) = parts else { return false };
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    place.eq_ignore_ascii_case(host) && path.eq_ignore_ascii_case(full_name)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::names;

    #[rstest]
    #[case("https://github.com/acme/api.git", true)]
    #[case("https://github.com/Acme/API", true)]
    #[case("https://x-access-token:abc@github.com/acme/api/", true)]
    #[case("git@github.com:acme/api.git", true)]
    #[case("ssh://git@github.com/acme/api.git", true)]
    #[case("https://github.com/acme/other", false)]
    #[case("https://example.com/acme/api", false)]
    #[case("https://example.com/github.com/acme/api", false)]
    #[case("acme", false)]
    fn a_repository_by_its_address(#[case] url: &str, #[case] is_it: bool) {
        assert_eq!(names(url, "github.com", "acme/api"), is_it);
    }
}
