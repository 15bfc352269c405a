//! The only way to the terminal: results to standard output, remarks and errors to standard error, colour where wanted.

use std::io::{self, IsTerminal as _, Write};

use anyhow::Error;

use super::{args::Color, failure::Failure};
use crate::{model::State, present::Ink};

/// Prints what verbs have to say.
pub(crate) struct Printer {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    ink: Ink,
    err_ink: Ink,
}

impl Printer {
    /// Makes the printer of this process. `environment` tells whether the user wants no colour.
    pub(crate) fn new(color: Color, environment: &std::collections::BTreeMap<String, String>) -> Self {
        let is_set = |name: &str| environment.get(name).is_some_and(|value| !value.is_empty() && value != "0");
        let is_coloured = |is_terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if is_set("NO_COLOR") => false,
            Color::Auto if is_set("CLICOLOR_FORCE") => true,
            Color::Auto => is_terminal && environment.get("TERM").is_none_or(|term| term != "dumb"),
        };
        let (ink, err_ink) = (is_coloured(io::stdout().is_terminal()), is_coloured(io::stderr().is_terminal()));
        let (out, err) = (Box::new(io::stdout()), Box::new(io::stderr()));
        Self { out, err, ink: Ink::new(ink), err_ink: Ink::new(err_ink) }
    }

    /// Makes one that writes into memory: results, then remarks.
    #[cfg(test)]
    pub(crate) fn into_memory(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>, is_coloured: bool) -> Self {
        Self { out, err, ink: Ink::new(is_coloured), err_ink: Ink::new(is_coloured) }
    }

    /// Says whether colour is wanted.
    pub(crate) fn is_coloured(&self) -> bool {
        self.ink.is_coloured()
    }

    /// Returns what texts are painted with.
    pub(crate) fn ink(&self) -> Ink {
        self.ink
    }

    /// Returns what remarks and live pictures are painted with.
    pub(crate) fn err_ink(&self) -> Ink {
        self.err_ink
    }

    /// Draws on the terminal that remarks go to, in one go.
    pub(crate) fn draw(&mut self, frame: &str) -> io::Result<()> {
        self.err.write_all(frame.as_bytes())?;
        self.err.flush()
    }

    /// Prints a line of the result.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// Prints bytes of the result as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.out.flush()
    }

    /// Prints a value as indented JSON.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
        self.line(&text)
    }

    /// Prints a remark that is no part of the result.
    pub(crate) fn remark(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.err, "{text}")
    }

    /// Prints why the verb ended early: the error, its causes, the way out.
    pub(crate) fn failure(&mut self, failure: &Failure) -> io::Result<()> {
        let causes: Vec<String> = failure.error.chain().skip(1).map(ToString::to_string).collect();
        let error = self.state(State::Error, "error");
        writeln!(self.err, "{error}: {}", single(&failure.error))?;
        for cause in causes {
            writeln!(self.err, "caused by: {cause}")?;
        }
        match &failure.help {
            Some(help) => writeln!(self.err, "help: {help}"),
            None => Ok(()),
        }
    }

    /// Colours a text the way its state is coloured everywhere.
    pub(crate) fn state(&self, state: State, text: &str) -> String {
        self.ink.state(state, text)
    }

    /// Makes a text step back.
    pub(crate) fn dim(&self, text: &str) -> String {
        self.ink.dim(text)
    }

    /// Makes a text stand out.
    pub(crate) fn bold(&self, text: &str) -> String {
        self.ink.bold(text)
    }
}

fn single(error: &Error) -> String {
    error.to_string()
}
