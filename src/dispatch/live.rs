//! The task of one live pipeline: the only owner of its state. Decides, commits, and only then acts.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    action::{Receipt, Request, being_ended},
    answer,
    error::Error,
    feedback,
    find::find,
    glance::{self, Glance, ShapeKey},
    growth,
    notices::Watched,
    pool, recovery, registry, secrets,
    shared::Shared,
    start,
    view::{NodeView, PipelineView},
};
use crate::{
    clock,
    engine::{self, Pipeline},
    model::{
        Actor, Command, Effect, Event, Fence, Hold, Milestone, NodeIndex, NodePath, PipelineId, Recorded, WorkerId,
    },
    store::{self, outbox, pipelines},
};

/// How many messages at most share one commit.
const BATCH: usize = 64;

/// Where so many leaves are on their way, what workers say of them shares commits: one in so long.
const MANY: usize = 4;
const SHARED: Duration = Duration::from_millis(2);

/// How long a pipeline that has ended stays in memory for those who look at it.
const LINGER: Duration = Duration::from_secs(30);

/// What a pipeline can be asked.
pub(super) enum Message {
    /// Carry out a request. The key makes a repetition harmless.
    Ask { request: Request, key: Option<String>, reply: oneshot::Sender<Result<Receipt, Error>> },
    /// Give leaves of one queue to workers, as far as they still belong there.
    Lease { queue: pool::Queue, leases: Vec<pool::Lease> },
    /// Show yourself.
    Look { reply: oneshot::Sender<PipelineView> },
    /// Show one node.
    LookAt { path: NodePath, reply: oneshot::Sender<Result<NodeView, Error>> },
    /// Show all nodes at a glance; their names and places only where they are not these any more.
    Glance { known: Option<ShapeKey>, reply: oneshot::Sender<Glance> },
    /// Say which secrets this attempt can have, which a worker is about to begin.
    Claim { attempt: (Fence, WorkerId), reply: oneshot::Sender<Option<secrets::Claim>> },
    /// Tell the pool which workers have attempts of yours, and these what they are to do: they may have forgotten.
    Adopt { reply: oneshot::Sender<()> },
    /// Tell the world again what else it must do.
    Resume { reply: oneshot::Sender<()> },
}

pub(super) struct Live {
    shared: Arc<Shared>,
    id: PipelineId,
    pipeline: Pipeline,
    watched: Watched,
    committed_at: Instant,
}

impl Message {
    /// Says whether nobody notices when it waits a moment.
    fn can_wait(&self) -> bool {
        match self {
            Self::Ask { request: Request::Command(asked), .. } => asked.actor == Actor::Worker,
            Self::Lease { .. } => true,
            _ => false,
        }
    }
}

type Reply = (oneshot::Sender<Result<Receipt, Error>>, Result<Receipt, Error>);

/// Who wants to see what; answered after the commit, so that nobody sees what might not be kept.
enum Look {
    All(oneshot::Sender<PipelineView>),
    At(NodePath, oneshot::Sender<Result<NodeView, Error>>),
    Glance(Option<ShapeKey>, oneshot::Sender<Glance>),
    Claim((Fence, WorkerId), oneshot::Sender<Option<secrets::Claim>>),
}

/// What one batch of messages has led to, before it is committed.
#[derive(Default)]
struct Draft {
    events: Vec<Recorded>,
    replies: Vec<Reply>,
    keys: Vec<(String, u64)>,
    leases: Vec<pool::Lease>,
    refused: Vec<pool::Lease>,
}

impl Live {
    pub(super) fn new(shared: Arc<Shared>, pipeline: Pipeline) -> Self {
        let (id, watched) = (pipeline.launch().pipeline.clone(), Watched::of(&pipeline));
        Self { shared, id, pipeline, watched, committed_at: Instant::now() }
    }
}

/// Runs until the pipeline is over and nobody looks at it any more, or the server stops.
pub(super) async fn run(mut live: Live, mut messages: mpsc::Receiver<Message>) {
    let stop = live.shared.stop.clone();
    let mut batch = Vec::new();
    loop {
        let pause = live.pause();
        tokio::select! {
            count = messages.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return;
                }
                live.gather(&mut batch, &mut messages).await;
                if !live.take(std::mem::take(&mut batch)).await {
                    return;
                }
            }
            () = tokio::time::sleep(pause) => {
                if live.is_over() {
                    if live.shared.registry.retire(&live.id, &mut messages).await {
                        return;
                    }
                } else if !live.pass_deadline().await {
                    return;
                }
            }
            () = stop.cancelled() => return,
        }
    }
}

impl Live {
    /// Waits for more where many short leaves go by: each commit is a wait for the disk, and a round of messages.
    async fn gather(&self, batch: &mut Vec<Message>, messages: &mut mpsc::Receiver<Message>) {
        let due = self.committed_at + SHARED;
        while batch.len() < BATCH
            && batch.iter().all(Message::can_wait)
            && self.pipeline.live_attempts().nth(MANY - 1).is_some()
        {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(due) => return,
                count = messages.recv_many(batch, BATCH - batch.len()) => if count == 0 { return },
            }
        }
    }

    fn is_over(&self) -> bool {
        self.pipeline.finished().is_some() && self.pipeline.live_attempts().next().is_none()
    }

    /// Says whether another may begin now that waited for this one, or this one itself.
    fn may_give_way(&self) -> bool {
        let pipeline = &self.pipeline;
        pipeline.launch().turn.is_some()
            && (pipeline.finished().is_some() || pipeline.asleep().is_some() || pipeline.hold() == Some(Hold::Turn))
    }

    fn pause(&self) -> Duration {
        // The wall clock may jump; looking again now and then makes that harmless.
        const LOOK_AGAIN: Duration = Duration::from_secs(60);
        if self.is_over() {
            return LINGER;
        }
        let Some((due, _)) = self.pipeline.next_deadline() else { return LOOK_AGAIN };
        let left = due.duration_since(clock::now());
        Duration::try_from(left).unwrap_or(Duration::ZERO).min(LOOK_AGAIN)
    }

    async fn pass_deadline(&mut self) -> bool {
        let now = clock::now();
        let Some((_, node)) = self.pipeline.next_deadline().filter(|(due, _)| *due <= now) else { return true };
        let (reply, _answer) = oneshot::channel();
        let request = Command::DeadlinePassed { node }.by(Actor::Server).into();
        self.take(vec![Message::Ask { request, key: None, reply }]).await
    }

    /// Takes a batch of messages. Returns false when the state is lost and cannot be had back.
    async fn take(&mut self, batch: Vec<Message>) -> bool {
        let mut draft = Draft::default();
        let mut looks = Vec::new();
        let (mut adopt, mut resume) = (None, None);
        for message in batch {
            match message {
                Message::Ask { request, key, reply } => self.ask(request, key, reply, &mut draft).await,
                Message::Lease { queue, leases } => self.lease(&queue, leases, &mut draft).await,
                Message::Look { reply } => looks.push(Look::All(reply)),
                Message::LookAt { path, reply } => looks.push(Look::At(path, reply)),
                Message::Glance { known, reply } => looks.push(Look::Glance(known, reply)),
                Message::Claim { attempt, reply } => looks.push(Look::Claim(attempt, reply)),
                Message::Adopt { reply } => adopt = Some(reply),
                Message::Resume { reply } => resume = Some(reply),
            }
        }
        if !self.commit(draft).await {
            return false;
        }
        if let Some(reply) = adopt {
            self.adopt().await;
            // Whoever asked has gone away only when the server stops.
            reply.send(()).ok();
        }
        if let Some(reply) = resume {
            self.resume().await;
            reply.send(()).ok();
        }
        for look in looks {
            self.show(look);
        }
        true
    }

    /// Whoever asked may have gone away.
    fn show(&self, look: Look) {
        match look {
            Look::All(reply) => drop(reply.send(answer::pipeline(&self.shared, &self.pipeline))),
            Look::Claim(attempt, reply) => {
                drop(reply.send(secrets::claim(&self.shared, &self.pipeline, &attempt)));
            }
            Look::At(path, reply) => {
                let node = find(self.pipeline.definition(), &path);
                drop(reply.send(node.map(|node| answer::node_alone(&self.shared, &self.pipeline, node))));
            }
            Look::Glance(known, reply) => drop(reply.send(glance::look(&self.shared, &self.pipeline, known))),
        }
    }

    async fn ask(
        &mut self,
        request: Request,
        key: Option<String>,
        reply: oneshot::Sender<Result<Receipt, Error>>,
        draft: &mut Draft,
    ) {
        if let Some(key) = &key {
            // The same batch may hold the first request and its repetition.
            if let Some((_, seq)) = draft.keys.iter().find(|(known, _)| known == key) {
                let receipt = Receipt { seq: *seq, repeated: true, ..Receipt::default() };
                return draft.replies.push((reply, Ok(receipt)));
            }
            let key = key.clone();
            match self.shared.store.read(move |connection| pipelines::remembered(connection, &key)).await {
                Ok(None) => {}
                Ok(Some(seq)) => {
                    return drop(reply.send(Ok(Receipt { seq, repeated: true, ..Receipt::default() })));
                }
                Err(error) => return drop(reply.send(Err(error.into()))),
            }
        }
        let ended_before = matches!(request, Request::Action(..)).then(|| being_ended(&self.pipeline));
        let asked = match request.resolve(self.pipeline.definition()) {
            Ok(asked) => asked,
            Err(error) => return draft.replies.push((reply, Err(error))),
        };
        let asked = growth::read(&self.shared, &self.pipeline, asked).await;
        match engine::execute(&mut self.pipeline, clock::now(), &asked) {
            Ok(events) => {
                let seq = self.pipeline.seq();
                let receipt = match ended_before {
                    Some(before) => Receipt::of(&self.pipeline, &events, &before),
                    None => Receipt { seq, ..Receipt::default() },
                };
                draft.events.extend(events);
                draft.replies.push((reply, Ok(receipt)));
                draft.keys.extend(key.map(|key| (key, seq)));
            }
            // What it rests on may be in the draft, and come to nothing with it.
            Err(rejected) => draft.replies.push((reply, Err(rejected.into()))),
        }
    }

    /// Leases leaves that still wait in this queue: one that was edited meanwhile needs another worker.
    async fn lease(&mut self, queue: &pool::Queue, leases: Vec<pool::Lease>, draft: &mut Draft) {
        for lease in leases {
            let pool::Lease { node, fence, worker } = lease.clone();
            let belongs = start::queue(&self.shared.options, &self.pipeline, node) == *queue;
            let asked = Command::Lease { node, fence, worker: worker.clone() }.by(Actor::Server);
            let events = belongs.then(|| engine::execute(&mut self.pipeline, clock::now(), &asked).ok()).flatten();
            if let Some(events) = events {
                draft.events.extend(events);
                draft.leases.push(lease);
            } else {
                draft.refused.push(lease);
            }
        }
    }

    /// Commits a draft, acts, and answers. Returns false when the state is lost and cannot be had back.
    async fn commit(&mut self, draft: Draft) -> bool {
        let Draft { events, replies, keys, mut leases, refused } = draft;
        if events.is_empty() {
            self.answer(replies, refused).await;
            return true;
        }
        let written = self.write(&events, keys).await;
        self.committed_at = Instant::now();
        if let Err(error) = written {
            tracing::error!(pipeline = %self.id, error = %error, "a commit failed; the pipeline goes back to what is stored");
            let failure = Arc::new(error);
            for (reply, _) in replies {
                drop(reply.send(Err(Error::Unavailable(Box::new(Arc::clone(&failure))))));
            }
            leases.extend(refused);
            self.shared.tasks.spawn(pool::refuse(Arc::clone(&self.shared), leases));
            return match registry::load(&self.shared, &self.id).await {
                Ok(pipeline) => {
                    self.watched = Watched::of(&pipeline);
                    self.pipeline = pipeline;
                    true
                }
                Err(_) => false,
            };
        }
        self.shared.feed.publish(&self.id, &events);
        if self.may_give_way() {
            self.shared.turns.have_changed();
        }
        if events.iter().any(|recorded| matches!(recorded.event, Event::PipelineFinished { .. })) {
            let state = self.pipeline.state(NodeIndex::ROOT);
            let cause = super::cause::of_pipeline(&self.pipeline).unwrap_or_default();
            tracing::info!(pipeline = %self.id, state = %state, cause = %cause, "pipeline ended");
        }
        for recorded in &events {
            self.remark(&recorded.event).await;
            for effect in engine::effects(&self.pipeline, recorded) {
                self.act(effect).await;
            }
        }
        self.answer(replies, refused).await;
        true
    }

    async fn answer(&self, replies: Vec<Reply>, refused: Vec<pool::Lease>) {
        for pool::Lease { worker, fence, .. } in refused {
            self.shared.tell_pool(pool::Message::LeaseRefused { worker, fence, again: false }).await;
        }
        for (reply, answer) in replies {
            // Whoever asked may have gone away.
            drop(reply.send(answer));
        }
    }

    async fn write(&mut self, events: &[Recorded], keys: Vec<(String, u64)>) -> Result<(), store::Error> {
        let milestone = events.iter().flat_map(|recorded| engine::effects(&self.pipeline, recorded)).fold(
            None,
            |latest, effect| match (effect, latest) {
                // A beginning outweighs progress: people look for the mark at once.
                (Effect::Report(Milestone::Progress), Some(earlier)) => Some(earlier),
                (Effect::Report(milestone), _) => Some(milestone),
                (_, latest) => latest,
            },
        );
        let options = &self.shared.options;
        let summary = milestone.map(|milestone| feedback::messages(options, &self.pipeline, milestone));
        let mut messages = summary.unwrap_or_default();
        messages.extend(self.watched.look(options, &self.pipeline, events));
        let projection = answer::projection(&self.pipeline);
        let (id, events, now) = (self.id.clone(), events.to_vec(), clock::now());
        let is_due_earlier = self
            .shared
            .store
            .write(move |connection| {
                pipelines::append(connection, &id, &events, &projection)?;
                let mut is_due_earlier = false;
                for message in &messages {
                    is_due_earlier |= outbox::put(connection, message, now)?;
                }
                keys.iter().try_for_each(|(key, seq)| pipelines::remember(connection, key, *seq, now))?;
                Ok(is_due_earlier)
            })
            .await?;
        // Waking it costs a transaction: most commits change only what a message will say when its time has come.
        if is_due_earlier {
            self.shared.outbox_changed.notify_one();
        }
        Ok(())
    }

    /// Writes into the log of an attempt what is otherwise than its author asked for.
    async fn remark(&self, event: &Event) {
        let Event::AttemptLeased { node, fence, .. } = event else { return };
        let log = self.shared.log_path(&self.id, *fence);
        for words in start::remarks(&self.shared.options, &self.pipeline, *node) {
            if let Err(error) = self.shared.logs().notice(&log, clock::now(), format!("conducto: {words}")).await {
                tracing::warn!(pipeline = %self.id, error = %error, "a notice is lost");
            }
        }
    }

    async fn act(&self, effect: Effect) {
        let pipeline = self.id.clone();
        let message = match effect {
            Effect::Offer { node } => {
                let (options, isolates) = (&self.shared.options, self.shared.parts.executor.isolates());
                match start::refusal(options, isolates, &self.pipeline, node) {
                    None => pool::Message::Offer { queue: start::queue(options, &self.pipeline, node), node },
                    Some(message) => pool::Message::Refuse { pipeline, node, message },
                }
            }
            Effect::Withdraw { node } => pool::Message::Withdraw { pipeline, node },
            Effect::ReleaseGroup { node, generation } => pool::Message::ReleaseGroup { pipeline, node, generation },
            Effect::Start { node, fence, worker } => {
                let Some(start) = start::start(&self.shared, &self.pipeline, node, fence) else { return };
                pool::Message::Start { pipeline, worker, start: Box::new(start) }
            }
            Effect::Stop { fence, worker, reason } => pool::Message::Stop { pipeline, worker, fence, reason },
            Effect::Destroy { fence, worker, reason } => pool::Message::Destroy { pipeline, worker, fence, reason },
            // Written with the events themselves.
            Effect::Report(_) => return,
            Effect::Release => pool::Message::Release { pipeline },
        };
        self.shared.tell_pool(message).await;
    }

    /// After a start of the server: the pool gets to know who works at what.
    async fn adopt(&self) {
        let mut workers: BTreeMap<WorkerId, Vec<Fence>> = BTreeMap::new();
        let mut adopted = Vec::new();
        for (node, attempt) in self.pipeline.live_attempts() {
            // Recovery knows that there is no such worker any more, and says so.
            if self.shared.pipeline_of(&attempt.worker).is_none() {
                continue;
            }
            let (worker, fence) = (attempt.worker.clone(), attempt.fence);
            let queue =
                start::queue_of(&self.shared.options, &self.pipeline, attempt, self.pipeline.container_of(fence));
            let started = attempt.started_at.is_some();
            workers.entry(worker.clone()).or_default().push(fence);
            adopted.push((node, attempt));
            self.shared.tell_pool(pool::Message::Adopt { worker, queue, node, fence, started }).await;
        }
        for (worker, fences) in workers {
            recovery::listen(&self.shared, &worker, &fences);
        }
        for (node, attempt) in adopted {
            let (worker, fence) = (attempt.worker.clone(), attempt.fence);
            self.act(Effect::Start { node, fence, worker: worker.clone() }).await;
            let reason = engine::must_stop(&self.pipeline, node, attempt);
            if let Some(reason) = reason {
                self.act(Effect::Stop { fence, worker, reason }).await;
            }
        }
    }

    /// After a start of the server: everything else that the state says must be under way is ordered again.
    async fn resume(&self) {
        for (worker, queue) in recovery::kept_groups(&self.shared.options, &self.pipeline) {
            if self.shared.pipeline_of(&worker).is_none() {
                self.shared.enrol(worker.clone(), self.id.clone());
            }
            self.shared.tell_pool(pool::Message::AdoptGroup { worker: worker.clone(), queue }).await;
            recovery::listen(&self.shared, &worker, &[]);
        }
        for node in self.pipeline.queued_leaves() {
            self.act(Effect::Offer { node }).await;
        }
        if self.is_over() {
            self.act(Effect::Release).await;
        }
    }
}
