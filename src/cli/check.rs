//! `conducto check`: what the server would say of these files, before they are pushed. Reads the disk; needs no server.

mod find;
mod json;
mod sarif;

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use self::find::LARGEST;
use super::{
    event::{self, Imagined},
    failure::{Failure, Outcome, USAGE},
    printer::Printer,
};
use crate::{
    definition::{self, Checked},
    model::Diagnostic,
};

#[derive(Args, Debug)]
pub(crate) struct Check {
    /// conducto.cfg or definition files; `-` is standard input [default: conducto.cfg or .conducto.cfg of the repository]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Name of what stands in standard input; its ending says what it is
    #[arg(long, value_name = "NAME", default_value = "conducto.cfg")]
    name: String,
    /// How mistakes are printed: text, json, sarif
    #[arg(long, value_name = "FORMAT", default_value = "text", hide_possible_values = true)]
    format: Format,
    /// The same as --format json
    #[arg(long, hide = true, conflicts_with = "format")]
    json: bool,
    /// Print the JSON Schema for editors and end: cfg, pipeline
    #[arg(long, value_name = "WHICH", hide_possible_values = true, conflicts_with_all = ["files", "json", "format"])]
    schema: Option<Schema>,
    #[command(flatten)]
    imagined: Imagined,
}

/// How mistakes are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With the lines they stand in.
    Text,
    /// One object a mistake.
    Json,
    /// For editors and code scanning.
    Sarif,
}

/// The schemas of files that people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Schema {
    Cfg,
    Pipeline,
}

pub(crate) fn run(check: Check, printer: &mut Printer) -> Outcome {
    match check.schema {
        Some(Schema::Cfg) => return Ok(printer.json(&definition::cfg_schema())?),
        Some(Schema::Pipeline) => return Ok(printer.json(&definition::pipeline_schema())?),
        None => {}
    }
    let mut files = check.files;
    let mut found = Vec::new();
    if files.is_empty() {
        let cfg = find::cfg().map_err(Failure::usage)?;
        found.extend(cfg.hidden.as_ref().map(|hidden| definition::two_cfgs(&shown(&cfg.file), &shown(hidden))));
        files.push(cfg.file);
    }
    let (mut in_order, mut names) = (Vec::new(), Vec::new());
    for file in &files {
        let checked = one(file, &check.name)?;
        let dialect = checked.dialect.map(|dialect| format!(" ({})", dialect.name())).unwrap_or_default();
        let name = format!("{}{dialect}", name_of(file, &check.name));
        if checked.diagnostics.is_empty() {
            in_order.push(format!("{name} is in order"));
        }
        names.push(name);
        // A definition file that two of them name is checked twice.
        for diagnostic in checked.diagnostics {
            if !found.contains(&diagnostic) {
                found.push(diagnostic);
            }
        }
    }
    match if check.json { Format::Json } else { check.format } {
        Format::Text => in_words(&found, &in_order, printer)?,
        Format::Json => printer.json(&json::of(&found))?,
        Format::Sarif => printer.json(&sarif::of(&found))?,
    }
    outcome(&names, found.iter().filter(|diagnostic| diagnostic.is_error()).count())?;
    imagine(&files, &check.name, &check.imagined, printer)
}

/// Says what an event would launch, if one is given.
fn imagine(files: &[PathBuf], name: &str, imagined: &Imagined, printer: &mut Printer) -> Outcome {
    let [file] = files else { return Ok(()) };
    if find::is_input(file) {
        return Ok(());
    }
    let bytes = find::read(file).with_context(|| format!("cannot read {}", shown(file))).map_err(Failure::usage)?;
    let cfg = definition::read_cfg(&name_of(file, name), &bytes).0;
    cfg.and_then(|cfg| event::run(imagined, &cfg, printer)).unwrap_or(Ok(()))
}

/// Checks one file.
fn one(file: &Path, name: &str) -> Result<Checked, Failure> {
    let shown = name_of(file, name);
    let (bytes, root) = if find::is_input(file) {
        let mut bytes = Vec::new();
        std::io::stdin().take(LARGEST + 1).read_to_end(&mut bytes).context("cannot read standard input")?;
        // As if it stood in the repository's root.
        (bytes, find::root().unwrap_or_default())
    } else {
        let bytes = find::read(file).with_context(|| format!("cannot read {shown}")).map_err(Failure::usage)?;
        (bytes, file.parent().map(Path::to_owned).unwrap_or_default())
    };
    let named = |path: &str| {
        let file = find::inside(&root, path)?;
        Some((self::shown(&file), find::read(&file).ok()?))
    };
    Ok(definition::check(&shown, &bytes, named))
}

fn name_of(file: &Path, name: &str) -> String {
    if find::is_input(file) { name.to_owned() } else { shown(file) }
}

fn shown(file: &Path) -> String {
    file.display().to_string()
}

fn in_words(found: &[Diagnostic], in_order: &[String], printer: &mut Printer) -> std::io::Result<()> {
    for line in in_order {
        printer.line(line)?;
    }
    if found.is_empty() {
        return Ok(());
    }
    printer.line(definition::text(found, printer.is_coloured()).trim_end())
}

fn outcome(names: &[String], errors: usize) -> Outcome {
    let what = match names {
        [name] => format!("{name} holds"),
        names => format!("{} files hold", names.len()),
    };
    let error = match errors {
        0 => return Ok(()),
        1 => anyhow::anyhow!("{what} a mistake"),
        count => anyhow::anyhow!("{what} {count} mistakes"),
    };
    Err(Failure { code: USAGE, error, help: None })
}
