//! One node as its author defined it. Knows neither its place in the tree nor its state.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
    sync::LazyLock,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{Cache, Callback, Image, NodeIndex, Watch, duration};

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NodeKind {
    /// A leaf that runs a shell command.
    Exec(Exec),
    /// Children one after another, in order.
    Serial {
        /// Whether a failed child keeps the later ones from starting.
        stop_on_error: bool,
    },
    /// Children at once.
    Parallel,
}

/// What only a leaf has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// Shell script, any number of lines.
    pub command: String,
}

/// In which container a node runs (`compat.md` §2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reuse {
    /// All below share one container of their own, one after another; nothing is cleaned up between them.
    New,
    /// Back to the containers that all nodes of the pipeline with like needs share.
    Global,
}

/// How clean a reused container is for the next node (`decisions.md` 19).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Own HOME, TMPDIR and working copy; what a node changes elsewhere in the container stays.
    #[default]
    Shared,
    /// Every node in a throw-away layer over the image: nothing it changes stays.
    Pristine,
}

/// What any node may carry. A value that is absent is looked for at the nearest ancestor that has it, where the field says so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Image that it runs in. Inherited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// Folder of the commit that is the working copy, without a slash at either end; empty for the whole, as where nobody
    /// says. Inherited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Shell for its command, an absolute path in the image; empty where the worker finds one, as where nobody says. Inherited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<String>,
    /// Environment. Inherited name by name, the nearest wins.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Longest time, for a group for all below it together. Not inherited; a leaf without one gets [`super::DEFAULT_MAX_TIME`].
    #[serde(with = "duration::millis", skip_serializing_if = "Option::is_none")]
    pub max_time: Option<Duration>,
    /// Processors, as Docker's `--cpus`. Inherited; 1 where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Memory in GiB. Inherited; 2 where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<f64>,
    /// Graphics processors. Inherited; 0 where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<u32>,
    /// Whether the node needs the machine's own Docker. Inherited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requires_docker: Option<bool>,
    /// More arguments of `docker run`, each one word. Inherited as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker_run_args: Option<Vec<String>>,
    /// In which container it runs. What the nearest ancestor says holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_reuse_context: Option<Reuse>,
    /// How clean its container is. Inherited; shared where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// Whether it is passed over. `true` covers everything below, whatever that says itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<bool>,
    /// Whether it counts as done though it, or something below it, failed. Not inherited.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suppress_errors: bool,
    /// How many Exec nodes below a group may be queued or running at once; limits of groups further up hold too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<u32>,
    /// What to do when it changes its state.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub callbacks: Vec<Callback>,
    /// Whom to tell when it changes its state.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub watches: Vec<Watch>,
    /// What is kept from one pipeline to the next. Leaves only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<Cache>,
    /// Description for people, Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
}

/// Floats are compared by bits: definitions hold what the author wrote, never results of arithmetic.
impl Eq for Settings {}

static NOTHING: LazyLock<Settings> = LazyLock::new(Settings::default);

/// The settings of one node. Most nodes of a large tree carry none, and then this is one empty pointer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Settings", into = "Settings")]
pub struct NodeSettings(Option<Box<Settings>>);

impl Deref for NodeSettings {
    type Target = Settings;
    fn deref(&self) -> &Settings {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for NodeSettings {
    fn deref_mut(&mut self) -> &mut Settings {
        self.0.get_or_insert_default()
    }
}

impl PartialEq for NodeSettings {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for NodeSettings {}

impl From<Settings> for NodeSettings {
    fn from(settings: Settings) -> Self {
        if settings == *NOTHING { Self(None) } else { Self(Some(Box::new(settings))) }
    }
}

impl From<NodeSettings> for Settings {
    fn from(settings: NodeSettings) -> Self {
        settings.0.map(|settings| *settings).unwrap_or_default()
    }
}

/// One node of a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDefinition {
    /// Last part of its path; `/` for the root.
    pub name: Box<str>,
    /// Its parent; nothing for the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<NodeIndex>,
    /// What it is.
    #[serde(flatten)]
    pub kind: NodeKind,
    /// What it carries.
    #[serde(flatten)]
    pub settings: NodeSettings,
}

/// What a person changes about a node of a pipeline that exists already; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Edit {
    /// The command. Exec nodes only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Variables to set, or (with nothing) to take away.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Option<String>>,
    /// Processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Memory in GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<f64>,
    /// Image reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// Amounts are compared as they were given.
impl Eq for Edit {}
