//! Where the keys are: in a file of the server's own, or given to it. The face of the room.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    error::Error,
    key::Key,
    ring::Ring,
    seal::{self, Label, NotOpened, Sealed},
};
use crate::clock;

/// What keys the settings gave is called in errors.
const GIVEN: &str = "`secrets.key` of the settings";

/// Seals and opens secrets. Reads the keys at the first need, and the file again until that goes well.
#[derive(Debug)]
pub struct Vault {
    /// Nothing where the keys were given.
    file: Option<PathBuf>,
    ring: Mutex<Option<Ring>>,
}

impl Vault {
    /// Keeps the keys in a file, which is made at the first need.
    pub fn in_file(path: PathBuf) -> Self {
        Self { file: Some(path), ring: Mutex::new(None) }
    }

    /// Uses the keys in a text, `version:digits`, apart by blanks, commas or line ends.
    ///
    /// # Errors
    /// [`Error::Malformed`] when there is something else in it.
    pub fn given(text: &SecretString) -> Result<Self, Error> {
        Ok(Self { file: None, ring: Mutex::new(Some(Ring::parse(text, GIVEN)?)) })
    }

    /// Makes the first key unless there is one. To be called when no secret exists yet; otherwise a lost key would go
    /// unnoticed.
    ///
    /// # Errors
    /// [`Error`]; nothing is made then.
    pub fn begin(&self) -> Result<(), Error> {
        let mut ring = self.ring();
        match self.load(&mut ring) {
            Err(Error::Missing { path }) => {
                let mut fresh = Ring::default();
                fresh.add(Key::new(clock::random()));
                write(&path, &fresh)?;
                *ring = Some(fresh);
                Ok(())
            }
            loaded => loaded.map(drop),
        }
    }

    /// Seals a value with the newest key.
    ///
    /// # Errors
    /// [`Error`], when there is no key.
    pub fn seal(&self, label: &Label<'_>, value: &SecretString) -> Result<Sealed, Error> {
        let mut ring = self.ring();
        let (version, key) = self.load(&mut ring)?.newest().ok_or_else(|| self.no_version(1))?;
        Ok(seal::seal(version, key, clock::random(), label, value))
    }

    /// Opens what was sealed under this label.
    ///
    /// # Errors
    /// [`Error`], when its key is missing or the value is not the one that was sealed.
    pub fn open(&self, label: &Label<'_>, sealed: &Sealed) -> Result<SecretString, Error> {
        let mut ring = self.ring();
        let version = sealed.key_version;
        let key = self.load(&mut ring)?.key(version).ok_or_else(|| self.no_version(version))?;
        seal::open(key, label, sealed).map_err(|no| match no {
            NotOpened::WrongKey => Error::WrongKey { version, place: self.place() },
            NotOpened::Damaged => Error::Damaged { name: label.name.to_owned() },
        })
    }

    /// Returns the version of the key that seals now.
    ///
    /// # Errors
    /// [`Error`], when there is no key.
    pub fn newest(&self) -> Result<u32, Error> {
        let mut ring = self.ring();
        let newest = self.load(&mut ring)?.newest();
        newest.map(|(version, _)| version).ok_or_else(|| self.no_version(1))
    }

    /// Makes a key that seals from now on, and keeps the others. Given keys are the operator's to add.
    ///
    /// # Errors
    /// [`Error`]; no key is made then.
    pub fn add_key(&self) -> Result<(), Error> {
        let mut ring = self.ring();
        let next = self.load(&mut ring)?.next();
        let Some(path) = &self.file else { return Err(Error::Given { next }) };
        // Another may have been put there by hand meanwhile.
        let mut keys = Ring::parse(&read(path)?, &self.place())?;
        keys.add(Key::new(clock::random()));
        write(path, &keys)?;
        *ring = Some(keys);
        Ok(())
    }

    /// Removes all keys but the newest, and says how many those were; given keys stay. What they sealed cannot be opened any
    /// more, in back-ups neither.
    ///
    /// # Errors
    /// [`Error`]; they stay then.
    pub fn drop_old_keys(&self) -> Result<usize, Error> {
        let mut ring = self.ring();
        self.load(&mut ring)?;
        let Some(path) = &self.file else { return Ok(0) };
        let mut keys = Ring::parse(&read(path)?, &self.place())?;
        let dropped = keys.keep_newest();
        if dropped > 0 {
            write(path, &keys)?;
        }
        *ring = Some(keys);
        Ok(dropped)
    }

    fn load<'a>(&self, ring: &'a mut Option<Ring>) -> Result<&'a mut Ring, Error> {
        let known = match (ring.take(), &self.file) {
            (Some(known), _) => known,
            (None, Some(path)) => Ring::parse(&read(path)?, &self.place())?,
            (None, None) => return Err(self.no_version(1)),
        };
        Ok(ring.insert(known))
    }

    fn no_version(&self, version: u32) -> Error {
        Error::NoVersion { version, place: self.place() }
    }

    fn place(&self) -> String {
        self.file.as_ref().map_or_else(|| GIVEN.to_owned(), |path| format!("`{}`", path.display()))
    }

    fn ring(&self) -> MutexGuard<'_, Option<Ring>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> Result<SecretString, Error> {
    let disk = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::Missing { path: path.to_owned() },
        _ => Error::Disk { path: path.to_owned(), source },
    };
    let mut file = File::open(path).map_err(disk)?;
    let mode = file.metadata().map_err(disk)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Error::Exposed { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(disk)?;
    Ok(text.into())
}

/// Puts the keys in place whole and safe on the disk, before anything is sealed with them.
fn write(path: &Path, ring: &Ring) -> Result<(), Error> {
    let written = || {
        let draft = path.with_extension("new");
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(ring.print().expose_secret().as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    written().map_err(|source| Error::Disk { path: path.to_owned(), source })
}
