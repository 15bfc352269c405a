//! Nodes with caches: what stands between the worker and their command, and how it tells what it did. Knows no archive.
//!
//! Caches are restored and saved by a process of the node itself, so that they lie where the node sees them, belong to its
//! user, and count into its time. What that process has to say comes through a named pipe and becomes notices.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read as _},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use serde::{Deserialize, Serialize};
use tokio::net::unix::pipe;

use super::protocol::Caching;

/// Name of the pipe, in the folder for HOME and TMPDIR.
const PIPE: &str = "notices";

/// A node that says more has something else in mind.
const MOST: usize = 16 * 1024;

/// What that process is told, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// What to restore and to save.
    pub caching: Caching,
    /// Where its words go, one line each.
    pub notices: PathBuf,
}

/// The pipe of one node.
pub(crate) struct Notices {
    receiver: pipe::Receiver,
    path: PathBuf,
    unfinished: Vec<u8>,
    taken: usize,
}

impl Notices {
    /// Makes the pipe.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(PIPE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)?;
        // Held open for writing too: there is no end of it, and the node need not wait for us.
        let receiver = pipe::OpenOptions::new().read_write(true).open_receiver(&path)?;
        Ok(Self { receiver, path, unfinished: Vec::new(), taken: 0 })
    }

    /// Returns the arguments with which our own binary runs a script between restoring and saving.
    pub(crate) fn arguments(&self, caching: &Caching, shell: &Path, script: &Path) -> io::Result<Vec<OsString>> {
        let order = Order { caching: caching.clone(), notices: self.path.clone() };
        let order = serde_json::to_string(&order).map_err(io::Error::other)?;
        Ok(vec!["cached".into(), "--order".into(), order.into(), "--".into(), shell.into(), script.into()])
    }

    /// Waits for words and returns the lines that are complete.
    pub(crate) async fn listen(&mut self) -> Vec<String> {
        if self.receiver.readable().await.is_err() {
            return std::future::pending().await;
        }
        let mut buffer = [0; 4 * 1024];
        match self.receiver.try_read(&mut buffer) {
            Ok(length) => self.lines(&buffer[..length]),
            Err(_) => Vec::new(),
        }
    }

    /// Returns what is left, once nobody writes any more.
    pub(crate) fn rest(mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let left = self.receiver.as_fd().try_clone_to_owned().map(fs::File::from);
        if let Ok(mut left) = left {
            let mut buffer = [0; 4 * 1024];
            // It does not block; when nothing is there, that is an error.
            while let Ok(length @ 1..) = left.read(&mut buffer) {
                lines.extend(self.lines(&buffer[..length]));
            }
        }
        fs::remove_file(&self.path).ok();
        lines
    }

    fn lines(&mut self, bytes: &[u8]) -> Vec<String> {
        let room = MOST.saturating_sub(self.taken).min(bytes.len());
        self.taken += room;
        self.unfinished.extend_from_slice(&bytes[..room]);
        let mut lines = Vec::new();
        while let Some(end) = self.unfinished.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line[..end]).replace(char::is_control, " ");
            lines.push(line);
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[tokio::test]
    async fn whole_lines_become_notices_and_nobody_waits_for_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut notices = Notices::open(folder.path()).unwrap();
        let mut writer = fs::File::options().write(true).open(folder.path().join(PIPE)).unwrap();
        writer.write_all(b"one\ntw").unwrap();
        assert_eq!(notices.listen().await, ["one"]);
        writer.write_all(b"o\n\x1b[31mred\n").unwrap();
        drop(writer);
        assert_eq!(notices.rest(), ["two", " [31mred"]);
        assert!(!folder.path().join(PIPE).exists());
    }

    #[tokio::test]
    async fn who_says_too_much_is_not_heard_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let notices = Notices::open(folder.path()).unwrap();
        let mut writer = fs::File::options().write(true).open(folder.path().join(PIPE)).unwrap();
        writer.write_all(&b"0123456\n".repeat(MOST / 8 + 100)).unwrap();
        assert_eq!(notices.rest().len(), MOST / 8);
    }
}
