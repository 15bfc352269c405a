//! The `docker` command, and the image that nodes and references run in. Knows no server.

use std::{env, path::Path, process::Stdio, time::Instant};

use anyhow::{Context as _, ensure};
use tokio::{io::AsyncReadExt as _, process::Command};

/// What a worker's container may use; the containers of the references get the same.
const LIMITS: [&str; 6] = ["--cpus", "1", "--memory", "2g", "--memory-swap", "2g"];

/// Busybox, made without any registry. Its name goes when this does.
pub(crate) struct Image;

/// Lists the containers of a pipeline, whatever state they are in.
pub(crate) async fn containers_of(pipeline: &str) -> anyhow::Result<String> {
    run(&["ps", "--all", "--quiet", "--filter", &format!("label=com.conducto.pipeline={pipeline}")]).await
}

impl Image {
    pub(crate) const NAME: &str = "conducto-bench:1";

    pub(crate) async fn make() -> anyhow::Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images/busybox.sh");
        ensure!(Command::new(script).status().await?.success(), "the image cannot be made");
        run(&["tag", "conducto-test/busybox:2", Self::NAME]).await?;
        Ok(Self)
    }

    /// Runs the bare loop in a container like a worker's; returns milliseconds a spawn.
    pub(crate) async fn bare_loop(&self, count: u32) -> anyhow::Result<f64> {
        let mount = format!("{}:/bench:ro", env::current_exe()?.display());
        let (count, mut arguments) = (count.to_string(), vec!["run", "--rm", "-v", &mount, "--entrypoint", "/bench"]);
        arguments.extend(LIMITS);
        arguments.extend([Self::NAME, "bare-loop", "/bin/sh", &count]);
        nanoseconds(&run(&arguments).await?)
    }

    /// Runs `true` in a container of its own; returns milliseconds.
    pub(crate) async fn run_true(&self) -> anyhow::Result<f64> {
        timed(&["run", "--rm", Self::NAME, "true"]).await
    }

    /// Returns the milliseconds until a fresh container has printed something.
    pub(crate) async fn first_byte(&self) -> anyhow::Result<f64> {
        let begin = Instant::now();
        let mut child =
            Command::new("docker").args(["run", "--rm", Self::NAME, "echo", "first"]).stdout(Stdio::piped()).spawn()?;
        let mut stdout = child.stdout.take().context("it has a standard output")?;
        stdout.read_exact(&mut [0]).await?;
        let elapsed = begin.elapsed();
        ensure!(child.wait().await?.success(), "the container failed");
        Ok(elapsed.as_secs_f64() * 1e3)
    }

    /// Lets a container print so many bytes into a pipe; returns the seconds from the first of them to the last.
    pub(crate) async fn print(&self, bytes: u64) -> anyhow::Result<f64> {
        let count = bytes.to_string();
        let arguments = ["run", "--rm", Self::NAME, "head", "-c", &count, "/dev/zero"];
        let mut child = Command::new("docker").args(arguments).stdout(Stdio::piped()).spawn()?;
        let mut stdout = child.stdout.take().context("it has a standard output")?;
        stdout.read_exact(&mut [0]).await?;
        let begin = Instant::now();
        let read = tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await?;
        let elapsed = begin.elapsed();
        ensure!(read + 1 == bytes && child.wait().await?.success(), "the container printed {read} bytes");
        Ok(elapsed.as_secs_f64())
    }

    /// Starts a container that waits for others to run something in it.
    pub(crate) async fn waiting(&self) -> anyhow::Result<Waiting> {
        let id = run(&["run", "-d", "--rm", Self::NAME, "sleep", "600"]).await?;
        Ok(Waiting { id: id.trim().to_owned() })
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        drop(std::process::Command::new("docker").args(["rmi", Self::NAME]).stdout(Stdio::null()).status());
    }
}

/// A container that waits; it goes when this does.
pub(crate) struct Waiting {
    id: String,
}

impl Waiting {
    /// Runs `true` in it; returns milliseconds.
    pub(crate) async fn exec_true(&self) -> anyhow::Result<f64> {
        timed(&["exec", &self.id, "true"]).await
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(std::process::Command::new("docker").args(["rm", "-f", &self.id]).stdout(Stdio::null()).status());
    }
}

/// Runs the `docker` command to its end and returns what it printed.
pub(crate) async fn run(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("docker").args(arguments).output().await.context("`docker` is needed")?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "docker {}: {words}", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}

/// Reads what the bare loop prints; returns milliseconds.
pub(crate) fn nanoseconds(printed: &str) -> anyhow::Result<f64> {
    Ok(printed.trim().parse::<f64>().context("the loop prints a number")? / 1e6)
}

async fn timed(arguments: &[&str]) -> anyhow::Result<f64> {
    let begin = Instant::now();
    run(arguments).await?;
    Ok(begin.elapsed().as_secs_f64() * 1e3)
}
