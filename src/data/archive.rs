//! Folders as archives: how one is packed. What may be in one, so that it can be unpacked again.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt as _,
    path::{Component, Path, PathBuf},
};

use tar::{Builder, EntryType, Header};

use super::error::Error;

/// Writes files and folders into an archive, each under the name that goes with it.
///
/// # Errors
/// [`Error::Unsafe`] for a link that leads out of its folder and for what is neither a file, a folder nor a link: it could
/// not be restored. [`Error::Disk`] where something cannot be read or written.
pub fn pack(roots: &[(&str, &Path)], target: impl Write) -> Result<(), Error> {
    let mut builder = Builder::new(target);
    builder.follow_symlinks(false);
    for (name, path) in roots {
        add(&mut builder, Path::new(name), path)?;
    }
    builder.into_inner().map(drop).map_err(Error::disk("the archive"))
}

fn add(builder: &mut Builder<impl Write>, name: &Path, path: &Path) -> Result<(), Error> {
    let shown = path.to_string_lossy();
    let disk = Error::disk(&shown);
    let about = fs::symlink_metadata(path).map_err(&disk)?;
    let mut header = Header::new_gnu();
    header.set_mode(about.permissions().mode() & 0o777);
    let modified = about.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    header.set_mtime(modified.map_or(0, |at| at.as_secs()));
    if about.is_file() {
        // It may still grow; what is said of its size must hold.
        let file = fs::File::open(path).map_err(&disk)?;
        let size = file.metadata().map_err(&disk)?.len();
        header.set_size(size);
        return builder.append_data(&mut header, name, std::io::Read::take(file, size)).map_err(&disk);
    }
    header.set_size(0);
    if about.is_symlink() {
        let target = fs::read_link(path).map_err(&disk)?;
        check_link(name, &target)?;
        header.set_entry_type(EntryType::Symlink);
        return builder.append_link(&mut header, name, &target).map_err(&disk);
    }
    if !about.is_dir() {
        return Err(Error::Unsafe(format!("{shown} is neither a file, a folder nor a link")));
    }
    header.set_entry_type(EntryType::Directory);
    builder.append_data(&mut header, name, std::io::empty()).map_err(&disk)?;
    let entries: Result<Vec<_>, _> = fs::read_dir(path).map_err(&disk)?.collect();
    let mut entries: Vec<_> = entries.map_err(&disk)?.iter().map(fs::DirEntry::file_name).collect();
    // The same folder gives the same archive.
    entries.sort();
    entries.iter().try_for_each(|entry| add(builder, &name.join(entry), &path.join(entry)))
}

/// Refuses a link that leads out of the folder at the top of the archive, in which it lies.
pub(super) fn check_link(name: &Path, target: &Path) -> Result<(), Error> {
    let outside =
        || Error::Unsafe(format!("the link {} leads out of its folder, to {}", name.display(), target.display()));
    let mut place: Vec<_> = name.parent().map(|above| above.components().collect()).unwrap_or_default();
    for part in target.components() {
        match part {
            Component::Normal(_) => place.push(part),
            Component::CurDir => {}
            // The folder at the top itself may be pointed to, what is beside it not.
            Component::ParentDir if place.len() > 1 => drop(place.pop()),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(outside()),
        }
    }
    if place.is_empty() { Err(outside()) } else { Ok(()) }
}

/// Takes the name of a member apart; refuses one that leads out.
pub(super) fn member(path: &Path) -> Result<Vec<String>, Error> {
    let refused = |why: &str| Error::Unsafe(format!("the member {} {why}", path.display()));
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => {
                parts.push(name.to_str().ok_or_else(|| refused("has a name that is no text"))?.to_owned());
            }
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(refused("leads out of the folder"));
            }
        }
    }
    if parts.is_empty() { Err(refused("has no name")) } else { Ok(parts) }
}

/// Returns the place that a hard link leads to, as a member.
pub(super) fn hard_link(name: &Path, target: Option<PathBuf>) -> Result<Vec<String>, Error> {
    let target = target.ok_or_else(|| Error::Unsafe(format!("the link {} leads nowhere", name.display())))?;
    member(&target)
}
