//! How much memory a server holds that has run something and has nothing to do.

use std::{fs, time::Duration};

use anyhow::Context as _;

use crate::{
    server::{Place, Server},
    table::{Row, Target},
    world::World,
};

const ROUNDS: usize = 3;
const IDLE: Duration = Duration::from_secs(5);

/// Measures fresh servers after one small pipeline each.
pub(crate) async fn row(place: &Place, world: &World) -> anyhow::Result<Row> {
    let mut ours = Vec::new();
    for _ in 0..ROUNDS {
        let server = Server::start(place, world, "docker", None).await?;
        server.run(&world.push_single()).await?;
        tokio::time::sleep(IDLE).await;
        ours.push(resident(server.pid())?);
        server.stop().await?;
    }
    let command = "VmRSS of /proc/PID/status; there is no reference, `met` says whether the target is";
    let target = Target::Below(60.0);
    Ok(Row {
        name: "memory of an idle server",
        unit: "MB",
        ours,
        reference: Vec::new(),
        target,
        command: command.into(),
    })
}

/// Returns what a process holds in memory, in millions of bytes.
pub(crate) fn resident(pid: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel says VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024.0 / 1e6)
}
