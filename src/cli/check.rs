//! `conducto check`: what the server would say of these files, before they are pushed. Reads the disk; needs no server.

use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::{
    event::{self, Imagined},
    failure::{Failure, Outcome, USAGE},
    printer::Printer,
};
use crate::{definition, model::Diagnostic};

/// More is no file that somebody wrote.
const LARGEST: u64 = 4 * 1024 * 1024;

#[derive(Args, Debug)]
pub(crate) struct Check {
    /// conducto.cfg, or a definition file
    #[arg(value_name = "FILE", default_value = "conducto.cfg")]
    file: PathBuf,
    /// Print the mistakes as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    imagined: Imagined,
}

pub(crate) fn run(check: Check, printer: &mut Printer) -> Outcome {
    let shown = check.file.display().to_string();
    let bytes = read(&check.file).with_context(|| format!("cannot read {shown}")).map_err(Failure::usage)?;
    let root = check.file.parent().unwrap_or(Path::new("")).to_owned();
    let diagnostics = definition::check(&shown, &bytes, |path| read(&inside(&root, path)?).ok());
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    if check.json {
        printer.json(&diagnostics.iter().map(as_json).collect::<Vec<_>>())?;
    } else if diagnostics.is_empty() {
        printer.line(&format!("{shown} is in order"))?;
    } else {
        printer.line(definition::text(&diagnostics, printer.is_coloured()).trim_end())?;
    }
    if errors == 0
        && let Some(cfg) = definition::read_cfg(&shown, &bytes).0
        && let Some(outcome) = event::run(&check.imagined, &cfg, printer)
    {
        return outcome;
    }
    match errors {
        0 => Ok(()),
        1 => Err(Failure { code: USAGE, error: anyhow::anyhow!("{shown} holds a mistake"), help: None }),
        count => Err(Failure { code: USAGE, error: anyhow::anyhow!("{shown} holds {count} mistakes"), help: None }),
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if std::fs::metadata(path)?.len() > LARGEST {
        return Err(std::io::Error::other("it is too large"));
    }
    std::fs::read(path)
}

/// The server reads from a commit, where nothing leads out of the repository; neither does this.
fn inside(root: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)).then(|| root.join(path))
}

fn as_json(diagnostic: &Diagnostic) -> serde_json::Value {
    let place = diagnostic.primary.as_ref().map(|label| (label.span.file.name.as_str(), label.span.line_column()));
    json!({
        "severity": diagnostic.severity, "code": diagnostic.code, "message": diagnostic.message,
        "file": place.map(|(file, _)| file), "line": place.map(|(_, (line, _))| line),
        "column": place.map(|(_, (_, column))| column), "help": diagnostic.help,
    })
}
