//! The settings as typed fields, with their defaults. Knows neither files nor the environment.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
    time::Duration,
};

use secrecy::SecretString;

/// Everything an operator can decide, resolved. `config/conducto.toml` explains each field.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the server listens.
    pub listen: SocketAddr,
    /// How people reach the server, without a slash at the end; see [`Settings::link_base`].
    pub public_url: Option<String>,
    /// The one directory that holds everything.
    pub base_dir: PathBuf,
    /// Name of the organisation that this server is.
    pub organisation: String,
    /// Login or e-mail address of the person whose profile is used.
    pub user: String,
    /// Where nodes run.
    pub executor: ExecutorChoice,
    /// Whether nodes may run as plain processes when there is no Docker.
    pub allow_process: bool,
    /// The forge.
    pub github: Github,
    /// Messages to people.
    pub slack: Slack,
    /// What seals the secrets of nodes.
    pub secrets: Secrets,
    /// Containers of workers.
    pub containers: Containers,
    /// Fetching repositories.
    pub git: Git,
    /// How long what lies on the disk is kept.
    pub retention: Retention,
    /// The disk itself.
    pub disk: Disk,
    /// Who may look.
    pub auth: Auth,
    /// The server's own log.
    pub log: Log,
}

/// Where nodes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutorChoice {
    /// Docker; plain processes only where allowed.
    Auto,
    /// Docker.
    Docker,
    /// Plain processes on the host, without isolation.
    Process,
}

/// What is needed to speak with GitHub.
#[derive(Clone, Debug)]
pub struct Github {
    /// Secret of the webhook.
    pub webhook_secret: Option<SecretString>,
    /// The secret before it, accepted during a rotation.
    pub webhook_secret_previous: Option<SecretString>,
    /// Token for statuses and fetches.
    pub token: Option<SecretString>,
    /// Base address of the REST API, without a slash at the end.
    pub api_url: String,
    /// Base address for fetches, without a slash at the end.
    pub git_url: String,
    /// Host name under which repositories are known.
    pub host: String,
}

/// What seals the secrets of nodes.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// The keys; without them they are kept in a file.
    pub key: Option<SecretString>,
}

/// What is needed to speak with Slack.
#[derive(Clone, Debug)]
pub struct Slack {
    /// Token of the bot.
    pub bot_token: Option<SecretString>,
    /// Incoming webhook, for teams without a bot.
    pub webhook_url: Option<SecretString>,
    /// Base address of the Web API, without a slash at the end.
    pub api_url: String,
    /// Channel of sections that name none.
    pub channel: Option<String>,
}

/// How containers of workers are made.
#[derive(Clone, Debug)]
pub struct Containers {
    /// Range from which each pipeline gets a small network.
    pub network_range: Network,
    /// Processors for all workers together.
    pub cpu: Amount,
    /// GiB of memory for all workers together.
    pub mem: Amount,
    /// Graphics processors for all workers together.
    pub gpu: Amount,
    /// How many workers at once, however little each takes.
    pub slots: Slots,
    /// Repositories whose nodes may use the machine's own Docker and pass arguments to `docker run`.
    pub privileged_repositories: Vec<String>,
    /// Whether `isolation = "pristine"` may be asked for.
    pub pristine: bool,
    /// Whether a worker is kept ready for the next pipeline.
    pub spare: bool,
    /// How long a worker without work is kept.
    pub idle_timeout: Duration,
    /// Docker's socket.
    pub docker_socket: PathBuf,
    /// Image of nodes that name none.
    pub default_image: String,
}

/// A range of IPv4 addresses, as in `10.213.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// First address.
    pub address: Ipv4Addr,
    /// Number of fixed bits, at most 28.
    pub prefix: u8,
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// How many workers may live at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slots {
    /// Sixteen for each of the machine's processors.
    Auto,
    /// This many.
    Count(NonZeroU32),
}

/// How much of something workers may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// What the machine has.
    Auto,
    /// This much.
    Of(f64),
}

/// How repositories are fetched.
#[derive(Clone, Debug)]
pub struct Git {
    /// Longest time of one fetch.
    pub fetch_timeout: Duration,
}

/// How long what lies on the disk is kept.
#[derive(Clone, Debug)]
pub struct Retention {
    /// Logs, after the end of their pipeline.
    pub logs: Duration,
    /// Pipeline data, after the end of the pipeline.
    pub data: Duration,
    /// Both, of a pipeline that sleeps.
    pub sleeping: Duration,
    /// Mirrors of repositories, after their last use.
    pub mirrors: Duration,
}

/// The disk under the base directory.
#[derive(Clone, Debug)]
pub struct Disk {
    /// How much of it is to stay free.
    pub reserve: Reserve,
}

/// A part of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserve {
    /// So many bytes.
    Bytes(u64),
    /// So much of the whole, in hundredths.
    Percent(u8),
}

/// Who may look.
#[derive(Clone, Debug)]
pub struct Auth {
    /// What people without a token may do.
    pub anonymous: Anonymous,
}

/// What people without a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// Nothing.
    None,
    /// Look at everything.
    Read,
}

/// The server's own log.
#[derive(Clone, Debug)]
pub struct Log {
    /// Level or filter directives.
    pub filter: String,
    /// Form of the lines.
    pub format: LogFormat,
}

/// Form of the lines of the server's own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

fn days(count: u64) -> Duration {
    Duration::from_secs(count * 24 * 3_600)
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            public_url: None,
            base_dir: PathBuf::from("~/.conducto"),
            organisation: "conducto".to_owned(),
            user: String::new(),
            executor: ExecutorChoice::Auto,
            allow_process: false,
            github: Github {
                webhook_secret: None,
                webhook_secret_previous: None,
                token: None,
                api_url: "https://api.github.com".to_owned(),
                git_url: "https://github.com".to_owned(),
                host: "github.com".to_owned(),
            },
            secrets: Secrets { key: None },
            slack: Slack {
                bot_token: None,
                webhook_url: None,
                api_url: "https://slack.com/api".to_owned(),
                channel: None,
            },
            containers: Containers {
                network_range: Network { address: Ipv4Addr::new(10, 213, 0, 0), prefix: 16 },
                cpu: Amount::Auto,
                mem: Amount::Auto,
                gpu: Amount::Auto,
                slots: Slots::Auto,
                privileged_repositories: Vec::new(),
                pristine: false,
                spare: true,
                idle_timeout: Duration::from_secs(2),
                docker_socket: PathBuf::from("/var/run/docker.sock"),
                default_image: "debian:stable-slim".to_owned(),
            },
            git: Git { fetch_timeout: Duration::from_secs(120) },
            retention: Retention { logs: days(30), data: days(30), sleeping: days(7), mirrors: days(90) },
            disk: Disk { reserve: Reserve::Bytes(1024 * 1024 * 1024) },
            auth: Auth { anonymous: Anonymous::None },
            log: Log { filter: "info".to_owned(), format: LogFormat::Auto },
        }
    }
}

impl Settings {
    /// Returns the address that links to this server begin with, without a slash at the end.
    pub fn link_base(&self) -> String {
        match &self.public_url {
            Some(url) => url.clone(),
            None => format!("http://{}", self.listen),
        }
    }
}
