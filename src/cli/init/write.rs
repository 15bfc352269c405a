//! The verb: puts the files on the disk, never over others without a word. Knows no language.

use std::{
    env, fs,
    io::{self, BufRead as _, IsTerminal as _},
    path::PathBuf,
};

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::{Starter, starter::CFG};
use crate::{
    cli::{
        failure::{Failure, Outcome},
        printer::Printer,
    },
    git,
};

const EXAMPLE: &str = "\
Example:
  conducto init && conducto run";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Init {
    /// The repository [default: the one around the current folder]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Print the files and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write over files that are there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(init: Init, printer: &mut Printer) -> Outcome {
    let folder = match init.folder {
        Some(folder) => folder,
        None => env::current_dir().context("the current folder is gone")?,
    };
    let copy = git::working_copy(&folder).map_err(|error| Failure::usage(error).help("`git init` makes one"))?;
    let starter = Starter::of(&copy.root);
    if init.dry_run {
        for (path, text) in starter.files() {
            printer.line(&format!("==> {path}\n{text}"))?;
        }
        return Ok(());
    }
    let there: Vec<&str> = [CFG, ".conducto.cfg"].into_iter().chain(starter.files().map(|(path, _)| path)).collect();
    let mut there: Vec<&str> = there.into_iter().filter(|path| copy.root.join(path).exists()).collect();
    there.dedup();
    if !there.is_empty() && !init.force && !may_overwrite(&there, printer)? {
        let error = anyhow!("{} is there already in {}", there.join(" and "), copy.root.display());
        return Err(
            Failure::usage(error).help("`conducto init --dry-run` shows what would be written, --force writes it")
        );
    }
    for (path, text) in starter.files() {
        let file = copy.root.join(path);
        let written = fs::create_dir_all(file.parent().unwrap_or(&copy.root)).and_then(|()| fs::write(&file, text));
        written.with_context(|| format!("cannot write {}", file.display()))?;
        printer.line(&format!("wrote {path}"))?;
    }
    printer.line(&format!("made for {}; try it: conducto run", starter.found()))?;
    Ok(())
}

/// Asks, where somebody is there to answer.
fn may_overwrite(there: &[&str], printer: &mut Printer) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(false);
    }
    printer.draw(&format!("write over {}? [y/N] ", there.join(" and ")))?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
