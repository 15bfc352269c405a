//! A pipeline's tree at a glance: a few bytes a node, for pages that show thousands of them and follow what happens. States and
//! counts are the engine's, so that nobody has to derive them a second time. Knows no listener.

use serde::Serialize;
use utoipa::ToSchema;

use super::{answer, shared::Shared, view::PipelineSummary};
use crate::{
    engine::Pipeline,
    model::{Counts, Hold, NodeIndex, NodeKind, State},
};

/// What is shown above the tree.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Head {
    /// The same as in the list.
    #[serde(flatten)]
    pub summary: PipelineSummary,
    /// Where its nodes run: `docker` or `process`.
    pub executor: String,
    /// Whether nodes are kept apart from the host and one another.
    pub isolated: bool,
    /// Why nothing starts before somebody says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Whether it was put to sleep.
    pub asleep: bool,
    /// Which pipeline it waits for before it begins, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

/// All nodes, column by column, parents before children and each subtree in one piece.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TreeView {
    /// Number of the last event that this includes.
    pub seq: u64,
    /// The server's time, milliseconds since 1970.
    pub now: i64,
    /// What is shown above the tree.
    pub pipeline: Head,
    /// Numbers by which later messages name the nodes.
    pub index: Vec<u32>,
    /// Where the parent stands in these lists; -1 for the root.
    pub parent: Vec<i64>,
    /// A letter a node: `S`erial, `P`arallel or e`X`ec.
    pub kind: String,
    /// Names.
    pub name: Vec<String>,
    /// A letter a node: the first of its state.
    pub state: String,
    /// Sum of 1 (passed over) and 2 (its errors are suppressed).
    pub flags: Vec<u8>,
    /// How many attempts there were.
    pub attempts: Vec<u32>,
    /// When the last attempt's command began, milliseconds since 1970; -1 where nothing has.
    pub began: Vec<i64>,
    /// When it ended; -1 where it has not.
    pub ended: Vec<i64>,
    /// Six numbers for each group, in the order of the lists: pending, queued, running, done, error, killed.
    pub counts: Vec<u32>,
}

/// What is different since an event.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ChangeView {
    /// Number of the event since which.
    pub prev: u64,
    /// Number of the last event that this includes.
    pub seq: u64,
    /// The server's time, milliseconds since 1970.
    pub now: i64,
    /// What is shown above the tree.
    pub pipeline: Head,
    /// The nodes that are different: index, state, flags, attempts, began, ended, and for groups their six counts.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rows: Vec<RowView>,
}

/// One node that is different; see [`ChangeView::rows`].
pub type RowView = (u32, char, u8, u32, i64, i64, Option<[u32; 6]>);

/// What a listener gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Glimpse {
    /// All of it: at first, when the tree has grown, and when it is not known any more what has changed.
    Tree(Box<TreeView>),
    /// What has changed.
    Change(Box<ChangeView>),
}

/// Names a shape: the indices given out, which only become more, and the nodes that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShapeKey(usize, usize);

/// Where a node hangs, and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) index: u32,
    pub(super) parent: i64,
    pub(super) kind: char,
    pub(super) name: String,
}

/// What changes about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) state: State,
    pub(super) flags: u8,
    pub(super) attempts: u32,
    pub(super) began: i64,
    pub(super) ended: i64,
    pub(super) counts: Option<Counts>,
}

/// A whole tree at one moment.
#[derive(Clone, Debug)]
pub(super) struct Glance {
    pub(super) seq: u64,
    pub(super) head: Head,
    pub(super) key: ShapeKey,
    /// Only where the one who asks does not know this shape.
    pub(super) shape: Option<Vec<Place>>,
    pub(super) rows: Vec<Row>,
}

/// Looks at a pipeline.
pub(super) fn look(shared: &Shared, pipeline: &Pipeline, known: Option<ShapeKey>) -> Glance {
    let tree = pipeline.definition();
    let order = tree.subtree(NodeIndex::ROOT);
    let key = ShapeKey(tree.len(), order.len());
    Glance {
        seq: pipeline.seq(),
        head: answer::head(shared, pipeline),
        key,
        shape: (known != Some(key)).then(|| shape(pipeline, &order)),
        rows: order.iter().map(|at| row(pipeline, *at)).collect(),
    }
}

fn shape(pipeline: &Pipeline, order: &[NodeIndex]) -> Vec<Place> {
    let tree = pipeline.definition();
    let mut stands = vec![-1_i64; tree.len()];
    (0..)
        .zip(order)
        .map(|(stand, at)| {
            stands[at.as_usize()] = stand;
            Place {
                index: at.0,
                parent: tree.parent(*at).map_or(-1, |parent| stands[parent.as_usize()]),
                kind: match tree.node(*at).kind {
                    NodeKind::Exec(_) => 'X',
                    NodeKind::Serial { .. } => 'S',
                    NodeKind::Parallel => 'P',
                },
                name: tree.node(*at).name.to_string(),
            }
        })
        .collect()
}

fn row(pipeline: &Pipeline, at: NodeIndex) -> Row {
    const SKIPPED: u8 = 1;
    const SUPPRESSES: u8 = 2;
    let state = pipeline.state(at);
    let is_leaf = pipeline.definition().is_exec(at);
    let skipped = if pipeline.is_skipped(at) { SKIPPED } else { 0 };
    let suppresses = if pipeline.definition().node(at).settings.suppress_errors { SUPPRESSES } else { 0 };
    let attempts = pipeline.leaf(at).map(|leaf| leaf.attempts.as_slice()).unwrap_or_default();
    // What a node that is to run again did before is told by its attempts, not here.
    let last = attempts.last().filter(|_| !matches!(state, State::Pending | State::Queued));
    Row {
        state,
        flags: skipped + suppresses,
        attempts: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
        began: last.and_then(|attempt| attempt.started_at).map_or(-1, |at| at.as_millisecond()),
        ended: last.and_then(|attempt| attempt.finished_at).map_or(-1, |at| at.as_millisecond()),
        counts: (!is_leaf).then(|| pipeline.counts(at)),
    }
}

/// Returns the letter by which a state travels.
pub(super) fn letter(state: State) -> char {
    match state {
        State::Pending => 'P',
        State::Queued => 'Q',
        State::Running => 'R',
        State::Done => 'D',
        State::Error => 'E',
        State::Killed => 'K',
    }
}

/// Returns counts in the order in which they travel.
pub(super) fn six(counts: Counts) -> [u32; 6] {
    let Counts { pending, queued, running, done, error, killed } = counts;
    [pending, queued, running, done, error, killed]
}
