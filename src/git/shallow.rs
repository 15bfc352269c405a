//! Makes the `.git` of a working copy: one commit, detached, no remote, no credentials. Knows no file of the working copy.

use std::{fs, io, path::Path};

use git2::{Commit, IndexEntry, Repository, RepositoryInitOptions};

use super::error::Error;

/// Writes `.git` beside the files of a commit; `entries` say what `stat` says of them.
pub(super) fn write(
    mirror: &Repository,
    commit: &Commit<'_>,
    folder: &Path,
    entries: &[IndexEntry],
) -> Result<(), Error> {
    let mut options = RepositoryInitOptions::new();
    let copy = Repository::init_opts(folder, options.external_template(false).no_reinit(true))?;
    let inside = copy.path().to_owned();
    // Explanations for people who set up a repository; every node would have its own copies.
    for file in ["description", "hooks/README.sample", "info/exclude"] {
        match fs::remove_file(inside.join(file)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::disk("clear the working copy's .git")(error));
            }
            _ => {}
        }
    }

    // Git makes these when it needs them; until then every node would pay for a look at each.
    for empty in ["hooks", "info", "objects/info", "refs/heads", "refs/tags"] {
        match fs::remove_dir(inside.join(empty)) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
                return Err(Error::disk("clear the working copy's .git")(error));
            }
            _ => {}
        }
    }

    let mut pack = mirror.packbuilder()?;
    pack.set_threads(1);
    pack.insert_commit(commit.id())?;
    pack.write(&inside.join("objects/pack"), 0o444)?;

    let line = format!("{}\n", commit.id());
    if commit.parent_count() > 0 {
        fs::write(inside.join("shallow"), &line).map_err(Error::disk("mark the working copy as shallow"))?;
    }
    fs::write(inside.join("HEAD"), &line).map_err(Error::disk("write the working copy's HEAD"))?;

    let mut index = copy.index()?;
    for entry in entries {
        index.add(entry)?;
    }
    index.write()?;
    Ok(())
}
