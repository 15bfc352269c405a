//! How fast what one node prints becomes a log.

use anyhow::{Context as _, ensure};

use crate::{
    docker::Image,
    server::Server,
    table::{Row, Target},
    world::{LOUD, World},
};

const ROUNDS: usize = 3;

/// Measures one node that prints much, from its start to its end, when all of it is in the log.
pub(crate) async fn row(server: &Server, world: &World, image: &Image) -> anyhow::Result<Row> {
    let (mut ours, mut reference) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let view = server.run(&world.push_loud()).await?.view;
        let attempt = view.nodes.iter().flat_map(|node| &node.attempts).next().context("one node ran")?;
        ensure!(attempt.log_bytes == Some(LOUD), "the log has {:?} bytes", attempt.log_bytes);
        let (began, ended) = attempt.started_at.zip(attempt.finished_at).context("it began and ended")?;
        ours.push(megabytes_a_second(ended.duration_since(began).as_secs_f64()));
        reference.push(megabytes_a_second(image.print(LOUD).await?));
    }
    let command = format!("docker run --rm {} head -c {LOUD} /dev/zero, into a pipe", Image::NAME);
    let (name, target) = ("log of one node that prints 1 GB", Target::ShareAtLeast(1.0));
    Ok(Row { name, unit: "MB/s", ours, reference, target, command })
}

#[expect(clippy::cast_precision_loss, reason = "a round number")]
fn megabytes_a_second(seconds: f64) -> f64 {
    LOUD as f64 / 1e6 / seconds
}
