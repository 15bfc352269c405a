//! The verbs: get everything ready, let Docker give the shell, clean up. Knows nothing of the node's state, and changes none.

use std::{
    env, fs,
    io::IsTerminal as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::json;

use super::container::{self, Places, SCRIPT};
use crate::{
    cli::{
        args::Remote,
        client::Client,
        failure::{Failure, Outcome, Told},
        place,
        printer::Printer,
    },
    clock,
    dispatch::DebugView,
    git,
};

const EXAMPLES: &str = "\
Examples:
  conducto debug abc-def /checks/unit        with the files of the commit that ran
  conducto livedebug abc-def /checks/unit    with the files here: an edit is seen at once
In the shell, /conducto/cmd.sh runs what the node runs.";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Debug {
    /// The pipeline, as in abc-def
    #[arg(value_name = "PIPELINE")]
    id: String,
    /// The node, as in /checks/unit
    #[arg(value_name = "NODE")]
    node: String,
    /// Print how Docker would be called, and start nothing
    #[arg(long)]
    no_shell: bool,
    #[command(flatten)]
    pub(in crate::cli) remote: Remote,
}

/// Whose files the shell sees.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Files {
    /// A copy of those of the commit.
    OfTheCommit,
    /// Those of the working copy that the current folder is in.
    Here,
}

pub(crate) async fn debug(verb: Debug, printer: &mut Printer) -> Outcome {
    run(verb, Files::OfTheCommit, printer).await
}

pub(crate) async fn livedebug(verb: Debug, printer: &mut Printer) -> Outcome {
    run(verb, Files::Here, printer).await
}

/// Removes what was made for a shell, however it ends.
struct Cleanup(PathBuf);

impl Drop for Cleanup {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "what a shell was given is left behind");
        }
    }
}

async fn run(verb: Debug, files: Files, printer: &mut Printer) -> Outcome {
    let body = json!({"pipeline": verb.id, "node": verb.node});
    let view: DebugView = Client::new(&verb.remote)?.post("/local/debug", &clock::new_key(), Some(&body)).await?;
    let above = view.files.parent().map(Path::to_owned).unwrap_or_default();
    let _cleanup = Cleanup(above.clone());
    if view.executor != "docker" {
        let error = anyhow!("its nodes run as plain processes, in no image that a shell could be in");
        return Err(Failure::usage(error).help("run its command here; `conducto show --json` has it"));
    }
    let work = match files {
        Files::OfTheCommit => view.files.join(&view.folder),
        Files::Here => {
            let here = env::current_dir().context("the current folder is gone")?;
            git::working_copy(&here).map_err(Failure::usage)?.root.join(&view.folder)
        }
    };
    let scripts = above.join("scripts");
    write_scripts(&scripts, &view, files == Files::OfTheCommit)?;
    let kit = kit(&verb.remote);
    let places = Places { work: &work, scripts: &scripts, kit: kit.as_deref() };
    let name = format!("conducto_debug_{}", hex::encode(clock::random::<8>()));
    let network = Some(format!("conducto_network_{}", verb.id)).filter(|network| has_network(network));
    let arguments = container::arguments(&view, &places, &name, network.as_deref());
    if verb.no_shell {
        let words: Vec<String> = arguments.iter().map(|word| crate::present::shell_word(word)).collect();
        return Ok(printer.line(&format!("docker {}", words.join(" ")))?);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(anyhow!("a shell needs a terminal")).help("--no-shell prints how Docker is called"));
    }
    printer.remark("Launching docker container...")?;
    if files == Files::Here {
        printer.remark(&format!(
            "Mounting {} at /mnt/conducto: what is edited on either side is edited on both",
            work.display()
        ))?;
    }
    printer.remark(&format!("Execute command by running {SCRIPT}"))?;
    let mut environment = view.env.clone();
    environment.insert("CONDUCTO_EXECUTION_ENV".to_owned(), "debug_local".to_owned());
    let mut docker = Command::new("docker");
    docker.args(&arguments).envs(&environment);
    let status = tokio::task::spawn_blocking(move || docker.status()).await.map_err(Failure::new)?;
    match status {
        Ok(status) if status.success() => Ok(()),
        // The shell's own code, or Docker has said what it could not do.
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
            Err(Failure { code, error: Told.into(), help: None })
        }
        Err(error) => {
            let error = anyhow::Error::new(error).context("cannot start `docker`");
            Err(Failure::usage(error).help("a shell is given by Docker's own command line: install docker-cli"))
        }
    }
}

fn write_scripts(folder: &Path, view: &DebugView, removes_files: bool) -> Result<(), Failure> {
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text)?;
        // The image's user may be anybody.
        fs::set_permissions(file, fs::Permissions::from_mode(0o777))
    };
    let made = fs::create_dir_all(folder)
        .and_then(|()| write("cmd.sh", &container::script(view)))
        .and_then(|()| write("enter.sh", &container::enter(removes_files)));
    Ok(made.with_context(|| format!("cannot write into {}", folder.display()))?)
}

/// Finds what nodes have from us: where the binary lies that was last given to workers.
fn kit(remote: &Remote) -> Option<PathBuf> {
    let layout = place::layout(remote.config.as_deref(), &place::environment())?;
    let folders = fs::read_dir(layout.bin()).ok()?.flatten().map(|entry| entry.path());
    let used =
        |folder: &PathBuf| fs::metadata(folder).and_then(|stat| stat.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    folders.filter(|folder| folder.join("conducto").exists()).max_by_key(used)
}

/// Others of its pipeline can be reached only while it has its network.
fn has_network(name: &str) -> bool {
    let found = Command::new("docker").args(["network", "inspect", name]).output();
    found.is_ok_and(|found| found.status.success())
}
