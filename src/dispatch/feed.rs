//! The live feed: committed events, to whoever listens. A listener that lags reads the store instead.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::model::{PipelineId, Recorded};

/// How many commits a slow listener may be behind before it has to read the store.
const BACKLOG: usize = 1_024;

/// Events of one commit.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) pipeline: PipelineId,
    pub(super) events: Arc<[Recorded]>,
}

pub(super) struct Feed {
    sender: broadcast::Sender<Published>,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self { sender: broadcast::channel(BACKLOG).0 }
    }

    pub(super) fn publish(&self, pipeline: &PipelineId, events: &[Recorded]) {
        // Nobody listening is no failure.
        drop(self.sender.send(Published { pipeline: pipeline.clone(), events: events.into() }));
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Published> {
        self.sender.subscribe()
    }
}
