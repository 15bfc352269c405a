//! Where a commit is to be had, and which one it is where the event does not say. Fetches nothing.

use super::reading::{TRIES, Trouble};
use crate::{
    dispatch::shared::Shared,
    git::{self, MirrorName, Remote},
    model::{Repository, Trigger, TriggerKind},
    store::inbox::{Verdict, Waiting},
};

/// Returns the server that has a repository.
pub(in crate::dispatch) fn remote(shared: &Shared, host: &str, repository: &Repository) -> Remote {
    Remote {
        name: MirrorName { host: host.to_owned(), id: repository.id },
        url: format!("{}/{}.git", shared.options.git_url, repository.full_name),
        token: shared.options.forge_token.clone(),
    }
}

/// Puts the commit into a trigger that has none: the tip of its reference, as it is now. Where there is none, the delivery has
/// its verdict, and no commit could show it.
pub(super) async fn complete(
    shared: &Shared,
    waiting: &Waiting,
    trigger: &mut Trigger,
) -> Result<Option<(Verdict, String)>, Trouble> {
    if !trigger.sha.is_empty() {
        return Ok(None);
    }
    let remote = remote(shared, &trigger.host, &trigger.repository);
    let error = match shared.parts.mirrors.tip(&remote, &trigger.reference()).await {
        Ok(sha) => {
            trigger.sha = sha;
            return Ok(None);
        }
        Err(error) => error,
    };
    let words = format!("{}: {error}", trigger.describe());
    if error.is_passing() && waiting.attempts < TRIES {
        return Err(Trouble::Later(words));
    }
    // What was made and is gone again needs no pipeline.
    let is_gone = matches!(error, git::Error::NotFound(_))
        && matches!(trigger.kind, TriggerKind::BranchCreated { .. } | TriggerKind::Tag { .. });
    Ok(Some((if is_gone { Verdict::Ignored } else { Verdict::Failed }, words)))
}
