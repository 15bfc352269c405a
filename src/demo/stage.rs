//! Everything the demo needs, set up: stand-ins, repository, server. And put away again.

use std::time::Duration;

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    api::Api,
    place::Place,
    run::Options,
    sample::{self, Pushed},
};
use crate::{
    clock,
    serve::{self, Purpose, Server},
    settings::{Anonymous, Settings, Slots},
    standin::{GitHub, Slack},
};

/// How long the runtime may take to remove what the pipeline had.
const REMOVAL: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The port that is used where the server stays and nobody else has it.
const USUAL_PORT: u16 = 8080;

/// What stands on the stage.
pub(super) struct Stage {
    pub(super) github: GitHub,
    pub(super) slack: Slack,
    pub(super) pushed: Pushed,
    pub(super) webhook_secret: String,
    pub(super) api: Api,
    pub(super) server: Server,
    stop: CancellationToken,
}

impl Stage {
    pub(super) async fn build(place: &Place, options: &Options) -> anyhow::Result<Self> {
        let (github_token, slack_token, webhook_secret) = (clock::new_key(), clock::new_key(), clock::new_key());
        let github = GitHub::start(TcpListener::bind(("127.0.0.1", 0)).await?, &github_token)?;
        let slack = Slack::start(TcpListener::bind(("127.0.0.1", 0)).await?, &slack_token)?;
        github.add_repository(sample::ID, sample::FULL_NAME);
        let pushed = sample::write(&place.repositories())?;

        let mut settings = Settings {
            listen: ([127, 0, 0, 1], port(options.keep).await).into(),
            base_dir: place.base(),
            organisation: "acme".into(),
            user: sample::SENDER.into(),
            executor: options.executor,
            allow_process: true,
            ..Settings::default()
        };
        settings.github.webhook_secret = Some(SecretString::from(webhook_secret.clone()));
        settings.github.token = Some(SecretString::from(github_token));
        settings.github.api_url = github.url();
        settings.github.git_url = format!("file://{}", place.repositories().display());
        settings.slack.bot_token = Some(SecretString::from(slack_token));
        settings.slack.api_url = slack.url();
        settings.containers.default_image.clone_from(&options.image);
        settings.containers.docker_socket.clone_from(&options.docker_socket);
        // There is no next pipeline.
        settings.containers.spare = false;
        settings.containers.slots = Slots::Count(options.slots);
        settings.auth.anonymous = Anonymous::Read;

        let stop = CancellationToken::new();
        let server =
            serve::start(settings, Purpose::Service, stop.clone()).await.context("the server does not start")?;
        let token = tokio::fs::read_to_string(place.base().join("admin-token")).await;
        let token = token.context("the server has left no admin's token")?;
        let api = Api::build(&server.url, token.trim().to_owned())?;
        Ok(Self { github, slack, pushed, webhook_secret, api, server, stop })
    }

    /// Waits until nothing of the pipeline is left in the runtime, then stops the server.
    pub(super) async fn clear(self) -> anyhow::Result<()> {
        let gone = tokio::time::timeout(REMOVAL, async {
            while self.server.leftovers().await? > 0 {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            anyhow::Ok(())
        });
        let gone = gone.await;
        self.stop.cancel();
        self.server.join().await?;
        match gone {
            Ok(outcome) => outcome.context("the runtime cannot be asked what is left"),
            Err(_) => bail!("containers or networks of the demo are left; `docker ps -a` shows them"),
        }
    }
}

async fn port(is_usual: bool) -> u16 {
    match is_usual && TcpListener::bind(("127.0.0.1", USUAL_PORT)).await.is_ok() {
        true => USUAL_PORT,
        false => 0,
    }
}
