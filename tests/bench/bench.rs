//! `make bench`: measures the built server from outside, each row beside a reference in the same run. Asserts no figure.

use std::{
    env, fs,
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, bail};

use server::{Place, Server};
use table::Row;

mod api;
mod client;
mod cold;
mod docker;
mod engine;
#[path = "../forge/git_http.rs"]
#[expect(clippy::unwrap_used, reason = "the tests use it too")]
mod git_http;
mod intake;
mod many;
mod memory;
mod nodes;
mod redactor;
mod reference;
mod restart;
mod server;
mod stream;
mod table;
mod world;

/// Nothing that is measured takes that long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// The groups of rows; `make bench ROWS="nodes cold"` measures only those, and writes no file.
const GROUPS: [&str; 12] = [
    "engine",
    "redactor",
    "nodes",
    "processes",
    "many",
    "pristine",
    "stream",
    "api",
    "intake",
    "cold",
    "memory",
    "restart",
];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bare-loop", shell, count] => reference::bare_loop(shell, count.parse()?),
        ["engine-tree", leaves] => engine::tree(leaves.parse()?),
        ["hmac-only", secret] => run(reference::hmac_only(secret.to_owned())),
        _ => run(measure(&arguments)),
    }
}

fn run(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

async fn measure(wanted: &[String]) -> anyhow::Result<()> {
    if let Some(unknown) = wanted.iter().find(|group| !GROUPS.contains(&group.as_str())) {
        bail!("there is no group of rows `{unknown}`; there are {}", GROUPS.join(", "));
    }
    let wants = |group: &str| wanted.is_empty() || wanted.iter().any(|one| one == group);
    say(&machine().await?)?;
    let image = docker::Image::make().await?;
    let world = world::World::start().await?;
    let place = Place::new()?;
    let mut rows = Vec::new();
    if wants("engine") {
        keep(&mut rows, engine::rows().await?)?;
    }
    if wants("redactor") {
        keep(&mut rows, redactor::rows()?)?;
    }
    if wants("nodes") {
        let server = Server::start(&place, &world, "docker", Some(1)).await?;
        keep(&mut rows, nodes::in_containers(&server, &world, &image).await?)?;
        server.stop().await?;
    }
    if wants("processes") {
        let server = Server::start(&place, &world, "process", Some(1)).await?;
        keep(&mut rows, nodes::as_processes(&server, &world).await?)?;
        server.stop().await?;
    }
    if wants("many") {
        let server = Server::start(&place, &world, "process", None).await?;
        keep(&mut rows, vec![many::row(&server, &world).await?])?;
        server.stop().await?;
    }
    if wants("pristine") {
        let server = Server::start(&place, &world, "docker", Some(1)).await?;
        keep(&mut rows, vec![nodes::pristine(&server, &world).await?])?;
        server.stop().await?;
    }
    if wants("stream") {
        let server = Server::start(&place, &world, "docker", Some(1)).await?;
        keep(&mut rows, vec![stream::row(&server, &world, &image).await?])?;
        server.stop().await?;
    }
    if wants("api") {
        let server = Server::start(&place, &world, "process", Some(1)).await?;
        keep(&mut rows, api::rows(&server, &world).await?)?;
        server.stop().await?;
    }
    if wants("intake") {
        let server = Server::start(&place, &world, "docker", None).await?;
        keep(&mut rows, vec![intake::row(&server, &world).await?])?;
        server.stop().await?;
    }
    if wants("cold") {
        for spare in [true, false] {
            let server = Server::start_with(&place, &world, "docker", None, spare).await?;
            keep(&mut rows, vec![cold::row(&server, &world, &image, spare).await?])?;
            if !spare {
                keep(&mut rows, vec![cold::gone(&server, &world).await?])?;
            }
            server.stop().await?;
        }
    }
    if wants("memory") {
        keep(&mut rows, vec![memory::row(&place, &world).await?])?;
    }
    if wants("restart") {
        keep(&mut rows, restart::rows(&place, &world).await?)?;
    }
    say(&format!("\n{}", table::text(&rows)))?;
    if wanted.is_empty() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench.json");
        fs::write(&file, table::json(&rows)?).with_context(|| format!("failed to write {}", file.display()))?;
        say("written to target/bench.json")?;
    }
    Ok(())
}

fn keep(rows: &mut Vec<Row>, fresh: Vec<Row>) -> anyhow::Result<()> {
    for row in &fresh {
        say(&row.remark())?;
    }
    rows.extend(fresh);
    Ok(())
}

/// Says on what is measured: figures of another machine, or of a busy one, are other figures.
async fn machine() -> anyhow::Result<String> {
    let processors = std::thread::available_parallelism()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    let engine = docker::run(&["version", "--format", "{{.Server.Version}}"]).await?;
    Ok(format!(
        "{processors} processors, Linux {}, Docker {}, load {load} before the first row",
        kernel.trim(),
        engine.trim()
    ))
}

fn say(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// Binds a port that nobody else has.
async fn listener() -> tokio::net::TcpListener {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("this machine has a free port")
}
