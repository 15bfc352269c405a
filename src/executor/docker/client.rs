//! The connection to the engine, and what its errors mean to us. Knows no containers.

use std::path::PathBuf;

use bollard::{API_DEFAULT_VERSION, errors::Error as Fault};
use tokio::sync::OnceCell;

use crate::executor::Error;

/// Longest wait in seconds for the beginning of an answer.
const TIMEOUT_SECONDS: u64 = 120;

/// The engine, once it has answered.
#[derive(Debug)]
pub(super) struct Client {
    socket: PathBuf,
    engine: OnceCell<bollard::Docker>,
}

impl Client {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket, engine: OnceCell::new() }
    }

    /// Returns the engine; it may have come up since the last time.
    pub(super) async fn engine(&self) -> Result<&bollard::Docker, Error> {
        let connect = async || {
            let socket = self.socket.to_string_lossy();
            bollard::Docker::connect_with_unix(&socket, TIMEOUT_SECONDS, API_DEFAULT_VERSION)?.negotiate_version().await
        };
        self.engine
            .get_or_try_init(connect)
            .await
            .map_err(|fault| Error::Unavailable { message: format!("Docker at {}: {fault}", self.socket.display()) })
    }

    /// Asks whether the engine answers now.
    pub(super) async fn ping(&self) -> Result<(), Error> {
        self.engine().await?.ping().await.map(|_| ()).map_err(translate)
    }
}

/// Returns the HTTP status with which the engine refused, if it answered at all.
pub(super) fn refusal(fault: &Fault) -> Option<(u16, &str)> {
    match fault {
        Fault::DockerResponseServerError { status_code, message } => Some((*status_code, message)),
        _ => None,
    }
}

/// An answer is a refusal; no answer means that the engine is not there.
pub(super) fn translate(fault: Fault) -> Error {
    match refusal(&fault) {
        Some((_, message)) => Error::Refused { message: message.to_owned() },
        None => Error::Unavailable { message: fault.to_string() },
    }
}

/// Takes "there is none" for an answer.
pub(super) fn if_found<T>(result: Result<T, Fault>) -> Result<Option<T>, Error> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(fault) if matches!(refusal(&fault), Some((404, _))) => Ok(None),
        Err(fault) => Err(translate(fault)),
    }
}
