//! Fetches a pipeline's commit again where the mirror has it no more: after a restore, or when retention removed the mirror.

use super::{intake, shared::Shared};
use crate::{
    git::{self, MirrorName, Wanted},
    model::Trigger,
};

/// Writes a commit's files into a folder that does not exist, with a fetch before the second try if one is needed.
pub(super) async fn checkout(shared: &Shared, trigger: &Trigger, to: &std::path::Path) -> Result<(), git::Error> {
    let mirror = MirrorName { host: trigger.host.clone(), id: trigger.repository.id };
    let mirrors = &shared.parts.mirrors;
    match mirrors.checkout(&mirror, &trigger.sha, to).await {
        Err(git::Error::NotFound(what)) => {
            tracing::info!(sha = %trigger.sha, what, "a commit is fetched again");
            let remote = intake::remote(shared, &trigger.host, &trigger.repository).await?;
            let wanted = Wanted { sha: trigger.sha.clone(), reference: Some(trigger.reference()) };
            mirrors.fetch(&remote, &[wanted]).await?;
            mirrors.checkout(&mirror, &trigger.sha, to).await
        }
        outcome => outcome,
    }
}
