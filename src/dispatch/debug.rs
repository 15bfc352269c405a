//! All that a shell needs to stand where a node is about to run: for people on the server's own machine. Starts nothing.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{error::Error, find::find, refetch, registry, shared::Shared, start};
use crate::{
    clock,
    layout::SOURCE,
    model::{Fence, NodePath, PipelineId, Rejected},
};

/// What a shell in the place of a node needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DebugView {
    /// Where its pipeline's nodes run: `docker` or `process`.
    pub executor: String,
    /// The image.
    pub image: String,
    /// The node's script.
    pub command: String,
    /// The shell that its author asked for; nothing where any will do.
    pub shell: Option<String>,
    /// Its environment, what the server makes of it included.
    pub env: BTreeMap<String, String>,
    /// A fresh copy of the files of its commit, for the caller to change and to remove, with the folder above it.
    #[schema(value_type = String)]
    pub files: PathBuf,
    /// Which folder of the files is the working copy; empty for all of them.
    pub folder: String,
    /// Folder of `/conducto/data/pipeline`.
    #[schema(value_type = String)]
    pub pipeline_data: PathBuf,
    /// Folder of `/conducto/data/user`.
    #[schema(value_type = String)]
    pub user_data: PathBuf,
    /// Processors.
    pub cpu: f64,
    /// Bytes of memory.
    pub mem: u64,
    /// Whether it gets the machine's own Docker.
    pub requires_docker: bool,
    /// More arguments of `docker run`.
    pub docker_run_args: Vec<String>,
}

/// Gets it ready, with a copy of the files of the commit.
pub(super) async fn prepare(shared: &Arc<Shared>, id: &PipelineId, path: &NodePath) -> Result<DebugView, Error> {
    // As it is committed: the live pipeline, if it is live, is not disturbed.
    let pipeline = registry::load(shared, id).await?;
    let node = find(pipeline.definition(), path)?;
    let last = pipeline.leaf(node).and_then(|leaf| leaf.attempts.last());
    let fence = last.map_or(Fence(0), |attempt| attempt.fence);
    let start = start::start(shared, &pipeline, node, fence).ok_or(Error::Rejected(Rejected::NotExec))?;
    let queue = start::queue(&shared.options, &pipeline, node);
    let (layout, launch) = (&shared.options.layout, pipeline.launch());
    // Retention may have taken them; then they are empty.
    layout
        .create_pipeline(id, launch.trust, launch.owner.as_deref())
        .map_err(|error| Error::Unavailable(Box::new(error)))?;
    let files = layout.debugging(&clock::new_key()).join(SOURCE);
    let copied = refetch::checkout(shared, &launch.trigger, &files).await;
    copied.map_err(|error| Error::Gone(format!("the files of its commit cannot be had: {error}")))?;
    Ok(DebugView {
        executor: shared.parts.executor.name().to_owned(),
        image: queue.image.to_string(),
        command: start.command,
        shell: start.shell.filter(|shell| !shell.is_empty()),
        env: start.env,
        files,
        folder: queue.folder.clone(),
        pipeline_data: layout.pipeline_data(id),
        user_data: layout.user_data_for(id, launch.trust, launch.owner.as_deref()),
        cpu: f64::from(u32::try_from(queue.amounts.milli_cpu).unwrap_or(u32::MAX)) / 1_000.0,
        mem: queue.amounts.mem,
        requires_docker: queue.requires_docker,
        docker_run_args: queue.docker_run_args.clone(),
    })
}
