//! Folders as open files, so that what is in them is reached without ever following a link. Knows no names of objects.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AtFlags, OFlag, open, openat},
    sys::stat::{FileStat, Mode, SFlag, fchmod, fstatat, mkdirat},
    unistd::{UnlinkatFlags, unlinkat},
};

/// Nodes of any user write to it.
const FOLDER_MODE: Mode = Mode::S_IRWXU.union(Mode::S_IRWXG).union(Mode::S_IRWXO);

const FOLDER: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Folders in one another beyond this depth are not gone into: they were made to harm.
const DEEPEST: usize = 200;

/// What something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
    /// A pipe, a socket, a device.
    Other,
}

/// What something is, and how large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) kind: Kind,
    pub(super) size: u64,
    /// Seconds and nanoseconds since 1970.
    pub(super) modified: (i64, i64),
}

/// An open folder.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

impl Folder {
    /// Opens a folder by its path. Only its last part may not be a link.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(open(path, FOLDER, Mode::empty())?))
    }

    /// Opens a folder in this one; with `make`, makes it if there is none.
    pub(super) fn child(&self, name: &str, make: bool) -> io::Result<Self> {
        match openat(&self.0, name, FOLDER, Mode::empty()) {
            Err(Errno::ENOENT) if make => {
                match mkdirat(&self.0, name, FOLDER_MODE) {
                    Ok(()) => {}
                    // Somebody else was faster.
                    Err(Errno::EEXIST) => return Ok(Self(openat(&self.0, name, FOLDER, Mode::empty())?)),
                    Err(error) => return Err(error.into()),
                }
                let made = openat(&self.0, name, FOLDER, Mode::empty())?;
                // Whatever the mask of this process is.
                fchmod(&made, FOLDER_MODE)?;
                Ok(Self(made))
            }
            opened => Ok(Self(opened?)),
        }
    }

    /// Opens the same folder once more.
    pub(super) fn again(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Says what something in it is; nothing where there is nothing.
    pub(super) fn about(&self, name: &str) -> io::Result<Option<About>> {
        match fstatat(&self.0, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(about(&stat))),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a regular file for reading. What else it could be is an error, and is not waited for.
    pub(super) fn file(&self, name: &str) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let file = File::from(openat(&self.0, name, flags, Mode::empty())?);
        // It may have changed since somebody looked.
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    /// Makes a file that did not exist, with this mode whatever the mask of this process is.
    pub(super) fn new_file(&self, name: &str, mode: u32) -> io::Result<File> {
        let mode = Mode::from_bits_truncate(mode);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(&self.0, name, flags, mode)?;
        fchmod(&file, mode)?;
        Ok(file.into())
    }

    /// Removes what is no folder.
    pub(super) fn remove_file(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.0, name, UnlinkatFlags::NoRemoveDir)?)
    }

    /// Removes something with all that is in it; links are removed, and not what they lead to.
    pub(super) fn remove_all(&self, name: &str) -> io::Result<()> {
        self.remove_tree(OsStr::new(name), DEEPEST)
    }

    fn remove_tree(&self, name: &OsStr, deeper: usize) -> io::Result<()> {
        if deeper == 0 {
            return Err(io::Error::other("folders lie too deep in one another"));
        }
        match unlinkat(&self.0, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => return Ok(()),
            Err(Errno::EISDIR | Errno::EPERM) => {}
            Err(error) => return Err(error.into()),
        }
        let inside = Self(openat(&self.0, name, FOLDER, Mode::empty())?);
        for entry in inside.entries()? {
            inside.remove_tree(&entry, deeper - 1)?;
        }
        match unlinkat(&self.0, name, UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Adds up the bytes of all files below. What vanishes meanwhile, or cannot be read, does not count.
    pub(super) fn bytes(&self) -> u64 {
        self.sum(DEEPEST)
    }

    fn sum(&self, deeper: usize) -> u64 {
        let mut bytes = 0_u64;
        for entry in self.entries().unwrap_or_default() {
            let Ok(stat) = fstatat(&self.0, entry.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) else { continue };
            let about = about(&stat);
            if about.kind == Kind::File {
                bytes = bytes.saturating_add(about.size);
            } else if about.kind == Kind::Folder
                && deeper > 0
                && let Ok(inside) = openat(&self.0, entry.as_os_str(), FOLDER, Mode::empty())
            {
                bytes = bytes.saturating_add(Self(inside).sum(deeper - 1));
            }
        }
        bytes
    }

    /// Lists what is in it, in no order.
    pub(super) fn entries(&self) -> io::Result<Vec<std::ffi::OsString>> {
        use std::os::unix::ffi::OsStrExt as _;
        // A descriptor of its own: reading a folder moves its place in it.
        let fresh = openat(&self.0, ".", FOLDER, Mode::empty())?;
        let mut names = Vec::new();
        for entry in Dir::from_fd(fresh)?.iter() {
            let name = entry?.file_name().to_bytes().to_owned();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(&name).to_owned());
            }
        }
        Ok(names)
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn about(stat: &FileStat) -> About {
    let kind = match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFREG => Kind::File,
        SFlag::S_IFDIR => Kind::Folder,
        SFlag::S_IFLNK => Kind::Link,
        _ => Kind::Other,
    };
    About { kind, size: u64::try_from(stat.st_size).unwrap_or(0), modified: (stat.st_mtime, stat.st_mtime_nsec) }
}
