//! `conducto completions` and `conducto man`: what shells and manual readers are told, from the table of arguments itself.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{args::Arguments, failure::Outcome, printer::Printer};

const COMPLETIONS: &str = "\
Examples:
  conducto completions bash > ~/.local/share/bash-completion/completions/conducto
  conducto completions zsh > ~/.zfunc/_conducto
  conducto completions fish > ~/.config/fish/completions/conducto.fish";

const MAN: &str = "\
Example:
  conducto man ~/.local/share/man/man1 && man conducto-run";

#[derive(Args, Debug)]
#[command(after_help = COMPLETIONS)]
pub(crate) struct Completions {
    /// bash, zsh, fish, elvish or powershell
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    shell: Shell,
}

#[derive(Args, Debug)]
#[command(after_help = MAN)]
pub(crate) struct Man {
    /// Where to write a page for every verb; without one, the first page is printed
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(crate) fn completions(verb: &Completions, printer: &mut Printer) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(verb.shell, &mut Arguments::command(), "conducto", &mut text);
    Ok(printer.bytes(&text)?)
}

pub(crate) fn man(verb: Man, printer: &mut Printer) -> Outcome {
    let Some(folder) = verb.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Arguments::command()).render(&mut page)?;
        return Ok(printer.bytes(&page)?);
    };
    let written =
        std::fs::create_dir_all(&folder).and_then(|()| clap_mangen::generate_to(Arguments::command(), &folder));
    Ok(written.with_context(|| format!("cannot write manual pages into {}", folder.display()))?)
}
