//! The live pipelines and how to reach their tasks. A pipeline that is not live is brought to life by asking for it.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::{Mutex, mpsc};

use super::{
    error::Error,
    live::{self, Live, Message},
    shared::Shared,
};
use crate::{
    engine::{self, Pipeline},
    model::{PipelineId, Recorded},
    store::pipelines,
};

/// How many messages may wait for one pipeline.
const BACKLOG: usize = 256;

/// How many events are read from the store in one go.
const PAGE: u32 = 10_000;

#[derive(Default)]
pub(super) struct Registry {
    live: Mutex<HashMap<PipelineId, mpsc::Sender<Message>>>,
}

impl Registry {
    /// Takes in a pipeline that was just made or replayed, and starts its task.
    pub(super) async fn insert(&self, shared: &Arc<Shared>, pipeline: Pipeline) -> mpsc::Sender<Message> {
        let id = pipeline.launch().pipeline.clone();
        let mut live = self.live.lock().await;
        let (sender, receiver) = mpsc::channel(BACKLOG);
        live.insert(id.clone(), sender.clone());
        let task = Live::new(Arc::clone(shared), pipeline);
        shared.tasks.spawn(live::run(task, receiver));
        sender
    }

    /// Returns how to reach a pipeline's task; replays it from the store when it is not live.
    pub(super) async fn find(&self, shared: &Arc<Shared>, id: &PipelineId) -> Result<mpsc::Sender<Message>, Error> {
        // One whose state was lost, and could not be had back, has left a closed door.
        let is_open = |sender: &&mpsc::Sender<Message>| !sender.is_closed();
        if let Some(sender) = self.live.lock().await.get(id).filter(is_open) {
            return Ok(sender.clone());
        }
        let pipeline = load(shared, id).await?;
        let mut live = self.live.lock().await;
        if let Some(sender) = live.get(id).filter(is_open) {
            return Ok(sender.clone());
        }
        let (sender, receiver) = mpsc::channel(BACKLOG);
        live.insert(id.clone(), sender.clone());
        shared.tasks.spawn(live::run(Live::new(Arc::clone(shared), pipeline), receiver));
        Ok(sender)
    }

    /// Lets a pipeline's task go, unless somebody has asked it something meanwhile.
    pub(super) async fn retire(&self, id: &PipelineId, receiver: &mut mpsc::Receiver<Message>) -> bool {
        let mut live = self.live.lock().await;
        if !receiver.is_empty() {
            return false;
        }
        live.remove(id);
        // Whoever got hold of the sender before finds it closed and asks again.
        receiver.close();
        receiver.is_empty()
    }
}

/// Rebuilds a pipeline from its log.
pub(super) async fn load(shared: &Shared, id: &PipelineId) -> Result<Pipeline, Error> {
    let wanted = id.clone();
    let events = shared
        .store
        .read(move |connection| {
            let mut events: Vec<Recorded> = Vec::new();
            loop {
                let after = events.last().map_or(0, |recorded| recorded.seq);
                let page = pipelines::events(connection, &wanted, after, PAGE)?;
                if page.is_empty() {
                    return Ok(events);
                }
                events.extend(page);
            }
        })
        .await?;
    if events.is_empty() {
        return Err(Error::NotFound("pipeline"));
    }
    engine::replay(&events).map_err(|error| {
        tracing::error!(pipeline = %id, error = %error, "an event log cannot be replayed");
        Error::Unavailable(Box::new(error))
    })
}
