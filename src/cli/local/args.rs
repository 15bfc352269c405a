//! What can be said to `conducto run`. Knows nothing of how it is done.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::launch::parameter;

/// The end of its help.
const EXAMPLES: &str = "\
Examples:
  conducto run                               the push section, for the branch that is checked out
  conducto run pr --base main                what a pull request to main would run
  conducto run ci/pipeline.toml --watch      a definition file, again at every change
  conducto run ci/pipeline.py nightly        a function of a program in Python
  conducto run --only /checks/unit           one node of the push section";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Run {
    /// An event or section (push, pr, manual.deploy), a definition file, or a program in Python
    #[arg(value_name = "WHAT", default_value = "push")]
    pub(super) what: String,
    /// What the program is given: a function and its arguments
    #[arg(value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub(super) arguments: Vec<String>,
    /// Branch it happens on [default: the one that is checked out]
    #[arg(long, value_name = "BRANCH")]
    pub(super) branch: Option<String>,
    /// Branch that a pull request wants to go to
    #[arg(long, value_name = "BRANCH")]
    pub(super) base: Option<String>,
    /// Tag it is about
    #[arg(long, value_name = "TAG")]
    pub(super) tag: Option<String>,
    /// Give a parameter; may be given more than once
    #[arg(long = "param", short = 'p', value_name = "NAME=VALUE", value_parser = parameter)]
    pub(super) parameters: Vec<(String, String)>,
    /// Image of nodes that name none
    #[arg(long, value_name = "IMAGE")]
    pub(super) image: Option<String>,
    /// Run nodes as plain processes of this machine: no isolation
    #[arg(long, conflicts_with = "docker")]
    pub(super) process: bool,
    /// Run nodes in Docker, or not at all
    #[arg(long)]
    pub(super) docker: bool,
    /// Only this node and what is below it
    #[arg(long, value_name = "NODE", conflicts_with_all = ["from", "rerun_failed"])]
    pub(super) only: Option<String>,
    /// Pass over what goes before this node
    #[arg(long, value_name = "NODE", conflicts_with = "rerun_failed")]
    pub(super) from: Option<String>,
    /// Pass over what was done in the last run of the same section
    #[arg(long)]
    pub(super) rerun_failed: bool,
    /// Run again whenever a file changes, until Ctrl-C
    #[arg(long)]
    pub(super) watch: bool,
    /// How to show it: auto, live, plain, quiet
    #[arg(long, value_name = "HOW", env = "CONDUCTO_UI", default_value = "auto")]
    #[arg(hide_possible_values = true, hide_env = true)]
    pub(super) ui: Ui,
    /// One JSON object a line for everything that happens, on standard output
    #[arg(long)]
    pub(super) json: bool,
    /// Lines of log to show of each node that fails
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(super) tail: usize,
    /// The directory that holds everything [default: ~/.conducto]
    #[arg(long, value_name = "DIR")]
    pub(super) base_dir: Option<String>,
    /// Settings file, to find the base directory
    #[arg(long, value_name = "FILE", hide = true)]
    pub(super) config: Option<PathBuf>,
}

/// How a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ui {
    /// Live on a terminal, plain elsewhere.
    Auto,
    /// A region that is drawn again in place.
    Live,
    /// A line for everything that happens.
    Plain,
    /// The last word only.
    Quiet,
}
