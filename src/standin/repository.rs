//! Small bare repositories made to order. Knows no mirror and no pipeline.

use std::path::{Path, PathBuf};

use git2::{FileMode, Repository, RepositoryInitOptions, Signature, Time, build::TreeUpdateBuilder};

use super::Error;
use crate::clock;

/// A bare repository on disk.
#[derive(Clone, Debug)]
pub struct SampleRepository {
    path: PathBuf,
}

/// What a file of a commit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    /// An ordinary file.
    Plain,
    /// A file that may be executed.
    Executable,
    /// A symbolic link; the content is its target.
    Symlink,
    /// Not there any more.
    Removed,
}

/// One file that a commit changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleFile<'a> {
    /// Path from the root.
    pub path: &'a str,
    /// Content.
    pub content: &'a [u8],
    /// What it is.
    pub kind: SampleKind,
}

impl<'a> SampleFile<'a> {
    /// Makes an ordinary file.
    pub fn plain(path: &'a str, content: &'a str) -> Self {
        Self { path, content: content.as_bytes(), kind: SampleKind::Plain }
    }

    /// Makes a file that may be executed.
    pub fn executable(path: &'a str, content: &'a str) -> Self {
        Self { kind: SampleKind::Executable, ..Self::plain(path, content) }
    }

    /// Makes a symbolic link.
    pub fn symlink(path: &'a str, target: &'a str) -> Self {
        Self { kind: SampleKind::Symlink, ..Self::plain(path, target) }
    }

    /// Removes a file.
    pub fn removed(path: &'a str) -> Self {
        Self { kind: SampleKind::Removed, ..Self::plain(path, "") }
    }
}

impl SampleRepository {
    /// Makes an empty bare repository in a new folder, with `main` as its default branch.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn init(path: &Path) -> Result<Self, Error> {
        let mut options = RepositoryInitOptions::new();
        options.bare(true).external_template(false).mkpath(true).initial_head("main");
        Repository::init_opts(path, &options).map_err(failed)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Commits on top of a branch, which is made if it is new; returns the id of the commit.
    ///
    /// # Errors
    /// When a path is not acceptable or the disk says no.
    pub fn commit(&self, branch: &str, message: &str, files: &[SampleFile<'_>]) -> Result<String, Error> {
        self.try_commit(branch, message, files).map_err(failed)
    }

    /// Lets a reference, e.g. `refs/heads/topic` or `refs/pull/1/head`, point at a commit.
    ///
    /// # Errors
    /// When the name is no reference's or there is no such commit.
    pub fn set_reference(&self, name: &str, sha: &str) -> Result<(), Error> {
        let set = || {
            let repository = Repository::open_bare(&self.path)?;
            repository.reference(name, git2::Oid::from_str(sha)?, true, "set")?;
            Ok(())
        };
        set().map_err(failed)
    }

    fn try_commit(&self, branch: &str, message: &str, files: &[SampleFile<'_>]) -> Result<String, git2::Error> {
        let repository = Repository::open_bare(&self.path)?;
        let reference = format!("refs/heads/{branch}");
        let parent = repository.find_reference(&reference).ok().map(|tip| tip.peel_to_commit()).transpose()?;
        let mut update = TreeUpdateBuilder::new();
        for file in files {
            let mode = match file.kind {
                SampleKind::Plain => FileMode::Blob,
                SampleKind::Executable => FileMode::BlobExecutable,
                SampleKind::Symlink => FileMode::Link,
                SampleKind::Removed => {
                    update.remove(file.path);
                    continue;
                }
            };
            update.upsert(file.path, repository.blob(file.content)?, mode);
        }
        let base = match &parent {
            Some(parent) => parent.tree()?,
            None => repository.find_tree(repository.treebuilder(None)?.write()?)?,
        };
        let tree = repository.find_tree(update.create_updated(&repository, &base)?)?;
        let author = Signature::new("Ada Example", "ada@example.com", &Time::new(clock::now().as_second(), 0))?;
        let parents: Vec<_> = parent.iter().collect();
        Ok(repository.commit(Some(&reference), &author, &author, message, &tree, &parents)?.to_string())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn failed(error: git2::Error) -> Error {
    Error::Repository(error.message().to_owned())
}
