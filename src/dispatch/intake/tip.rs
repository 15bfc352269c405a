//! Where a commit is to be had, and which one it is where the event does not say. Fetches nothing.

use super::reading::{TRIES, Trouble};
use crate::{
    dispatch::shared::Shared,
    git::{self, MirrorName, Remote},
    model::{Repository, SendError, Trigger, TriggerKind},
    store::inbox::{Verdict, Waiting},
};

/// Returns the server that has a repository, with a token that lets in.
///
/// # Errors
/// When the forge gives none.
pub(in crate::dispatch) async fn remote(
    shared: &Shared,
    host: &str,
    repository: &Repository,
) -> Result<Remote, git::Error> {
    let url = format!("{}/{}.git", shared.options.git_url, repository.full_name);
    // A folder asks for no credentials.
    let token = if url.starts_with("http") { shared.parts.github.clone_token(repository.id).await } else { Ok(None) };
    let token = token.map_err(|error| match error {
        SendError::RateLimited { .. } | SendError::Transient { .. } => git::Error::Unavailable(error.to_string()),
        SendError::NoAccess { message } | SendError::Unauthorized { message } | SendError::Permanent { message } => {
            git::Error::Denied(message)
        }
    })?;
    Ok(Remote { name: MirrorName { host: host.to_owned(), id: repository.id }, url, token })
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
    let tip = match remote(shared, &trigger.host, &trigger.repository).await {
        Ok(remote) => shared.parts.mirrors.tip(&remote, &trigger.reference()).await,
        Err(error) => Err(error),
    };
    let error = match tip {
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
