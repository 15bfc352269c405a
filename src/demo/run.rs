//! The demo from the first line to the last: sets the stage, plays, and leaves nothing behind. Knows no command line.

use std::{num::NonZeroU32, path::PathBuf};

use tokio_util::sync::CancellationToken;

use super::{
    place::Place,
    play::play,
    screen::{Screen, WIDTH, cut},
    stage::Stage,
};
use crate::{
    model::State,
    present::{glyph, tail},
    settings::ExecutorChoice,
};

/// Lines of the server's own log that are shown when something went wrong.
const TAIL: usize = 15;

/// What the user decides.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether the server goes on when all is shown, until it is interrupted.
    pub keep: bool,
    /// Image of the nodes.
    pub image: String,
    /// Where nodes run.
    pub executor: ExecutorChoice,
    /// The engine's socket.
    pub docker_socket: PathBuf,
    /// How many workers at once.
    pub slots: NonZeroU32,
}

/// How the demo ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything was as it should be.
    Passed,
    /// Something was not; it has been said what.
    Failed,
    /// The user had enough.
    Interrupted,
}

/// Runs the demo, until `interrupted` at the latest.
///
/// # Errors
/// What kept it from taking place at all.
pub async fn run(options: &Options, screen: &mut Screen, interrupted: &CancellationToken) -> anyhow::Result<Ended> {
    let mut place = Place::build()?;
    place.start_log()?;
    screen.line(&screen.ink().bold("conducto demo: a signed push, from the webhook to the green mark"))?;
    let stage = match Stage::build(&place, options).await {
        Ok(stage) => stage,
        Err(error) => return failed(&error, &mut place, screen),
    };
    screen.line(&introduction(&stage, options))?;

    let mut pipeline = None;
    let played = tokio::select! {
        played = play(&stage, screen, &mut pipeline) => Some(played),
        () = interrupted.cancelled() => None,
    };
    if options.keep && matches!(played, Some(Ok(()))) {
        links(&stage, &place, pipeline.as_deref().unwrap_or_default(), screen)?;
        interrupted.cancelled().await;
        place.keep();
    }
    if let Some(id) = pipeline {
        // Mostly it has ended, and there is nothing to cancel.
        stage.api.cancel(&id).await.ok();
    }
    let cleared = stage.clear().await;
    match played.map(|played| played.and(cleared)) {
        None => Ok(Ended::Interrupted),
        Some(Err(error)) => failed(&error, &mut place, screen),
        Some(Ok(())) if options.keep => {
            screen.line(&format!("\nstopped; its files are still in {}", place.path().display()))?;
            Ok(Ended::Passed)
        }
        Some(Ok(())) => {
            let passed = screen.ink().state(State::Done, &format!("{} passed", glyph(State::Done)));
            screen.line(&format!("\n{passed}; nothing is left behind"))?;
            Ok(Ended::Passed)
        }
    }
}

fn introduction(stage: &Stage, options: &Options) -> String {
    let nodes = match stage.server.executor {
        "docker" => format!("nodes in containers of {}", options.image),
        _ if options.executor == ExecutorChoice::Process => "nodes as plain processes: no isolation".to_owned(),
        _ => "no Docker: nodes as plain processes, no isolation".to_owned(),
    };
    cut(&format!("server at {}, {nodes}", stage.server.url), WIDTH)
}

fn links(stage: &Stage, place: &Place, id: &str, screen: &mut Screen) -> std::io::Result<()> {
    let url = &stage.server.url;
    screen.line(&format!("\n{}", screen.ink().bold("The server goes on; Ctrl-C stops it")))?;
    screen.line(&format!("  page   {url}/app/p/{id}"))?;
    screen.line(&format!("  API    {url}/api/v1/pipelines/{id}"))?;
    screen.line(&format!("  shell  export CONDUCTO_SERVER={url}"))?;
    screen.line(&format!("         export CONDUCTO_TOKEN=$(cat {}/admin-token)", place.base().display()))?;
    screen.line(&format!("         conducto show {id}"))
}

/// Says what went wrong, and leaves the directory for a look.
fn failed(error: &anyhow::Error, place: &mut Place, screen: &mut Screen) -> anyhow::Result<Ended> {
    place.keep();
    let mark = screen.ink().state(State::Error, &format!("{} failed", glyph(State::Error)));
    screen.line(&format!("\n{mark}: {error:#}"))?;
    let log = std::fs::read_to_string(place.log()).unwrap_or_default();
    screen.line(&format!("the end of the server's log, {}:", place.log().display()))?;
    for line in tail(&log, TAIL).0.lines() {
        screen.line(&format!("  {} {line}", screen.ink().dim("|")))?;
    }
    Ok(Ended::Failed)
}
