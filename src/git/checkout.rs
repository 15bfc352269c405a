//! Writes the files of one commit into a new folder. Knows nothing of what uses them.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions, Permissions},
    io::Write,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use git2::{Commit, IndexEntry, IndexTime, Repository, Tree, TreeEntry};
use nix::{
    fcntl::AT_FDCWD,
    sys::{
        stat::{UtimensatFlags, utimensat},
        time::TimeSpec,
    },
};

use super::{
    error::Error,
    mirror::{MirrorName, Mirrors},
    read, shallow,
};

/// Deeper trees are not made by people.
pub(super) const MAX_DEPTH: usize = 512;
/// The 32 bits that git's index has for a time end in 2038.
const LATEST: i64 = i32::MAX as i64;

pub(super) const FOLDER: i32 = 0o040_000;
pub(super) const SYMLINK: i32 = 0o120_000;
pub(super) const SUBMODULE: i32 = 0o160_000;
pub(super) const EXECUTABLE: i32 = 0o100_755;

struct Writer<'a> {
    mirror: &'a Repository,
    /// Time of the commit, for all files: equal trees make equal folders.
    seconds: i64,
    entries: Vec<IndexEntry>,
}

impl Mirrors {
    /// Writes the files of a commit into a new folder, with a `.git` that knows this commit only and no credentials.
    ///
    /// The folder must not exist; the folders above it are made. What a failed checkout wrote stays for the caller to remove.
    ///
    /// # Errors
    /// [`Error::Refused`] for names that must not be written, [`Error::Disk`] when the disk says no.
    pub async fn checkout(&self, mirror: &MirrorName, sha: &str, destination: &Path) -> Result<(), Error> {
        let (sha, destination) = (sha.to_owned(), destination.to_owned());
        self.read(mirror, move |repository| write(repository, &read::commit(repository, &sha)?, &destination)).await
    }
}

fn write(mirror: &Repository, commit: &Commit<'_>, destination: &Path) -> Result<(), Error> {
    if let Some(above) = destination.parent() {
        fs::create_dir_all(above).map_err(Error::disk("make the folder above a working copy"))?;
    }
    let mut writer = Writer { mirror, seconds: commit.time().seconds().clamp(0, LATEST), entries: Vec::new() };
    writer.folder(&commit.tree()?, destination, &mut Vec::new(), 0)?;
    shallow::write(mirror, commit, destination, &writer.entries)?;
    writer.date_folder(destination)
}

impl Writer<'_> {
    /// A new folder is always made, never entered: a tree that names one thing twice cannot lead us through its own link.
    fn folder(&mut self, tree: &Tree<'_>, at: &Path, prefix: &mut Vec<u8>, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::Refused(format!("the folders of the commit are nested deeper than {MAX_DEPTH}")));
        }
        new_folder(at)?;
        for entry in tree {
            let name = safe_name(&entry)?;
            let path = at.join(OsStr::from_bytes(name));
            let length = prefix.len();
            prefix.extend_from_slice(name);
            match entry.filemode() {
                FOLDER => {
                    prefix.push(b'/');
                    self.folder(&self.mirror.find_tree(entry.id())?, &path, prefix, depth + 1)?;
                }
                SUBMODULE => {
                    new_folder(&path)?;
                    self.remember(&entry, &path, prefix)?;
                }
                SYMLINK => {
                    self.link(&entry, &path)?;
                    self.remember(&entry, &path, prefix)?;
                }
                mode => {
                    self.file(&entry, &path, if mode == EXECUTABLE { 0o755 } else { 0o644 })?;
                    self.remember(&entry, &path, prefix)?;
                }
            }
            prefix.truncate(length);
        }
        self.date_folder(at)
    }

    fn file(&self, entry: &TreeEntry<'_>, path: &Path, mode: u32) -> Result<(), Error> {
        let blob = self.mirror.find_blob(entry.id())?;
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
            file.write_all(blob.content())?;
            file.set_permissions(Permissions::from_mode(mode))?;
            file.set_modified(self.time())
        };
        write().map_err(Error::disk("write a file of the commit"))
    }

    fn link(&self, entry: &TreeEntry<'_>, path: &Path) -> Result<(), Error> {
        let target = self.mirror.find_blob(entry.id())?;
        let time = TimeSpec::new(self.seconds, 0);
        symlink(PathBuf::from(OsStr::from_bytes(target.content())), path)
            .and_then(|()| Ok(utimensat(AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink)?))
            .map_err(Error::disk("write a symbolic link of the commit"))
    }

    fn date_folder(&self, path: &Path) -> Result<(), Error> {
        File::open(path).and_then(|folder| folder.set_modified(self.time())).map_err(Error::disk("date a folder"))
    }

    fn time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.seconds.unsigned_abs())
    }

    /// Notes what `stat` says, so that git need not read every file to see that nothing changed.
    fn remember(&mut self, entry: &TreeEntry<'_>, path: &Path, name: &[u8]) -> Result<(), Error> {
        let stat = fs::symlink_metadata(path).map_err(Error::disk("look at a file just written"))?;
        let time = |seconds: i64, nanoseconds: i64| {
            IndexTime::new(i32::try_from(seconds).unwrap_or_default(), u32::try_from(nanoseconds).unwrap_or_default())
        };
        self.entries.push(IndexEntry {
            ctime: time(stat.ctime(), stat.ctime_nsec()),
            mtime: time(stat.mtime(), stat.mtime_nsec()),
            dev: low_half(stat.dev()),
            ino: low_half(stat.ino()),
            mode: entry.filemode().unsigned_abs(),
            uid: stat.uid(),
            gid: stat.gid(),
            file_size: low_half(stat.size()),
            id: entry.id(),
            flags: 0,
            flags_extended: 0,
            path: name.to_vec(),
        });
        Ok(())
    }
}

fn new_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir(path)
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o755)))
        .map_err(Error::disk("make a folder of the commit"))
}

pub(super) fn safe_name<'a>(entry: &'a TreeEntry<'_>) -> Result<&'a [u8], Error> {
    let name = entry.name_bytes();
    let is_special = name.is_empty() || name == b"." || name == b".." || name.eq_ignore_ascii_case(b".git");
    if is_special || name.contains(&b'/') || name.contains(&0) {
        let name = String::from_utf8_lossy(name);
        return Err(Error::Refused(format!("the commit holds a file named `{name}`, which must not be written")));
    }
    Ok(name)
}

/// The index keeps 32 bits of these numbers.
fn low_half(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default()
}
