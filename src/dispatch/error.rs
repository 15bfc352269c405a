//! Why dispatch did not do what it was asked, by what the caller can tell its own caller.

use crate::{
    model::{NodePath, Rejected},
    store,
};

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such pipeline, node, attempt or delivery.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The tree has no node of this path.
    #[error("there is no node `{path}`{}", did_you_mean(.meant.as_ref()))]
    NoSuchNode {
        /// What was asked for.
        path: NodePath,
        /// The node that was probably meant.
        meant: Option<NodePath>,
    },
    /// It was there, and was removed on purpose; the words say when.
    #[error("{0}")]
    Gone(String),
    /// The delivery is being dealt with, has started pipelines, or its body is not kept any more.
    #[error(
        "this delivery cannot be dealt with again: it waits already, has started pipelines, or is not kept any more"
    )]
    CannotReplay,
    /// The request makes no sense in the present state; the reason says why.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The store or the file system failed; nothing was changed. Try again.
    #[error("the server cannot keep anything at the moment")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Closed => Self::Stopping,
            error => Self::Unavailable(Box::new(error)),
        }
    }
}

fn did_you_mean(meant: Option<&NodePath>) -> String {
    meant.map(|path| format!("; did you mean `{path}`?")).unwrap_or_default()
}
