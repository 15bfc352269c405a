//! Floor 7: puts the whole server together and runs it. The only place that knows every room.

mod environment;
mod kit;
mod machine;

use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Write as _},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use machine::Machine;

use crate::{
    backup, clock,
    data::Limits,
    dispatch::{
        self, Dispatch, Parts,
        hub::{self, Hub},
    },
    executor::{self, Choice, Executor, docker},
    forge::{Credentials, GitHub, Rates},
    git::{self, Mirrors},
    http::{self, Tunnels},
    layout::Layout,
    logs::Logs,
    model::PipelineId,
    notify::{Access, Mailer, Slack},
    settings::{self, Anonymous, ExecutorChoice, Feedback, ForkPolicy, Reserve, Settings},
    store::{self, Store},
    vault::Vault,
};

/// How often server and workers say something to one another.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// After how long without a word of the server a worker ends its node and itself.
const ORPHAN: Duration = Duration::from_secs(15 * 60);

/// How many reports of workers may wait; beyond that the workers wait.
const REPORTS: usize = 1_024;

/// How many reports of one worker may be on their way to the store: together they share a commit.
const REPORTS_AHEAD: usize = 64;

/// How long requests under way get at a stop.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// Another process has the base directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "another Conducto (process {holder}) uses {}; stop it, or choose another directory with --base-dir", base.display()
)]
pub struct Held {
    /// Its process id, as it wrote it; empty while it is about to.
    pub holder: String,
    /// The directory.
    pub base: PathBuf,
}

/// What the server is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To serve, until it is told to stop.
    Service,
    /// For the pipelines of one command line, and gone with it.
    Run,
}

/// A server that serves.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// How people reach it, without a slash at the end.
    pub url: String,
    /// Where nodes run: `docker` or `process`.
    pub executor: &'static str,
    nodes: Arc<dyn Executor>,
    dispatch: Dispatch,
    doors: JoinHandle<std::io::Result<()>>,
    /// The file that says where it listens; goes with a server that is gone for good.
    server_file: Option<PathBuf>,
    /// Held as long as the server lives: no other may use the directory.
    _lock: File,
}

/// Runs the server until `shutdown`.
///
/// # Errors
/// What kept it from starting, or ended it early.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let server = start(settings, Purpose::Service, shutdown).await?;
    tracing::info!(url = %server.url, executor = server.executor, "serving");
    server.join().await
}

/// Starts the server; it serves when this returns, and stops when `stop` is cancelled.
///
/// # Errors
/// What kept it from starting; [`Held`] where another process has the base directory.
pub async fn start(settings: Settings, purpose: Purpose, stop: CancellationToken) -> anyhow::Result<Server> {
    let layout = Layout::find(&settings.base_dir, &settings.organisation, &settings.user);
    backup::check_finished(layout.base())?;
    layout.create()?;
    let lock = lock(&layout)?;
    let store = Store::open(&layout.database()).context("failed to open the database")?;
    let (now, uuid) = (clock::now(), clock::new_uuid());
    let identity = store.write(move |connection| store::server::begin(connection, now, uuid)).await?;
    let executor = executor(&settings, &layout, &identity.uuid.to_string(), purpose).await?;
    let (sink, reported) = mpsc::channel(REPORTS);
    let hub = Hub::new(
        hub::Options {
            keys_directory: layout.worker_keys(),
            heartbeat: HEARTBEAT,
            orphan: ORPHAN,
            window: REPORTS_AHEAD,
        },
        sink,
    );
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("failed to listen on {}; is another server running there?", settings.listen))?;
    let address = listener.local_addr()?;
    let url = settings.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    let (name, nodes) = (executor.name(), Arc::clone(&executor));
    let tunnels = hub.take_tunnels().map(Tunnels::new).context("somebody else answers the nodes of this hub")?;
    let parts = Parts {
        store,
        logs: Logs::start()?,
        mirrors: mirrors(&settings, &layout)?,
        executor,
        hub,
        github: GitHub::build(&settings.github.api_url, credentials(&settings)?)?,
        vault: Arc::new(vault(&settings, &layout)?),
        slack: slack(&settings)?,
        mailer: mailer(&settings)?,
    };
    if parts.github.app_id().is_none() {
        tracing::info!(
            "no GitHub App is set up: commit statuses only, and what is missed while the server is down stays missed"
        );
    }
    let options = options(&settings, &layout, &url);
    let dispatch = Dispatch::start(options, parts, reported, identity, stop.clone()).await?;
    keep_admin_token(&dispatch, &layout).await?;
    let doors = serve(&settings, &dispatch, listener, tunnels, &url, stop);
    write_server_file(&layout, address, purpose)?;
    let server_file = (purpose == Purpose::Run).then(|| layout.server_file());
    Ok(Server { address, url, executor: name, nodes, dispatch, doors, server_file, _lock: lock })
}

impl Server {
    /// Counts what the runtime still has of this server: workers, and networks of pipelines.
    ///
    /// # Errors
    /// When the runtime does not answer.
    pub async fn leftovers(&self) -> anyhow::Result<usize> {
        Ok(self.nodes.owned().await?.len() + self.nodes.owned_pipelines().await?.len())
    }

    /// Says whether the runtime still has something of a pipeline.
    ///
    /// # Errors
    /// When the runtime does not answer.
    pub async fn has_leftovers(&self, pipeline: &PipelineId) -> anyhow::Result<bool> {
        let (workers, pipelines) = (self.nodes.owned().await?, self.nodes.owned_pipelines().await?);
        Ok(workers.iter().any(|(owner, _)| owner == pipeline) || pipelines.contains(pipeline))
    }

    /// Ends the workers of a pipeline at once, whatever they do.
    ///
    /// # Errors
    /// When the runtime does not answer.
    pub async fn end_workers(&self, pipeline: &PipelineId) -> anyhow::Result<()> {
        for (owner, worker) in self.nodes.owned().await? {
            if owner == *pipeline {
                self.nodes.remove(&owner, &worker).await?;
            }
        }
        Ok(())
    }

    /// Waits until the server has stopped: requests under way are answered, commits are finished, containers go on.
    ///
    /// # Errors
    /// When the doors broke down.
    pub async fn join(self) -> anyhow::Result<()> {
        let served = self.doors.await.context("the HTTP side ended badly")?;
        self.dispatch.join().await;
        if let Some(file) = &self.server_file {
            // While the directory is still ours: the next one writes its own.
            fs::remove_file(file).ok();
        }
        served.context("the HTTP side broke down")
    }
}

/// Takes the directory for this server alone.
fn lock(layout: &Layout) -> anyhow::Result<File> {
    let path = layout.lock();
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
    if file.try_lock().is_err() {
        let mut holder = String::new();
        file.read_to_string(&mut holder).ok();
        return Err(Held { holder: holder.trim().to_owned(), base: layout.base().to_owned() }.into());
    }
    file.set_len(0)?;
    file.write_all(std::process::id().to_string().as_bytes())?;
    Ok(file)
}

async fn executor(
    settings: &Settings,
    layout: &Layout,
    server: &str,
    purpose: Purpose,
) -> anyhow::Result<Arc<dyn Executor>> {
    let choice = match settings.executor {
        ExecutorChoice::Auto => Choice::Auto,
        ExecutorChoice::Docker => Choice::Docker,
        ExecutorChoice::Process => Choice::Process,
    };
    let binary = kit::place(&layout.bin()).context("failed to put what workers need in its place")?;
    let docker = docker::Options {
        server: server.to_owned(),
        binary: binary.clone(),
        socket: settings.containers.docker_socket.clone(),
        networks: docker::Range::parse(&settings.containers.network_range.to_string())?,
        access: access(settings),
    };
    let process = executor::process::Options {
        binary,
        state: layout.processes(),
        environment: environment::of_processes(purpose, std::env::vars_os()),
    };
    let socket = docker.socket.clone();
    let executor = executor::resolve(choice, settings.allow_process, docker, process).await;
    if executor.isolates() {
        docker::check_base(&socket, layout.base(), &layout.run()).await?;
    }
    Ok(executor)
}

/// As whom we speak to GitHub. The only place where the App's key comes from.
fn credentials(settings: &Settings) -> anyhow::Result<Credentials> {
    let github = &settings.github;
    Ok(match (github.app_id, &github.app_key, &github.token) {
        (Some(id), Some(key), _) => Credentials::App { id, key: key.clone() },
        (Some(_), None, _) => {
            bail!(
                "`github.app_id` is set, and the App's private key is not; set `github.app_key_file` to the file GitHub gave you"
            )
        }
        (None, _, Some(token)) => Credentials::Token(token.clone()),
        (None, _, None) => Credentials::None,
    })
}

fn access(settings: &Settings) -> docker::Access {
    let registry = |registry: &settings::Registry| docker::Registry {
        host: registry.host.clone(),
        user: registry.user.clone(),
        password: registry.password.clone(),
    };
    docker::Access {
        registries: settings.registries.iter().map(registry).collect(),
        environment: settings.containers.env.iter().cloned().collect(),
        mounts: settings.containers.mounts.clone(),
    }
}

fn mirrors(settings: &Settings, layout: &Layout) -> anyhow::Result<Mirrors> {
    let mut options = git::Options::new(layout.mirrors());
    options.fetch_deadline = settings.git.fetch_timeout;
    Mirrors::build(options).context("failed to prepare the mirrors")
}

fn slack(settings: &Settings) -> anyhow::Result<Option<Slack>> {
    let access = match (&settings.slack.bot_token, &settings.slack.webhook_url) {
        (Some(token), _) => Access::Bot { base_url: settings.slack.api_url.clone(), token: token.clone() },
        (None, Some(url)) => Access::IncomingWebhook { url: url.clone() },
        (None, None) => return Ok(None),
    };
    Ok(Some(Slack::build(access)?))
}

fn mailer(settings: &Settings) -> anyhow::Result<Option<Mailer>> {
    let (url, from) = match (&settings.email.smtp_url, &settings.email.from) {
        (Some(url), Some(from)) => (url, from),
        (None, _) => return Ok(None),
        (Some(_), None) => bail!("`email.smtp_url` is set and `email.from` is not; name who the letters are from"),
    };
    let usual = settings.email.to.iter().flat_map(|to| to.split(',')).map(|to| to.trim().to_owned());
    Ok(Some(Mailer::build(url, from, usual.filter(|to| !to.is_empty()).collect())?))
}

fn vault(settings: &Settings, layout: &Layout) -> anyhow::Result<Vault> {
    Ok(match &settings.secrets.key {
        Some(keys) => Vault::given(keys)?,
        None => Vault::in_file(layout.secret_key()),
    })
}

fn options(settings: &Settings, layout: &Layout, url: &str) -> dispatch::Options {
    dispatch::Options {
        layout: layout.clone(),
        public_url: url.to_owned(),
        owner: settings.user.clone(),
        forge_host: settings.github.host.clone(),
        git_url: settings.github.git_url.clone(),
        feedback: match settings.github.feedback {
            Feedback::Auto if settings.github.app_id.is_some() => dispatch::Feedback::Checks,
            Feedback::Auto | Feedback::Statuses => dispatch::Feedback::Statuses,
        },
        sweep: settings.github.sweep,
        forks: dispatch::Forks {
            usual: fork_policy(settings.github.forks),
            of: settings.github.forks_of.iter().map(|(name, policy)| (name.clone(), fork_policy(*policy))).collect(),
        },
        rates: Rates::of(settings.github.writes_per_minute),
        budget: Machine::look().budget(&settings.containers),
        privileged_repositories: settings.containers.privileged_repositories.clone(),
        pristine: settings.containers.pristine,
        spare: settings.containers.spare,
        idle_timeout: settings.containers.idle_timeout,
        default_image: settings.containers.default_image.clone(),
        image_budget: settings.containers.image_budget,
        slack_channel: settings.slack.channel.clone(),
        data: dispatch::Data {
            mount: settings.data.mount,
            limits: Limits { object: settings.data.max_object, store: settings.data.max_store },
            cache_budget: settings.data.cache_budget,
        },
        retention: dispatch::Retention {
            logs: settings.retention.logs,
            data: settings.retention.data,
            sleeping: settings.retention.sleeping,
            mirrors: settings.retention.mirrors,
        },
        reserve: match settings.disk.reserve {
            Reserve::Bytes(bytes) => dispatch::Reserve::Bytes(bytes),
            Reserve::Percent(percent) => dispatch::Reserve::Percent(percent),
        },
    }
}

fn fork_policy(policy: ForkPolicy) -> dispatch::ForkPolicy {
    match policy {
        ForkPolicy::Approve => dispatch::ForkPolicy::Approve,
        ForkPolicy::RunWithoutSecrets => dispatch::ForkPolicy::RunWithoutSecrets,
        ForkPolicy::Never => dispatch::ForkPolicy::Never,
    }
}

/// At the first start, makes the admin's token: into a file that only its owner can read, never into a log.
async fn keep_admin_token(dispatch: &Dispatch, layout: &Layout) -> anyhow::Result<()> {
    let path = layout.admin_token();
    if dispatch.has_tokens().await? && path.exists() {
        return Ok(());
    }
    let token = format!("cdt_{}", clock::new_key());
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    file.write_all(format!("{token}\n").as_bytes())?;
    file.sync_all()?;
    dispatch.keep_token("admin", "admin", &token).await?;
    tracing::info!(file = %path.display(), "the admin's token is in this file");
    Ok(())
}

fn serve(
    settings: &Settings,
    dispatch: &Dispatch,
    listener: TcpListener,
    tunnels: Tunnels,
    url: &str,
    stop: CancellationToken,
) -> JoinHandle<std::io::Result<()>> {
    let options = http::Options {
        webhook_secrets: [&settings.github.webhook_secret, &settings.github.webhook_secret_previous]
            .into_iter()
            .flatten()
            .cloned()
            .collect(),
        anonymous_read: settings.auth.anonymous == Anonymous::Read,
        is_secure: url.starts_with("https://"),
        metrics: metrics(),
    };
    let router = http::router(dispatch.clone(), options);
    let for_nodes = http::for_nodes(dispatch.clone());
    tokio::spawn(async move {
        let stopping = stop.clone();
        let closing = stop.clone();
        let nodes = axum::serve(tunnels, for_nodes).with_graceful_shutdown(async move { closing.cancelled().await });
        let served = axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await });
        tokio::select! {
            (served, _) = async { tokio::join!(served, nodes) } => served,
            // Streams that go on for ever are cut; their clients come back to the next server.
            () = async { stopping.cancelled().await; tokio::time::sleep(LAST_REQUESTS).await } => Ok(()),
        }
    })
}

/// A process has one set of metrics, however many servers a test starts in it.
fn metrics() -> Option<PrometheusHandle> {
    PrometheusBuilder::new().install_recorder().ok()
}

fn write_server_file(layout: &Layout, address: SocketAddr, purpose: Purpose) -> anyhow::Result<()> {
    let (url, pid) = (format!("http://{address}"), std::process::id());
    let text = serde_json::json!({"url": url, "pid": pid, "run": purpose == Purpose::Run}).to_string();
    write_whole(&layout.server_file(), &text).context("failed to say where the server listens")
}

fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    fs::write(&draft, text)?;
    fs::rename(&draft, path)
}
