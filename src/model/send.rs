//! How a message to the outside may fail, for whoever decides when to try again. Knows no forge and no chat service.

use std::time::Duration;

/// Why a message did not arrive, by what the sender can do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Too many messages: the whole budget rests for this long.
    #[error("rate limited for {} s: {message}", after.as_secs())]
    RateLimited {
        /// How long to rest.
        after: Duration,
        /// The service's words.
        message: String,
    },
    /// Worth another try later: no connection, a time-out, a 5xx.
    #[error("{message}")]
    Transient {
        /// What happened.
        message: String,
    },
    /// The place it is for may not be seen or written: another try may meet another answer once a person has changed that.
    #[error("{message}")]
    NoAccess {
        /// What happened, and what may help.
        message: String,
    },
    /// The service does not know us: a person must set other credentials.
    #[error("{message}")]
    Unauthorized {
        /// What happened, and what may help.
        message: String,
    },
    /// Another try meets the same answer, until a person changes something.
    #[error("{message}")]
    Permanent {
        /// What happened, and what may help.
        message: String,
    },
}
