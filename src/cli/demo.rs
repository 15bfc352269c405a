//! `conducto demo`: arguments, signals and the terminal of the demo.

use std::{io::IsTerminal as _, num::NonZeroU32, path::PathBuf};

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{
    failure::{FAILED, Failure, INTERRUPTED, Outcome},
    place,
    printer::Printer,
};
use crate::{
    demo::{self, Ended, Screen},
    settings::ExecutorChoice,
};

#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Leave the server running until Ctrl-C, and say where to look
    #[arg(long)]
    keep: bool,
    /// Image of the nodes; pulled if it is not there
    #[arg(long, value_name = "IMAGE", default_value = "busybox:stable")]
    image: String,
    /// Where nodes run: auto (Docker, else plain processes), docker, process
    #[arg(long, value_name = "EXECUTOR", default_value = "auto", hide_possible_values = true)]
    executor: Choice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    Auto,
    Docker,
    Process,
}

pub(crate) async fn run(verb: Demo, printer: &mut Printer) -> Outcome {
    let environment = place::environment();
    let options = demo::Options {
        keep: verb.keep,
        image: verb.image,
        executor: match verb.executor {
            Choice::Auto => ExecutorChoice::Auto,
            Choice::Docker => ExecutorChoice::Docker,
            Choice::Process => ExecutorChoice::Process,
        },
        docker_socket: environment
            .get("DOCKER_HOST")
            .and_then(|host| host.strip_prefix("unix://"))
            .map_or_else(|| PathBuf::from("/var/run/docker.sock"), PathBuf::from),
        // Enough for every parallel group of the sample: its nodes mostly wait.
        slots: NonZeroU32::MIN.saturating_add(3),
    };
    let is_live = std::io::stdout().is_terminal() && environment.get("TERM").is_none_or(|term| term != "dumb");
    let size = terminal_size::terminal_size().filter(|_| is_live);
    let size = size.map(|(columns, rows)| (usize::from(columns.0), usize::from(rows.0)));
    let mut screen = Screen::new(Box::new(std::io::stdout()), printer.ink(), size);
    let interrupted = CancellationToken::new();
    let ended = tokio::select! {
        ended = demo::run(&options, &mut screen, &interrupted) => ended?,
        () = watch(&interrupted) => Ended::Interrupted,
    };
    match ended {
        Ended::Passed => Ok(()),
        Ended::Failed => Err(Failure { code: FAILED, error: anyhow::anyhow!("the demo failed"), help: None }),
        Ended::Interrupted => Err(Failure { code: INTERRUPTED, error: anyhow::anyhow!("interrupted"), help: None }),
    }
}

/// Passes the first signal on; ends at the second, which means: now.
async fn watch(interrupted: &CancellationToken) {
    let mut signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    let [Ok(terminate), Ok(interrupt), Ok(hangup)] = &mut signals else {
        return std::future::pending().await;
    };
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {}, _ = hangup.recv() => {} }
    interrupted.cancel();
    // A terminal that closes after Ctrl-C is no second word: what was made must still be removed.
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
}
