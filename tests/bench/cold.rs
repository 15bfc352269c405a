//! How long it takes from a push to the first thing that its first node prints, when no worker is there yet.

use std::time::Duration;

use anyhow::Context as _;
use conducto::{clock, dispatch::view::PipelineView};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    docker::{self, Image},
    server::{Ended, Server, until},
    table::{Row, Target},
    world::World,
};

const ROUNDS: usize = 11;
const GONE_ROUNDS: usize = 5;

/// Time for the server to make a worker ready for the next pipeline, where it does.
const QUIET: Duration = Duration::from_secs(2);

/// Measures the server and `docker run` by turns.
pub(crate) async fn row(server: &Server, world: &World, image: &Image, spare: bool) -> anyhow::Result<Row> {
    let (mut ours, mut reference) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let own = first_byte(server, &server.run(&world.push_single()).await?).await?;
        let bare = image.first_byte().await?;
        // Also without: both are to find the machine as quiet.
        sleep(QUIET).await;
        // The first round fills the mirror and the caches.
        if round > 0 {
            ours.push(own);
            reference.push(bare);
        }
    }
    let command = format!("docker run --rm {} echo first", Image::NAME);
    let (name, target) = match spare {
        true => ("first node of a cold pipeline", Target::TimesAtMost(1.0)),
        false => ("the same without a worker that stands by", Target::Open),
    };
    Ok(Row { name, unit: "ms", ours, reference, target, command })
}

/// Measures how long the container stays after the last node that it could run.
pub(crate) async fn gone(server: &Server, world: &World) -> anyhow::Result<Row> {
    let mut ours = Vec::new();
    for _ in 0..GONE_ROUNDS {
        let id = server.begin(&world.push_single()).await?.id;
        let ended = until("the pipeline ends", || async {
            let view: PipelineView = server.get(&format!("pipelines/{id}")).await?;
            Ok(view.nodes.iter().flat_map(|node| &node.attempts).find_map(|attempt| attempt.finished_at))
        });
        let ended = ended.await?;
        until("its container is gone", || async {
            Ok(docker::containers_of(id.as_str()).await?.is_empty().then_some(()))
        })
        .await?;
        ours.push(clock::now().duration_since(ended).as_secs_f64());
    }
    let (name, target) = ("a container's end after its queue is empty", Target::Below(5.0));
    let command = "docker ps --all, until it shows none of the pipeline".to_owned();
    Ok(Row { name, unit: "s", ours, reference: Vec::new(), target, command })
}

/// From just before the request is sent to when the server wrote down the first output, in milliseconds.
async fn first_byte(server: &Server, ended: &Ended) -> anyhow::Result<f64> {
    let log = server.text(&format!("pipelines/{}/nodes/first/log?format=json&stream=stdout", ended.id)).await?;
    let first: Value = serde_json::from_str(log.lines().next().context("the node printed nothing")?)?;
    let at: Timestamp = first["at"].as_str().context("a piece of log has a time")?.parse()?;
    Ok(at.duration_since(ended.delivered_at).as_secs_f64() * 1e3)
}
