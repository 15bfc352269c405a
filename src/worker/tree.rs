//! The node's working copy: a fresh copy of the source tree for every node, made by mending only what the node before
//! changed. Knows no repository and no processes; nothing else may touch the copy while it works.
//!
//! A ledger remembers inode and change time of everything it made. The kernel moves the change time on any write, chmod,
//! chown, link or rename and offers no way to set it, so what still has both is still pristine. Change times advance in
//! steps: what was made within a step of a node's start is compared with the source instead of trusted.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::OsString,
    fs::{self, File, FileTimes, Metadata, Permissions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    fcntl::AT_FDCWD,
    sys::{
        stat::{UtimensatFlags, utimensat},
        time::TimeSpec,
    },
    time::{ClockId, clock_gettime},
};

/// No kernel's clock for change times is coarser than this.
const CLOCK_STEP: Duration = Duration::from_millis(20);

/// What tells one state of a file from any later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: u64,
    changed: (i64, i64),
}

impl Stamp {
    /// Reads it off a file's metadata.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { inode: metadata.ino(), changed: (metadata.ctime(), metadata.ctime_nsec()) }
    }

    /// Says whether no later state can have the same stamp, given when the last node may have begun.
    pub(crate) fn is_trusted(&self, handed_over: (i64, i64)) -> bool {
        self.changed < before(handed_over, CLOCK_STEP)
    }
}

#[derive(Debug)]
enum Entry {
    File(Stamp),
    Link(Stamp),
    Folder(Folder),
}

#[derive(Debug)]
struct Folder {
    stamp: Stamp,
    entries: BTreeMap<OsString, Entry>,
}

impl Folder {
    fn size(&self) -> usize {
        let sizes = self.entries.values().map(|entry| match entry {
            Entry::File(_) | Entry::Link(_) => 1,
            Entry::Folder(folder) => folder.size(),
        });
        1 + sizes.sum::<usize>()
    }
}

/// A working copy with its ledger.
#[derive(Debug)]
pub(crate) struct WorkingCopy {
    source: PathBuf,
    target: PathBuf,
    root: Option<Folder>,
    /// When the last node may have begun; later change times are not trusted.
    handed_over: (i64, i64),
}

impl WorkingCopy {
    /// Names source and target; nothing is copied yet.
    pub(crate) fn new(source: PathBuf, target: PathBuf) -> Self {
        Self { source, target, root: None, handed_over: (0, 0) }
    }

    /// Says whether there is something to copy.
    pub(crate) fn has_source(&self) -> bool {
        self.source.exists()
    }

    /// Makes the target equal to the source: contents, modes, times of change, links; nothing more, nothing less.
    ///
    /// # Errors
    /// When something cannot be read, made or removed; the next call begins from nothing.
    pub(crate) fn restore(&mut self) -> io::Result<()> {
        let trusted = before(self.handed_over, CLOCK_STEP);
        let known = match (self.root.take(), fs::symlink_metadata(&self.target)) {
            (Some(root), Ok(found)) if found.is_dir() && found.ino() == root.stamp.inode => Some((root, found)),
            (_, Ok(found)) if found.is_dir() => None,
            (_, Ok(_)) => {
                remove(&self.target)?;
                fs::create_dir_all(&self.target)?;
                None
            }
            (_, Err(_)) => {
                fs::create_dir_all(&self.target)?;
                None
            }
        };
        let root = match known {
            Some((mut root, found)) => {
                mend(&self.source, &self.target, &mut root, &found, trusted)?;
                root
            }
            None => {
                own(&self.target)?;
                clear(&self.target, &HashSet::new())?;
                fill(&self.source, &self.target)?
            }
        };
        self.root = Some(root);
        Ok(())
    }

    /// Returns how many files, links and folders it has; nothing before the first copy.
    pub(crate) fn size(&self) -> Option<usize> {
        self.root.as_ref().map(Folder::size)
    }

    /// Notes that a node begins now.
    pub(crate) fn hand_over(&mut self) {
        self.handed_over = file_clock();
    }
}

/// Returns the time by the clock that change times are taken from.
pub(crate) fn file_clock() -> (i64, i64) {
    clock_gettime(ClockId::CLOCK_REALTIME).map_or((0, 0), |time| (time.tv_sec(), time.tv_nsec()))
}

fn before((seconds, nanoseconds): (i64, i64), step: Duration) -> (i64, i64) {
    let step = i64::from(step.subsec_nanos());
    if nanoseconds >= step { (seconds, nanoseconds - step) } else { (seconds - 1, nanoseconds + 1_000_000_000 - step) }
}

/// Copies the contents of a folder into one that exists and is empty.
fn fill(source: &Path, target: &Path) -> io::Result<Folder> {
    let mut entries = BTreeMap::new();
    for item in fs::read_dir(source)? {
        let name = item?.file_name();
        if let Some(entry) = copy(&source.join(&name), &target.join(&name))? {
            entries.insert(name, entry);
        }
    }
    Ok(Folder { stamp: finish_folder(source, target)?, entries })
}

/// Copies one thing to where nothing is. Kinds that no commit can hold (devices, sockets) are left out.
fn copy(source: &Path, target: &Path) -> io::Result<Option<Entry>> {
    let metadata = fs::symlink_metadata(source)?;
    let entry = if metadata.is_file() {
        fs::copy(source, target)?;
        let file = File::open(target).or_else(|_| {
            // A file without read permission, and we are not root: open it for the moment.
            fs::set_permissions(target, Permissions::from_mode(0o600)).and_then(|()| File::open(target))
        })?;
        file.set_times(FileTimes::new().set_modified(metadata.modified()?).set_accessed(metadata.modified()?))?;
        file.set_permissions(metadata.permissions())?;
        Entry::File(Stamp::of(&file.metadata()?))
    } else if metadata.is_symlink() {
        symlink(fs::read_link(source)?, target)?;
        let time = TimeSpec::new(metadata.mtime(), metadata.mtime_nsec());
        utimensat(AT_FDCWD, target, &time, &time, UtimensatFlags::NoFollowSymlink)?;
        Entry::Link(Stamp::of(&fs::symlink_metadata(target)?))
    } else if metadata.is_dir() {
        fs::create_dir(target)?;
        Entry::Folder(fill(source, target)?)
    } else {
        return Ok(None);
    };
    Ok(Some(entry))
}

/// Gives a folder mode and time of its source, as the last thing done to it.
fn finish_folder(source: &Path, target: &Path) -> io::Result<Stamp> {
    let metadata = fs::metadata(source)?;
    let folder = File::open(target)?;
    folder.set_permissions(metadata.permissions())?;
    folder.set_times(FileTimes::new().set_modified(metadata.modified()?).set_accessed(metadata.modified()?))?;
    Ok(Stamp::of(&folder.metadata()?))
}

/// Undoes what happened to a folder that is still the one we made, and to all below it.
fn mend(source: &Path, target: &Path, folder: &mut Folder, found: &Metadata, trusted: (i64, i64)) -> io::Result<()> {
    let mut changed = Stamp::of(found) != folder.stamp;
    if changed || folder.stamp.changed >= trusted {
        let original = fs::metadata(source)?;
        let times = |metadata: &Metadata| (metadata.mtime(), metadata.mtime_nsec(), metadata.mode());
        changed |= times(found) != times(&original);
        own(target)?;
        changed |= clear(target, &folder.entries.keys().cloned().collect())?;
    }
    for (name, entry) in &mut folder.entries {
        let (from, to) = (source.join(name), target.join(name));
        let found = fs::symlink_metadata(&to).ok();
        if let (Entry::Folder(inner), Some(found)) = (&mut *entry, &found)
            && found.is_dir()
            && found.ino() == inner.stamp.inode
        {
            mend(&from, &to, inner, found, trusted)?;
        } else if !found.as_ref().is_some_and(|found| is_pristine(entry, found, &from, &to, trusted)) {
            if !changed {
                own(target)?;
                changed = true;
            }
            if found.is_some() {
                remove(&to)?;
            }
            let vanished = || io::Error::other(format!("{} changed its kind", from.display()));
            *entry = copy(&from, &to)?.ok_or_else(vanished)?;
        }
    }
    if changed {
        folder.stamp = finish_folder(source, target)?;
    }
    Ok(())
}

fn is_pristine(entry: &Entry, found: &Metadata, source: &Path, target: &Path, trusted: (i64, i64)) -> bool {
    let stamp = match entry {
        Entry::File(stamp) if found.is_file() => stamp,
        Entry::Link(stamp) if found.is_symlink() => stamp,
        _ => return false,
    };
    if Stamp::of(found) != *stamp {
        return false;
    }
    stamp.changed < trusted || looks_alike(found, source, target).unwrap_or(false)
}

/// Compares with the source itself, where the change time is too young to be trusted.
fn looks_alike(found: &Metadata, source: &Path, target: &Path) -> io::Result<bool> {
    let original = fs::symlink_metadata(source)?;
    let same = |part: fn(&Metadata) -> i64| part(found) == part(&original);
    if found.nlink() != 1 || !same(MetadataExt::mtime) || !same(MetadataExt::mtime_nsec) {
        return Ok(false);
    }
    if found.is_symlink() {
        return Ok(fs::read_link(target)? == fs::read_link(source)?);
    }
    Ok(found.mode() == original.mode() && found.len() == original.len() && same_contents(source, target)?)
}

fn same_contents(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut left, mut right) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        let length = one.read(&mut left)?;
        if length == 0 {
            return Ok(other.read(&mut right)? == 0);
        }
        if other.read_exact(&mut right[..length]).is_err() || left[..length] != right[..length] {
            return Ok(false);
        }
    }
}

/// Removes everything in a folder but the named; says whether there was anything.
pub(crate) fn clear(folder: &Path, keep: &HashSet<OsString>) -> io::Result<bool> {
    let mut removed = false;
    for item in fs::read_dir(folder)? {
        let item = item?;
        if !keep.contains(&item.file_name()) {
            remove(&item.path())?;
            removed = true;
        }
    }
    Ok(removed)
}

/// Makes sure that we may change what is in a folder, whatever the node did to it.
fn own(folder: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(folder)?;
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    if metadata.uid() != user.as_raw() || metadata.gid() != group.as_raw() {
        nix::unistd::chown(folder, Some(user), Some(group))?;
    }
    if metadata.mode() & 0o700 != 0o700 {
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Removes a file, or a folder with all that is in it; follows no link, and is not stopped by modes.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !metadata.is_dir() {
        return fs::remove_file(path);
    }
    if fs::remove_dir_all(path).is_ok() {
        return Ok(());
    }
    own(path)?;
    clear(path, &HashSet::new())?;
    fs::remove_dir(path)
}

#[cfg(test)]
mod tests;
