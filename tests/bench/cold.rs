//! How long it takes from a push to the first thing that its first node prints, when no worker is there yet.

use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    docker::Image,
    server::{Ended, Server},
    table::{Row, Target},
    world::World,
};

const ROUNDS: usize = 11;

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

/// From just before the request is sent to when the server wrote down the first output, in milliseconds.
async fn first_byte(server: &Server, ended: &Ended) -> anyhow::Result<f64> {
    let log = server.text(&format!("pipelines/{}/nodes/first/log?format=json&stream=stdout", ended.id)).await?;
    let first: Value = serde_json::from_str(log.lines().next().context("the node printed nothing")?)?;
    let at: Timestamp = first["at"].as_str().context("a piece of log has a time")?.parse()?;
    Ok(at.duration_since(ended.delivered_at).as_secs_f64() * 1e3)
}
