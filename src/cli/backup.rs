//! `conducto backup`: everything of a server in one file. Works on the base directory, whether a server runs or not.

use std::path::PathBuf;

use clap::Args;

use super::{
    failure::{Failure, Outcome},
    place,
    printer::Printer,
};
use crate::{
    backup::{self, Made},
    clock,
    layout::Layout,
};

#[derive(Args, Debug)]
pub(crate) struct Backup {
    /// File to write, or a folder to write conducto-<time>.tar.zst into
    #[arg(value_name = "FILE|DIR")]
    to: PathBuf,
    /// Leave out what nodes keep in /conducto/data
    #[arg(long)]
    without_data: bool,
    /// Take along the key of secrets: whoever has the back-up can read them then
    #[arg(long)]
    with_secret_key: bool,
    /// The server's base directory [default: as in the settings]
    #[arg(long, value_name = "DIR")]
    base_dir: Option<String>,
    /// Print what was backed up as JSON
    #[arg(long)]
    json: bool,
    /// Settings file, to find the base directory
    #[arg(long, value_name = "FILE", hide = true)]
    config: Option<PathBuf>,
}

pub(crate) async fn run(verb: Backup, printer: &mut Printer) -> Outcome {
    let settings = place::settings(verb.config.as_deref(), verb.base_dir.as_deref())?;
    let layout = Layout::find(&settings.base_dir, &settings.organisation, &settings.user);
    let leaves_key = !verb.with_secret_key && layout.secret_key().exists();
    let (to, key) = (verb.to, layout.secret_key());
    let wish = backup::Content { data: !verb.without_data, secret_key: verb.with_secret_key };
    let made = tokio::task::spawn_blocking(move || backup::write(&layout, &to, wish, clock::now()));
    let Made { file, size, manifest, skipped } = made.await.map_err(Failure::new)?.map_err(explain)?;
    if verb.json {
        let skipped: Vec<_> =
            skipped.iter().map(|(path, why)| serde_json::json!({"path": path.to_string_lossy(), "why": why})).collect();
        printer.json(&serde_json::json!({"file": file, "size": size, "manifest": manifest, "skipped": skipped}))?;
    } else {
        printer.line(&format!(
            "{} pipelines, {} logs, {} files in all: {} bytes, {size} in {}",
            manifest.pipelines,
            manifest.logs,
            manifest.files,
            manifest.bytes,
            file.display()
        ))?;
        for (path, why) in &skipped {
            printer.remark(&format!("left out: {}: {why}", path.display()))?;
        }
    }
    if leaves_key {
        printer.remark(&format!("without the key of secrets: keep a copy of {} elsewhere", key.display()))?;
    }
    if skipped.is_empty() {
        return Ok(());
    }
    let words = format!("the back-up is there, without {} of the files", skipped.len());
    Err(Failure::new(anyhow::anyhow!(words)).help("run it as the user who owns them, or as root"))
}

/// Gives an error of the room its way out.
pub(super) fn explain(error: backup::Error) -> Failure {
    match error.help() {
        Some(help) => Failure::usage(error).help(help),
        None => Failure::new(error),
    }
}
