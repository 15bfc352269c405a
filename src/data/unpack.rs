//! Archives as folders again. What an archive says is not trusted: nothing is written outside of the places it goes to.

use std::{
    collections::HashMap,
    fs::{self, File, Permissions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use nix::{
    sys::{stat::futimens, time::TimeSpec},
    unistd::symlinkat,
};
use tar::{Archive, Entry, EntryType};

use super::{
    archive::{check_link, hard_link, member},
    error::Error,
    folder::{Folder, Kind},
};

/// Where what lies at the top of an archive goes.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// All of it into this folder.
    Into(&'a Path),
    /// Each under its name here to this path, which is that of the file or folder itself. Others are refused.
    Each(&'a [(String, PathBuf)]),
}

impl Place<'_> {
    /// Returns the folder in which the top lies, and its name there.
    fn of(&self, top: &str) -> Result<(PathBuf, String), Error> {
        match self {
            Self::Into(folder) => Ok(((*folder).to_owned(), top.to_owned())),
            Self::Each(places) => {
                let place = places.iter().find(|(name, _)| name == top).map(|(_, path)| path);
                let path = place.ok_or_else(|| Error::Unsafe(format!("nothing is known of `{top}` in it")))?;
                let name = path.file_name().and_then(|name| name.to_str());
                let name = name.ok_or_else(|| Error::Unsafe(format!("{} has no name", path.display())))?;
                Ok((path.parent().unwrap_or(Path::new("/")).to_owned(), name.to_owned()))
            }
        }
    }
}

/// Restores an archive. What is there already under the same names is replaced; folders are filled up. Returns the bytes of
/// all files.
///
/// # Errors
/// [`Error::Unsafe`], before anything is written, for an archive that is none, or would write elsewhere; while writing, for a
/// link on the way that was there before. [`Error::Disk`] where something cannot be written.
pub fn unpack(archive: &mut File, place: Place<'_>) -> Result<u64, Error> {
    check(archive, place)?;
    archive.seek(SeekFrom::Start(0)).map_err(Error::disk("the archive"))?;
    let mut tops = HashMap::new();
    let mut folders = Vec::new();
    let mut bytes = 0;
    let mut opened = Archive::new(archive);
    for entry in opened.entries().map_err(no_archive)? {
        let mut entry = entry.map_err(no_archive)?;
        let parts = member(&entry.path().map_err(no_archive)?)?;
        let writer = Writer::to(&mut tops, place, &parts)?;
        bytes += writer.write(&mut entry, place, &mut folders)?;
    }
    // Last, and innermost first: a folder may not be writable.
    for (folder, mode) in folders.into_iter().rev() {
        folder.set_permissions(Permissions::from_mode(mode)).map_err(Error::disk("a folder of the archive"))?;
    }
    Ok(bytes)
}

/// Reads all headers and refuses what must not be.
fn check(archive: &mut File, place: Place<'_>) -> Result<(), Error> {
    archive.seek(SeekFrom::Start(0)).map_err(Error::disk("the archive"))?;
    let mut links: Vec<Vec<String>> = Vec::new();
    for entry in Archive::new(archive).entries_with_seek().map_err(no_archive)? {
        let entry = entry.map_err(no_archive)?;
        let path = entry.path().map_err(no_archive)?.into_owned();
        let parts = member(&path)?;
        place.of(&parts[0])?;
        if links.iter().any(|link| parts.len() > link.len() && parts.starts_with(link)) {
            return Err(Error::Unsafe(format!("{} lies behind a link of the archive", path.display())));
        }
        let target = entry.link_name().map_err(no_archive)?.map(std::borrow::Cow::into_owned);
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse | EntryType::Directory => {}
            EntryType::Symlink => {
                check_link(&path, target.as_deref().unwrap_or(Path::new("/")))?;
                links.push(parts);
            }
            EntryType::Link => {
                let target = hard_link(&path, target)?;
                place.of(&target[0])?;
                if links.iter().any(|link| target.starts_with(link)) {
                    return Err(Error::Unsafe(format!("the link {} leads through another", path.display())));
                }
            }
            _ => return Err(Error::Unsafe(format!("{} is neither a file, a folder nor a link", path.display()))),
        }
    }
    Ok(())
}

/// Writes one member.
struct Writer {
    above: Folder,
    last: String,
    shown: String,
}

impl Writer {
    /// Goes to the folder of a member, without following any link, and makes it.
    fn to(tops: &mut HashMap<String, Folder>, place: Place<'_>, parts: &[String]) -> Result<Self, Error> {
        let shown = parts.join("/");
        let disk = |error: io::Error| match error.kind() {
            io::ErrorKind::NotADirectory => {
                Error::Unsafe(format!("{shown} lies behind something that is no folder, and links are not followed"))
            }
            _ => Error::Disk { name: shown.clone(), source: error },
        };
        let (folder, name) = place.of(&parts[0])?;
        if !tops.contains_key(&parts[0]) {
            fs::create_dir_all(&folder).map_err(disk)?;
            // The way to the place itself is that of whoever asks for it; links in it are theirs.
            let folder = fs::canonicalize(&folder).map_err(disk)?;
            tops.insert(parts[0].clone(), Folder::open(&folder).map_err(disk)?);
        }
        let mut above = tops[&parts[0]].again().map_err(disk)?;
        let mut last = name;
        for part in &parts[1..] {
            above = above.child(&last, true).map_err(disk)?;
            last.clone_from(part);
        }
        Ok(Self { above, last, shown })
    }

    fn write(
        &self,
        entry: &mut Entry<'_, &mut File>,
        place: Place<'_>,
        folders: &mut Vec<(File, u32)>,
    ) -> Result<u64, Error> {
        let disk = Error::disk(&self.shown);
        let header = entry.header();
        let (kind, mode) = (header.entry_type(), header.mode().map_err(&disk)? & 0o777);
        let seconds = i64::try_from(header.mtime().unwrap_or(0)).unwrap_or(0);
        let there = self.above.about(&self.last).map_err(&disk)?;
        if kind == EntryType::Directory {
            if there.is_some_and(|about| about.kind != Kind::Folder) {
                self.above.remove_file(&self.last).map_err(&disk)?;
            }
            let made = self.above.child(&self.last, true).map_err(&disk)?;
            use std::os::fd::AsFd as _;
            let made = File::from(made.as_fd().try_clone_to_owned().map_err(&disk)?);
            made.set_permissions(Permissions::from_mode(mode | 0o700)).map_err(&disk)?;
            if mode & 0o700 != 0o700 {
                folders.push((made, mode | 0o700));
            }
            return Ok(0);
        }
        match there.map(|about| about.kind) {
            Some(Kind::Folder) => {
                return Err(Error::Kind { name: self.shown.clone(), what: "a folder, and a file in the archive" });
            }
            Some(_) => self.above.remove_file(&self.last).map_err(&disk)?,
            None => {}
        }
        let target = entry.link_name().map_err(no_archive)?.map(std::borrow::Cow::into_owned);
        match kind {
            EntryType::Symlink => {
                let target = target.unwrap_or_default();
                symlinkat(target.as_path(), &self.above, self.last.as_str()).map_err(|error| disk(error.into()))?;
                Ok(0)
            }
            EntryType::Link => {
                let parts = hard_link(Path::new(&self.shown), target)?;
                let source = Self::to(&mut HashMap::new(), place, &parts)?;
                let mut source = source.above.file(&source.last).map_err(&disk)?;
                self.file(&mut source, mode, seconds)
            }
            _ => self.file(entry, mode, seconds),
        }
    }

    fn file(&self, content: &mut impl Read, mode: u32, seconds: i64) -> Result<u64, Error> {
        let disk = Error::disk(&self.shown);
        let mut file = self.above.new_file(&self.last, mode).map_err(&disk)?;
        let bytes = io::copy(content, &mut file).map_err(&disk)?;
        let at = TimeSpec::new(seconds, 0);
        futimens(&file, &at, &at).map_err(|error| disk(error.into()))?;
        Ok(bytes)
    }
}

fn no_archive(error: io::Error) -> Error {
    Error::Unsafe(format!("it cannot be read: {error}"))
}
