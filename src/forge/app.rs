//! A GitHub App: its signed requests, where it is installed, and the short-lived tokens it gets there. Knows no webhook.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use octocrab::{
    auth::{EncodingKey, create_jwt},
    models::AppId,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::{
    error::BuildError,
    transport::{Call, Transport, shaped},
};
use crate::{clock, model::SendError};

/// Tokens live an hour. One that is handed to git must outlive the longest fetch, so it is renewed so early.
const RENEWED_EARLY: Duration = Duration::from_secs(10 * 60);

/// The credentials of an App, and what was got with them.
pub(super) struct App {
    id: u64,
    key: EncodingKey,
    /// Where the App is installed, by number of the repository.
    installations: Mutex<HashMap<u64, u64>>,
    tokens: Mutex<HashMap<Scope, Arc<tokio::sync::Mutex<Option<Token>>>>>,
}

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub(super) installation: u64,
    /// Only this repository, and only for reading its files; without one, all that the installation allows.
    pub(super) reading: Option<u64>,
}

struct Token {
    value: SecretString,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: String,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("id", &self.id).finish_non_exhaustive()
    }
}

impl App {
    pub(super) fn build(id: u64, key: &SecretString) -> Result<Self, BuildError> {
        let key = EncodingKey::from_rsa_pem(key.expose_secret().as_bytes())
            .map_err(|error| BuildError::Key(error.to_string()))?;
        Ok(Self { id, key, installations: Mutex::default(), tokens: Mutex::default() })
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Notes where a repository's installation is.
    pub(super) fn note(&self, repository: u64, installation: u64) {
        let before = self.installations().insert(repository, installation);
        if before.is_some_and(|before| before != installation) {
            self.forget_tokens(|scope| scope.reading == Some(repository));
        }
    }

    /// Forgets where a repository's installation is: it was transferred, or taken out of it.
    pub(super) fn forget_repository(&self, repository: u64) {
        self.installations().remove(&repository);
        self.forget_tokens(|scope| scope.reading == Some(repository));
    }

    /// Forgets an installation and all tokens of it.
    pub(super) fn forget_installation(&self, installation: u64) {
        self.installations().retain(|_, known| *known != installation);
        self.forget_tokens(|scope| scope.installation == installation);
    }

    /// Sends a request as the App itself.
    pub(super) async fn send(&self, transport: &Transport, call: Call<'_>) -> Result<serde_json::Value, SendError> {
        transport.send(call, Some(&self.signed()?)).await
    }

    /// The same, with the address of the next page where there is one.
    pub(super) async fn send_for_page(
        &self,
        transport: &Transport,
        call: Call<'_>,
    ) -> Result<(serde_json::Value, Option<String>), SendError> {
        transport.exchange(call, Some(&self.signed()?)).await
    }

    /// Returns the installation that has a repository; asks where it is not known.
    pub(super) async fn installation(&self, transport: &Transport, repository: u64) -> Result<u64, SendError> {
        if let Some(known) = self.known_installation(repository) {
            return Ok(known);
        }
        let route = format!("/repositories/{repository}/installation");
        let found: Installation = shaped(self.send(transport, Call::get(&route, no_installation)).await?)?;
        self.note(repository, found.id);
        Ok(found.id)
    }

    pub(super) fn known_installation(&self, repository: u64) -> Option<u64> {
        self.installations().get(&repository).copied()
    }

    /// Returns a token that is good for another ten minutes at least. Whoever needs the same one meanwhile waits for it.
    pub(super) async fn token(&self, transport: &Transport, scope: Scope) -> Result<SecretString, SendError> {
        let place = Arc::clone(self.tokens().entry(scope).or_default());
        let mut held = place.lock().await;
        if let Some(token) = &*held
            && clock::now() + RENEWED_EARLY < token.expires_at
        {
            return Ok(token.value.clone());
        }
        let route = format!("/app/installations/{}/access_tokens", scope.installation);
        let body = match scope.reading {
            Some(repository) => json!({"repository_ids": [repository], "permissions": {"contents": "read"}}),
            None => json!({}),
        };
        let answer = self.send(transport, Call::post(&route, &body, no_installation)).await;
        if let Err(SendError::NoAccess { .. }) = &answer {
            self.forget_installation(scope.installation);
        }
        let TokenAnswer { token, expires_at } = shaped(answer?)?;
        let token = SecretString::from(token);
        *held = Some(Token { value: token.clone(), expires_at });
        Ok(token)
    }

    /// Drops a token that GitHub did not accept.
    pub(super) fn forget_token(&self, scope: Scope) {
        self.forget_tokens(|known| *known == scope);
    }

    /// Signs anew for each request: the signature is good for nine minutes, from one minute ago.
    fn signed(&self) -> Result<SecretString, SendError> {
        create_jwt(AppId(self.id), &self.key)
            .map(SecretString::from)
            .map_err(|error| SendError::Permanent { message: format!("the App's key cannot sign: {error}") })
    }

    fn forget_tokens(&self, which: impl Fn(&Scope) -> bool) {
        self.tokens().retain(|scope, _| !which(scope));
    }

    fn installations(&self) -> MutexGuard<'_, HashMap<u64, u64>> {
        self.installations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<Scope, Arc<tokio::sync::Mutex<Option<Token>>>>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_installation(status: u16) -> &'static str {
    match status {
        401 => " (are `github.app_id` and `github.app_key_file` of one App, and is this machine's clock right?)",
        403 => " (the installation is suspended, or lacks a permission that the App asks for)",
        404 => " (the App is not installed where this repository is)",
        _ => "",
    }
}
