//! How a worker is started: its options, and what it does to itself before anything else.

use std::{path::PathBuf, process::ExitCode};

use nix::sys::signal::SigSet;

/// Where a worker finds what it needs. The executor that starts it chooses; people do not.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct Options {
    /// The server's socket
    #[arg(long)]
    pub socket: PathBuf,
    /// Folder with the repository's files, copied for every node
    #[arg(long)]
    pub source: Option<PathBuf>,
    /// The node's working directory; everything in it belongs to the worker
    #[arg(long, default_value = "/mnt/conducto")]
    pub work: PathBuf,
    /// Where nodes begin, if not in their working directory
    #[arg(long)]
    pub begin_in: Option<PathBuf>,
    /// Folder for HOME, TMPDIR and what is not yet told to the server
    #[arg(long, default_value = "/conducto/node")]
    pub private: PathBuf,
    /// Where the node's command is written; in the private folder if absent
    #[arg(long)]
    pub script: Option<PathBuf>,
    /// Where the changes of nodes go that run in a layer of their own; without it none can
    #[arg(long)]
    pub layers: Option<PathBuf>,
    /// Folder with commands and packages for nodes
    #[arg(long)]
    pub kit: Option<PathBuf>,
    /// Let nodes reach data by way of the worker, since they have no folders of it
    #[arg(long)]
    pub data: bool,
    /// The worker's own id, so that it can be told from others in a list of processes
    #[arg(long)]
    pub name: Option<String>,
    /// Begin a session of its own, so that the end of the server's terminal is not the end of the worker
    #[arg(long)]
    pub detach: bool,
}

/// Runs a worker until the server dismisses it, a signal ends it, or the server is gone for too long.
pub fn run(options: Options) -> ExitCode {
    if options.detach
        && let Err(error) = nix::unistd::setsid()
    {
        tracing::warn!(%error, "no session of its own");
    }
    // The resume key lies in memory: no node may look there. Orphans of nodes come to us, to be reaped.
    for (result, what) in [
        (nix::sys::prctl::set_dumpable(false), "memory can be read by others"),
        (nix::sys::prctl::set_child_subreaper(true), "processes may escape"),
    ] {
        if let Err(error) = result {
            tracing::error!(%error, what, "a protection is missing");
            return ExitCode::FAILURE;
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        // The end of every node is a signal; the thread that cleans up now and then need not wake for it.
        .on_thread_start(|| SigSet::all().thread_block().unwrap_or_default())
        .build();
    let session = runtime.and_then(|runtime| {
        let session = runtime.block_on(async { super::session::Session::new(&options) })?;
        Ok((runtime, session))
    });
    match session {
        Ok((runtime, session)) => runtime.block_on(session.run()),
        Err(error) => {
            tracing::error!(%error, "the worker cannot begin");
            ExitCode::FAILURE
        }
    }
}
