//! The temporary directory of a demo, and the server's own log in it. Knows no server.

use std::{
    fs::{self, DirBuilder, File},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Mutex,
};

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::clock;

/// A directory of our own; it goes when this does, unless it is kept.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    is_kept: bool,
}

impl Place {
    pub(super) fn build() -> anyhow::Result<Self> {
        // Sockets live in it, whose paths may not be long.
        let path = std::env::temp_dir().join(format!("conducto-demo-{}", hex::encode(clock::random::<4>())));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| format!("cannot make the directory {}", path.display()))?;
        Ok(Self { path, is_kept: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the base directory of the server.
    pub(super) fn base(&self) -> PathBuf {
        self.path.join("base")
    }

    /// Returns the folder of the repositories.
    pub(super) fn repositories(&self) -> PathBuf {
        self.path.join("repositories")
    }

    /// Returns the file with the server's own log.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join("server.log")
    }

    /// Leaves the directory where it is.
    pub(super) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Sends the server's own log to its file.
    pub(super) fn start_log(&self) -> anyhow::Result<()> {
        let file = File::create(self.log()).context("cannot write the server's log")?;
        let filter = EnvFilter::new("info,conducto=debug");
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file));
        // A process has one log: a second demo in one process says nothing.
        let _already = log.try_init();
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_kept {
            // Nobody is left who could be told.
            fs::remove_dir_all(&self.path).ok();
        }
    }
}
