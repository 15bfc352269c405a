//! What one short node costs: in a warm container, beside a bare loop and beside Docker's own ways; and without containers.

use std::path::Path;

use anyhow::{Context as _, ensure};
use conducto::dispatch::view::{AttemptView, PipelineView};
use tokio::process::Command;

use crate::{
    docker::{self, Image},
    server::Server,
    table::{Row, Target},
    world::{LEAVES, World},
};

const ROUNDS: usize = 7;
const PROCESS_ROUNDS: usize = 5;
const RUNS_A_ROUND: usize = 2;
const EXECS_A_ROUND: usize = 4;

/// Measures one worker in one container against its references, by turns.
pub(crate) async fn in_containers(server: &Server, world: &World, image: &Image) -> anyhow::Result<Vec<Row>> {
    let (mut ours, mut bare, mut runs, mut execs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let waiting = image.waiting().await?;
    for _ in 0..ROUNDS {
        ours.push(milliseconds_a_node(&server.run(&world.push_wide()).await?.view)?);
        bare.push(image.bare_loop(LEAVES).await?);
        for _ in 0..RUNS_A_ROUND {
            runs.push(image.run_true().await?);
        }
        for _ in 0..EXECS_A_ROUND {
            execs.push(waiting.exec_true().await?);
        }
    }
    let row = |name, reference, target, command: &str| {
        let command = command.replace("IMAGE", Image::NAME);
        Row { name, unit: "ms", ours: ours.clone(), reference, target, command }
    };
    Ok(vec![
        row(
            "short node in a warm container",
            bare,
            Target::TimesAtMost(1.5),
            "docker run --rm --cpus 1 --memory 2g -v BENCH:/bench:ro --entrypoint /bench IMAGE bare-loop /bin/sh 2000",
        ),
        row("docker run per node", runs, Target::FasterBy(250.0), "docker run --rm IMAGE true"),
        row("docker exec per node", execs, Target::FasterBy(50.0), "docker exec CONTAINER true"),
    ])
}

/// Measures one worker that is a plain process of this machine.
pub(crate) async fn as_processes(server: &Server, world: &World) -> anyhow::Result<Vec<Row>> {
    // The shell that a worker chooses where there are several.
    let shell = if Path::new("/bin/bash").exists() { "/bin/bash" } else { "/bin/sh" };
    let (mut ours, mut reference) = (Vec::new(), Vec::new());
    for _ in 0..PROCESS_ROUNDS {
        ours.push(milliseconds_a_node(&server.run(&world.push_wide()).await?.view)?);
        let leaves = LEAVES.to_string();
        let bare = Command::new(std::env::current_exe()?).args(["bare-loop", shell, &leaves]).output().await?;
        reference.push(docker::nanoseconds(&String::from_utf8(bare.stdout)?)?);
    }
    let command = format!("BENCH bare-loop {shell} {LEAVES}");
    let name = "short node as a plain process";
    Ok(vec![Row { name, unit: "ms", ours, reference, target: Target::Open, command }])
}

/// Measures what a layer for each node costs.
pub(crate) async fn pristine(server: &Server, world: &World) -> anyhow::Result<Row> {
    let (mut ours, mut reference) = (Vec::new(), Vec::new());
    for _ in 0..PROCESS_ROUNDS {
        ours.push(milliseconds_a_node(&server.run(&world.push_pristine()).await?.view)?);
        reference.push(milliseconds_a_node(&server.run(&world.push_wide()).await?.view)?);
    }
    let (name, target) = ("pristine short node in a warm container", Target::TimesAtMost(2.0));
    let command = "the same pipeline without `isolation = \"pristine\"`".to_owned();
    Ok(Row { name, unit: "ms", ours, reference, target, command })
}

/// From the end of the first node to the end of the last: the way of the container to life is another row.
fn milliseconds_a_node(view: &PipelineView) -> anyhow::Result<f64> {
    let attempts: Vec<&AttemptView> = view.nodes.iter().flat_map(|node| &node.attempts).collect();
    ensure!(attempts.len() == LEAVES as usize, "{} attempts of {LEAVES} nodes", attempts.len());
    ensure!(attempts.iter().all(|attempt| attempt.worker == attempts[0].worker), "more than one worker was at work");
    let ends = || attempts.iter().filter_map(|attempt| attempt.finished_at);
    let (first, last) = ends().min().zip(ends().max()).context("every attempt has ended")?;
    Ok(last.duration_since(first).as_secs_f64() * 1e3 / f64::from(LEAVES - 1))
}
