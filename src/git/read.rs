//! What is read from a commit without writing a file: one file, the paths that changed, the title. Knows no fetch.

use std::collections::{BTreeSet, VecDeque};

use git2::{Commit, ObjectType, Oid, Repository, Tree};

use super::{
    error::Error,
    fetch::{not_found, parse},
    mirror::{MirrorName, Mirrors},
};

/// As many as Linux follows.
const MAX_SYMLINKS: usize = 40;
const SYMLINK: i32 = 0o120_000;

/// What is at a path of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileAtCommit {
    /// Nothing.
    Missing,
    /// Something else; the words say what, e.g. `a directory`.
    NotAFile(&'static str),
    /// A file of this many bytes, more than allowed.
    TooLarge(usize),
    /// A file, or a symbolic link to one inside the repository.
    Found(Vec<u8>),
}

impl Mirrors {
    /// Reads one file of a commit, of at most `limit` bytes.
    ///
    /// # Errors
    /// When the mirror does not have the commit, or is damaged.
    pub async fn read_file(
        &self,
        mirror: &MirrorName,
        sha: &str,
        path: &str,
        limit: usize,
    ) -> Result<FileAtCommit, Error> {
        let (sha, path) = (sha.to_owned(), path.to_owned());
        self.read(mirror, move |repository| find(repository, commit(repository, &sha)?.tree()?, path.as_bytes(), limit))
            .await
    }

    /// Returns the paths that differ between two commits, or nothing when the mirror does not have both.
    ///
    /// # Errors
    /// When the mirror cannot be read.
    pub async fn changed_files(
        &self,
        mirror: &MirrorName,
        before: &str,
        after: &str,
    ) -> Result<Option<Vec<String>>, Error> {
        let (before, after) = (before.to_owned(), after.to_owned());
        self.read(mirror, move |repository| {
            let (Ok(before), Ok(after)) = (commit(repository, &before), commit(repository, &after)) else {
                return Ok(None);
            };
            differences(repository, &before.tree()?, &after.tree()?).map(Some)
        })
        .await
    }

    /// Returns the paths that `head` changed since it left `base`, or nothing when they share no commit or the mirror
    /// does not have both.
    ///
    /// # Errors
    /// When the mirror cannot be read.
    pub async fn changed_since_base(
        &self,
        mirror: &MirrorName,
        base: &str,
        head: &str,
    ) -> Result<Option<Vec<String>>, Error> {
        let (base, head) = (base.to_owned(), head.to_owned());
        self.read(mirror, move |repository| {
            let (Ok(base), Ok(head)) = (commit(repository, &base), commit(repository, &head)) else {
                return Ok(None);
            };
            let Ok(fork_point) = repository.merge_base(base.id(), head.id()) else {
                return Ok(None);
            };
            differences(repository, &repository.find_commit(fork_point)?.tree()?, &head.tree()?).map(Some)
        })
        .await
    }

    /// Returns a commit's whole message.
    ///
    /// # Errors
    /// When the mirror does not have the commit, or is damaged.
    pub async fn commit_message(&self, mirror: &MirrorName, sha: &str) -> Result<String, Error> {
        let sha = sha.to_owned();
        self.read(mirror, move |repository| {
            Ok(String::from_utf8_lossy(commit(repository, &sha)?.message_bytes()).into_owned())
        })
        .await
    }

    /// Returns the first line of a commit's message.
    ///
    /// # Errors
    /// When the mirror does not have the commit, or is damaged.
    pub async fn commit_title(&self, mirror: &MirrorName, sha: &str) -> Result<String, Error> {
        let sha = sha.to_owned();
        self.read(mirror, move |repository| {
            let commit = commit(repository, &sha)?;
            Ok(String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default()).into_owned())
        })
        .await
    }
}

/// Finds a commit, also by the id of a tag that names it.
pub(super) fn commit<'a>(repository: &'a Repository, sha: &str) -> Result<Commit<'a>, Error> {
    match repository.find_object(parse(sha)?, None).and_then(|object| object.peel_to_commit()) {
        Err(error) if matches!(error.code(), git2::ErrorCode::NotFound | git2::ErrorCode::Peel) => Err(not_found(sha)),
        found => Ok(found?),
    }
}

fn differences(repository: &Repository, before: &Tree<'_>, after: &Tree<'_>) -> Result<Vec<String>, Error> {
    let diff = repository.diff_tree_to_tree(Some(before), Some(after), None)?;
    let sides = diff.deltas().flat_map(|delta| [delta.old_file().path_bytes(), delta.new_file().path_bytes()]);
    let paths: BTreeSet<_> = sides.flatten().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
    Ok(paths.into_iter().collect())
}

/// What a path of a commit leads to.
pub(super) enum Found<'r> {
    Folder(Tree<'r>),
    File(Oid),
    Missing,
    /// Neither; the words say what.
    Other(&'static str),
}

fn find(repository: &Repository, root: Tree<'_>, path: &[u8], limit: usize) -> Result<FileAtCommit, Error> {
    Ok(match follow(repository, root, path)? {
        Found::File(id) => return blob(repository, id, limit),
        Found::Folder(_) => FileAtCommit::NotAFile("a directory"),
        Found::Missing => FileAtCommit::Missing,
        Found::Other(what) => FileAtCommit::NotAFile(what),
    })
}

/// Follows a path as a file system would whose root is the commit's tree, but refuses to climb above that root.
pub(super) fn follow<'r>(repository: &'r Repository, root: Tree<'r>, path: &[u8]) -> Result<Found<'r>, Error> {
    let mut folders = vec![root];
    let mut steps: VecDeque<Vec<u8>> = components(path).collect();
    let mut symlinks = 0;
    while let Some(step) = steps.pop_front() {
        if step == b".." {
            folders.pop();
        }
        let Some(folder) = folders.last() else {
            return Ok(Found::Other("a path that leaves the repository"));
        };
        if step == b".." {
            continue;
        }
        let Some((id, kind, mode)) =
            folder.get_name_bytes(&step).map(|entry| (entry.id(), entry.kind(), entry.filemode()))
        else {
            return Ok(Found::Missing);
        };
        match kind {
            Some(ObjectType::Tree) => folders.push(repository.find_tree(id)?),
            Some(ObjectType::Blob) if mode == SYMLINK => {
                symlinks += 1;
                let target = repository.find_blob(id)?;
                if symlinks > MAX_SYMLINKS {
                    return Ok(Found::Other("a symbolic link that leads nowhere"));
                }
                if target.content().starts_with(b"/") {
                    return Ok(Found::Other("a symbolic link that leaves the repository"));
                }
                for step in components(target.content()).rev() {
                    steps.push_front(step);
                }
            }
            Some(ObjectType::Blob) if steps.is_empty() => return Ok(Found::File(id)),
            Some(ObjectType::Blob) => return Ok(Found::Missing),
            _ => return Ok(Found::Other("a submodule")),
        }
    }
    Ok(folders.pop().map_or(Found::Missing, Found::Folder))
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".").map(<[u8]>::to_vec)
}

fn blob(repository: &Repository, id: Oid, limit: usize) -> Result<FileAtCommit, Error> {
    let (size, _) = repository.odb()?.read_header(id)?;
    if size > limit {
        return Ok(FileAtCommit::TooLarge(size));
    }
    Ok(FileAtCommit::Found(repository.find_blob(id)?.content().to_vec()))
}
