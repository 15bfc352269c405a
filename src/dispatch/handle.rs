//! The face of dispatch: what doors may ask. Cheap to clone.

use std::{sync::Arc, time::Duration};

use futures_util::Stream;
use tokio::sync::{mpsc, oneshot};
use tokio_util::{bytes::Bytes, sync::CancellationToken};

use super::{
    action::{Action, Receipt, Request},
    answer, cron,
    debug::{self, DebugView},
    disk,
    error::Error,
    files::{self, DataOf},
    follow::{self, LogPage, LogSearch, LogStream},
    glance::Glimpse,
    hub::Incoming,
    identity::{self, Identity},
    images,
    intake::{self, LocalLaunch, LocalRequest},
    live, manual,
    manual::{LaunchRequest, NoLaunch},
    node_token::NodeTokens,
    options::{Options, Parts},
    outbox, pool, recovery, reports, retention, secrets,
    shared::Shared,
    sweep,
    view::{AttemptView, DeliveryView, ImageView, NodeView, OutboxView, PipelineSummary, PipelineView, PruneReport},
    watch,
};
use crate::{
    clock,
    data::Store,
    logs::Wanted,
    model::{Actor, Fence, NodePath, PipelineId, Recorded},
    store::{Packed, access, inbox, outbox as outbox_rows, pipelines, repositories, server, tokens},
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
        let fresh = clock::random();
        let key = parts.store.write(move |connection| access::node_key(connection, fresh)).await?;
        let shared = Arc::new(Shared::new(options, parts, pool, fence, NodeTokens::new(key), stop));
        shared.note_secrets(shared.store.read(secrets::has_any).await?);
        let host = shared.options.forge_host.clone();
        let installations = shared.store.read(move |connection| repositories::installations(connection, &host)).await?;
        for (repository, installation) in installations {
            shared.parts.github.note_installation(repository, installation);
        }
        let tasks = &shared.tasks;
        tasks.spawn(pool::run(Arc::clone(&shared), messages));
        let backlog = recovery::prepare(&shared, Fence(identity.first_fence)).await?;
        tasks.spawn(reports::run(Arc::clone(&shared), reported));
        tasks.spawn(outbox::run(Arc::clone(&shared)));
        tasks.spawn(cron::run(Arc::clone(&shared)));
        tasks.spawn(retention::run(Arc::clone(&shared)));
        tasks.spawn(sweep::run(Arc::clone(&shared)));
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
        let put = self.shared.store.write_at_once(move |connection| inbox::put(connection, &delivery, now)).await;
        let is_new = put.inspect_err(|_| self.shared.has_refused.notify_one())?;
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

    /// Launches what a working copy on this machine says, as it lies there, for somebody who owns the machine.
    ///
    /// # Errors
    /// [`NoLaunch`], by what the caller can do; then nothing was stored.
    pub async fn launch_local(&self, request: LocalRequest, actor: &Actor) -> Result<LocalLaunch, NoLaunch> {
        intake::launch_local(&self.shared, request, actor).await
    }

    /// Gets ready what a shell in the place of a node needs, for somebody who owns the machine.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown pipeline, [`Error::NoSuchNode`] for an unknown node, [`Error::Rejected`] for a group,
    /// [`Error::Gone`] when the files of its commit are not to be had any more.
    pub async fn debug(&self, id: &PipelineId, path: &NodePath) -> Result<DebugView, Error> {
        debug::prepare(&self.shared, id, path).await
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

    /// Deals once more with a delivery that started nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown delivery, [`Error::CannotReplay`] where it cannot be dealt with again.
    pub async fn replay(&self, guid: &str) -> Result<DeliveryView, Error> {
        let (wanted, now) = (guid.to_owned(), clock::now());
        let is_revived = self.shared.store.write(move |connection| inbox::revive(connection, &wanted, now)).await?;
        let delivery = self.delivery(guid).await?.ok_or(Error::NotFound("delivery"))?;
        if !is_revived {
            return Err(Error::CannotReplay);
        }
        self.shared.door.has_stored();
        Ok(delivery)
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

    /// Follows a pipeline's tree: what has changed since the event with this number, or all of it where that is not known; then
    /// each change. Never ends by itself.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown pipeline.
    pub async fn follow(
        &self,
        id: &PipelineId,
        after: Option<u64>,
    ) -> Result<impl Stream<Item = Glimpse> + Send + use<>, Error> {
        watch::follow(&self.shared, id, after).await
    }

    /// Follows which pipelines change: their ids, gathered for half a second. Never ends by itself.
    pub fn changes(&self) -> impl Stream<Item = Vec<String>> + Send + use<> {
        watch::changes(&self.shared)
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
        let attempt = self.attempt(id, path, attempt).await?;
        let log = self.shared.log_path(id, Fence(attempt.fence));
        // Listening begins before the attempt is looked at again: an end between the two is noticed.
        let follower = self.shared.logs().read(&log, true);
        let is_over = !follow || self.has_ended(id, path, attempt.fence).await;
        Ok(follow::log(if is_over { self.shared.logs().read(&log, false) } else { follower }))
    }

    /// Reads lines of an attempt's log: from a number on, or the last ones. With `beyond`, first waits until the log's file is
    /// longer than that or the attempt has ended, 20 seconds at most.
    ///
    /// # Errors
    /// As for [`Self::log`].
    pub async fn log_lines(
        &self,
        id: &PipelineId,
        path: &NodePath,
        attempt: Option<u32>,
        from: Option<u64>,
        count: u64,
        beyond: Option<u64>,
    ) -> Result<LogPage, Error> {
        const PATIENCE: Duration = Duration::from_secs(20);
        let attempt = self.attempt(id, path, attempt).await?;
        let log = self.shared.log_path(id, Fence(attempt.fence));
        let mut is_over = attempt.finished_at.is_some();
        if let Some(beyond) = beyond.filter(|_| !is_over) {
            // Listening begins before the attempt is looked at again, as in `log`.
            let mut growing = self.shared.logs().read(&log, true);
            is_over = self.has_ended(id, path, attempt.fence).await;
            if !is_over {
                tokio::time::timeout(PATIENCE, growing.grown(beyond)).await.ok();
                is_over = self.has_ended(id, path, attempt.fence).await;
            }
        }
        let page = self.shared.logs().lines(&log, from, count).await.map_err(unreadable)?;
        Ok(LogPage { attempt: attempt.number, is_over, page })
    }

    /// Searches an attempt's whole log.
    ///
    /// # Errors
    /// As for [`Self::log`].
    pub async fn log_search(
        &self,
        id: &PipelineId,
        path: &NodePath,
        attempt: Option<u32>,
        wanted: Wanted,
    ) -> Result<LogSearch, Error> {
        let attempt = self.attempt(id, path, attempt).await?;
        let log = self.shared.log_path(id, Fence(attempt.fence));
        let found = self.shared.logs().search(&log, wanted).await.map_err(unreadable)?;
        Ok(LogSearch { attempt: attempt.number, found })
    }

    /// Finds an attempt whose log is still there: the one with this number, or the last.
    async fn attempt(&self, id: &PipelineId, path: &NodePath, number: Option<u32>) -> Result<AttemptView, Error> {
        let mut attempts = self.node(id, path).await?.attempts;
        let wanted = match number {
            Some(number) => usize::try_from(number).ok().and_then(|number| number.checked_sub(1)),
            None => attempts.len().checked_sub(1),
        };
        let wanted = wanted.ok_or(Error::NotFound("attempt: nothing has run yet"))?;
        if wanted >= attempts.len() {
            return Err(Error::NotFound("attempt"));
        }
        let attempt = attempts.swap_remove(wanted);
        if let Some(finished_at) = attempt.finished_at {
            retention::check_log(&self.shared, id, finished_at).await?;
        }
        Ok(attempt)
    }

    async fn has_ended(&self, id: &PipelineId, path: &NodePath, fence: u64) -> bool {
        let Ok(node) = self.node(id, path).await else { return true };
        let attempt = node.attempts.iter().find(|attempt| attempt.fence == fence);
        attempt.is_none_or(|attempt| attempt.finished_at.is_some())
    }

    /// Opens a store of shared data.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown pipeline, [`Error::Gone`] when retention removed its data.
    pub async fn data(&self, of: DataOf) -> Result<Store, Error> {
        files::open(&self.shared, of).await
    }

    /// Returns how many bytes the caches of one store may have together.
    pub fn cache_budget(&self) -> u64 {
        self.shared.options.data.cache_budget
    }

    /// Notes whose user data the pipelines of a repository have from now on; nobody named is the user whose profile this is.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a repository that was never seen.
    pub async fn set_owner(&self, repository: &str, owner: Option<String>) -> Result<(), Error> {
        let name = repository.to_owned();
        let written = self.shared.store.write(move |connection| {
            let Some(seen) = repositories::find(connection, &name)? else { return Ok(false) };
            repositories::set_owner(connection, &seen.host, seen.repository.id, owner.as_deref())?;
            Ok(true)
        });
        if written.await? { Ok(()) } else { Err(Error::NotFound("repository: it was never seen")) }
    }

    /// Lists images that the server makes or has made, the one that was needed last first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn images(&self, limit: u32) -> Result<Vec<ImageView>, Error> {
        images::list(&self.shared, limit).await
    }

    /// Shows one image, by its key or the beginning of it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none, or more than one.
    pub async fn image(&self, key: &str) -> Result<ImageView, Error> {
        images::one(&self.shared, key).await
    }

    /// Reads the log of the last making of an image. With `follow`, goes on until that has ended.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such image.
    pub async fn image_log(&self, key: &str, follow: bool) -> Result<LogStream, Error> {
        images::log(&self.shared, key, follow).await
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
        let names = self.shared.store.read(repositories::all_names).await.unwrap_or_default();
        problems.extend(self.shared.traffic.problems(|id| match names.get(&id) {
            Some(name) => name.clone(),
            None => format!("repository {id}"),
        }));
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

fn unreadable(error: std::io::Error) -> Error {
    Error::Unavailable(Box::new(error))
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
