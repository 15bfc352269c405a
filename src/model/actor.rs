//! Who or what asked for something. Part of every command and event; knows nothing of permissions.

use serde::{Deserialize, Serialize};

/// Who or what caused a command, kept for ever beside the events it led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// The server itself: recovery, deadlines, follow-ups.
    Server,
    /// A worker reporting on its attempt.
    Worker,
    /// What the author of the pipeline asked for in advance, by the callback's name: `retry`, `skip_some_errors`.
    Callback {
        /// Name of the callback.
        name: String,
    },
    /// A person on the forge, by login, through a webhook.
    Forge {
        /// Login of the sender.
        login: String,
    },
    /// The holder of an API token, by the token's name (never its value).
    Token {
        /// Name given to the token when it was made.
        name: String,
    },
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server => f.write_str("the server"),
            Self::Worker => f.write_str("a worker"),
            Self::Callback { name } => write!(f, "callback `{name}`"),
            Self::Forge { login } => write!(f, "{login}"),
            Self::Token { name } => write!(f, "token `{name}`"),
        }
    }
}
