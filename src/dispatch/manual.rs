//! Requests for a section: checked at the commit they are for, then put into the inbox, and from there on like any delivery.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{
    error::Error,
    handle::delivery_view,
    intake::{self, CFG, CfgAtCommit, Own, What},
    shared::Shared,
    view::DeliveryView,
};
use crate::{
    clock,
    definition::{self, Cfg, Event, ParamProblem},
    git::{self, Wanted},
    model::Actor,
    store::{
        inbox,
        repositories::{self, Seen},
    },
};

/// The longest that somebody waits for what git has to say.
const GIT_PATIENCE: Duration = Duration::from_secs(20);

/// The longest that somebody waits for the verdict.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two looks whether it is there.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// So many repositories are named to somebody who has asked for another.
const NAMED: u32 = 10;

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchRequest {
    /// `owner/name` of the repository.
    pub repository: String,
    /// Name of the section, as in `manual.deploy`.
    pub section: String,
    /// Short name of the branch; the default branch where none is named.
    pub branch: Option<String>,
    /// What is given for the section's parameters.
    pub parameters: BTreeMap<String, Value>,
}

/// Why nothing is launched.
#[derive(Debug, thiserror::Error)]
pub enum NoLaunch {
    /// There is no such repository, branch or section; the words name those there are.
    #[error("{0}")]
    NotFound(String),
    /// Something given for a parameter cannot be meant, or is missing.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    BadParameters(Vec<ParamProblem>),
    /// The conducto.cfg of the branch cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// The server of the repository does not answer. Try again.
    #[error("{0}")]
    Unreachable(String),
    /// What can go wrong with everything.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<crate::store::Error> for NoLaunch {
    fn from(error: crate::store::Error) -> Self {
        Self::Failed(error.into())
    }
}

pub(super) async fn launch(
    shared: &Arc<Shared>,
    request: LaunchRequest,
    actor: &Actor,
    key: Option<String>,
) -> Result<DeliveryView, NoLaunch> {
    let guid = guid(&request.repository, actor, key);
    if find(shared, &guid).await?.is_none() {
        let own = check(shared, &request, actor).await?;
        let (delivery, now) = (own.delivery(guid.clone())?, clock::now());
        let stored =
            move |connection: &crate::store::Connection| inbox::put_from(connection, inbox::MANUAL, &delivery, now);
        shared.store.write(stored).await?;
        shared.door.has_stored();
    }
    let wait = async {
        loop {
            let found = find(shared, &guid).await?.ok_or(NoLaunch::Failed(Error::NotFound("delivery")))?;
            if found.state != "new" {
                return Ok(found);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(found) => found,
        Err(_) => find(shared, &guid).await?.ok_or(NoLaunch::Failed(Error::NotFound("delivery"))),
    }
}

/// A caller's key means something only to that caller, for that repository.
fn guid(repository: &str, actor: &Actor, key: Option<String>) -> String {
    match key {
        Some(key) => {
            let digest = Sha256::digest(format!("{actor}\n{}\n{key}", repository.to_lowercase()));
            format!("manual-{}", &hex::encode(digest)[..32])
        }
        None => format!("manual-{}", clock::new_uuid()),
    }
}

async fn find(shared: &Shared, guid: &str) -> Result<Option<DeliveryView>, NoLaunch> {
    let guid = guid.to_owned();
    Ok(shared.store.read(move |connection| inbox::find(connection, &guid)).await?.map(delivery_view))
}

/// Finds the commit, and whether the section is there and can be asked for like that.
async fn check(shared: &Shared, request: &LaunchRequest, actor: &Actor) -> Result<Own, NoLaunch> {
    let Seen { host, repository } = known(shared, &request.repository).await?;
    let Some(branch) = request.branch.clone().or_else(|| repository.default_branch.clone()) else {
        let words = format!("the default branch of {} is not known; name one", repository.full_name);
        return Err(NoLaunch::NotFound(words));
    };
    let reading = async {
        let remote = intake::remote(shared, &host, &repository).await;
        read(shared, &remote.map_err(|error| NoLaunch::Unreachable(error.to_string()))?, &branch).await
    };
    let (sha, cfg) = tokio::time::timeout(GIT_PATIENCE, reading).await.unwrap_or_else(|_| {
        let seconds = GIT_PATIENCE.as_secs();
        Err(NoLaunch::Unreachable(format!("{} has not answered within {seconds} seconds", repository.full_name)))
    })?;
    let place = format!("{CFG} of branch {branch} in {}", repository.full_name);
    let parameters = parameters(&cfg, request, &place)?;
    let by = match actor {
        Actor::Token { name } => name.clone(),
        other => other.to_string(),
    };
    let section = request.section.clone();
    Ok(Own { host, repository, section, branch, what: What::Manual { sha, parameters, by } })
}

async fn known(shared: &Shared, name: &str) -> Result<Seen, NoLaunch> {
    let wanted = name.to_owned();
    let look = move |connection: &crate::store::Connection| {
        let found = repositories::find(connection, &wanted)?;
        let names = if found.is_none() { repositories::names(connection, NAMED)? } else { Vec::new() };
        Ok((found, names))
    };
    let (found, names) = shared.store.read(look).await?;
    found.ok_or_else(|| {
        let known = match names.as_slice() {
            [] => "nothing has been delivered yet".to_owned(),
            names => format!("known are {}", names.join(", ")),
        };
        NoLaunch::NotFound(format!("no delivery has ever come from a repository `{name}`; {known}"))
    })
}

async fn read(shared: &Shared, remote: &git::Remote, branch: &str) -> Result<(String, Cfg), NoLaunch> {
    let (mirrors, reference) = (&shared.parts.mirrors, format!("refs/heads/{branch}"));
    let sha = mirrors.tip(remote, &reference).await.map_err(|error| match error {
        git::Error::NotFound(words) | git::Error::Refused(words) => NoLaunch::NotFound(words),
        error => NoLaunch::Unreachable(error.to_string()),
    })?;
    let wanted = Wanted { sha: sha.clone(), reference: Some(reference) };
    let unreachable = |error: git::Error| NoLaunch::Unreachable(error.to_string());
    mirrors.fetch(remote, &[wanted]).await.map_err(unreachable)?;
    let cfg = match intake::read_cfg(shared, &remote.name, &sha).await.map_err(unreachable)? {
        CfgAtCommit::Found { cfg: Some(cfg), .. } => cfg,
        CfgAtCommit::Found { name, diagnostics, .. } => {
            let words = definition::summary(&diagnostics).unwrap_or_else(|| format!("{name} cannot be read"));
            return Err(NoLaunch::Unusable(words));
        }
        CfgAtCommit::Missing => return Err(NoLaunch::NotFound(format!("there is no {CFG} at the tip of {branch}"))),
        CfgAtCommit::Unusable(words) => return Err(NoLaunch::Unusable(words)),
    };
    Ok((sha, cfg))
}

fn parameters(cfg: &Cfg, request: &LaunchRequest, place: &str) -> Result<BTreeMap<String, String>, NoLaunch> {
    let manual: Vec<_> = cfg.sections.iter().filter(|section| section.event == Event::Manual).collect();
    let Some(section) = manual.iter().find(|section| section.name() == request.section) else {
        let names: Vec<String> = manual.iter().map(|section| format!("`{}`", section.name())).collect();
        let there_are = match names.as_slice() {
            [] => "it has no section `manual` at all".to_owned(),
            names => format!("what can be asked for is {}", names.join(", ")),
        };
        let words = format!("{place} has no section `{}` to ask for; {there_are}", request.section);
        return Err(NoLaunch::NotFound(words));
    };
    section.params.check(&request.parameters).map_err(NoLaunch::BadParameters)
}
