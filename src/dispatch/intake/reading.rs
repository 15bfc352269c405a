//! Finds out what a delivery leads to: fetches the commit, reads conducto.cfg and definition files from it. Writes nothing.

use std::sync::Arc;

use tokio_util::bytes::Bytes;

use super::{
    asking,
    cfg_file::{self, CFG, CfgAtCommit},
    changing,
    duplicates::settle,
    launching::launch,
    own, schedules, tip,
    writing::Conclusion,
};
use crate::{
    definition,
    dispatch::{ForkPolicy, feedback, shared::Shared},
    forge::{self, Envelope, Malformed, Parsed, Source, Verified},
    git::{self, FileAtCommit, MirrorName, Wanted},
    model::{Diagnostic, Hold, Launch, Trigger, TriggerKind},
    store::{
        Error,
        inbox::{self, Verdict, Waiting},
        repositories::Seen,
    },
};

/// How often a delivery is tried when something it needs does not answer; with the pauses between, about six hours.
pub(super) const TRIES: u32 = 40;

/// Why a delivery is not concluded now.
pub(super) enum Trouble {
    /// Try again later.
    Later(String),
    Store(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// What the payload of a delivery says.
pub(super) struct Message {
    pub(super) about: Envelope,
    asks: Result<Parsed, Malformed>,
}

impl Message {
    /// Reads the payload, all of it and once.
    pub(super) fn read(shared: &Shared, waiting: &mut Waiting) -> Self {
        let body = std::mem::take(&mut waiting.body);
        if waiting.source != inbox::GITHUB {
            let (about, asks) = own::read(&waiting.guid, &body);
            return Self { about, asks };
        }
        let body = Verified::from_inbox(Bytes::from(body));
        match forge::parse(&shared.options.forge_host, &waiting.event, &body) {
            Ok((about, parsed)) => Self { about, asks: Ok(parsed) },
            Err(malformed) => Self { about: Envelope::default(), asks: Err(malformed) },
        }
    }
}

/// Finds out what a delivery leads to.
pub(super) async fn conclude(
    shared: &Arc<Shared>,
    waiting: &Waiting,
    message: &Message,
) -> Result<Conclusion, Trouble> {
    if let Some((repository, installation)) = message.about.installation
        && !matches!(message.asks, Ok(Parsed::Changed(_)))
    {
        shared.parts.github.note_installation(repository, installation);
    }
    let concluded = |verdict, words: String| Conclusion { verdict: Some((verdict, words)), ..Conclusion::default() };
    match &message.asks {
        Err(malformed) => Ok(concluded(Verdict::Failed, malformed.to_string())),
        Ok(Parsed::Ping { .. }) => Ok(concluded(Verdict::Done, "ping: the hook works".into())),
        Ok(Parsed::Ignored { reason }) => Ok(concluded(Verdict::Ignored, reason.clone())),
        Ok(Parsed::Asked(ask)) => asking::answer(shared, waiting, ask).await,
        Ok(Parsed::Changed(change)) => Ok(changing::note(shared, change)),
        Ok(Parsed::Trigger(trigger, source)) => launches(shared, waiting, Trigger::clone(trigger), source).await,
    }
}

async fn launches(
    shared: &Arc<Shared>,
    waiting: &Waiting,
    mut trigger: Trigger,
    source: &Source,
) -> Result<Conclusion, Trouble> {
    let seen = Some(Seen { host: trigger.host.clone(), repository: trigger.repository.clone() });
    if let Some(verdict) = tip::complete(shared, waiting, &mut trigger).await? {
        return Ok(Conclusion { verdict: Some(verdict), seen, ..Conclusion::default() });
    }
    let dedupe_key = Some(trigger.dedupe_key());
    let mut conclusion = Conclusion { dedupe_key, seen, ..Conclusion::default() };
    if foreign_to(&trigger).is_some() && shared.options.forks.of(&trigger.repository.full_name) == ForkPolicy::Never {
        let words = "the code comes from a fork, and this repository runs none of forks (`github.forks`)".to_owned();
        conclusion.verdict = Some((Verdict::Ignored, words));
        return Ok(conclusion);
    }
    let mirror = MirrorName { host: trigger.host.clone(), id: trigger.repository.id };
    let refuse = |mut conclusion: Conclusion, section: &str, words: String, mistakes: &[Diagnostic]| {
        let refusal = feedback::refusal(&shared.options, &trigger, section, &waiting.guid, &words, mistakes);
        conclusion.messages.extend(refusal);
        conclusion.verdict = Some((Verdict::Failed, words));
        conclusion
    };
    if let Err((sha, error)) = fetch(shared, &trigger, source).await {
        let words = format!("commit {} cannot be fetched: {error}", short(&sha));
        if error.is_passing() && waiting.attempts < TRIES {
            return Err(Trouble::Later(words));
        }
        return Ok(refuse(conclusion, trigger.event_name(), words, &[]));
    }
    let skipped = skipped(shared, &mirror, &trigger).await?;
    let is_default = schedules::is_at_default_branch(&trigger);
    if !is_default {
        conclusion.schedules = schedules::first_look(shared, &trigger).await;
    }
    let cfg_sha = cfg_sha(&trigger);
    let (name, cfg, mut diagnostics) = match cfg_at(shared, &mirror, cfg_sha).await? {
        CfgAtCommit::Found { name, cfg, diagnostics } => (name, cfg, diagnostics),
        CfgAtCommit::Missing => {
            if is_default {
                conclusion.schedules = Some(Vec::new());
            }
            // A repository that does not use Conducto hears nothing of it.
            let words = format!("there is no {CFG} at the root of commit {}", short(cfg_sha));
            conclusion.verdict = Some((Verdict::Ignored, words));
            return Ok(conclusion);
        }
        CfgAtCommit::Unusable(words) => return Ok(refuse(conclusion, trigger.event_name(), words, &[])),
    };
    if is_default {
        // While it holds a mistake, what it said before goes on.
        conclusion.schedules = cfg.as_ref().map(schedules::of);
    }
    if let Some(words) = skipped {
        let answer = cfg.as_ref().map(|cfg| definition::matching(cfg, &trigger, None));
        for section in answer.iter().flat_map(|answer| &answer.launching) {
            let mark = feedback::skipped(&shared.options, &trigger, &section.name(), &waiting.guid, &words);
            conclusion.messages.extend(mark);
        }
        conclusion.verdict = Some((Verdict::Ignored, words));
        return Ok(conclusion);
    }
    let Some(cfg) = cfg else {
        conclusion.diagnostics = definition::text(&diagnostics, false);
        let words = definition::summary(&diagnostics).unwrap_or_else(|| format!("{name} cannot be read"));
        return Ok(refuse(conclusion, trigger.event_name(), words, &diagnostics));
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
            let refusal = feedback::refusal(&shared.options, &trigger, &name, &waiting.guid, &words, &found);
            conclusion.messages.extend(refusal);
            failures.push(format!("{name}: {words}"));
        }
        diagnostics.append(&mut found);
    }
    conclusion.diagnostics = definition::text(&diagnostics, false);
    let dropped = settle(shared, waiting, &trigger, &mut conclusion).await?;
    conclusion.verdict = Some(verdict(&trigger, &answer, &conclusion.launches, &dropped, &failures));
    Ok(conclusion)
}

fn verdict(
    trigger: &Trigger,
    answer: &definition::Answer<'_>,
    launches: &[Launch],
    dropped: &[String],
    failures: &[String],
) -> (Verdict, String) {
    let mut words: Vec<String> = Vec::new();
    if !launches.is_empty() {
        let list: Vec<String> = launches.iter().map(started).collect();
        let noun = if list.len() == 1 { "pipeline" } else { "pipelines" };
        let waits = if list.len() == 1 { "waits" } else { "wait" };
        let held = match launches.first().and_then(|launch| launch.hold) {
            Some(Hold::Approval) => format!(", which {waits} for approval: the code comes from a fork"),
            Some(Hold::Manual | Hold::Turn) | None => String::new(),
        };
        words.push(format!("started {noun} {}{held}", list.join(", ")));
    }
    words.extend_from_slice(dropped);
    words.extend_from_slice(failures);
    if answer.launching.is_empty() {
        words.push(definition::no_match_verdict(CFG, trigger));
        let event = trigger.event_name();
        let near = answer.still.iter().filter(|still| still.section.split('.').next() == Some(event));
        words.extend(near.map(ToString::to_string));
    }
    let verdict = match (failures.is_empty(), launches.is_empty()) {
        (false, _) => Verdict::Failed,
        (true, true) => Verdict::Ignored,
        (true, false) => Verdict::Done,
    };
    (verdict, words.join("; "))
}

fn started(launch: &Launch) -> String {
    let waits = match (launch.hold, &launch.turn) {
        (Some(Hold::Turn), Some(turn)) => format!(", which {}", turn.words(turn.behind.as_ref())),
        _ => String::new(),
    };
    format!("{} ({}){waits}", launch.pipeline, launch.section)
}

/// Returns the commit that a fork's code wants to be merged into; nothing for code of the repository itself.
pub(super) fn foreign_to(trigger: &Trigger) -> Option<&str> {
    match &trigger.kind {
        TriggerKind::PullRequest { from_fork: true, base_sha, .. } => Some(base_sha),
        _ => None,
    }
}

/// Returns the commit whose conducto.cfg counts: what runs for a fork, the repository itself decides.
fn cfg_sha(trigger: &Trigger) -> &str {
    foreign_to(trigger).unwrap_or(&trigger.sha)
}

/// Fetches what the trigger speaks of. Returns the commit that could not be had, and why.
async fn fetch(shared: &Shared, trigger: &Trigger, source: &Source) -> Result<(), (String, git::Error)> {
    let remote = tip::remote(shared, &trigger.host, &trigger.repository).await;
    let remote = remote.map_err(|error| (trigger.sha.clone(), error))?;
    // `HEAD` leads to the right commit and is no reference that a mirror could keep.
    let reference = Some(source.reference.clone()).filter(|reference| reference != "HEAD");
    let mut needed = vec![Wanted { sha: trigger.sha.clone(), reference }];
    if let TriggerKind::PullRequest { from_fork: true, base_sha, base, .. } = &trigger.kind {
        needed.push(Wanted { sha: base_sha.clone(), reference: Some(format!("refs/heads/{base}")) });
    }
    for wanted in needed {
        let fetched = shared.parts.mirrors.fetch(&remote, std::slice::from_ref(&wanted)).await;
        fetched.map_err(|error| (wanted.sha, error))?;
    }
    // Only needed to tell which files changed; after a force push the forge may have it no more.
    let other = match &trigger.kind {
        TriggerKind::Push { before, .. } => before.clone(),
        TriggerKind::PullRequest { from_fork: false, base_sha, .. } | TriggerKind::MergeGroup { base_sha, .. } => {
            Some(base_sha.clone())
        }
        _ => None,
    };
    if let Some(sha) = other
        && let Err(error) = shared.parts.mirrors.fetch(&remote, &[Wanted { sha, reference: None }]).await
    {
        tracing::info!(error = %error, "what changed is not known; every `paths` matches");
    }
    Ok(())
}

/// Says in words which marker asks that a push or a pull request starts nothing; nothing where none does.
async fn skipped(shared: &Shared, mirror: &MirrorName, trigger: &Trigger) -> Result<Option<String>, Trouble> {
    match &trigger.kind {
        TriggerKind::Push { .. } => {}
        TriggerKind::PullRequest { .. } => {
            if let Some(marker) = definition::skip_marker(&trigger.title) {
                return Ok(Some(format!("`{marker}` in the title of the pull request: nothing is started")));
            }
        }
        _ => return Ok(None),
    }
    let message = shared.parts.mirrors.commit_message(mirror, &trigger.sha).await;
    let message = message.map_err(|error| Trouble::Later(format!("the commit's message cannot be read: {error}")))?;
    let marker = definition::skip_marker(&message);
    Ok(marker.map(|marker| format!("`{marker}` in the message of commit {}: nothing is started", short(&trigger.sha))))
}

pub(super) async fn read(
    shared: &Shared,
    mirror: &MirrorName,
    sha: &str,
    path: &str,
    limit: usize,
) -> Result<FileAtCommit, Trouble> {
    let file = shared.parts.mirrors.read_file(mirror, sha, path, limit).await;
    file.map_err(|error| Trouble::Later(format!("{path} cannot be read: {error}")))
}

async fn cfg_at(shared: &Shared, mirror: &MirrorName, sha: &str) -> Result<CfgAtCommit, Trouble> {
    let found = cfg_file::read(shared, mirror, sha).await;
    found.map_err(|error| Trouble::Later(format!("{CFG} cannot be read: {error}")))
}

async fn changed_files(shared: &Shared, mirror: &MirrorName, trigger: &Trigger) -> Option<Vec<String>> {
    let mirrors = &shared.parts.mirrors;
    let changed = match &trigger.kind {
        TriggerKind::Push { before: Some(before), .. } => mirrors.changed_files(mirror, before, &trigger.sha).await,
        TriggerKind::PullRequest { base_sha, .. } | TriggerKind::MergeGroup { base_sha, .. } => {
            mirrors.changed_since_base(mirror, base_sha, &trigger.sha).await
        }
        _ => return None,
    };
    changed.unwrap_or_else(|error| {
        tracing::warn!(error = %error, "what changed cannot be told; every `paths` matches");
        None
    })
}

fn short(sha: &str) -> &str {
    sha.get(..8).unwrap_or(sha)
}
