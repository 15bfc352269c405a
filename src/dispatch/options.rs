//! What dispatch is told and given at its start.

use std::{sync::Arc, time::Duration};

use super::{hub::Hub, pool::Budget};
use crate::{
    data::Limits,
    executor::Executor,
    forge::{GitHub, Rates},
    git::Mirrors,
    layout::Layout,
    logs::Logs,
    notify::{Mailer, Slack},
    store::Store,
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
    /// How pipelines show on the forge.
    pub feedback: Feedback,
    /// How often the forge may be written to.
    pub rates: Rates,
    /// How often the forge's list of deliveries is gone through for those that never arrived.
    pub sweep: Duration,
    /// What is done with the code of forks.
    pub forks: Forks,
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
    /// Bytes that images of this server's making may take together; nothing where there is no limit.
    pub image_budget: Option<u64>,
    /// Slack channel of pipelines that name none.
    pub slack_channel: Option<String>,
    /// What nodes share.
    pub data: Data,
    /// How long what lies on the disk is kept.
    pub retention: Retention,
    /// How much of the disk is to stay free.
    pub reserve: Reserve,
}

/// What nodes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data {
    /// Whether nodes have the folders themselves; else what they read and write travels through their workers.
    pub mount: bool,
    /// How much may be stored by way of the server.
    pub limits: Limits,
    /// Bytes of all caches of one owner together.
    pub cache_budget: u64,
}

/// How pipelines show on the forge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feedback {
    /// As commit statuses.
    Statuses,
    /// As check runs.
    Checks,
}

/// What is done with the code of a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForkPolicy {
    /// It waits until somebody has approved the commit.
    Approve,
    /// It runs at once; as always without any secret.
    RunWithoutSecrets,
    /// It does not run.
    Never,
}

/// The policies of all repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forks {
    /// Where nothing else is said.
    pub usual: ForkPolicy,
    /// By `owner/name`, in capitals or not.
    pub of: Vec<(String, ForkPolicy)>,
}

impl Forks {
    /// Returns the policy of a repository.
    pub fn of(&self, full_name: &str) -> ForkPolicy {
        let own = self.of.iter().find(|(name, _)| name.eq_ignore_ascii_case(full_name));
        own.map_or(self.usual, |(_, policy)| *policy)
    }
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
    /// GitHub, and our name there.
    pub github: GitHub,
    /// What seals secrets.
    pub vault: Arc<Vault>,
    /// Slack, where it is set up.
    pub slack: Option<Slack>,
    /// E-mail, where it is set up.
    pub mailer: Option<Mailer>,
}
