//! Launches what a working copy on this machine says, as it lies there: no delivery, no forge, nothing of it is told to anybody.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::{
    cfg_file::{self, CFG, CfgAtCommit},
    launching,
    reading::Trouble,
    writing::bring,
};
use crate::{
    clock,
    definition::{self, Cfg, Event, Section},
    dispatch::{NoLaunch, shared::Shared},
    git::{self, MirrorName, Snapshot, WorkingCopy},
    model::{Actor, Hold, LOCAL, Launch, NodeIndex, Repository, Trigger, TriggerKind},
    store,
};

/// How often to draw other pipeline ids when one is taken.
const DRAWS: u32 = 5;

/// Numbers of repositories travel through JSON, where they are exact up to 53 bits.
const ID_BITS: u32 = 52;

/// What somebody on this machine asks for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LocalRequest {
    /// Absolute path of a folder in the working copy.
    #[schema(value_type = String)]
    pub folder: PathBuf,
    /// An event, as in `push`: every section that matches is launched. Or one section, as in `push.release`.
    pub section: String,
    /// Branch it happens on; the one that the working copy is on if absent.
    pub branch: Option<String>,
    /// Branch that a pull request or a merge group wants to go to.
    pub base: Option<String>,
    /// Tag it is about.
    pub tag: Option<String>,
    /// What is given for the section's parameters.
    #[schema(value_type = Object)]
    pub parameters: BTreeMap<String, Value>,
    /// Text that counts in place of the conducto.cfg of the working copy.
    pub cfg: Option<String>,
    /// Files that are added to the snapshot, by their paths in it.
    pub files: BTreeMap<String, String>,
    /// Login of whoever asks.
    pub user: String,
    /// Image of nodes for which nothing names one.
    pub image: Option<String>,
    /// Where its nodes must run, `docker` or `process`; wherever this server runs them if absent.
    pub executor: Option<String>,
    /// Whether it waits to be started.
    pub hold: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LocalLaunch {
    /// The pipelines; none where a mistake stands in the way.
    pub pipelines: Vec<String>,
    /// Mistakes, and what else is to be said of the files, with the lines they stand in.
    pub diagnostics: String,
    /// How many files differ from the commit that the working copy is at.
    pub changed: usize,
    /// Id of the commit that was made of the working copy.
    pub sha: String,
}

/// Launches what is asked for.
pub(in crate::dispatch) async fn launch(
    shared: &Arc<Shared>,
    request: LocalRequest,
    actor: &Actor,
) -> Result<LocalLaunch, NoLaunch> {
    let runs = shared.parts.executor.name();
    if let Some(wanted) = request.executor.as_deref()
        && wanted != runs
    {
        let words = format!("nodes run in `{runs}` here, and `{wanted}` is asked for");
        return Err(NoLaunch::Unusable(words));
    }
    let copy = find(request.folder.clone()).await?;
    let mirror = MirrorName { host: LOCAL.to_owned(), id: number(&copy.root) };
    let taken = shared.parts.mirrors.snapshot(&mirror, &copy.root, request.files.clone()).await;
    let snapshot = taken.map_err(|error| NoLaunch::Unusable(format!("{}: {error}", copy.root.display())))?;
    let mut answer = LocalLaunch { changed: snapshot.changed, sha: snapshot.sha.clone(), ..LocalLaunch::default() };
    let (cfg, mut diagnostics) = match &request.cfg {
        Some(text) => definition::read_cfg(CFG, text.as_bytes()),
        None => read(shared, &mirror, &snapshot.sha).await?,
    };
    let Some(cfg) = cfg else {
        return Ok(LocalLaunch { diagnostics: definition::text(&diagnostics, false), ..answer });
    };
    let (trigger, sections) = meant(&cfg, &request, &copy, &snapshot, mirror.id)?;
    let mut launches = Vec::new();
    for section in sections {
        let (launch, found) = launching::launch(shared, &mirror, &trigger, section).await.map_err(trouble)?;
        launches.push(launch);
        diagnostics.extend(found);
    }
    answer.diagnostics = definition::text(&diagnostics, false);
    let Some(launches) = launches.into_iter().collect::<Option<Vec<Launch>>>() else { return Ok(answer) };
    for mut launch in launches {
        launch.hold = request.hold.then_some(Hold::Manual);
        // Whoever runs it twice means it.
        launch.turn = None;
        let settings = launch.definition.settings_mut(NodeIndex::ROOT);
        settings.image = settings.image.take().or_else(|| request.image.clone().map(Into::into));
        answer.pipelines.push(begin(shared, launch, actor).await?);
    }
    Ok(answer)
}

async fn begin(shared: &Arc<Shared>, mut launch: Launch, actor: &Actor) -> Result<String, NoLaunch> {
    for _ in 0..DRAWS {
        match bring(shared, launch.clone(), actor.clone()).await {
            Err(store::Error::Conflict(_)) => launch.pipeline = clock::new_pipeline_id(),
            brought => return Ok(brought?.to_string()),
        }
    }
    Err(NoLaunch::Unusable("no id is free for another pipeline".to_owned()))
}

async fn find(folder: PathBuf) -> Result<WorkingCopy, NoLaunch> {
    let found = tokio::task::spawn_blocking(move || git::working_copy(&folder)).await;
    let found = found.map_err(|_| NoLaunch::Unusable("the working copy cannot be looked at".to_owned()))?;
    found.map_err(|error| match error {
        git::Error::NotFound(words) | git::Error::Refused(words) => NoLaunch::NotFound(words),
        error => NoLaunch::Unusable(error.to_string()),
    })
}

/// A working copy has no number from a forge; its place has to do.
fn number(root: &Path) -> u64 {
    let digest = Sha256::digest(root.as_os_str().as_encoded_bytes());
    let first = digest.iter().take(8).fold(0, |number: u64, byte| (number << 8) | u64::from(*byte));
    first >> (u64::BITS - ID_BITS)
}

async fn read(
    shared: &Shared,
    mirror: &MirrorName,
    sha: &str,
) -> Result<(Option<Cfg>, Vec<crate::model::Diagnostic>), NoLaunch> {
    match cfg_file::read(shared, mirror, sha).await {
        Ok(CfgAtCommit::Found { cfg, diagnostics, .. }) => Ok((cfg, diagnostics)),
        Ok(CfgAtCommit::Missing) => Err(NoLaunch::NotFound(format!("there is no {CFG} in the working copy"))),
        Ok(CfgAtCommit::Unusable(words)) => Err(NoLaunch::Unusable(words)),
        Err(error) => Err(NoLaunch::Unusable(format!("{CFG} cannot be read: {error}"))),
    }
}

fn trouble(trouble: Trouble) -> NoLaunch {
    match trouble {
        Trouble::Later(words) => NoLaunch::Unusable(words),
        Trouble::Store(error) => error.into(),
    }
}

/// Makes the event, and finds the sections that are meant: one by its name, else all that match.
fn meant<'c>(
    cfg: &'c Cfg,
    request: &LocalRequest,
    copy: &WorkingCopy,
    snapshot: &Snapshot,
    id: u64,
) -> Result<(Trigger, Vec<&'c Section>), NoLaunch> {
    let name = request.section.as_str();
    let word = name.split('.').next().unwrap_or_default();
    let Some(event) = Event::named(word) else {
        let names: Vec<&str> = Event::ALL.iter().map(|event| event.name()).collect();
        let words = format!("`{word}` is no event; the events are {}", names.join(", "));
        return Err(NoLaunch::NotFound(words));
    };
    let one_only = name.contains('.') || matches!(event, Event::Cron | Event::Manual);
    let named = cfg.sections.iter().find(|section| section.name() == name);
    if one_only && named.is_none() {
        let names: Vec<String> = cfg.sections.iter().map(|section| format!("`{}`", section.name())).collect();
        let words = format!("{CFG} has no section `{name}`; it has {}", names.join(", "));
        return Err(NoLaunch::NotFound(words));
    }
    let kind = kind(event, named, request, copy)?;
    let full_name = copy.full_name.clone().unwrap_or_else(|| {
        let folder = copy.root.file_name().map(|name| name.to_string_lossy().into_owned());
        format!("{LOCAL}/{}", folder.unwrap_or_else(|| "repository".to_owned()))
    });
    let trigger = Trigger {
        host: LOCAL.to_owned(),
        repository: Repository { id, full_name, default_branch: copy.branch.clone() },
        sha: snapshot.sha.clone(),
        kind,
        title: title(snapshot),
        sender: request.user.clone(),
    };
    if one_only {
        return Ok((trigger, named.into_iter().collect()));
    }
    // What changed since when is not asked: whoever runs it wants to see it run.
    let answer = definition::matching(cfg, &trigger, None);
    if answer.launching.is_empty() {
        let still = answer.still.iter().map(|still| format!("; {still}"));
        let words = definition::no_match_verdict(CFG, &trigger) + &still.collect::<String>();
        return Err(NoLaunch::NotFound(words));
    }
    Ok((trigger, answer.launching))
}

fn title(snapshot: &Snapshot) -> String {
    let changed = match snapshot.changed {
        0 => return snapshot.subject.clone(),
        1 => "1 changed file".to_owned(),
        count => format!("{count} changed files"),
    };
    if snapshot.subject.is_empty() { changed } else { format!("{} + {changed}", snapshot.subject) }
}

fn kind(
    event: Event,
    section: Option<&Section>,
    request: &LocalRequest,
    copy: &WorkingCopy,
) -> Result<TriggerKind, NoLaunch> {
    let needed = |flag: &str, value: &Option<String>| {
        value.clone().ok_or_else(|| NoLaunch::Unusable(format!("{} needs {flag}", event.words())))
    };
    let branch =
        || needed("--branch, since the working copy is on none", &request.branch.clone().or(copy.branch.clone()));
    let (base, tag) = (|| needed("--base", &request.base), || needed("--tag", &request.tag));
    let section_name = section.map(Section::name).unwrap_or_default();
    Ok(match event {
        Event::Push => TriggerKind::Push { branch: branch()?, before: None },
        Event::PullRequest => TriggerKind::PullRequest {
            number: 0,
            branch: branch()?,
            base: base()?,
            base_sha: String::new(),
            from_fork: false,
            action: "opened".to_owned(),
        },
        Event::CreateBranch => TriggerKind::BranchCreated { branch: branch()? },
        Event::DeleteBranch => TriggerKind::BranchDeleted { branch: branch()?, mark: String::new() },
        Event::CreateTag => TriggerKind::Tag { tag: tag()? },
        Event::DeleteTag => TriggerKind::TagDeleted { tag: tag()?, mark: String::new() },
        Event::MergeGroup => TriggerKind::MergeGroup { branch: branch()?, base: base()?, base_sha: String::new() },
        Event::Release => TriggerKind::Release { tag: tag()?, name: tag()?, prerelease: false },
        Event::Comment => TriggerKind::Comment { number: 0, comment: 0, text: String::new() },
        Event::Cron => TriggerKind::Cron { branch: branch()?, section: section_name, due: clock::now() },
        Event::Manual => {
            let parameters = match section {
                Some(section) => section.params.check(&request.parameters).map_err(NoLaunch::BadParameters)?,
                None => BTreeMap::new(),
            };
            TriggerKind::Manual { branch: branch()?, section: section_name, parameters, request: String::new() }
        }
    })
}
