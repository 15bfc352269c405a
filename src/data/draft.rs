//! An object that is being written: there in full once it is committed, or not at all. Knows no other object.

use std::{
    fs::File,
    io::{self, Write},
};

use nix::{errno::Errno, fcntl::renameat};

use super::{
    error::Error,
    folder::Folder,
    name::{Name, unfinished},
    store::{Limits, Store},
};
use crate::clock;

/// Nodes of any user read it.
const MODE: u32 = 0o666;

/// The draft. Dropped without a commit, nothing is left of it.
#[derive(Debug)]
pub struct Draft {
    store: Store,
    folder: Folder,
    name: Name,
    limits: Limits,
    /// How many bytes the store can still take.
    room: u64,
    /// How many bytes it takes the place of.
    replaced: u64,
    file: File,
    unfinished: String,
    written: u64,
    is_done: bool,
}

impl Draft {
    pub(super) fn begin(
        store: Store,
        folder: Folder,
        name: Name,
        limits: Limits,
        room: u64,
        replaced: u64,
    ) -> Result<Self, Error> {
        let unfinished = unfinished(&hex::encode(clock::random::<8>()));
        let file = folder.new_file(&unfinished, MODE).map_err(Error::disk(name.as_str()))?;
        Ok(Self { store, folder, name, limits, room, replaced, file, unfinished, written: 0, is_done: false })
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] or [`Error::Full`] when they are more than may be stored.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.written.saturating_add(bytes.len() as u64);
        if written > self.limits.object {
            return Err(Error::TooLarge { name: self.name.to_string(), limit: self.limits.object });
        }
        if written > self.room {
            return Err(Error::Full { limit: self.limits.store });
        }
        self.file.write_all(bytes).map_err(Error::disk(self.name.as_str()))?;
        self.written = written;
        Ok(())
    }

    /// Makes it the object. Returns its bytes.
    ///
    /// # Errors
    /// [`Error::Kind`] where a folder has come into its place meanwhile.
    pub fn commit(mut self) -> Result<u64, Error> {
        let name = self.name.to_string();
        let last = self.name.split().map_or("", |(_, last)| last).to_owned();
        let renamed = renameat(&self.folder, self.unfinished.as_str(), &self.folder, last.as_str());
        renamed.map_err(|error| match error {
            Errno::EISDIR | Errno::ENOTEMPTY | Errno::EEXIST => {
                Error::Kind { name: name.clone(), what: "a folder, and cannot be written to" }
            }
            error => Error::Disk { name: name.clone(), source: error.into() },
        })?;
        self.is_done = true;
        self.store.note(self.written, self.replaced);
        Ok(self.written)
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_done
            && let Err(error) = self.folder.remove_file(&self.unfinished)
        {
            tracing::debug!(%error, "what was half written is left behind");
        }
    }
}
