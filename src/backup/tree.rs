//! Puts files and folders into an archive, each with its sum. Follows no link, and goes on where a file has vanished.

use std::{
    collections::BTreeSet,
    fs::{self, File, Metadata},
    io::{self, Read, Write},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header, HeaderMode};

use super::{error::Error, manifest::Sums};

/// An archive that is being written.
pub(super) struct Archive<W: Write> {
    builder: Builder<W>,
    base: PathBuf,
    folders: BTreeSet<PathBuf>,
    pub(super) sums: Sums,
    /// What could not be taken along, and why.
    pub(super) skipped: Vec<(PathBuf, String)>,
}

impl<W: Write> Archive<W> {
    pub(super) fn new(out: W, base: &Path) -> Self {
        let builder = Builder::new(out);
        let (folders, sums, skipped) = (BTreeSet::new(), Sums::default(), Vec::new());
        Self { builder, base: base.to_owned(), folders, sums, skipped }
    }

    /// Adds a file of the base directory; one that does not exist is left out. Returns whether it was there.
    pub(super) fn add_file(&mut self, path: &Path) -> Result<bool, Error> {
        let opened = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened.and_then(|file| Ok((file.metadata()?, file))),
        };
        match opened {
            Ok((about, file)) if about.is_file() => {
                let name = self.name(path);
                self.add_folders(&name)?;
                self.add_content(&name, &about, file)?;
                return Ok(true);
            }
            Ok(_) => self.skip(path, "it is not a file"),
            Err(error) => self.skip(path, &error.to_string()),
        }
        Ok(false)
    }

    /// Adds a file from elsewhere under a name of its own.
    pub(super) fn add_as(&mut self, name: &str, path: &Path) -> Result<(), Error> {
        self.add_folders(Path::new(name))?;
        let file = File::open(path).map_err(Error::disk("read", path))?;
        let about = file.metadata().map_err(Error::disk("read", path))?;
        self.add_content(Path::new(name), &about, file)
    }

    /// Adds a folder of the base directory with all that is in it.
    pub(super) fn add_tree(&mut self, folder: &Path) -> Result<(), Error> {
        let mut waiting = vec![folder.to_owned()];
        while let Some(path) = waiting.pop() {
            let about = match fs::symlink_metadata(&path) {
                Ok(about) => about,
                Err(error) => {
                    // What nodes remove while we look is as if it had gone before.
                    if error.kind() != io::ErrorKind::NotFound {
                        self.skip(&path, &error.to_string());
                    }
                    continue;
                }
            };
            if about.is_dir() {
                let name = self.name(&path);
                self.add_folders(&name.join("."))?;
                match children(&path) {
                    Ok(children) => waiting.extend(children),
                    Err(error) => self.skip(&path, &error.to_string()),
                }
            } else if about.is_symlink() {
                self.add_link(&path, &about)?;
            } else if about.is_file() {
                self.add_file(&path)?;
            } else {
                self.skip(&path, "it is a socket, a pipe or a device");
            }
        }
        Ok(())
    }

    /// Adds a text of our own, without a sum.
    pub(super) fn add_text(&mut self, name: &str, text: &[u8]) -> Result<(), Error> {
        let mut header = Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_entry_type(EntryType::Regular);
        self.builder.append_data(&mut header, name, text).map_err(Error::disk("write", name))
    }

    pub(super) fn finish(self) -> Result<W, Error> {
        self.builder.into_inner().map_err(Error::disk("finish", "the archive"))
    }

    /// Adds the folders that lead to a path, so that they come back with their rights.
    fn add_folders(&mut self, name: &Path) -> Result<(), Error> {
        let above: Vec<PathBuf> = name.ancestors().skip(1).map(Path::to_owned).collect();
        for folder in above.into_iter().rev().filter(|folder| !folder.as_os_str().is_empty()) {
            if !self.folders.insert(folder.clone()) {
                continue;
            }
            if let Ok(about) = fs::metadata(self.base.join(&folder)) {
                let mut header = header(&about, 0, EntryType::Directory);
                let added = self.builder.append_data(&mut header, &folder, io::empty());
                added.map_err(Error::disk("archive", folder))?;
            }
        }
        Ok(())
    }

    fn add_content(&mut self, name: &Path, about: &Metadata, file: File) -> Result<(), Error> {
        let size = about.len();
        let mut header = header(about, size, EntryType::Regular);
        let mut content = Exactly { file, left: size, sum: Sha256::new(), is_short: false };
        self.builder.append_data(&mut header, name, &mut content).map_err(Error::disk("archive", name))?;
        self.sums.add(name.as_os_str().as_bytes(), &content.sum.finalize(), size);
        if content.is_short {
            self.skip(name, "it became shorter while it was read; its end is zeros");
        }
        Ok(())
    }

    fn add_link(&mut self, path: &Path, about: &Metadata) -> Result<(), Error> {
        let name = self.name(path);
        match fs::read_link(path) {
            Ok(target) => {
                let mut header = header(about, 0, EntryType::Symlink);
                self.builder.append_link(&mut header, &name, target).map_err(Error::disk("archive", name))?;
            }
            Err(error) => self.skip(path, &error.to_string()),
        }
        Ok(())
    }

    fn name(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.base).unwrap_or(path).to_owned()
    }

    fn skip(&mut self, path: &Path, why: &str) {
        self.skipped.push((path.to_owned(), why.to_owned()));
    }
}

fn children(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn header(about: &Metadata, size: u64, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.set_metadata_in_mode(about, HeaderMode::Complete);
    header.set_entry_type(kind);
    header.set_size(size);
    header
}

/// Reads as much as was promised to the archive: no more of a file that grows, zeros for one that shrinks.
struct Exactly {
    file: File,
    left: u64,
    sum: Sha256,
    is_short: bool,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let mut read = self.file.read(&mut buffer[..wanted])?;
        if read == 0 && wanted > 0 {
            self.is_short = true;
            buffer[..wanted].fill(0);
            read = wanted;
        }
        self.left -= read as u64;
        self.sum.update(&buffer[..read]);
        Ok(read)
    }
}
