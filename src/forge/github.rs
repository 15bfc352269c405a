//! The face of GitHub: who we are there, and requests in that name. Knows no outbox and no retries.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use serde_json::Value;

use super::{
    app::{App, Scope},
    error::BuildError,
    transport::{Call, Transport},
};
use crate::model::SendError;

/// As whom requests are made.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Nobody: only for public repositories.
    None,
    /// The holder of a personal token: commit statuses only.
    Token(SecretString),
    /// A GitHub App.
    App {
        /// Its number.
        id: u64,
        /// Its private key, as PEM.
        key: SecretString,
    },
}

/// One GitHub, and our name there. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GitHub {
    transport: Transport,
    access: Arc<Access>,
}

#[derive(Debug)]
enum Access {
    None,
    Token(SecretString),
    App(App),
}

impl GitHub {
    /// Makes a client for the API at `base_url`, e.g. `https://api.github.com`. Must be called on a Tokio runtime.
    ///
    /// # Errors
    /// When the address or the key is none, or the machine has no CA certificates.
    pub fn build(base_url: &str, credentials: Credentials) -> Result<Self, BuildError> {
        let access = match credentials {
            Credentials::None => Access::None,
            Credentials::Token(token) => Access::Token(token),
            Credentials::App { id, key } => Access::App(App::build(id, &key)?),
        };
        Ok(Self { transport: Transport::build(base_url)?, access: Arc::new(access) })
    }

    /// Changes how long an answer is waited for, from ten seconds.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.transport.deadline = deadline;
        self
    }

    /// Returns the number of the App that we are; nothing where we are none.
    pub fn app_id(&self) -> Option<u64> {
        self.app().map(App::id)
    }

    /// Notes the installation that a webhook has named for a repository.
    pub fn note_installation(&self, repository: u64, installation: u64) {
        if let Some(app) = self.app() {
            app.note(repository, installation);
        }
    }

    /// Forgets where a repository's installation is: it was transferred, or taken out of it.
    pub fn forget_repository(&self, repository: u64) {
        if let Some(app) = self.app() {
            app.forget_repository(repository);
        }
    }

    /// Forgets an installation and all tokens of it.
    pub fn forget_installation(&self, installation: u64) {
        if let Some(app) = self.app() {
            app.forget_installation(installation);
        }
    }

    /// Returns whose limits requests for a repository count against.
    ///
    /// # Errors
    /// When it must be asked for, and is not told.
    pub async fn budget(&self, repository: u64) -> Result<String, SendError> {
        match self.app() {
            None => Ok("token".to_owned()),
            Some(app) => Ok(format!("installation {}", app.installation(&self.transport, repository).await?)),
        }
    }

    /// Returns a token with which git can read one repository, and with an App nothing else; nothing where there is none. It is
    /// good for ten minutes at least, and may be handed to nothing but git's own credentials: no environment, file or log.
    ///
    /// # Errors
    /// When GitHub does not give one.
    pub async fn clone_token(&self, repository: u64) -> Result<Option<SecretString>, SendError> {
        match &*self.access {
            Access::None => Ok(None),
            Access::Token(token) => Ok(Some(token.clone())),
            Access::App(app) => {
                let installation = app.installation(&self.transport, repository).await?;
                let scope = Scope { installation, reading: Some(repository) };
                app.token(&self.transport, scope).await.map(Some)
            }
        }
    }

    /// Sends a request about a repository.
    pub(super) async fn send(&self, repository: u64, call: Call<'_>) -> Result<Value, SendError> {
        let app = match &*self.access {
            Access::None => return self.transport.send(call, None).await,
            Access::Token(token) => return self.transport.send(call, Some(token)).await,
            Access::App(app) => app,
        };
        let installation = app.installation(&self.transport, repository).await?;
        let scope = Scope { installation, reading: None };
        let token = app.token(&self.transport, scope).await?;
        match self.transport.send(call, Some(&token)).await {
            // It was revoked. What was refused for that was not done, so it can be asked for again.
            Err(SendError::Unauthorized { .. }) => {
                app.forget_token(scope);
                let token = app.token(&self.transport, scope).await?;
                self.transport.send(call, Some(&token)).await
            }
            answer => answer,
        }
    }

    /// Sends a request as the App itself.
    pub(super) async fn send_as_app(&self, call: Call<'_>) -> Result<Value, SendError> {
        match self.app() {
            Some(app) => app.send(&self.transport, call).await,
            None => Err(SendError::Permanent { message: "only a GitHub App can ask this".into() }),
        }
    }

    /// The same, with the address of the next page where there is one.
    pub(super) async fn send_as_app_for_page(&self, call: Call<'_>) -> Result<(Value, Option<String>), SendError> {
        match self.app() {
            Some(app) => app.send_for_page(&self.transport, call).await,
            None => Err(SendError::Permanent { message: "only a GitHub App can ask this".into() }),
        }
    }

    fn app(&self) -> Option<&App> {
        match &*self.access {
            Access::App(app) => Some(app),
            Access::None | Access::Token(_) => None,
        }
    }
}
