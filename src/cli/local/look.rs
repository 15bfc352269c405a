//! Lets verbs that only look find what runs have left behind, where nobody serves. Knows no verb.

use super::{holder::Holder, run::alone};
use crate::cli::{
    args::Remote,
    failure::Failure,
    place::{self, target},
};

/// Serves this process's own question, where no server is named, none runs, and there is something to look at.
pub(crate) async fn serve_look(remote: &Remote) -> Result<Option<Holder>, Failure> {
    let layout = place::layout(remote.config.as_deref(), &place::environment());
    match layout {
        Some(layout) if target(remote, Some(&layout)).is_none() && layout.database().exists() => {
            let settings = alone(place::settings(remote.config.as_deref(), None)?);
            Ok(Some(Holder::find(settings).await?))
        }
        _ => Ok(None),
    }
}
