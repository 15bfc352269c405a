//! How long 200 pipelines take that do nothing, from the first push to the end of the last, without containers.
//!
//! The reference is Laminar, which says of itself that it is small: 200 jobs that do nothing, queued by its own command.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, ensure};
use conducto::dispatch::view::PipelineSummary;
use tempfile::TempDir;

use crate::{
    client::Connection,
    server::{Server, WEBHOOK, until},
    table::{Row, Target},
    world::World,
};

const ROUNDS: usize = 5;
const PIPELINES: usize = 200;

/// Measures the server and, where it is installed, Laminar by turns.
pub(crate) async fn row(server: &Server, world: &World) -> anyhow::Result<Row> {
    let laminar = Laminar::start().await?;
    let (mut ours, mut reference) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(run_all(server, world).await?);
        if let Some(laminar) = &laminar {
            reference.push(laminar.run_all().await?);
        }
    }
    let command = "laminarc queue noop noop … (200), until `laminarc show-queued` and `show-running` show none";
    let name = "200 pipelines that do nothing, as processes";
    Ok(Row { name, unit: "s", ours, reference, target: Target::TimesAtMost(1.0), command: command.into() })
}

async fn run_all(server: &Server, world: &World) -> anyhow::Result<f64> {
    let deliveries: Vec<_> = (0..PIPELINES).map(|_| world.push_nothing_to_do()).collect();
    let mut connection = Connection::open(server.address, WEBHOOK).await?;
    let before = newest(server).await?;
    let begin = Instant::now();
    for delivery in &deliveries {
        let status = connection.deliver(delivery, &delivery.guid).await?;
        ensure!(status == 202, "a delivery was answered {status}");
    }
    until("all pipelines have ended", || async {
        let list: Vec<PipelineSummary> = server.get(&format!("pipelines?limit={PIPELINES}")).await?;
        let fresh: Vec<_> = list.iter().take_while(|pipeline| Some(pipeline.id.to_string()) != before).collect();
        Ok((fresh.len() == PIPELINES && fresh.iter().all(|pipeline| pipeline.finished_at.is_some())).then_some(()))
    })
    .await?;
    Ok(begin.elapsed().as_secs_f64())
}

async fn newest(server: &Server) -> anyhow::Result<Option<String>> {
    let list: Vec<PipelineSummary> = server.get("pipelines?limit=1").await?;
    Ok(list.first().map(|pipeline| pipeline.id.to_string()))
}

/// Its server with one job, in a folder of its own; it ends when this goes.
struct Laminar {
    child: Child,
    folder: TempDir,
}

impl Laminar {
    /// Returns nothing where it is not installed.
    async fn start() -> anyhow::Result<Option<Self>> {
        let Some(program) = find("laminard") else { return Ok(None) };
        let folder = tempfile::tempdir()?;
        let jobs = folder.path().join("cfg/jobs");
        fs::create_dir_all(&jobs)?;
        let job = jobs.join("noop.run");
        fs::write(&job, "#!/bin/sh\ntrue\n")?;
        fs::set_permissions(&job, fs::Permissions::from_mode(0o755))?;
        let mut command = Command::new(program);
        command.env("LAMINAR_HOME", folder.path()).env("LAMINAR_BIND_RPC", address(folder.path()));
        command.env("LAMINAR_BIND_HTTP", format!("unix:{}", folder.path().join("http.sock").display()));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let laminar = Self { child, folder };
        until("Laminar listens", || async { Ok(laminar.folder.path().join("rpc.sock").exists().then_some(())) })
            .await?;
        Ok(Some(laminar))
    }

    async fn run_all(&self) -> anyhow::Result<f64> {
        let begin = Instant::now();
        self.ask(&["queue"].into_iter().chain(std::iter::repeat_n("noop", PIPELINES)).collect::<Vec<_>>())?;
        until("Laminar has done its jobs", || async {
            let left = self.ask(&["show-queued"])? + &self.ask(&["show-running"])?;
            Ok(left.trim().is_empty().then_some(()))
        })
        .await?;
        Ok(begin.elapsed().as_secs_f64())
    }

    fn ask(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let program = find("laminarc").context("laminard is installed without laminarc")?;
        let output = Command::new(program).args(arguments).env("LAMINAR_HOST", address(self.folder.path())).output()?;
        ensure!(output.status.success(), "laminarc {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Drop for Laminar {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn address(folder: &Path) -> String {
    format!("unix:{}", folder.join("rpc.sock").display())
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|file| file.exists())
}
