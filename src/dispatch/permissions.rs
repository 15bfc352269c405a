//! Who may write where, as the forge said a moment ago. Knows no command.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use crate::{clock, forge::GitHub, model::SendError};

/// How long an answer is believed.
const BELIEVED: Duration = Duration::from_secs(60);

/// What was answered.
#[derive(Default)]
pub(super) struct Permissions {
    known: Mutex<HashMap<(u64, String), (Timestamp, bool)>>,
}

impl Permissions {
    /// Says whether somebody may write to a repository.
    pub(super) async fn may_write(&self, github: &GitHub, repository: u64, login: &str) -> Result<bool, SendError> {
        let (key, now) = ((repository, login.to_owned()), clock::now());
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, answer)) = lock().get(&key).copied()
            && now < at + BELIEVED
        {
            return Ok(answer);
        }
        let answer = github.may_write(repository, login).await?;
        let mut known = lock();
        known.retain(|_, (at, _)| now < *at + BELIEVED);
        known.insert(key, (now, answer));
        Ok(answer)
    }
}
