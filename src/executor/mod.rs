//! Floor 3: where workers live. Starts, watches and removes them; knows no engine, no store and no nodes.

pub mod docker;
mod image;
pub mod process;
mod resolve;

use std::path::PathBuf;

use futures_util::future::BoxFuture;

use crate::{
    definition::docker_args::DockerArg,
    model::{Isolation, PipelineId, Trust, WorkerId},
};

pub use image::{Context, Dockerfile, ImageNews, ImageOrder, ImageStage, OwnedImage, Pieces, Watch};
pub use resolve::{Choice, resolve};

/// All that is needed to start one worker.
#[derive(Clone, Debug)]
pub struct WorkerSpec {
    /// Its name.
    pub worker: WorkerId,
    /// The pipeline it works for; never another.
    pub pipeline: PipelineId,
    /// Whose code it runs.
    pub trust: Trust,
    /// Image reference. The process executor ignores it.
    pub image: String,
    /// Whether its nodes begin in the image's own working directory. The process executor ignores it.
    pub keeps_workdir: bool,
    /// Processors, as Docker's `--cpus`.
    pub cpu: f64,
    /// Bytes of memory.
    pub mem: u64,
    /// Whether its nodes run in layers of their own. The process executor ignores it.
    pub isolation: Isolation,
    /// Graphics processors, as Docker's `--gpus`.
    pub gpu: u32,
    /// Whether it gets the machine's own Docker.
    pub requires_docker: bool,
    /// More options of its container. The process executor ignores them.
    pub docker_args: Vec<DockerArg>,
    /// The worker's own directory on the host; the hub listens on the socket in it.
    pub directory: PathBuf,
    /// The folder with the repository's files at the commit and a shallow `.git`, which lie in it as [`crate::layout::SOURCE`],
    /// at the latest when the worker gets its first node; read-only for the worker.
    pub source: PathBuf,
    /// Which folder of these files is the working copy; empty for all of them.
    pub folder: String,
    /// Whether its nodes have the two folders that follow; else they reach data by way of the worker.
    pub mounts_data: bool,
    /// Host folder of `/conducto/data/pipeline`.
    pub pipeline_data: PathBuf,
    /// Host folder of `/conducto/data/user`; never that of the user data where the code of a fork runs.
    pub user_data: PathBuf,
}

/// What the runtime itself says of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerStatus {
    /// It runs.
    Running,
    /// It has ended; what it ran in still exists.
    Exited {
        /// Exit code, where one is known.
        code: Option<i64>,
        /// Whether the kernel ended it for want of memory.
        out_of_memory: bool,
    },
    /// There is no trace of it.
    Gone,
}

/// Why a worker could not be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Trying again with the same image cannot help: it does not exist, or its name is no image name.
    #[error("image `{image}` cannot be had: {message}")]
    Image {
        /// The reference as the author wrote it.
        image: String,
        /// The runtime's words.
        message: String,
    },
    /// The runtime refused this worker; others may work.
    #[error("the container could not be started: {message}")]
    Refused {
        /// The runtime's words.
        message: String,
    },
    /// The runtime does not answer; nodes wait until it does.
    #[error("the container runtime does not answer: {message}")]
    Unavailable {
        /// What was tried and what happened.
        message: String,
    },
}

/// Takes lines about slow preparations (image pulls), for the log of the node that waits for them.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// A place where workers live.
pub trait Executor: Send + Sync {
    /// Returns its name for people and for `CONDUCTO_EXECUTION_ENV`: `docker` or `process`.
    fn name(&self) -> &'static str;

    /// Says whether nodes are kept apart from the host and one another.
    fn isolates(&self) -> bool;

    /// Returns where the nodes of a worker with this directory find their working copy.
    fn work(&self, directory: &std::path::Path) -> PathBuf;

    /// Gets ready what a worker needs and what does not depend on its folders (image, network), so that this can be done
    /// while they are being made. Idempotent; starting a worker does the same.
    fn prepare<'a>(&'a self, spec: &'a WorkerSpec, progress: Progress<'a>) -> BoxFuture<'a, Result<(), Error>>;

    /// Makes an image, unless it is there, and returns the name under which workers have it.
    fn make_image<'a>(&'a self, order: &'a ImageOrder, watch: Watch<'a>) -> BoxFuture<'a, Result<String, Error>>;

    /// Lists the images that this server has made.
    fn owned_images(&self) -> BoxFuture<'_, Result<Vec<OwnedImage>, Error>>;

    /// Removes an image of this server's making unless something uses it. Returns whether it is gone.
    fn remove_image<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<bool, Error>>;

    /// Starts a worker. Idempotent: a worker that exists already is left as it is.
    fn start<'a>(&'a self, spec: &'a WorkerSpec, progress: Progress<'a>) -> BoxFuture<'a, Result<(), Error>>;

    /// Asks the runtime about a worker.
    fn status<'a>(
        &'a self,
        pipeline: &'a PipelineId,
        worker: &'a WorkerId,
    ) -> BoxFuture<'a, Result<WorkerStatus, Error>>;

    /// Ends a worker if it still runs and removes all trace of it. Idempotent.
    fn remove<'a>(&'a self, pipeline: &'a PipelineId, worker: &'a WorkerId) -> BoxFuture<'a, Result<(), Error>>;

    /// Lists every worker of this server, whatever its state.
    fn owned(&self) -> BoxFuture<'_, Result<Vec<(PipelineId, WorkerId)>, Error>>;

    /// Gives back what the pipeline had as a whole (its network). Its workers are removed already. Idempotent.
    fn release<'a>(&'a self, pipeline: &'a PipelineId) -> BoxFuture<'a, Result<(), Error>>;

    /// Lists the pipelines for which something of this kind (a network) still exists.
    fn owned_pipelines(&self) -> BoxFuture<'_, Result<Vec<PipelineId>, Error>>;
}
