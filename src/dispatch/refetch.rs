//! Fetches a pipeline's commit again where the mirror has it no more: after a restore, or when retention removed the mirror.

use sha2::{Digest as _, Sha256};

use super::{intake, shared::Shared};
use crate::{
    git::{self, MirrorName, Remote, Wanted},
    model::{OtherRepository, Trigger},
};

/// Writes a commit's files into a folder that does not exist, with a fetch before the second try if one is needed.
pub(super) async fn checkout(shared: &Shared, trigger: &Trigger, to: &std::path::Path) -> Result<(), git::Error> {
    let mirror = MirrorName { host: trigger.host.clone(), id: trigger.repository.id };
    let mirrors = &shared.parts.mirrors;
    match mirrors.checkout(&mirror, &trigger.sha, to).await {
        Err(git::Error::NotFound(what)) => {
            fetch(shared, trigger, &what).await?;
            mirrors.checkout(&mirror, &trigger.sha, to).await
        }
        outcome => outcome,
    }
}

/// Makes sure that the mirror has the commit.
pub(super) async fn ensure(shared: &Shared, trigger: &Trigger) -> Result<(), git::Error> {
    let mirror = MirrorName { host: trigger.host.clone(), id: trigger.repository.id };
    match shared.parts.mirrors.commit_title(&mirror, &trigger.sha).await {
        Err(git::Error::NotFound(what)) => fetch(shared, trigger, &what).await,
        outcome => outcome.map(drop),
    }
}

/// Writes out the files of a branch of another repository, as it is now. It is asked for without credentials: whoever writes a
/// definition is not for that one who may read what this server can.
pub(super) async fn checkout_other(
    shared: &Shared,
    other: &OtherRepository,
    to: &std::path::Path,
) -> Result<(), git::Error> {
    let rest = other.url.strip_prefix("https://").unwrap_or(&other.url);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let digest = Sha256::digest(path.trim_end_matches('/'));
    let id = u64::from_be_bytes(digest[..8].try_into().unwrap_or_default());
    let url = if host == shared.options.forge_host {
        format!("{}/{path}", shared.options.git_url)
    } else {
        other.url.clone()
    };
    // Never the mirror of a repository that the forge has told us of.
    let remote = Remote { name: MirrorName { host: format!("copied-{host}"), id }, url, token: None };
    let mirrors = &shared.parts.mirrors;
    let reference = format!("refs/heads/{}", other.branch);
    let sha = mirrors.tip(&remote, &reference).await?;
    mirrors.fetch(&remote, &[Wanted { sha: sha.clone(), reference: Some(reference) }]).await?;
    mirrors.checkout(&remote.name, &sha, to).await
}

async fn fetch(shared: &Shared, trigger: &Trigger, what: &str) -> Result<(), git::Error> {
    tracing::info!(sha = %trigger.sha, what, "a commit is fetched again");
    let remote = intake::remote(shared, &trigger.host, &trigger.repository).await?;
    let wanted = Wanted { sha: trigger.sha.clone(), reference: Some(trigger.reference()) };
    shared.parts.mirrors.fetch(&remote, &[wanted]).await
}
