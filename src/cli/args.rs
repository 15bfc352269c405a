//! What can be typed: verbs, flags, environment. Knows nothing of what the verbs do.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{
    backup, cached, cancel, check, data, debug, deliveries, demo, edit, generate, health, images, init, kill, launch,
    list, local, logs, profile, prune, rerun, reset, restore, secret, serve, show, skip, sleep, start, unskip, wake,
};
use crate::worker;

/// Self-hosted CI/CD: a pipeline is a tree, every attempt is kept
#[derive(Debug, Parser)]
#[command(name = "conducto", version, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Arguments {
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    #[arg(display_order = 900, help = "When to use colour: auto, always, never")]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the pipeline of this repository here, with what is changed in it
    Run(local::Run),
    /// Write a conducto.cfg and a pipeline to begin with
    Init(init::Init),
    /// Run the server
    Serve(serve::Serve),
    /// Show the whole way of a push, on this machine alone
    Demo(demo::Demo),
    /// Check a conducto.cfg, and the files it names, or a definition file
    Check(check::Check),
    /// Launch a section of a repository by hand
    Launch(launch::Launch),
    /// List pipelines, newest first
    List(list::List),
    /// Draw a pipeline's tree, and the end of the log of what failed
    Show(show::Show),
    /// Print a node's log
    Logs(logs::Logs),
    /// Read and write what nodes share
    Data(data::Data),
    /// A shell in a container that is just about to run a node's command
    Debug(debug::Debug),
    /// The same with the files here in place of the commit's
    Livedebug(debug::Debug),
    /// Stop a pipeline: no further starts, and end what runs
    Cancel(cancel::Cancel),
    /// Let a pipeline begin that waits for somebody to say so
    Start(start::Start),
    /// Run a node and all below it again, and go on from there
    Reset(reset::Reset),
    /// Run again what failed, and nothing else
    Rerun(rerun::Rerun),
    /// Pass a node and all below it over; its parent goes on without it
    Skip(skip::Skip),
    /// Take that back; what has not run can run again
    Unskip(unskip::Unskip),
    /// End what runs or waits at a node or below it
    Kill(kill::Kill),
    /// Change a node's command, environment, resources or image
    Edit(edit::Edit),
    /// End what runs and start nothing, until the pipeline is woken
    Sleep(sleep::Sleep),
    /// Go on where sleeping left off; what was ended runs again
    Wake(wake::Wake),
    /// List webhook deliveries and what became of them
    Deliveries(deliveries::Deliveries),
    /// List the images that the server makes, or show how one was made
    Images(images::Images),
    /// Ask whether the server is well
    Health(health::Health),
    /// Set, list and delete secrets, and rotate their key
    Secret(secret::Secret),
    /// Remove logs and data that are older than the settings keep
    Prune(prune::Prune),
    /// Back up everything of the server on this machine, while it runs or not
    Backup(backup::Backup),
    /// Restore a back-up
    Restore(restore::Restore),
    /// Which servers you work with: list, add, set-default, delete
    Profile(profile::Profile),
    /// Print completions for a shell
    #[command(hide = true)]
    Completions(generate::Completions),
    /// Print or write manual pages
    #[command(hide = true)]
    Man(generate::Man),
    /// Run a node's command between restoring and saving its caches; started by the worker
    #[command(hide = true)]
    Cached(cached::Cached),
    /// Run nodes inside a container; started by the server
    #[command(hide = true)]
    Worker(worker::Options),
}

impl Verb {
    /// Returns where a verb looks that does nothing else.
    pub(super) fn looks(&self) -> Option<&Remote> {
        match self {
            Self::List(list::List { remote, .. })
            | Self::Show(show::Show { remote, .. })
            | Self::Logs(logs::Logs { remote, .. })
            | Self::Debug(debug::Debug { remote, .. })
            | Self::Livedebug(debug::Debug { remote, .. }) => Some(remote),
            _ => None,
        }
    }
}

/// Where the server is and who asks; the same for every client verb.
#[derive(Args, Clone, Debug)]
pub(crate) struct Remote {
    /// Address of the server [default: the one running on this machine]
    #[arg(long, env = "CONDUCTO_SERVER", value_name = "URL", hide_env_values = true)]
    pub(crate) server: Option<String>,
    /// API token [default: the admin's, for the server on this machine]
    #[arg(long, env = "CONDUCTO_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Print the server's answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Settings file, to find the base directory
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) config: Option<PathBuf>,
}
