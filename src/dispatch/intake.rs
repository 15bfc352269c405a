//! From a stored delivery to pipelines: parse, fetch, read conducto.cfg at that commit, launch, write down the verdict.

use std::{collections::HashSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio_util::bytes::Bytes;

use super::{feedback, live, shared::Shared};
use crate::{
    clock,
    definition::{self, Section},
    engine::{self, Pipeline},
    forge::{self, Parsed, Source, Verified},
    git::{self, FileAtCommit, MirrorName, Remote, Wanted},
    model::{Actor, Diagnostic, Effect, Launch, Milestone, Recorded, Trigger, TriggerKind, Trust},
    store::{
        Error,
        inbox::{self, Verdict, Waiting},
        outbox::{self, NewMessage},
        pipelines,
    },
};

/// How many deliveries are dealt with at once.
const AT_ONCE: usize = 4;

/// How often a delivery is tried when something it needs does not answer; with the pauses below, about six hours.
const TRIES: u32 = 40;

const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Largest conducto.cfg, and largest definition file, in bytes.
const CFG_LIMIT: usize = 256 * 1024;
const DEFINITION_LIMIT: usize = 4 * 1024 * 1024;

/// Name of the configuration file, at the root of the repository.
const CFG: &str = "conducto.cfg";

/// What is to be written down about a delivery, all in one transaction.
#[derive(Default)]
struct Conclusion {
    verdict: Option<(Verdict, String)>,
    diagnostics: String,
    dedupe_key: Option<String>,
    launches: Vec<Launch>,
    messages: Vec<NewMessage>,
}

/// Why a delivery is not concluded now.
enum Trouble {
    /// Try again later.
    Later(String),
    Store(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// Deals with deliveries until the server stops.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut busy: HashSet<i64> = HashSet::new();
    let mut working = JoinSet::new();
    loop {
        let pause = match next(&shared, &busy, working.len()).await {
            Ok(Ok(waiting)) => {
                busy.insert(waiting.seq);
                let shared = Arc::clone(&shared);
                working.spawn(async move {
                    let seq = waiting.seq;
                    deal_with(&shared, waiting).await;
                    seq
                });
                continue;
            }
            Ok(Err(pause)) => pause,
            Err(Error::Closed) => return,
            Err(error) => {
                tracing::error!(error = %error, "the inbox cannot be read");
                LOOK_AGAIN
            }
        };
        tokio::select! {
            () = shared.inbox_changed.notified() => {}
            Some(done) = working.join_next() => match done {
                Ok(seq) => drop(busy.remove(&seq)),
                Err(error) => {
                    tracing::error!(error = %error, "dealing with a delivery ended badly");
                    busy.clear();
                }
            },
            () = tokio::time::sleep(pause) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

/// Returns the next delivery that is due, or how long there is none.
async fn next(shared: &Shared, busy: &HashSet<i64>, working: usize) -> Result<Result<Waiting, Duration>, Error> {
    if working >= AT_ONCE {
        return Ok(Err(LOOK_AGAIN));
    }
    let (now, busy) = (clock::now(), busy.clone());
    let found = shared
        .store
        .read(move |connection| {
            let due = inbox::next_due(connection, now, &busy)?;
            Ok(match due {
                Some(waiting) => Ok(waiting),
                None => Err(inbox::next_due_at(connection, &busy)?),
            })
        })
        .await?;
    Ok(found.map_err(|due| {
        let left = due.map(|due| Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO));
        left.unwrap_or(LOOK_AGAIN).clamp(Duration::from_millis(10), LOOK_AGAIN)
    }))
}

#[tracing::instrument(skip_all, fields(delivery = %waiting.guid, event = %waiting.event))]
async fn deal_with(shared: &Arc<Shared>, waiting: Waiting) {
    let mut attempt = 0;
    loop {
        let concluded = match conclude(shared, &waiting).await {
            Ok(conclusion) => write_down(shared, waiting.seq, conclusion).await.map_err(Trouble::Store),
            Err(trouble) => Err(trouble),
        };
        match concluded {
            Ok(()) => return,
            // An id was taken: the next draw will hardly be.
            Err(Trouble::Store(Error::Conflict(_))) if attempt < 5 => attempt += 1,
            Err(Trouble::Later(words)) => return put_off(shared, &waiting, words).await,
            Err(Trouble::Store(error)) => return put_off(shared, &waiting, error.to_string()).await,
        }
    }
}

async fn put_off(shared: &Shared, waiting: &Waiting, words: String) {
    let pause = Duration::from_secs(2_u64.saturating_pow(waiting.attempts.min(9) + 1).min(600));
    let (seq, until) = (waiting.seq, clock::now() + pause);
    tracing::warn!(reason = %words, "a delivery is put off");
    let words = format!("will be tried again: {words}");
    if let Err(error) = shared.store.write(move |connection| inbox::postpone(connection, seq, until, &words)).await {
        tracing::error!(error = %error, "a delivery cannot be put off");
    }
}

async fn conclude(shared: &Arc<Shared>, waiting: &Waiting) -> Result<Conclusion, Trouble> {
    let body = Verified::from_inbox(Bytes::from(waiting.body.clone()));
    let ignored = |words: String| Conclusion { verdict: Some((Verdict::Ignored, words)), ..Conclusion::default() };
    match forge::parse(&shared.options.forge_host, &waiting.event, &body) {
        Err(malformed) => {
            Ok(Conclusion { verdict: Some((Verdict::Failed, malformed.to_string())), ..Conclusion::default() })
        }
        Ok(Parsed::Ping { .. }) => {
            Ok(Conclusion { verdict: Some((Verdict::Done, "ping: the hook works".into())), ..Conclusion::default() })
        }
        Ok(Parsed::Ignored { reason }) => Ok(ignored(reason)),
        Ok(Parsed::Trigger(trigger, source)) => match &trigger.kind {
            TriggerKind::PullRequest { number, from_fork: true, .. } => Ok(ignored(format!(
                "pull request #{number} comes from a fork: it is stored, and not run by this release"
            ))),
            _ => launches(shared, waiting, *trigger, &source).await,
        },
    }
}

async fn launches(
    shared: &Arc<Shared>,
    waiting: &Waiting,
    trigger: Trigger,
    source: &Source,
) -> Result<Conclusion, Trouble> {
    let mut conclusion = Conclusion { dedupe_key: Some(trigger.dedupe_key()), ..Conclusion::default() };
    let mirror = MirrorName { host: trigger.host.clone(), id: trigger.repository.id };
    let refuse = |mut conclusion: Conclusion, section: &str, words: String| {
        conclusion.messages.extend(feedback::refusal(&shared.options, &trigger, section, &waiting.guid, &words));
        conclusion.verdict = Some((Verdict::Failed, words));
        conclusion
    };
    if let Err(error) = fetch(shared, &mirror, &trigger, source).await {
        let words = format!("commit {} cannot be fetched: {error}", short(&trigger.sha));
        if error.is_passing() && waiting.attempts < TRIES {
            return Err(Trouble::Later(words));
        }
        return Ok(refuse(conclusion, trigger.event_name(), words));
    }
    let text = match read(shared, &mirror, &trigger.sha, CFG, CFG_LIMIT).await? {
        FileAtCommit::Found(text) => text,
        FileAtCommit::Missing => {
            // A repository that does not use Conducto hears nothing of it.
            let words = format!("there is no {CFG} at the root of commit {}", short(&trigger.sha));
            conclusion.verdict = Some((Verdict::Ignored, words));
            return Ok(conclusion);
        }
        FileAtCommit::NotAFile(what) => {
            return Ok(refuse(conclusion, trigger.event_name(), format!("{CFG} is {what}, not a file")));
        }
        FileAtCommit::TooLarge(bytes) => {
            let words = format!("{CFG} has {bytes} bytes; at most {CFG_LIMIT} are read");
            return Ok(refuse(conclusion, trigger.event_name(), words));
        }
    };
    let (cfg, mut diagnostics) = definition::read_cfg(CFG, &text);
    let Some(cfg) = cfg else {
        conclusion.diagnostics = definition::text(&diagnostics, false);
        let words = definition::summary(&diagnostics).unwrap_or_else(|| format!("{CFG} cannot be read"));
        return Ok(refuse(conclusion, trigger.event_name(), words));
    };
    let changed = changed_files(shared, &mirror, &trigger).await;
    let answer = definition::matching(&cfg, &trigger, changed.as_deref());
    let mut failures = Vec::new();
    for section in &answer.launching {
        let (launch, mut found) = launch(shared, &mirror, &trigger, section).await?;
        if let Some(launch) = launch {
            conclusion.launches.push(launch);
        } else {
            let words = definition::summary(&found).unwrap_or_else(|| "the definition cannot be read".to_owned());
            let name = section.name();
            conclusion.messages.extend(feedback::refusal(&shared.options, &trigger, &name, &waiting.guid, &words));
            failures.push(format!("{name}: {words}"));
        }
        diagnostics.append(&mut found);
    }
    conclusion.diagnostics = definition::text(&diagnostics, false);
    conclusion.verdict = Some(verdict(&trigger, &answer, &conclusion.launches, &failures));
    Ok(conclusion)
}

fn verdict(
    trigger: &Trigger,
    answer: &definition::Answer<'_>,
    launches: &[Launch],
    failures: &[String],
) -> (Verdict, String) {
    let mut words: Vec<String> = Vec::new();
    if !launches.is_empty() {
        let list: Vec<String> =
            launches.iter().map(|launch| format!("{} ({})", launch.pipeline, launch.section)).collect();
        let noun = if list.len() == 1 { "pipeline" } else { "pipelines" };
        words.push(format!("started {noun} {}", list.join(", ")));
    }
    words.extend_from_slice(failures);
    if answer.launching.is_empty() {
        words.push(definition::no_match_verdict(CFG, trigger));
        let event = trigger.event_name();
        let near = answer.still.iter().filter(|still| still.section.split('.').next() == Some(event));
        words.extend(near.map(ToString::to_string));
    }
    let verdict = match (failures.is_empty(), answer.launching.is_empty()) {
        (false, _) => Verdict::Failed,
        (true, true) => Verdict::Ignored,
        (true, false) => Verdict::Done,
    };
    (verdict, words.join("; "))
}

/// Makes the launch of one section, or says what is wrong with its definition.
async fn launch(
    shared: &Arc<Shared>,
    mirror: &MirrorName,
    trigger: &Trigger,
    section: &Section,
) -> Result<(Option<Launch>, Vec<Diagnostic>), Trouble> {
    let file = read(shared, mirror, &trigger.sha, &section.pipeline, DEFINITION_LIMIT).await?;
    let (definition, diagnostics) = match file {
        FileAtCommit::Found(text) => definition::read_pipeline(&section.pipeline, &text),
        FileAtCommit::Missing => (None, vec![section.missing_file()]),
        FileAtCommit::NotAFile(what) => (None, vec![unusable(section, &format!("is {what}, not a file"))]),
        FileAtCommit::TooLarge(bytes) => {
            let words = format!("has {bytes} bytes; at most {DEFINITION_LIMIT} are read");
            (None, vec![unusable(section, &words)])
        }
    };
    let launch = definition.map(|definition| Launch {
        pipeline: clock::new_pipeline_id(),
        definition,
        title: match trigger.title.as_str() {
            "" => trigger.describe(),
            title => title.to_owned(),
        },
        section: section.name(),
        trigger: trigger.clone(),
        slack_channel: section.slack_channel.clone(),
        trust: Trust::Trusted,
    });
    Ok((launch, diagnostics))
}

fn unusable(section: &Section, words: &str) -> Diagnostic {
    let message = format!("the definition file `{}` {words}", section.pipeline);
    Diagnostic { message, ..section.missing_file() }
}

async fn fetch(shared: &Shared, mirror: &MirrorName, trigger: &Trigger, source: &Source) -> Result<(), git::Error> {
    let remote = Remote {
        name: mirror.clone(),
        url: format!("{}/{}.git", shared.options.git_url, trigger.repository.full_name),
        token: shared.options.forge_token.clone(),
    };
    let head = Wanted { sha: trigger.sha.clone(), reference: Some(source.reference.clone()) };
    shared.parts.mirrors.fetch(&remote, &[head]).await?;
    // Only needed to tell which files changed; after a force push the forge may have it no more.
    let other = match &trigger.kind {
        TriggerKind::Push { before, .. } => before.clone(),
        TriggerKind::PullRequest { base_sha, .. } => Some(base_sha.clone()),
        TriggerKind::Tag { .. } => None,
    };
    if let Some(sha) = other
        && let Err(error) = shared.parts.mirrors.fetch(&remote, &[Wanted { sha, reference: None }]).await
    {
        tracing::info!(error = %error, "what changed is not known; every `paths` matches");
    }
    Ok(())
}

async fn read(
    shared: &Shared,
    mirror: &MirrorName,
    sha: &str,
    path: &str,
    limit: usize,
) -> Result<FileAtCommit, Trouble> {
    let file = shared.parts.mirrors.read_file(mirror, sha, path, limit).await;
    file.map_err(|error| Trouble::Later(format!("{path} cannot be read: {error}")))
}

async fn changed_files(shared: &Shared, mirror: &MirrorName, trigger: &Trigger) -> Option<Vec<String>> {
    let mirrors = &shared.parts.mirrors;
    let changed = match &trigger.kind {
        TriggerKind::Push { before: Some(before), .. } => mirrors.changed_files(mirror, before, &trigger.sha).await,
        TriggerKind::PullRequest { base_sha, .. } => mirrors.changed_since_base(mirror, base_sha, &trigger.sha).await,
        TriggerKind::Push { before: None, .. } | TriggerKind::Tag { .. } => return None,
    };
    changed.unwrap_or_else(|error| {
        tracing::warn!(error = %error, "what changed cannot be told; every `paths` matches");
        None
    })
}

/// Commits everything that a delivery leads to, at once: after a crash it has led to all of it or to nothing.
async fn write_down(shared: &Arc<Shared>, seq: i64, conclusion: Conclusion) -> Result<(), Error> {
    let now = clock::now();
    let Conclusion { verdict, diagnostics, dedupe_key, launches, messages } = conclusion;
    let (verdict, words) = verdict.unwrap_or((Verdict::Ignored, String::new()));
    let born: Vec<(Pipeline, Vec<Recorded>)> = launches
        .into_iter()
        .map(|launch| {
            let actor = Actor::Forge { login: launch.trigger.sender.clone() };
            engine::launch(launch, now, actor)
        })
        .collect();
    let rows: Vec<Row> = born.iter().map(|(pipeline, events)| row(shared, pipeline, events)).collect();
    let counted = verdict;
    let is_claimed = shared
        .store
        .write(move |connection| {
            if let Some(key) = dedupe_key
                && let Some(earlier) = inbox::claim_trigger(connection, &key, seq)?
            {
                let words = format!("the same event as delivery {earlier}");
                inbox::conclude(connection, seq, Verdict::Ignored, &words, "")?;
                return Ok(false);
            }
            for row in &rows {
                row.write(connection, seq, now)?;
            }
            for message in &messages {
                outbox::put(connection, message, now)?;
            }
            inbox::conclude(connection, seq, verdict, &words, &diagnostics)?;
            Ok(true)
        })
        .await?;
    metrics::counter!("conducto_deliveries_concluded_total", "verdict" => format!("{counted:?}").to_lowercase())
        .increment(1);
    if is_claimed {
        for (pipeline, events) in born {
            tracing::info!(pipeline = %pipeline.launch().pipeline, section = %pipeline.launch().section, "pipeline started");
            let id = pipeline.launch().pipeline.clone();
            shared.feed.publish(&id, &events);
            let sender = shared.registry.insert(shared, pipeline).await;
            // A closed door means that the server stops; recovery goes on from what is committed.
            drop(sender.send(live::Message::Resume).await);
        }
    }
    shared.outbox_changed.notify_one();
    Ok(())
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
    Row {
        launch: pipeline.launch().clone(),
        uuid: clock::new_uuid(),
        events: events.to_vec(),
        projection: super::answer::projection(pipeline),
        messages: feedback::messages(&shared.options, pipeline, milestone),
    }
}

impl Row {
    fn write(&self, connection: &rusqlite::Connection, seq: i64, now: Timestamp) -> Result<(), Error> {
        pipelines::create(connection, &self.launch, Some(seq), self.uuid, now)?;
        pipelines::append(connection, &self.launch.pipeline, &self.events, &self.projection)?;
        self.messages.iter().try_for_each(|message| outbox::put(connection, message, now))
    }
}

fn short(sha: &str) -> &str {
    sha.get(..8).unwrap_or(sha)
}
