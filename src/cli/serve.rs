//! `conducto serve`: reads the settings, sets up the server's own log, and runs the server until it is told to stop.

use std::{io::IsTerminal as _, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{Level, Metadata};
use tracing_subscriber::{EnvFilter, filter::filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use super::{
    failure::{Failure, Outcome, USAGE},
    place,
    printer::Printer,
};
use crate::{
    backup, definition,
    executor::docker::BaseError,
    forge, notify, serve,
    settings::{self, Layout, Log, LogFormat, Settings, Sources},
};

#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Settings file [default: /etc/conducto/conducto.toml, else conducto.toml in the base directory]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// How people reach this server
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// The one directory that holds everything
    #[arg(long, value_name = "DIR")]
    base_dir: Option<String>,
    /// Where nodes run: auto, docker, process
    #[arg(long, value_name = "EXECUTOR")]
    executor: Option<String>,
    /// Let nodes run as plain processes, without isolation, where there is no Docker
    #[arg(long)]
    allow_process: bool,
    /// What the server's own log says: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
    /// Check the settings and exit
    #[arg(long)]
    check: bool,
}

pub(crate) fn settings(serve: &Serve, printer: &mut Printer) -> Result<Settings, Failure> {
    let given = [
        ("listen", &serve.listen),
        ("public_url", &serve.public_url),
        ("base_dir", &serve.base_dir),
        ("executor", &serve.executor),
        ("log.filter", &serve.log),
    ];
    let mut flags: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
    if serve.allow_process {
        flags.push(("allow_process", "true".to_owned()));
    }
    let mut sources = Sources { file: None, environment: place::environment(), flags };
    sources.file = settings::find_file(serve.config.as_deref(), &sources);
    settings::load(&sources).map_err(|diagnostics| {
        // When even standard error is gone, the exit code still tells.
        printer.remark(&definition::text(&diagnostics, printer.is_coloured())).ok();
        let count = match diagnostics.len() {
            1 => "a mistake".to_owned(),
            count => format!("{count} mistakes"),
        };
        Failure { code: USAGE, error: anyhow::anyhow!("the settings hold {count}"), help: None }
    })
}

pub(crate) async fn run(serve: Serve, printer: &mut Printer) -> Outcome {
    let settings = settings(&serve, printer)?;
    if serve.check {
        return Ok(printer.line("the settings are in order")?);
    }
    start_log(&settings.log);
    forbid_core_dumps();
    backup::check_finished(&settings.base_dir).map_err(super::backup::explain)?;
    let layout = Layout::find(&settings.base_dir, &settings.organisation, &settings.user);
    layout.create().map_err(Failure::usage)?;
    let shutdown = CancellationToken::new();
    let mut signals = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    let stop = shutdown.clone();
    let watch = async move {
        if let [Ok(terminate), Ok(interrupt)] = &mut signals {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            tracing::info!("stopping: containers go on running");
            stop.cancel();
            // A second signal means: now.
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = serve::run(settings, shutdown) => ended.context("the server stopped").map_err(explain),
        () = watch => Err(Failure { code: super::failure::INTERRUPTED, error: anyhow::anyhow!("stopped at once"), help: None }),
    }
}

const CERTIFICATES: &str = "install the certificates of public authorities (package ca-certificates), or name a file of \
     them in SSL_CERT_FILE; a container gets the host's with `-v /etc/ssl/certs:/etc/ssl/certs:ro`";

/// Gives what the person who runs the server can mend a way out.
fn explain(error: anyhow::Error) -> Failure {
    let help = if let Some(BaseError::Elsewhere { help, .. }) = error.downcast_ref() {
        Some(help.clone())
    } else {
        let is_client = matches!(error.downcast_ref(), Some(forge::BuildError::Client(_)));
        (is_client || error.is::<notify::BuildError>()).then(|| CERTIFICATES.to_owned())
    };
    match help {
        Some(help) => Failure::usage(error).help(help),
        None => Failure::new(error),
    }
}

/// Sends the server's own log to standard error.
pub(super) fn start_log(log: &Log) {
    let is_text = match log.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let filter = EnvFilter::new(&log.filter);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A process has one log: a second call (several servers in one test) changes nothing.
    let _already = match is_text {
        true => builder.finish().with(filter_fn(shows_no_frames)).try_init(),
        false => builder.json().finish().with(filter_fn(shows_no_frames)).try_init(),
    };
}

/// Keeps out of the log what the WebSocket library would show of every frame, whatever the filter asks for: secrets of nodes
/// travel in them.
fn shows_no_frames(about: &Metadata<'_>) -> bool {
    *about.level() <= Level::INFO || !about.target().contains("tungstenite")
}

/// Lets the system write no image of this process's memory: keys and secrets are in it.
fn forbid_core_dumps() {
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        tracing::warn!(%error, "if the server crashes, an image of its memory may be left on the disk, with secrets in it");
    }
}
