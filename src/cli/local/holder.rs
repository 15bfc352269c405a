//! The process that holds the base directory: this one, where it is free, else the one that has it (`decisions.md` 31). Knows no
//! pipeline.
//!
//! A run that ends leaves the directory to the others that wait on it: whoever notices first takes it, and goes on from what is
//! committed; workers go on all the while.

use std::{fs, time::Duration};

use anyhow::anyhow;
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{
        client::Client,
        failure::{Failure, UNREACHABLE},
        place::{ServerFile, Target},
    },
    serve::{self, Held, Purpose, Server},
    settings::{Layout, Settings},
};

/// How long the holder may take to start, to stop or to come back.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Whoever holds the base directory, and how to ask.
pub(crate) struct Holder {
    settings: Settings,
    pub(super) layout: Layout,
    pub(super) client: Client,
    own: Option<Own>,
    /// Whether the holder is a service, which comes back by itself.
    is_service: bool,
}

struct Own {
    server: Server,
    stop: CancellationToken,
}

impl Holder {
    /// Takes the base directory, or finds who has it.
    pub(crate) async fn find(settings: Settings) -> Result<Self, Failure> {
        let layout = Layout::find(&settings.base_dir, &settings.organisation, &settings.user);
        let (client, own, is_service) = open(&settings, &layout, true).await?;
        Ok(Self { settings, layout, client, own, is_service })
    }

    /// Finds the holder again after it did not answer.
    pub(super) async fn find_again(&mut self, lost: Failure) -> Result<(), Failure> {
        if self.own.is_some() || lost.code != UNREACHABLE {
            return Err(lost);
        }
        let may_take = !self.is_service;
        (self.client, self.own, self.is_service) =
            open(&self.settings, &self.layout, may_take).await.map_err(|_| lost)?;
        Ok(())
    }

    /// Returns the server of this process, where it is the holder.
    pub(super) fn server(&self) -> Option<&Server> {
        self.own.as_ref().map(|own| &own.server)
    }

    /// Gives the directory back. Nodes of other pipelines go on running.
    pub(crate) async fn leave(self) -> Result<(), Failure> {
        let Some(Own { server, stop }) = self.own else { return Ok(()) };
        stop.cancel();
        Ok(server.join().await?)
    }
}

async fn open(settings: &Settings, layout: &Layout, may_take: bool) -> Result<(Client, Option<Own>, bool), Failure> {
    let trying = async {
        loop {
            if let Some((client, is_service)) = ask(layout).await {
                return Ok((client, None, is_service));
            }
            if may_take {
                let stop = CancellationToken::new();
                match serve::start(settings.clone(), Purpose::Run, stop.clone()).await {
                    Ok(server) => {
                        let Some(target) = target(layout) else {
                            return Err(Failure::new(anyhow!("the base directory has lost the admin's token")));
                        };
                        return Ok((Client::of(target.1)?, Some(Own { server, stop }), false));
                    }
                    // It starts, or is about to go.
                    Err(error) if error.is::<Held>() => {}
                    Err(error) => return Err(Failure::usage(error)),
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, trying).await.unwrap_or_else(|_| {
        let error = anyhow!("another Conducto holds {} and does not answer", layout.base().display());
        Err(Failure::unreachable(error).help("choose another directory with --base-dir"))
    })
}

/// Returns how to reach the holder that has said where it listens, if it answers.
async fn ask(layout: &Layout) -> Option<(Client, bool)> {
    let (is_run, target) = target(layout)?;
    let client = Client::of(target).ok()?;
    client.health().await.ok()?;
    // What listens there may be somebody else's by now: only the holder knows the token.
    client.get::<serde_json::Value>("/pipelines?limit=1").await.ok()?;
    Some((client, !is_run))
}

fn target(layout: &Layout) -> Option<(bool, Target)> {
    let file: ServerFile = serde_json::from_str(&fs::read_to_string(layout.server_file()).ok()?).ok()?;
    let token = fs::read_to_string(layout.admin_token()).ok()?.trim().to_owned();
    Some((file.run, Target { url: file.url, token: Some(token) }))
}
