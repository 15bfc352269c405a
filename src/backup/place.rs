//! The directory into which a back-up is restored: whether it may be used, and how a new content takes its place.
//!
//! Everything is made ready in `restoring/new` below the base directory, which may be a mount point of its own. Then a mark
//! says `ready`; what was there is moved to `restoring/old`; the mark says `moved`; the new content is moved up. Each step
//! can be repeated, so an interrupted restore is finished by the next one. No server starts meanwhile.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::error::Error;

const RESTORING: &str = "restoring";
const READY: &str = "ready";
const MOVED: &str = "moved";

/// What the content before a restore is kept under, with the time.
const REPLACED: &str = "replaced-";

/// A directory that nobody else uses.
pub(super) struct Place {
    base: PathBuf,
    /// Held while we work; nothing where no server has been yet.
    _lock: Option<File>,
}

/// Refuses a directory in which a restore was interrupted.
///
/// # Errors
/// [`Error::Unfinished`].
pub fn check_finished(base: &Path) -> Result<(), Error> {
    let staging = base.join(RESTORING);
    let has_begun = [READY, MOVED].iter().any(|mark| staging.join(mark).exists());
    if has_begun { Err(Error::Unfinished(base.to_owned())) } else { Ok(()) }
}

impl Place {
    /// Takes a directory, and finishes what an interrupted restore has left there.
    pub(super) fn take(base: &Path, stamp: &str) -> Result<Self, Error> {
        fs::DirBuilder::new().recursive(true).create(base).map_err(Error::disk("make", base))?;
        let lock = lock(base)?;
        let place = Self { base: base.to_owned(), _lock: lock };
        match check_finished(base) {
            Ok(()) => remove_tree(&base.join(RESTORING))?,
            Err(_) => drop(place.move_in(stamp)?),
        }
        Ok(place)
    }

    pub(super) fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.content()?.is_empty())
    }

    /// Makes the folder for the new content.
    pub(super) fn stage(&self) -> Result<PathBuf, Error> {
        let new = self.base.join(RESTORING).join("new");
        private_folder(&new)?;
        Ok(new)
    }

    /// Throws away what was staged.
    pub(super) fn clear(&self) -> Result<(), Error> {
        remove_tree(&self.base.join(RESTORING))
    }

    /// Lets the staged content take its place. Returns where the content before it is kept.
    pub(super) fn replace(&self, stamp: &str) -> Result<Option<PathBuf>, Error> {
        // All that was written must be there before the mark is.
        nix::unistd::sync();
        self.mark(READY)?;
        self.move_in(stamp)
    }

    fn move_in(&self, stamp: &str) -> Result<Option<PathBuf>, Error> {
        let staging = self.base.join(RESTORING);
        let old = staging.join("old");
        if staging.join(READY).exists() {
            private_folder(&old)?;
            for path in self.content()? {
                move_into(&path, &old)?;
            }
            self.mark(MOVED)?;
            remove_file(&staging.join(READY));
        }
        for path in children(&staging.join("new"))? {
            move_into(&path, &self.base)?;
        }
        let kept = match children(&old) {
            Ok(content) if !content.is_empty() => {
                let kept = self.base.join(format!("{REPLACED}{stamp}"));
                fs::rename(&old, &kept).map_err(Error::disk("keep", &kept))?;
                Some(kept)
            }
            _ => None,
        };
        sync_folder(Some(&self.base))?;
        remove_file(&staging.join(MOVED));
        remove_tree(&staging)?;
        Ok(kept)
    }

    /// What the directory holds, as far as a restore concerns it.
    fn content(&self) -> Result<Vec<PathBuf>, Error> {
        let is_content = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name != RESTORING && name != "lost+found" && !name.starts_with(REPLACED)
        };
        Ok(children(&self.base)?.into_iter().filter(is_content).collect())
    }

    fn mark(&self, name: &str) -> Result<(), Error> {
        let path = self.base.join(RESTORING).join(name);
        File::create(&path).and_then(|file| file.sync_all()).map_err(Error::disk("write", &path))?;
        sync_folder(path.parent())
    }
}

fn lock(base: &Path) -> Result<Option<File>, Error> {
    let path = base.join("server/server.lock");
    let mut file = match File::options().read(true).write(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(Error::disk("open", &path))?,
    };
    if file.try_lock().is_err() {
        let mut pid = String::new();
        // It only makes the message better.
        file.read_to_string(&mut pid).ok();
        return Err(Error::InUse { base: base.to_owned(), pid: pid.trim().to_owned() });
    }
    Ok(Some(file))
}

fn move_into(path: &Path, folder: &Path) -> Result<(), Error> {
    let to = folder.join(path.file_name().unwrap_or_default());
    fs::rename(path, to).map_err(Error::disk("move", path))
}

fn children(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let read = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    read().map_err(Error::disk("read", folder))
}

fn private_folder(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::disk("make", path))
}

fn remove_tree(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::disk("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a file that may not exist; one that stays does no harm.
pub(super) fn remove_file(path: &Path) {
    fs::remove_file(path).ok();
}

/// Makes sure that names in a folder outlive a power cut.
pub(super) fn sync_folder(folder: Option<&Path>) -> Result<(), Error> {
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|file| file.sync_all()).map_err(Error::disk("write", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = children(folder)
            .unwrap()
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// A directory whose content `old` is about to be replaced by `a` and `b`.
    fn staged() -> tempfile::TempDir {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("old"), "").unwrap();
        let new = Place::take(base.path(), "0").unwrap().stage().unwrap();
        fs::write(new.join("a"), "").unwrap();
        fs::write(new.join("b"), "").unwrap();
        base
    }

    #[test]
    fn what_is_only_staged_is_thrown_away_by_the_next() {
        let base = staged();
        assert!(check_finished(base.path()).is_ok());
        Place::take(base.path(), "1").unwrap();
        assert_eq!(names(base.path()), ["old"]);
    }

    #[test]
    fn a_restore_that_was_interrupted_anywhere_is_finished_by_the_next() {
        // How far it came: marked, the old content moved, a part of the new one moved.
        for steps in 0..4 {
            let base = staged();
            let staging = base.path().join(RESTORING);
            File::create(staging.join(READY)).unwrap();
            if steps > 0 {
                fs::create_dir(staging.join("old")).unwrap();
                fs::rename(base.path().join("old"), staging.join("old/old")).unwrap();
            }
            if steps > 1 {
                File::create(staging.join(MOVED)).unwrap();
                fs::remove_file(staging.join(READY)).unwrap();
            }
            if steps > 2 {
                fs::rename(staging.join("new/a"), base.path().join("a")).unwrap();
            }
            assert!(matches!(check_finished(base.path()), Err(Error::Unfinished(_))), "{steps}");
            let place = Place::take(base.path(), "1").unwrap();
            assert_eq!(names(base.path()), ["a", "b", "replaced-1"], "{steps}");
            assert_eq!(names(&base.path().join("replaced-1")), ["old"], "{steps}");
            assert!(check_finished(base.path()).is_ok() && !place.is_empty().unwrap());
        }
    }
}
