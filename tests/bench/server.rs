//! A true `conducto serve` in a process of its own, and what its API says of what ran. Knows no row.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use conducto::{
    clock,
    dispatch::view::{DeliveryView, PipelineView},
    layout::Layout,
    model::PipelineId,
    standin::Delivery,
};
use jiff::Timestamp;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{
    PATIENCE,
    client::Connection,
    world::{SECRET, TOKEN, World},
};

/// Where deliveries go.
pub(crate) const WEBHOOK: &str = "/webhooks/github";

/// Name of the settings file in the base directory.
const SETTINGS: &str = "bench.toml";

/// Between two questions to the server; rare enough not to be felt.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A folder on the disk that the build is on; databases of servers on a disk in memory would be too fast.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { folder: TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))? })
    }
}

/// A server that serves; it is killed when this goes.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    layout: Layout,
    token: String,
    api: reqwest::Client,
    child: Child,
    base: PathBuf,
}

/// A pipeline that was started.
pub(crate) struct Begun {
    pub(crate) id: PipelineId,
    delivered_at: Timestamp,
}

/// A pipeline that has ended.
pub(crate) struct Ended {
    pub(crate) id: PipelineId,
    pub(crate) delivered_at: Timestamp,
    pub(crate) view: PipelineView,
}

impl Server {
    /// Starts a server on a new base directory; with the usual number of workers, or so many.
    pub(crate) async fn start(
        place: &Place,
        world: &World,
        executor: &str,
        slots: Option<u32>,
    ) -> anyhow::Result<Self> {
        Self::start_with(place, world, executor, slots, true).await
    }

    /// The same, with or without a worker that is kept ready for the next pipeline.
    pub(crate) async fn start_with(
        place: &Place,
        world: &World,
        executor: &str,
        slots: Option<u32>,
        spare: bool,
    ) -> anyhow::Result<Self> {
        let base = TempDir::new_in(place.folder.path())?.keep();
        let slots = slots.map_or_else(|| "\"auto\"".to_owned(), |slots| slots.to_string());
        let settings = format!(
            "listen = \"127.0.0.1:0\"\nbase_dir = \"{}\"\nexecutor = \"{executor}\"\n[containers]\nslots = {slots}\npristine = true\nspare = {spare}\n\
             [github]\nwebhook_secret = \"{SECRET}\"\ntoken = \"{TOKEN}\"\napi_url = \"{}\"\ngit_url = \"{}\"\n",
            base.display(),
            world.github.url(),
            world.git.url
        );
        fs::write(base.join(SETTINGS), settings)?;
        let layout = Layout::find(&base, "", "");
        let api = reqwest::Client::builder().timeout(PATIENCE).tls_certs_only([]).build()?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let child = spawn(&base)?;
        let mut server = Self { address, layout, token: String::new(), api, child, base };
        server.await_address().await?;
        server.layout = Layout::find(&server.base, "", "");
        server.token = fs::read_to_string(server.layout.admin_token())?.trim().to_owned();
        Ok(server)
    }

    /// Ends it as a power cut would, if only for this process.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it again on the same directory; it serves when this returns.
    pub(crate) async fn serve_again(&mut self) -> anyhow::Result<()> {
        fs::remove_file(self.layout.server_file())?;
        self.child = spawn(&self.base)?;
        self.await_address().await
    }

    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// Asks how it is.
    pub(crate) async fn health(&self) -> anyhow::Result<serde_json::Value> {
        let answer = self.api.get(format!("http://{}/healthz", self.address)).send().await?;
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    }

    async fn await_address(&mut self) -> anyhow::Result<()> {
        let said = until("the server serves", || async { Ok(fs::read(self.layout.server_file()).ok()) });
        let said: serde_json::Value = serde_json::from_slice(&said.await.with_context(|| self.last_words())?)?;
        let url = said["url"].as_str().context("the server says where it listens")?;
        self.address = url.trim_start_matches("http://").parse()?;
        self.health().await?;
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Delivers a push that starts one pipeline, and waits until that has ended well and nothing of it is left.
    pub(crate) async fn run(&self, delivery: &Delivery) -> anyhow::Result<Ended> {
        self.end(self.begin(delivery).await?).await
    }

    /// Delivers a push that starts one pipeline.
    pub(crate) async fn begin(&self, delivery: &Delivery) -> anyhow::Result<Begun> {
        let mut connection = Connection::open(self.address, WEBHOOK).await?;
        let delivered_at = clock::now();
        let status = connection.deliver(delivery, &delivery.guid).await?;
        ensure!(status == 202, "the delivery was answered {status}");
        let path = format!("deliveries/{}", delivery.guid);
        let delivery = until("a pipeline is started", || async {
            let delivery: DeliveryView = self.get(&path).await?;
            Ok((delivery.state != "new").then_some(delivery))
        })
        .await?;
        let Some(id) = delivery.pipelines.first() else { bail!("no pipeline was started: {:?}", delivery.verdict) };
        Ok(Begun { id: PipelineId::parse(id)?, delivered_at })
    }

    /// Waits until a pipeline has ended well and nothing of it is left.
    pub(crate) async fn end(&self, begun: Begun) -> anyhow::Result<Ended> {
        let Begun { id, delivered_at } = begun;
        until("the pipeline ends", || async {
            let pipelines: Vec<conducto::dispatch::view::PipelineSummary> = self.get("pipelines?limit=1").await?;
            Ok(pipelines.first().and_then(|pipeline| pipeline.finished_at))
        })
        .await
        .with_context(|| self.last_words())?;
        until("nothing is left of it", || async { Ok((!self.layout.source(&id).exists()).then_some(())) }).await?;
        let view: PipelineView = self.get(&format!("pipelines/{id}")).await?;
        ensure!(view.summary.counts.done == view.summary.counts.total(), "not all nodes are done");
        Ok(Ended { id, delivered_at, view })
    }

    /// Asks the API.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        serde_json::from_str(&self.text(path).await?).with_context(|| format!("{path} is not understood"))
    }

    /// Orders something.
    pub(crate) async fn post(&self, path: &str) -> anyhow::Result<()> {
        let url = format!("http://{}/api/v1/{path}", self.address);
        self.api.post(url).bearer_auth(&self.token).send().await?.error_for_status()?.bytes().await?;
        Ok(())
    }

    /// Asks the API for something that is not JSON as a whole.
    pub(crate) async fn text(&self, path: &str) -> anyhow::Result<String> {
        let url = format!("http://{}/api/v1/{path}", self.address);
        let response = self.api.get(url).bearer_auth(&self.token).send().await?.error_for_status()?;
        Ok(response.text().await?)
    }

    /// Stops it as an operator would.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGTERM)?;
        until("the server stops", || {
            let ended = self.child.try_wait();
            async { Ok(ended?) }
        })
        .await?;
        Ok(())
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.base.join("server.log")).unwrap_or_default();
        let from = log.len().saturating_sub(4_000);
        format!("the end of the server's log:\n{}", &log[log.ceil_char_boundary(from)..])
    }
}

fn spawn(base: &Path) -> anyhow::Result<Child> {
    let log = fs::File::options().create(true).append(true).open(base.join("server.log"))?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut command = Command::new(env!("CARGO_BIN_EXE_conducto"));
    command.args(["serve", "--config"]).arg(base.join(SETTINGS)).env_clear().env("PATH", path).env("HOME", base);
    Ok(command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?)
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Asks until there is an answer.
pub(crate) async fn until<T, F>(what: &str, mut ask: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        sleep(LOOK_AGAIN).await;
    }
    bail!("waited in vain: {what}")
}
