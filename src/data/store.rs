//! One store: what can be done with the objects beneath a folder. Knows nobody's rights.

use std::{
    fs::File,
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use nix::errno::Errno;

use super::{
    draft::Draft,
    error::Error,
    folder::{Folder, Kind},
    name::{Name, is_unfinished},
};
use crate::clock;

/// How long what was counted once is believed; what is stored meanwhile is added to it.
const BELIEVED: SignedDuration = SignedDuration::from_secs(30);

/// How much may be stored. Nodes that have the folder itself can write more into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of one object.
    pub object: u64,
    /// Most bytes of all together.
    pub store: u64,
}

impl Limits {
    /// No limits.
    pub const NONE: Self = Self { object: u64::MAX, store: u64::MAX };
}

/// An object that is open for reading.
#[derive(Debug)]
pub struct Object {
    /// Its content, from the beginning.
    pub file: File,
    /// Its bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: Timestamp,
    /// Changes with every content.
    pub mark: String,
}

/// Something in a folder of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its whole name.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Its bytes; 0 for a folder.
    pub size: u64,
}

/// How much a store holds, as it was counted last; shared by all who have it open.
#[derive(Clone, Debug, Default)]
pub struct Usage(Arc<Mutex<Option<(Timestamp, u64)>>>);

/// A store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    root: Arc<Folder>,
    limits: Limits,
    counted: Usage,
}

impl Store {
    /// Opens the store in a folder, which must exist and not be a link.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn open(folder: &Path, limits: Limits) -> io::Result<Self> {
        Ok(Self { root: Arc::new(Folder::open(folder)?), limits, counted: Usage::default() })
    }

    /// Counts together with others who have the same folder open.
    #[must_use]
    pub fn sharing(self, counted: Usage) -> Self {
        Self { counted, ..self }
    }

    /// Lists what is directly in a folder, in the order of the names; nothing where there is no folder.
    ///
    /// # Errors
    /// [`Error::Disk`].
    pub fn list(&self, folder: &Name) -> Result<Vec<Entry>, Error> {
        let disk = Error::disk(folder.as_str());
        let inside = match self.folder(folder, false) {
            Err(Error::Missing(_) | Error::Kind { .. }) => return Ok(Vec::new()),
            inside => inside?,
        };
        let mut found = Vec::new();
        for entry in inside.entries().map_err(&disk)? {
            // What is no text cannot be asked for either.
            let Some(part) = entry.to_str().filter(|part| !is_unfinished(part)) else { continue };
            let Some(about) = inside.about(part).map_err(&disk)? else { continue };
            let size = if about.kind == Kind::File { about.size } else { 0 };
            found.push(Entry { name: folder.child(part), is_folder: about.kind == Kind::Folder, size });
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// Says whether anything usable has this name: a regular file or a folder.
    ///
    /// # Errors
    /// [`Error::Disk`].
    pub fn exists(&self, name: &Name) -> Result<bool, Error> {
        let Some((above, last)) = name.split() else { return Ok(true) };
        let folder = match self.folder(&above, false) {
            Err(Error::Missing(_) | Error::Kind { .. }) => return Ok(false),
            folder => folder?,
        };
        let about = folder.about(last).map_err(Error::disk(name.as_str()))?;
        Ok(about.is_some_and(|about| matches!(about.kind, Kind::File | Kind::Folder)))
    }

    /// Opens an object.
    ///
    /// # Errors
    /// [`Error::Missing`], or [`Error::Kind`] where the name is that of something else.
    pub fn read(&self, name: &Name) -> Result<Object, Error> {
        let (above, last) = name.split().ok_or(super::BadName::Empty)?;
        let folder = self.folder(&above, false)?;
        let disk = Error::disk(name.as_str());
        let about = folder.about(last).map_err(&disk)?.ok_or_else(|| Error::Missing(name.to_string()))?;
        check_file(name, about.kind)?;
        let file = folder.file(last).map_err(&disk)?;
        let about = file.metadata().map_err(&disk)?;
        let (seconds, nanos) = (about.mtime(), i32::try_from(about.mtime_nsec()).unwrap_or(0));
        Ok(Object {
            size: about.len(),
            modified: Timestamp::new(seconds, nanos).unwrap_or(Timestamp::UNIX_EPOCH),
            mark: format!("{:x}-{seconds:x}.{nanos:x}-{:x}", about.ino(), about.len()),
            file,
        })
    }

    /// Begins to write an object; whoever reads sees the old one, if any, until the draft is committed. Folders are made.
    ///
    /// # Errors
    /// [`Error::Full`]; [`Error::Kind`] where the name is that of a folder, or part of it that of a file.
    pub fn write(&self, name: &Name) -> Result<Draft, Error> {
        let (above, last) = name.split().ok_or(super::BadName::Empty)?;
        let folder = self.folder(&above, true)?;
        let about = folder.about(last).map_err(Error::disk(name.as_str()))?;
        if about.is_some_and(|about| about.kind == Kind::Folder) {
            return Err(Error::Kind { name: name.to_string(), what: "a folder, and cannot be written to" });
        }
        let replaced = about.map_or(0, |about| about.size);
        let room = match self.limits.store {
            u64::MAX => u64::MAX,
            limit => limit.saturating_sub(self.usage()).saturating_add(replaced),
        };
        if room == 0 {
            return Err(Error::Full { limit: self.limits.store });
        }
        Draft::begin(self.clone(), folder, name.clone(), self.limits, room, replaced)
    }

    /// Deletes an object, or with `recursive` a folder with all that is in it.
    ///
    /// # Errors
    /// [`Error::Missing`]; [`Error::Kind`] for a folder without `recursive`.
    pub fn delete(&self, name: &Name, recursive: bool) -> Result<(), Error> {
        let (above, last) = name.split().ok_or(super::BadName::Empty)?;
        let folder = self.folder(&above, false)?;
        let disk = Error::disk(name.as_str());
        let about = folder.about(last).map_err(&disk)?.ok_or_else(|| Error::Missing(name.to_string()))?;
        match about.kind {
            Kind::Folder if !recursive => {
                return Err(Error::Kind { name: name.to_string(), what: "a folder: delete it with `recursive`" });
            }
            Kind::Folder => folder.remove_all(last).map_err(&disk)?,
            Kind::File | Kind::Link | Kind::Other => folder.remove_file(last).map_err(&disk)?,
        }
        self.forget();
        Ok(())
    }

    /// Notes that an object was used just now: caches that were not for long are the first to go.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Disk`].
    pub fn touch(&self, name: &Name) -> Result<(), Error> {
        let object = self.read(name)?;
        let now = std::time::SystemTime::from(clock::now());
        object.file.set_modified(now).map_err(Error::disk(name.as_str()))
    }

    /// Returns the bytes of all objects, as they were counted not long ago.
    pub fn usage(&self) -> u64 {
        let mut counted = self.counted.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        match *counted {
            Some((at, bytes)) if now.duration_since(at).abs() < BELIEVED => bytes,
            _ => {
                let bytes = self.root.bytes();
                *counted = Some((now, bytes));
                bytes
            }
        }
    }

    /// Notes what was stored in place of so many bytes.
    pub(super) fn note(&self, added: u64, replaced: u64) {
        let mut counted = self.counted.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = counted.as_mut() {
            *bytes = bytes.saturating_add(added).saturating_sub(replaced);
        }
    }

    /// The next who asks counts anew.
    pub(super) fn forget(&self) {
        *self.counted.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) fn folder(&self, name: &Name, make: bool) -> Result<Folder, Error> {
        let mut folder = self.root.again().map_err(Error::disk(name.as_str()))?;
        for part in name.parts() {
            folder = folder.child(part, make).map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::ENOENT) => Error::Missing(name.to_string()),
                Some(Errno::ENOTDIR | Errno::ELOOP) => {
                    Error::Kind { name: name.to_string(), what: "no folder: a file or a link is in its way" }
                }
                _ => Error::Disk { name: name.to_string(), source: error },
            })?;
        }
        Ok(folder)
    }
}

fn check_file(name: &Name, kind: Kind) -> Result<(), Error> {
    let what = match kind {
        Kind::File => return Ok(()),
        Kind::Folder => "a folder, not an object",
        Kind::Link => "a link, which is not followed",
        Kind::Other => "neither a file nor a folder",
    };
    Err(Error::Kind { name: name.to_string(), what })
}
