//! Starts, watches and removes worker containers. Every step may be repeated; what exists already is left as it is.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use bollard::{
    body_full,
    models::{ContainerState, ContainerStateStatusEnum, ImageInspect},
    query_parameters::{
        CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder, InspectContainerOptions,
        ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
        UploadToContainerOptionsBuilder,
    },
};
use futures_util::{StreamExt, future::BoxFuture};
use tokio::time::{Instant, sleep};

use super::{
    client::{Client, if_found, refusal, translate},
    container::{self, PIPELINE_LABEL, SERVER_LABEL, WORKER_LABEL},
    images::{self, Access, Images},
    network::Networks,
    subnet::Range,
    user,
};
use crate::{
    definition::docker_args::DockerArg,
    executor::{Error, Executor, ImageOrder, OwnedImage, Progress, Watch, WorkerSpec, WorkerStatus},
    model::{PipelineId, WorkerId},
};

/// How long the engine may take to remove what somebody else is removing already.
const REMOVAL: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What the executor is told once.
#[derive(Clone, Debug)]
pub struct Options {
    /// This server's own id; it owns what carries it in its label, and touches nothing else.
    pub server: String,
    /// Where the host has this very binary, beside what nodes have from us: commands, and packages in `sdk`.
    pub binary: PathBuf,
    /// The engine's socket.
    pub socket: PathBuf,
    /// The addresses for pipelines' networks.
    pub networks: Range,
    /// What images and containers get of the server.
    pub access: Access,
}

/// The executor.
#[derive(Debug)]
pub struct Docker {
    options: Options,
    client: Client,
    images: Images,
    networks: Networks,
}

impl Docker {
    /// Makes the executor. The engine may be down; it is asked again every time.
    pub fn new(options: Options) -> Self {
        let client = Client::new(options.socket.clone());
        let networks = Networks::new(options.server.clone(), options.networks);
        Self { client, images: Images::default(), networks, options }
    }

    /// Asks whether the engine answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        self.client.ping().await
    }

    /// Makes the pipeline's network if there is none; starting a worker does so too. [`Executor::release`] removes it.
    ///
    /// # Errors
    /// [`Error::Refused`] when no subnet is left.
    pub async fn have_network(&self, pipeline: &PipelineId) -> Result<(), Error> {
        self.networks.have(&self.client, pipeline).await
    }

    async fn start_now(&self, spec: &WorkerSpec, progress: Progress<'_>) -> Result<(), Error> {
        let engine = self.client.engine().await?;
        let name = container::name(&spec.pipeline, &spec.worker);
        match self.state(&name).await? {
            Some(ContainerState { status: Some(ContainerStateStatusEnum::CREATED), .. }) => {
                // Left half-made by a server that ended here.
                self.remove_now(&name).await?;
            }
            Some(_) => return Ok(()),
            None => {}
        }
        let (image, ()) = tokio::try_join!(self.have_image(spec, progress), self.have_network(&spec.pipeline))?;
        let config = image.config.unwrap_or_default();
        let asked = spec.docker_args.iter().rev().find_map(|arg| match arg {
            DockerArg::User(user) => Some(user.clone()),
            _ => None,
        });
        let user = asked.or(config.user).unwrap_or_default();
        if container::is_layered(spec) && user::is_other(&user) {
            let image = &spec.image;
            let message = format!(
                "`isolation = \"pristine\"` needs root in the container, and the image `{image}` runs as `{user}`; \
                 choose an image without a USER, or give up the isolation"
            );
            return Err(Error::Refused { message });
        }
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        engine
            .create_container(
                Some(options),
                container::body(&self.options, spec, config.working_dir.as_deref().unwrap_or_default()),
            )
            .await
            .map_err(translate)?;
        let started = async {
            if user::is_other(&user) {
                self.prepare_for(&name, &user).await?;
            }
            engine.start_container(&name, None::<StartContainerOptions>).await.map_err(translate)
        };
        let result = started.await;
        if result.is_err()
            && let Err(error) = self.remove_now(&name).await
        {
            tracing::warn!(%error, container = %name, "a container that did not start is left behind");
        }
        result
    }

    async fn have_image(&self, spec: &WorkerSpec, progress: Progress<'_>) -> Result<ImageInspect, Error> {
        self.images.have(&self.client, &self.options.access, (&spec.image, spec.trust), progress).await
    }

    /// Gives the folders a worker writes to, to a user who is not root.
    async fn prepare_for(&self, name: &str, user: &str) -> Result<(), Error> {
        let engine = self.client.engine().await?;
        let options = DownloadFromContainerOptionsBuilder::new().path("/etc/passwd").build();
        let mut archive = Vec::new();
        let mut chunks = std::pin::pin!(engine.download_from_container(name, Some(options)));
        while let Some(chunk) = chunks.next().await {
            match if_found(chunk)? {
                Some(chunk) => archive.extend_from_slice(&chunk),
                None => break,
            }
        }
        let passwd = user::first_file(&archive).unwrap_or_default();
        let Some((uid, gid)) = user::resolve(user, &passwd) else {
            return Err(Error::Refused { message: format!("the image's user `{user}` is not in its /etc/passwd") });
        };
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        let folders = body_full(user::folders(uid, gid).into());
        engine.upload_to_container(name, Some(options), folders).await.map_err(translate)
    }

    async fn state(&self, name: &str) -> Result<Option<ContainerState>, Error> {
        let engine = self.client.engine().await?;
        let found = if_found(engine.inspect_container(name, None::<InspectContainerOptions>).await)?;
        Ok(found.map(|container| container.state.unwrap_or_default()))
    }

    async fn remove_now(&self, name: &str) -> Result<(), Error> {
        let engine = self.client.engine().await?;
        let deadline = Instant::now() + REMOVAL;
        loop {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            match engine.remove_container(name, Some(options)).await {
                Ok(()) => return Ok(()),
                // Somebody else is at it: wait until it is really gone.
                Err(fault) if matches!(refusal(&fault), Some((409, _))) && Instant::now() < deadline => {
                    if self.state(name).await?.is_none() {
                        return Ok(());
                    }
                    sleep(LOOK_AGAIN).await;
                }
                other => return if_found(other).map(|_| ()),
            }
        }
    }

    async fn owned_now(&self) -> Result<Vec<(PipelineId, WorkerId)>, Error> {
        let filters = HashMap::from([("label", vec![format!("{SERVER_LABEL}={}", self.options.server)])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let containers = self.client.engine().await?.list_containers(Some(options)).await.map_err(translate)?;
        let names = |labels: HashMap<String, String>| {
            let pipeline = PipelineId::parse(labels.get(PIPELINE_LABEL)?).ok()?;
            Some((pipeline, WorkerId::parse(labels.get(WORKER_LABEL)?).ok()?))
        };
        Ok(containers.into_iter().filter_map(|container| names(container.labels?)).collect())
    }
}

impl Executor for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn isolates(&self) -> bool {
        true
    }

    fn work(&self, _directory: &std::path::Path) -> PathBuf {
        container::WORK.into()
    }

    fn prepare<'a>(&'a self, spec: &'a WorkerSpec, progress: Progress<'a>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            tokio::try_join!(self.have_image(spec, progress), self.have_network(&spec.pipeline)).map(drop)
        })
    }

    fn make_image<'a>(&'a self, order: &'a ImageOrder, watch: Watch<'a>) -> BoxFuture<'a, Result<String, Error>> {
        let Options { server, access, .. } = &self.options;
        let maker = images::Maker { client: &self.client, images: &self.images, access, server };
        Box::pin(images::make(maker, order, watch))
    }

    fn owned_images(&self) -> BoxFuture<'_, Result<Vec<OwnedImage>, Error>> {
        Box::pin(images::owned(&self.client, &self.options.server))
    }

    fn remove_image<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(images::remove(&self.client, reference))
    }

    fn start<'a>(&'a self, spec: &'a WorkerSpec, progress: Progress<'a>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.start_now(spec, progress))
    }

    fn status<'a>(
        &'a self,
        pipeline: &'a PipelineId,
        worker: &'a WorkerId,
    ) -> BoxFuture<'a, Result<WorkerStatus, Error>> {
        Box::pin(async move {
            let state = self.state(&container::name(pipeline, worker)).await?;
            Ok(state.map_or(WorkerStatus::Gone, |state| status(&state)))
        })
    }

    fn remove<'a>(&'a self, pipeline: &'a PipelineId, worker: &'a WorkerId) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.remove_now(&container::name(pipeline, worker)).await })
    }

    fn owned(&self) -> BoxFuture<'_, Result<Vec<(PipelineId, WorkerId)>, Error>> {
        Box::pin(self.owned_now())
    }

    fn release<'a>(&'a self, pipeline: &'a PipelineId) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.networks.release(&self.client, pipeline))
    }

    fn owned_pipelines(&self) -> BoxFuture<'_, Result<Vec<PipelineId>, Error>> {
        Box::pin(self.networks.owned(&self.client))
    }
}

fn status(state: &ContainerState) -> WorkerStatus {
    use ContainerStateStatusEnum::{PAUSED, RESTARTING, RUNNING};
    match state.status {
        Some(RUNNING | PAUSED | RESTARTING) => WorkerStatus::Running,
        // A container that was made and never started says exit code 0.
        Some(ContainerStateStatusEnum::CREATED) => WorkerStatus::Exited { code: None, out_of_memory: false },
        _ => WorkerStatus::Exited { code: state.exit_code, out_of_memory: state.oom_killed.unwrap_or_default() },
    }
}
