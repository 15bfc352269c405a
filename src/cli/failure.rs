//! Why a verb ends early: the chain of causes, a way out, and the exit code. Knows nothing of terminals.

/// Exit code for "the command or what it shows has failed".
pub(crate) const FAILED: u8 = 1;
/// Exit code for wrong usage or wrong configuration.
pub(crate) const USAGE: u8 = 2;
/// Exit code for a server that cannot be reached or was lost.
pub(crate) const UNREACHABLE: u8 = 3;
/// Exit code after Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// An error with what the user needs beside it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) error: anyhow::Error,
    pub(crate) help: Option<String>,
}

/// The error of a verb that has said already what went wrong: only the exit code is left to tell.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it has been said what went wrong")]
pub(crate) struct Told;

pub(crate) type Outcome = Result<(), Failure>;

impl Failure {
    /// Makes a failure of the thing itself.
    pub(crate) fn new(error: impl Into<anyhow::Error>) -> Self {
        Self { code: FAILED, error: error.into(), help: None }
    }

    /// Makes one of wrong usage or configuration.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { code: USAGE, ..Self::new(error) }
    }

    /// Makes one of a server that does not answer.
    pub(crate) fn unreachable(error: impl Into<anyhow::Error>) -> Self {
        Self { code: UNREACHABLE, ..Self::new(error) }
    }

    /// Adds the way out.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(error)
    }
}
