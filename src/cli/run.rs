//! The way from the arguments to the exit code.

use std::{io, process::ExitCode};

use anyhow::Context as _;
use clap::Parser as _;

use super::{
    args::{Arguments, Verb},
    backup, cancel, check, deliveries, demo, edit,
    failure::{Failure, INTERRUPTED, Outcome, USAGE},
    health, kill, launch, list, logs, place,
    printer::Printer,
    prune, rerun, reset, restore, script, secret, serve, show, skip, sleep, start, unskip, wake,
};
use crate::worker;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    if let Some(arguments) = script::asked(std::env::args_os()) {
        let failure = script::run(&arguments);
        Printer::new(super::args::Color::Auto, &place::environment()).failure(&failure).ok();
        return ExitCode::from(failure.code);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too; a terminal that is gone changes nothing.
            error.print().ok();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    // A worker has neither a printer nor a runtime of ours: it is the first process of somebody else's container.
    if let Verb::Worker(options) = arguments.verb {
        return worker::run(options);
    }
    let mut printer = Printer::new(arguments.color, &place::environment());
    match begin(arguments.verb, &mut printer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if is_closed_pipe(&failure) => ExitCode::SUCCESS,
        Err(failure) => {
            printer.failure(&failure).ok();
            ExitCode::from(failure.code)
        }
    }
}

fn begin(verb: Verb, printer: &mut Printer) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(async {
        match verb {
            // The server has its own way to stop; it needs to end its commits first.
            Verb::Serve(verb) => serve::run(verb, printer).await,
            // So has the demo: it removes what it made.
            Verb::Demo(verb) => demo::run(verb, printer).await,
            verb => tokio::select! {
                outcome = client(verb, printer) => outcome,
                _ = tokio::signal::ctrl_c() => {
                    Err(Failure { code: INTERRUPTED, error: anyhow::anyhow!("interrupted"), help: None })
                }
            },
        }
    })
}

pub(super) async fn client(verb: Verb, printer: &mut Printer) -> Outcome {
    match verb {
        Verb::Serve(verb) => serve::run(verb, printer).await,
        Verb::Demo(verb) => demo::run(verb, printer).await,
        Verb::Check(verb) => check::run(verb, printer),
        Verb::Worker(_) => Ok(()),
        Verb::Launch(verb) => launch::run(verb, printer).await,
        Verb::List(verb) => list::run(verb, printer).await,
        Verb::Show(verb) => show::run(verb, printer).await,
        Verb::Logs(verb) => logs::run(verb, printer).await,
        Verb::Cancel(verb) => cancel::run(verb, printer).await,
        Verb::Start(verb) => start::run(verb, printer).await,
        Verb::Reset(verb) => reset::run(verb, printer).await,
        Verb::Rerun(verb) => rerun::run(verb, printer).await,
        Verb::Skip(verb) => skip::run(verb, printer).await,
        Verb::Unskip(verb) => unskip::run(verb, printer).await,
        Verb::Kill(verb) => kill::run(verb, printer).await,
        Verb::Edit(verb) => edit::run(verb, printer).await,
        Verb::Sleep(verb) => sleep::run(verb, printer).await,
        Verb::Wake(verb) => wake::run(verb, printer).await,
        Verb::Deliveries(verb) => deliveries::run(verb, printer).await,
        Verb::Health(verb) => health::run(verb, printer).await,
        Verb::Secret(verb) => secret::run(verb, printer).await,
        Verb::Prune(verb) => prune::run(verb, printer).await,
        Verb::Backup(verb) => backup::run(verb, printer).await,
        Verb::Restore(verb) => restore::run(verb, printer).await,
    }
}

/// `conducto list | head` ends our output early on purpose.
fn is_closed_pipe(failure: &Failure) -> bool {
    failure.error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
