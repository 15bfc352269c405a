//! What dispatch is told and given at its start.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;

use super::{hub::Hub, pool::Budget};
use crate::{
    executor::Executor, forge::Statuses, git::Mirrors, layout::Layout, logs::Logs, notify::Slack, store::Store,
    vault::Vault,
};

/// What the operator decided, as far as it matters here.
#[derive(Clone)]
pub struct Options {
    /// Where things lie on the disk.
    pub layout: Layout,
    /// How people reach this server, without a slash at the end.
    pub public_url: String,
    /// Whose secrets and data the pipelines of this server have besides the organisation's: a login or an e-mail address.
    pub owner: String,
    /// Host name of the forge, e.g. `github.com`.
    pub forge_host: String,
    /// What a repository's name is appended to for git, e.g. `https://github.com`.
    pub git_url: String,
    /// Token for git and for commit statuses.
    pub forge_token: Option<SecretString>,
    /// What the workers may have of the machine.
    pub budget: Budget,
    /// `owner/name` of the repositories whose nodes may use the machine's own Docker and pass arguments to `docker run`.
    pub privileged_repositories: Vec<String>,
    /// Whether nodes of trusted pipelines may have workers with the right to mount.
    pub pristine: bool,
    /// Whether a worker is kept ready for the next pipeline, where workers are containers.
    pub spare: bool,
    /// How long a worker without work stays.
    pub idle_timeout: Duration,
    /// Image of nodes that name none.
    pub default_image: String,
    /// Slack channel of pipelines that name none.
    pub slack_channel: Option<String>,
    /// How long what lies on the disk is kept.
    pub retention: Retention,
    /// How much of the disk is to stay free.
    pub reserve: Reserve,
}

/// How long what lies on the disk is kept. States, attempts and definitions are kept for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Logs, after the end of their pipeline.
    pub logs: Duration,
    /// Pipeline data, after the end of the pipeline.
    pub data: Duration,
    /// Both, after the pipeline was put to sleep.
    pub sleeping: Duration,
    /// Mirrors, after their last use.
    pub mirrors: Duration,
}

/// How much of the disk is to stay free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserve {
    /// So many bytes.
    Bytes(u64),
    /// So much of the whole, in hundredths.
    Percent(u8),
}

/// The rooms below, ready to be used.
pub struct Parts {
    /// The one SQLite file.
    pub store: Store,
    /// What nodes print.
    pub logs: Logs,
    /// Bare repositories.
    pub mirrors: Mirrors,
    /// Where workers live.
    pub executor: Arc<dyn Executor>,
    /// What workers dial.
    pub hub: Hub,
    /// Commit statuses.
    pub statuses: Statuses,
    /// What seals secrets.
    pub vault: Arc<Vault>,
    /// Slack, where it is set up.
    pub slack: Option<Slack>,
}
