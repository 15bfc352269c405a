//! Commits what a delivery leads to, all at once: after a crash it has led to all of it or to nothing.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{OwnedMutexGuard, oneshot};

use crate::{
    clock,
    dispatch::{answer, feedback, live, notices, pool, shared::Shared},
    engine::{self, Pipeline},
    forge::Envelope,
    model::{Actor, Effect, Launch, Milestone, PipelineId, Recorded, Trigger, TriggerKind},
    store::{
        self, Error,
        inbox::{self, Verdict},
        outbox::{self, NewMessage},
        pipelines,
        repositories::{self, Seen},
        schedules::{self, NewSchedule},
    },
};

/// What is to be written down about a delivery, all in one transaction.
#[derive(Default)]
pub(super) struct Conclusion {
    pub(super) verdict: Option<(Verdict, String)>,
    pub(super) diagnostics: String,
    pub(super) dedupe_key: Option<String>,
    pub(super) launches: Vec<Launch>,
    pub(super) messages: Vec<NewMessage>,
    /// The repository it is about.
    pub(super) seen: Option<Seen>,
    /// Where the App is installed, and where it is no more.
    pub(super) installed: Vec<Installed>,
    /// The schedules of that repository, where they were read.
    pub(super) schedules: Option<Vec<NewSchedule>>,
    /// Held where it rests on who else is at work.
    pub(super) turns: Option<OwnedMutexGuard<()>>,
}

/// What was heard of an installation of the App.
pub(super) enum Installed {
    /// It is gone.
    Gone(u64),
    /// It has a repository, or none has.
    At(u64, Option<u64>),
}

/// Commits everything that a delivery leads to, at once: after a crash it has led to all of it or to nothing.
pub(super) async fn write_down(
    shared: &Arc<Shared>,
    seq: i64,
    about: &Envelope,
    conclusion: Conclusion,
) -> Result<(), Error> {
    let (now, about) = (clock::now(), about.clone());
    let Conclusion { verdict, diagnostics, dedupe_key, launches, messages, seen, mut installed, schedules, turns } =
        conclusion;
    let host = shared.options.forge_host.clone();
    if let (Some((repository, installation)), true) = (about.installation, installed.is_empty()) {
        installed.push(Installed::At(repository, Some(installation)));
    }
    let has_schedules = schedules.is_some();
    let (verdict, words) = verdict.unwrap_or((Verdict::Ignored, String::new()));
    let born: Vec<(Pipeline, Vec<Recorded>)> = launches
        .into_iter()
        .map(|launch| {
            let actor = actor(&launch.trigger);
            engine::launch(launch, now, actor)
        })
        .collect();
    let rows: Vec<Row> = born.iter().map(|(pipeline, events)| row(shared, pipeline, events)).collect();
    let (counted, said) = (verdict, words.clone());
    let tells_the_world = !messages.is_empty() || rows.iter().any(|row| !row.messages.is_empty());
    let ids: Vec<PipelineId> = born.iter().map(|(pipeline, _)| pipeline.launch().pipeline.clone()).collect();
    let written = shared
        .store
        .write(move |connection| {
            inbox::describe(connection, seq, about.repository.as_deref(), about.action.as_deref())?;
            if let Some(Seen { host, repository }) = &seen {
                repositories::note(connection, host, repository)?;
                if let Some(found) = &schedules {
                    schedules::replace(connection, host, repository.id, seq, found)?;
                }
            }
            for one in &installed {
                match one {
                    Installed::Gone(installation) => repositories::uninstall(connection, &host, *installation)?,
                    Installed::At(repository, installation) => {
                        repositories::install(connection, &host, *repository, *installation)?;
                    }
                }
            }
            if let Some(key) = dedupe_key
                && let Some(earlier) = inbox::claim_trigger(connection, &key, seq)?
            {
                let words = format!("the same event as delivery {earlier}");
                inbox::conclude(connection, seq, Verdict::Ignored, &words, "")?;
                return Ok(false);
            }
            for row in &rows {
                row.write(connection, Some(seq), now)?;
            }
            for message in &messages {
                outbox::put(connection, message, now)?;
            }
            inbox::conclude(connection, seq, verdict, &words, &diagnostics)?;
            Ok(true)
        })
        .await;
    if !matches!(written, Ok(true)) {
        // What may have been ready for them is for nobody now.
        for pipeline in ids {
            shared.tell_pool(pool::Message::DropSpare { pipeline }).await;
        }
    }
    let is_claimed = written?;
    metrics::counter!("conducto_deliveries_concluded_total", "verdict" => format!("{counted:?}").to_lowercase())
        .increment(1);
    tracing::info!(verdict = ?counted, words = %said, "delivery concluded");
    if is_claimed {
        for (pipeline, events) in born {
            begin(shared, pipeline, &events).await;
        }
    }
    if has_schedules {
        shared.schedules_changed.notify_one();
    }
    if turns.is_some() {
        shared.turns.have_changed();
    }
    drop(turns);
    // Waking it costs a transaction.
    if tells_the_world {
        shared.outbox_changed.notify_one();
    }
    Ok(())
}

/// Commits a pipeline that no delivery leads to, and lets it begin.
pub(super) async fn bring(shared: &Arc<Shared>, launch: Launch, actor: Actor) -> Result<PipelineId, Error> {
    let now = clock::now();
    let (pipeline, events) = engine::launch(launch, now, actor);
    let (id, row) = (pipeline.launch().pipeline.clone(), row(shared, &pipeline, &events));
    shared.store.write(move |connection| row.write(connection, None, now)).await?;
    begin(shared, pipeline, &events).await;
    Ok(id)
}

/// Lets a pipeline begin that is committed.
async fn begin(shared: &Arc<Shared>, pipeline: Pipeline, events: &[Recorded]) {
    tracing::info!(pipeline = %pipeline.launch().pipeline, section = %pipeline.launch().section, "pipeline started");
    let id = pipeline.launch().pipeline.clone();
    shared.feed.publish(&id, events);
    let sender = shared.registry.insert(shared, pipeline).await;
    // A closed door means that the server stops; recovery goes on from what is committed.
    let (reply, _) = oneshot::channel();
    drop(sender.send(live::Message::Resume { reply }).await);
}

/// Returns who or what has brought a pipeline into being.
fn actor(trigger: &Trigger) -> Actor {
    match &trigger.kind {
        TriggerKind::Cron { .. } => Actor::Server,
        TriggerKind::Manual { .. } => Actor::Token { name: trigger.sender.clone() },
        _ => Actor::Forge { login: trigger.sender.clone() },
    }
}

/// Everything a new pipeline needs in the store.
struct Row {
    launch: Launch,
    uuid: uuid::Uuid,
    events: Vec<Recorded>,
    projection: pipelines::Projection,
    messages: Vec<NewMessage>,
}

fn row(shared: &Shared, pipeline: &Pipeline, events: &[Recorded]) -> Row {
    let effects = events.iter().flat_map(|recorded| engine::effects(pipeline, recorded));
    let milestones = effects.filter_map(|effect| match effect {
        Effect::Report(milestone) => Some(milestone),
        _ => None,
    });
    // A pipeline without a leaf is born finished; then its end is the news.
    let milestone = milestones.fold(Milestone::Begun, |_, latest| latest);
    let mut messages = feedback::messages(&shared.options, pipeline, milestone);
    messages.extend(notices::of_new(&shared.options, pipeline));
    Row {
        launch: pipeline.launch().clone(),
        uuid: clock::new_uuid(),
        events: events.to_vec(),
        projection: answer::projection(pipeline),
        messages,
    }
}

impl Row {
    fn write(&self, connection: &store::Connection, seq: Option<i64>, now: Timestamp) -> Result<(), Error> {
        pipelines::create(connection, &self.launch, seq, self.uuid, now)?;
        pipelines::append(connection, &self.launch.pipeline, &self.events, &self.projection)?;
        self.messages.iter().try_for_each(|message| outbox::put(connection, message, now).map(drop))
    }
}
