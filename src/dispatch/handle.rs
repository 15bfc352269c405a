//! The face of dispatch: what doors may ask. Cheap to clone.

use std::sync::Arc;

use futures_util::Stream;
use tokio::sync::{mpsc, oneshot};
use tokio_util::{bytes::Bytes, sync::CancellationToken};

use super::{
    action::{Action, Receipt, Request},
    answer, cron, disk,
    error::Error,
    follow::{self, LogStream},
    hub::Incoming,
    identity::{self, Identity},
    live, manual,
    manual::{LaunchRequest, NoLaunch},
    options::{Options, Parts},
    outbox, pool, recovery, reports, retention, secrets,
    shared::Shared,
    view::{DeliveryView, NodeView, OutboxView, PipelineSummary, PipelineView, PruneReport},
};
use crate::{
    clock,
    model::{Actor, Fence, NodePath, PipelineId, Recorded},
    store::{Packed, inbox, outbox as outbox_rows, pipelines, server, tokens},
};

/// What came of storing a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It is safe and will be dealt with.
    Stored,
    /// It was safe before.
    Duplicate,
}

/// How the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether it serves.
    pub ready: bool,
    /// What is wrong, in words.
    pub problems: Vec<String>,
}

/// A verified delivery, as a door hands it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// The forge's id of the delivery; unchanged when it is delivered again.
    pub guid: String,
    /// Event name as the forge calls it.
    pub event: String,
    /// Headers worth keeping.
    pub headers: Vec<(String, String)>,
    /// The JSON body.
    pub body: Bytes,
}

/// The handle.
#[derive(Clone)]
pub struct Dispatch {
    pub(super) shared: Arc<Shared>,
}

impl Dispatch {
    /// Puts everything together, resumes what was under way, and goes on until the token is cancelled; then [`Self::join`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start(
        options: Options,
        parts: Parts,
        reported: mpsc::Receiver<Incoming>,
        identity: server::Identity,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        let (pool, messages) = mpsc::channel(1_024);
        let fence = Fence(identity.next_fence);
        let shared = Arc::new(Shared::new(options, parts, pool, fence, stop));
        shared.note_secrets(shared.store.read(secrets::has_any).await?);
        let tasks = &shared.tasks;
        tasks.spawn(pool::run(Arc::clone(&shared), messages));
        let backlog = recovery::prepare(&shared, Fence(identity.first_fence)).await?;
        tasks.spawn(reports::run(Arc::clone(&shared), reported));
        tasks.spawn(outbox::run(Arc::clone(&shared)));
        tasks.spawn(cron::run(Arc::clone(&shared)));
        tasks.spawn(retention::run(Arc::clone(&shared)));
        tasks.spawn(disk::watch(Arc::clone(&shared)));
        tasks.spawn(recovery::run(Arc::clone(&shared), backlog));
        Ok(Self { shared })
    }

    /// Waits until every task has ended. Containers go on running; the next start resumes them.
    pub async fn join(&self) {
        self.shared.parts.hub.close().await;
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// Stores a verified delivery. When this returns, nothing can lose it any more.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: it is not stored; the forge has to send it again.
    pub async fn receive(&self, delivery: NewDelivery) -> Result<Received, Error> {
        let now = clock::now();
        let _entering = self.shared.door.enter();
        let NewDelivery { guid, event, headers, body } = delivery;
        let headers = serde_json::to_string(&headers).map_err(|error| Error::Unavailable(Box::new(error)))?;
        let body = Packed::of(&body)?;
        let delivery = inbox::NewDelivery { guid, event, headers, body };
        let is_new = self.shared.store.write_at_once(move |connection| inbox::put(connection, &delivery, now)).await?;
        if is_new {
            self.shared.door.has_stored();
        }
        Ok(if is_new { Received::Stored } else { Received::Duplicate })
    }

    /// Launches a section that somebody asks for. Returns the delivery that came of it: with its verdict, or without where that
    /// takes longer than a few seconds. The same key from the same actor for the same repository asks once.
    ///
    /// # Errors
    /// [`NoLaunch`], by what the caller can do; then nothing was stored.
    pub async fn launch(
        &self,
        request: LaunchRequest,
        actor: &Actor,
        key: Option<String>,
    ) -> Result<DeliveryView, NoLaunch> {
        manual::launch(&self.shared, request, actor, key).await
    }

    /// Lists deliveries, newest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn deliveries(&self, before: Option<i64>, limit: u32) -> Result<Vec<DeliveryView>, Error> {
        let found = self.shared.store.read(move |connection| inbox::list(connection, before, limit)).await?;
        Ok(found.into_iter().map(delivery_view).collect())
    }

    /// Finds one delivery.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn delivery(&self, guid: &str) -> Result<Option<DeliveryView>, Error> {
        let guid = guid.to_owned();
        let found = self.shared.store.read(move |connection| inbox::find(connection, &guid)).await?;
        Ok(found.map(delivery_view))
    }

    /// Lists pipelines, newest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn pipelines(&self, filter: pipelines::Filter) -> Result<Vec<PipelineSummary>, Error> {
        let found = self.shared.store.read(move |connection| pipelines::list(connection, &filter)).await?;
        Ok(found.into_iter().map(answer::summary).collect())
    }

    /// Shows a pipeline with its whole tree; nothing when there is none.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn pipeline(&self, id: &PipelineId) -> Result<Option<PipelineView>, Error> {
        let (reply, answer) = oneshot::channel();
        match self.shared.send(id, live::Message::Look { reply }).await {
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
            Ok(()) => answer.await.map(Some).map_err(|_| Error::Stopping),
        }
    }

    /// Shows one node.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown pipeline, [`Error::NoSuchNode`] for an unknown node.
    pub async fn node(&self, id: &PipelineId, path: &NodePath) -> Result<NodeView, Error> {
        let (reply, answer) = oneshot::channel();
        self.shared.send(id, live::Message::LookAt { path: path.clone(), reply }).await?;
        answer.await.map_err(|_| Error::Stopping)?
    }

    /// Does something to a pipeline. The same key from the same actor for the same action does it once.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown pipeline, [`Error::NoSuchNode`] for an unknown node, [`Error::Rejected`] with the
    /// reason when it makes no sense now.
    pub async fn act(
        &self,
        id: &PipelineId,
        action: Action,
        actor: Actor,
        key: Option<String>,
    ) -> Result<Receipt, Error> {
        // A caller's key means something only to that caller, for that action.
        let key = key.map(|key| format!("{actor} {id} {action} {key}"));
        self.shared.ask(id, Request::Action(action, actor), key).await
    }

    /// Follows a pipeline's events: those after a position, then each as it is committed. Never ends by itself.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown pipeline.
    pub async fn events(
        &self,
        id: &PipelineId,
        after: u64,
    ) -> Result<impl Stream<Item = Recorded> + Send + use<>, Error> {
        follow::events(&self.shared, id, after).await
    }

    /// Reads the log of a node's attempt, the latest when none is named. With `follow`, goes on until the attempt has ended.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown pipeline, node or attempt; [`Error::Gone`] when retention removed it.
    pub async fn log(
        &self,
        id: &PipelineId,
        path: &NodePath,
        attempt: Option<u32>,
        follow: bool,
    ) -> Result<LogStream, Error> {
        let node = self.node(id, path).await?;
        let Some(wanted) = attempt
            .map_or_else(|| node.attempts.len().checked_sub(1), |number| usize::try_from(number).ok()?.checked_sub(1))
        else {
            return Err(Error::NotFound("attempt: nothing has run yet"));
        };
        let attempt = node.attempts.get(wanted).ok_or(Error::NotFound("attempt"))?;
        if let Some(finished_at) = attempt.finished_at {
            retention::check_log(&self.shared, id, finished_at).await?;
        }
        let log = self.shared.log_path(id, Fence(attempt.fence));
        // Listening begins before the attempt is looked at again: an end between the two is noticed.
        let follower = self.shared.logs().read(&log, true);
        let is_over = !follow || self.has_ended(id, path, attempt.fence).await;
        Ok(follow::log(if is_over { self.shared.logs().read(&log, false) } else { follower }))
    }

    async fn has_ended(&self, id: &PipelineId, path: &NodePath, fence: u64) -> bool {
        let Ok(node) = self.node(id, path).await else { return true };
        let attempt = node.attempts.iter().find(|attempt| attempt.fence == fence);
        attempt.is_none_or(|attempt| attempt.finished_at.is_some())
    }

    /// Lists messages to the outside, newest first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn outbox(&self, state: Option<&str>, limit: u32) -> Result<Vec<OutboxView>, Error> {
        let state = state.map(str::to_owned);
        let rows =
            self.shared.store.read(move |connection| outbox_rows::list(connection, state.as_deref(), limit)).await?;
        let view = |row: outbox_rows::Listed| OutboxView {
            id: row.id,
            lane: row.lane,
            kind: row.kind,
            state: row.state,
            attempts: row.attempts,
            error: row.error,
            created_at: row.created_at,
        };
        Ok(rows.into_iter().map(view).collect())
    }

    /// Sends a message that was given up once more.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such dead message.
    pub async fn retry_outbox(&self, id: i64) -> Result<(), Error> {
        let now = clock::now();
        let revived = self.shared.store.write(move |connection| outbox_rows::revive(connection, id, now)).await?;
        self.shared.outbox_changed.notify_one();
        if revived { Ok(()) } else { Err(Error::NotFound("dead message")) }
    }

    /// Removes what is older than the settings keep; of a rehearsal, only says what that would be.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn prune(&self, is_rehearsal: bool) -> Result<PruneReport, Error> {
        let shared = Arc::clone(&self.shared);
        // It goes on when whoever asked has lost patience.
        let pruning = self.shared.tasks.spawn(async move { retention::prune(&shared, is_rehearsal).await });
        pruning.await.map_err(|_| Error::Stopping)?
    }

    /// Finds the holder of a token.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn identify(&self, token: &str) -> Result<Option<Identity>, Error> {
        identity::identify(&self.shared, token).await
    }

    /// Says whether any token exists.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn has_tokens(&self) -> Result<bool, Error> {
        Ok(self.shared.store.read(tokens::any).await?)
    }

    /// Keeps a token with these scopes (`read`, `operate`, `secret:read`, `secret:write`, `secret:use`, `admin`, separated by
    /// blanks).
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn keep_token(&self, name: &str, scopes: &str, value: &str) -> Result<(), Error> {
        identity::keep(&self.shared, name, scopes, value).await
    }

    /// Says how the server is.
    pub async fn health(&self) -> Health {
        let mut problems: Vec<String> =
            self.shared.problems.lock().unwrap_or_else(std::sync::PoisonError::into_inner).values().cloned().collect();
        problems.sort();
        match self.outbox(Some("dead"), 100).await {
            Ok(dead) if dead.is_empty() => {}
            Ok(dead) => {
                problems.push(format!("{} messages could not be delivered; see /api/v1/outbox?state=dead", dead.len()));
            }
            Err(error) => problems.push(error.to_string()),
        }
        Health { ready: !self.shared.stop.is_cancelled(), problems }
    }
}

pub(super) fn delivery_view(delivery: inbox::Delivery) -> DeliveryView {
    let inbox::Delivery {
        seq,
        guid,
        event,
        repository,
        state,
        verdict,
        diagnostics,
        pipelines,
        deliveries,
        received_at,
    } = delivery;
    DeliveryView { seq, guid, event, repository, state, verdict, diagnostics, pipelines, deliveries, received_at }
}
