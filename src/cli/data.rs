//! `conducto data`: what nodes share, in a node or outside. One line of JSON for what there is to say, raw bytes for content.

mod attempt;
mod commands;
mod place;
mod words;

use clap::{Args, ValueEnum};

use super::{args::Remote, failure::Outcome, printer::Printer};

pub(crate) use place::{Local, Place, Source, unnamed};

/// Whose data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    // What the nodes of one pipeline share.
    Pipeline,
    // What all pipelines of one user share.
    User,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::User => "user",
        }
    }
}

#[derive(Args, Debug)]
#[command(after_help = words::HELP)]
pub(crate) struct Data {
    #[command(flatten)]
    remote: Remote,
    /// Of one pipeline, or of a user
    #[arg(value_enum)]
    kind: Kind,
    /// See below; arguments in their order or as --name=VALUE
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "COMMAND")]
    words: Vec<String>,
}

pub(crate) async fn run(data: Data, printer: &mut Printer) -> Outcome {
    let Some((call, options)) = words::read(&data.words)? else { return Ok(printer.line(words::HELP)?) };
    let mut remote = data.remote;
    remote.server = options.server.clone().or(remote.server);
    remote.token = options.token.clone().or(remote.token);
    commands::run(&call, data.kind, &options, &remote, printer).await
}

/// Returns the words that a command of one of the older names stands for; nothing for any other name.
pub(crate) fn by_name(name: &str) -> Option<[&'static str; 2]> {
    match name {
        "conducto-data-pipeline" | "conducto-temp-data" => Some(["data", "pipeline"]),
        "conducto-data-user" | "conducto-perm-data" => Some(["data", "user"]),
        _ => None,
    }
}
