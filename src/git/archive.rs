//! The files of a folder of a commit as a tar archive, straight from the mirror. Knows nothing of what reads it.

use std::{io, sync::Arc};

use git2::{Oid, Repository, Tree};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::{
    checkout::{EXECUTABLE, FOLDER, MAX_DEPTH, SUBMODULE, SYMLINK, safe_name},
    error::Error,
    mirror::{MirrorName, Mirrors},
    read::{self, Found, follow},
};

/// Files of a folder, chosen and measured, not read yet.
#[derive(Debug)]
pub struct Listing {
    entries: Vec<Entry>,
    /// Tells contents apart: equal files under equal names have equal digests, whatever commit they are of.
    pub digest: String,
    /// Bytes of all files.
    pub bytes: u64,
}

#[derive(Debug)]
struct Entry {
    /// Relative to the folder.
    path: String,
    mode: i32,
    id: Oid,
}

/// What came of the wish to list a folder.
#[derive(Debug)]
pub enum Listed {
    /// It is there.
    Folder(Listing),
    /// It is none; the words say what it is instead, e.g. `a file`.
    NotAFolder(&'static str),
    /// It holds more bytes than are allowed; so many were found at least.
    TooLarge(u64),
}

/// Says of a path in a folder whether it is wanted.
type Keep = dyn Fn(&str) -> bool + Send;

impl Mirrors {
    /// Lists the files of a folder (empty for the root) of a commit, of at most `limit` bytes together. The folder may be a
    /// symbolic link to another inside the repository.
    ///
    /// # Errors
    /// When the mirror does not have the commit, or is damaged; [`Error::Refused`] for names that must not be written.
    pub async fn list(
        &self,
        mirror: &MirrorName,
        sha: &str,
        folder: &str,
        limit: u64,
        keep: Box<Keep>,
    ) -> Result<Listed, Error> {
        let (sha, folder) = (sha.to_owned(), folder.to_owned());
        self.read(mirror, move |repository| {
            let root = read::commit(repository, &sha)?.tree()?;
            let tree = match follow(repository, root, folder.as_bytes())? {
                Found::Folder(tree) => tree,
                Found::File(_) => return Ok(Listed::NotAFolder("a file")),
                Found::Missing => return Ok(Listed::NotAFolder("nothing that the commit has")),
                Found::Other(what) => return Ok(Listed::NotAFolder(what)),
            };
            let mut lister = Lister { repository, keep: &*keep, limit, entries: Vec::new(), bytes: 0 };
            lister.folder(&tree, &mut String::new(), 0)?;
            let Lister { entries, bytes, .. } = lister;
            if bytes > limit {
                return Ok(Listed::TooLarge(bytes));
            }
            let mut hash = Sha256::new();
            for Entry { path, mode, id } in &entries {
                hash.update(format!("{mode:o} {id} {path}\0"));
            }
            Ok(Listed::Folder(Listing { entries, bytes, digest: hex::encode(hash.finalize()) }))
        })
        .await
    }

    /// Writes listed files as the entries of a tar archive, without its end, piece by piece. Ends early when nobody listens.
    ///
    /// # Errors
    /// When the mirror is damaged, or was removed meanwhile.
    pub async fn pack(
        &self,
        mirror: &MirrorName,
        listing: Arc<Listing>,
        pieces: mpsc::Sender<io::Result<Vec<u8>>>,
    ) -> Result<(), Error> {
        self.read(mirror, move |repository| {
            for entry in &listing.entries {
                let blob = repository.find_blob(entry.id)?;
                let written = written(entry, blob.content()).map_err(Error::disk("pack a file of the commit"))?;
                if pieces.blocking_send(Ok(written)).is_err() {
                    break;
                }
            }
            Ok(())
        })
        .await
    }
}

/// Equal files make equal archives: no times, no owners.
fn written(entry: &Entry, content: &[u8]) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::with_capacity(content.len() + 1_024));
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    if entry.mode == SYMLINK {
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        let target = String::from_utf8_lossy(content);
        builder.append_link(&mut header, &entry.path, &*target)?;
    } else {
        header.set_size(content.len() as u64);
        header.set_mode(if entry.mode == EXECUTABLE { 0o755 } else { 0o644 });
        builder.append_data(&mut header, &entry.path, content)?;
    }
    // What `into_inner` would add is the end of the archive.
    Ok(std::mem::take(builder.get_mut()))
}

struct Lister<'r> {
    repository: &'r Repository,
    keep: &'r Keep,
    limit: u64,
    entries: Vec<Entry>,
    bytes: u64,
}

impl Lister<'_> {
    fn folder(&mut self, tree: &Tree<'_>, prefix: &mut String, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::Refused(format!("the folders of the commit are nested deeper than {MAX_DEPTH}")));
        }
        let odb = self.repository.odb()?;
        for entry in tree {
            let name = String::from_utf8_lossy(safe_name(&entry)?).into_owned();
            let length = prefix.len();
            prefix.push_str(&name);
            match entry.filemode() {
                FOLDER => {
                    prefix.push('/');
                    self.folder(&self.repository.find_tree(entry.id())?, prefix, depth + 1)?;
                }
                SUBMODULE => {}
                mode if (self.keep)(prefix) => {
                    self.bytes += odb.read_header(entry.id())?.0 as u64;
                    self.entries.push(Entry { path: prefix.clone(), mode, id: entry.id() });
                }
                _ => {}
            }
            prefix.truncate(length);
            if self.bytes > self.limit {
                break;
            }
        }
        Ok(())
    }
}
