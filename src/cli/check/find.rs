//! Where the files lie that are checked. Knows the disk, not what stands in them.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

/// More is no file that somebody wrote.
pub(super) const LARGEST: u64 = 4 * 1024 * 1024;

/// The names of the file that says which events launch what; the first one that is there counts.
const NAMES: [&str; 2] = ["conducto.cfg", ".conducto.cfg"];

/// A conducto.cfg that was found.
pub(super) struct Cfg {
    pub(super) file: PathBuf,
    /// One that lies beside it and is not read.
    pub(super) hidden: Option<PathBuf>,
}

/// Finds the conducto.cfg of the repository in which the current folder lies; of that folder, outside of repositories.
pub(super) fn cfg() -> anyhow::Result<Cfg> {
    let root = root().unwrap_or_default();
    let mut there = NAMES.iter().map(|name| root.join(name)).filter(|file| file.is_file());
    match (there.next(), there.next()) {
        (Some(file), hidden) => Ok(Cfg { file, hidden }),
        (None, _) if root.as_os_str().is_empty() => anyhow::bail!("no conducto.cfg here"),
        (None, _) => anyhow::bail!("no conducto.cfg in {}", root.display()),
    }
}

/// Returns the way to the root of the repository above the current folder, as short as it can be said.
pub(super) fn root() -> Option<PathBuf> {
    let current = std::env::current_dir().ok()?;
    // `.git` is a file in work trees and submodules.
    let up = current.ancestors().position(|folder| folder.join(".git").exists())?;
    Some(std::iter::repeat_n("..", up).collect())
}

/// Says whether standard input is meant.
pub(super) fn is_input(file: &Path) -> bool {
    file == Path::new("-")
}

pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if std::fs::metadata(path)?.len() > LARGEST {
        return Err(io::Error::other("it is too large"));
    }
    std::fs::read(path)
}

/// The server reads from a commit, where nothing leads out of the repository; neither does this.
pub(super) fn inside(root: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)).then(|| root.join(path))
}
