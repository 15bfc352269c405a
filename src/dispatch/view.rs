//! What the outside gets to see: plain answers for API, page and command line. Knows no HTTP and no terminal.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Counts, Ending, KillReason, State, Trust};

/// One line of the list of pipelines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PipelineSummary {
    /// Public id, `abc-def`.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// State of the root.
    pub state: State,
    /// How it ended, once it has.
    pub ending: Option<Ending>,
    /// Why it ended so, in words: `failed: /test (exit 1)`.
    pub cause: Option<String>,
    /// Leaves by state.
    pub counts: Counts,
    /// `owner/name` of the repository.
    pub repository: String,
    /// What started it: `push to main`.
    pub trigger: String,
    /// Section of conducto.cfg, also the tail of the commit status context.
    pub section: String,
    /// The commit.
    pub sha: String,
    /// Login of the person who caused it.
    pub sender: String,
    /// Trust class of its code.
    pub trust: Trust,
    /// When it was launched.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ended, if it has.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
}

/// A pipeline with its whole tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PipelineView {
    /// The same as in the list.
    #[serde(flatten)]
    pub summary: PipelineSummary,
    /// Number of the last event that this view includes; give it to `/events?after=` to go on from here.
    pub seq: u64,
    /// Where its nodes run: `docker` or `process`.
    pub executor: String,
    /// Whether nodes are kept apart from the host and one another (`process` does not).
    pub isolated: bool,
    /// Parents before children; the first is the root.
    pub nodes: Vec<NodeView>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    /// Absolute path, `/` for the root.
    pub path: String,
    /// Last part of the path.
    pub name: String,
    /// 0 for the root.
    pub depth: usize,
    /// `exec`, `serial` or `parallel`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its state.
    pub state: State,
    /// Why it waits, where it waits: `waits for /build`, `waits for a free slot`.
    pub waits_for: Option<String>,
    /// For a leaf that failed: why, in words.
    pub cause: Option<String>,
    /// For a leaf: its shell script.
    pub command: Option<String>,
    /// For a leaf: the image it runs in, inherited ones included.
    pub image: Option<String>,
    /// Author's description, Markdown.
    pub doc: Option<String>,
    /// Leaves below it by state (for a leaf: itself).
    pub counts: Counts,
    /// Every try, oldest first; empty for groups.
    pub attempts: Vec<AttemptView>,
}

/// One try of a leaf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    /// 1 for the first.
    pub number: u32,
    /// Server-wide number of the attempt.
    pub fence: u64,
    /// The worker that ran it.
    pub worker: String,
    /// Who or what asked for it.
    pub asked_by: String,
    /// State of this attempt: queued, running, done, error or killed.
    pub state: State,
    /// How it ended, in words: `exit 1`, `max_time exceeded`.
    pub outcome: Option<String>,
    /// Exit code, where it ended on its own.
    pub exit_code: Option<i32>,
    /// Why it was killed, where it was.
    pub kill_reason: Option<KillReason>,
    /// When it got its worker.
    #[schema(value_type = String, format = DateTime)]
    pub leased_at: Timestamp,
    /// When its command began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// Bytes of its log, once it has ended.
    pub log_bytes: Option<u64>,
}

/// One webhook delivery and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// Position in the inbox.
    pub seq: i64,
    /// The forge's id of the delivery.
    pub guid: String,
    /// Event name as the forge calls it.
    pub event: String,
    /// `owner/name`, where the payload told it.
    pub repository: Option<String>,
    /// `new`, `done`, `ignored` or `failed`.
    pub state: String,
    /// What became of it, in words: `started pipeline abc-def (push)`.
    pub verdict: Option<String>,
    /// Mistakes found on the way, rendered with carets; empty when there were none.
    pub diagnostics: String,
    /// Pipelines it started.
    pub pipelines: Vec<String>,
    /// How often it was delivered.
    pub deliveries: u32,
    /// When it arrived.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
}

/// One message to the outside, as the outbox sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutboxView {
    /// Row number.
    pub id: i64,
    /// What it speaks to, e.g. `gh-status:github.com:1:<sha>:conducto/push`.
    pub lane: String,
    /// `status` or `slack`.
    pub kind: String,
    /// `ready`, `sending`, `sent`, `superseded` or `dead`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What the last try met.
    pub error: Option<String>,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}
