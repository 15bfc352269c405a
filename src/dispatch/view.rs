//! What the outside gets to see: plain answers for API, page and command line. Knows no HTTP and no terminal.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Counts, Ending, Hold, Isolation, KillReason, State, Trust};

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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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
    /// Why nothing starts before somebody says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Whether it was put to sleep: nothing starts until it is woken.
    #[serde(default)]
    pub asleep: bool,
    /// Which pipeline it waits for before it begins, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Parents before children; the first is the root.
    pub nodes: Vec<NodeView>,
}

/// One node. What most nodes do not have is left out where it is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    /// Number by which events name it. It stays for the life of the pipeline, also when the tree grows.
    pub index: u32,
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
    /// Path of the node by whose skip it is passed over: its own, or that of one above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped_by: Option<String>,
    /// Why it waits, where it waits: `waits for /build`, `waits for a free slot`.
    pub waits_for: Option<String>,
    /// For a leaf that failed: why, in words.
    pub cause: Option<String>,
    /// For a leaf: its shell script.
    pub command: Option<String>,
    /// For a leaf: the image it runs in, inherited ones included.
    pub image: Option<String>,
    /// For a leaf: what it needs of the machine, inherited values included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourcesView>,
    /// Path of the node with `container_reuse_context = new` whose container it shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_group: Option<String>,
    /// For a leaf that is more than `shared`: how clean its container is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// What is otherwise here than its author asked for, in words.
    pub remark: Option<String>,
    /// Whether it counts as done though something failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suppress_errors: bool,
    /// For a group: how many leaves below it may be queued or running at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<u32>,
    /// What its author asked for in advance, in words: `on error: retry at most 2 times`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub callbacks: Vec<String>,
    /// Author's description, Markdown.
    pub doc: Option<String>,
    /// Leaves below it by state (for a leaf: itself).
    pub counts: Counts,
    /// Every try, oldest first; empty for groups.
    pub attempts: Vec<AttemptView>,
}

/// What a leaf needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResourcesView {
    /// Processors.
    pub cpu: f64,
    /// Memory in GiB.
    pub mem: f64,
    /// Graphics processors.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gpu: u32,
    /// Whether it needs the machine's own Docker.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub docker: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One try of a leaf.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    /// 1 for the first.
    pub number: u32,
    /// Server-wide number of the attempt.
    pub fence: u64,
    /// The worker that ran it.
    pub worker: String,
    /// Who or what asked for it: a login, ``token `admin` ``, ``callback `retry` ``.
    pub asked_by: String,
    /// State of this attempt: queued, running, done, error or killed.
    pub state: State,
    /// How it ended, in words: `exit 1`, `max_time exceeded`.
    pub outcome: Option<String>,
    /// Exit code, where it ended on its own.
    pub exit_code: Option<i32>,
    /// Why it was killed, where it was.
    pub kill_reason: Option<KillReason>,
    /// Processors that it could use.
    #[serde(default)]
    pub cpu: f64,
    /// GiB of memory that it could use.
    #[serde(default)]
    pub mem: f64,
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

/// A secret without its value, which nobody is ever shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretView {
    /// Its name, and that of the variable in which nodes find it.
    pub name: String,
    /// `org`, `repository` or `user`; the later ones win over the earlier ones.
    pub scope: String,
    /// Which repository or user.
    pub subject: Option<String>,
    /// Whether the value is masked in logs.
    pub mask: bool,
    /// Version of the key that it is sealed with.
    pub key_version: u32,
    /// Who set it last.
    pub set_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub set_at: Timestamp,
}

/// What was removed because it was old, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PruneReport {
    /// Whether nothing was removed, only looked for.
    pub dry_run: bool,
    /// By kind.
    pub freed: Vec<Freed>,
}

/// One kind of what was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Freed {
    /// `logs`, `data`, `sources`, `mirrors`, `bodies` of webhooks, `messages` that were sent, `keys` of requests.
    pub kind: String,
    /// Of how many pipelines or repositories; for what lies in the database, how many rows.
    pub count: u64,
    /// How many files.
    pub files: u64,
    /// How many bytes. What lies in the database is used again by it, not given back to the disk.
    pub bytes: u64,
}
