//! How long a killed server takes to come back to a thousand live pipelines.

use std::{fs, time::Duration};

use anyhow::ensure;
use conducto::dispatch::view::PipelineSummary;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    client::Connection,
    server::{Place, Server, WEBHOOK, until},
    table::{Row, Target},
    world::World,
};

const ROUNDS: usize = 5;
const PIPELINES: usize = 1_000;

/// How many leaves run in all, each as a plain process.
const RUNNING: u32 = 10;

/// Measures from the start of the process: until it answers, and until it says that all pipelines are resumed.
pub(crate) async fn rows(place: &Place, world: &World) -> anyhow::Result<Vec<Row>> {
    let mut server = Server::start(place, world, "process", Some(RUNNING)).await?;
    let guard = Leftovers(server.base().to_string_lossy().into_owned());
    for _ in 0..PIPELINES {
        let delivery = world.push_long();
        let status = Connection::open(server.address, WEBHOOK).await?.deliver(&delivery, &delivery.guid).await?;
        ensure!(status == 202, "a delivery was answered {status}");
    }
    until("all pipelines live", || async { Ok((count(&server).await? == (PIPELINES, RUNNING)).then_some(())) }).await?;
    let (mut serving, mut resumed) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        server.kill()?;
        let begun = Instant::now();
        server.serve_again().await?;
        serving.push(begun.elapsed().as_secs_f64());
        until("all pipelines are resumed", || async {
            let health: Value = server.health().await?;
            Ok((!health["problems"].to_string().contains("still being resumed")).then_some(()))
        })
        .await?;
        resumed.push(begun.elapsed().as_secs_f64());
        // It must be true as well: the same leaves run on, and no other has begun.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (pipelines, running) = count(&server).await?;
        ensure!((pipelines, running) == (PIPELINES, RUNNING), "{pipelines} pipelines live and {running} leaves run");
    }
    server.stop().await?;
    drop(guard);
    let command = "kill -9, then `conducto serve` on the same directory; 1,000 pipelines of 20 leaves, ten of them run";
    let row = |name, ours, limit| {
        let (reference, command) = (Vec::new(), command.to_owned());
        Row { name, unit: "s", ours, reference, target: Target::Below(limit), command }
    };
    Ok(vec![row("restart: serving", serving, 2.0), row("restart: all pipelines resumed", resumed, 10.0)])
}

/// Counts the pipelines that have not ended, and their running leaves.
async fn count(server: &Server) -> anyhow::Result<(usize, u32)> {
    let (mut pipelines, mut running, mut path) = (0, 0, "pipelines?limit=200".to_owned());
    loop {
        let page: Vec<PipelineSummary> = server.get(&path).await?;
        let Some(last) = page.last() else { return Ok((pipelines, running)) };
        path = format!("pipelines?limit=200&before={}", last.id);
        let live = page.iter().filter(|pipeline| pipeline.finished_at.is_none());
        pipelines += live.clone().count();
        running += live.map(|pipeline| pipeline.counts.running).sum::<u32>();
    }
}

/// Ends what a server has left running, by the base directory in its environment or in its command line.
struct Leftovers(String);

impl Drop for Leftovers {
    fn drop(&mut self) {
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
            let says = |file| fs::read(entry.path().join(file)).unwrap_or_default();
            if [says("environ"), says("cmdline")].iter().any(|text| String::from_utf8_lossy(text).contains(&self.0)) {
                // It may have ended meanwhile.
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
        }
    }
}
