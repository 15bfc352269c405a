//! The copy of this binary that workers run, by its hash. Knows no workers.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

/// Copies this very binary to where it is mounted into containers from, and removes those of other versions: workers that
/// still run one keep it, as everybody does who has a file open or mounted.
pub(super) fn place(folder: &Path) -> io::Result<PathBuf> {
    let content = fs::read("/proc/self/exe")?;
    let hash = hex::encode(&Sha256::digest(&content)[..8]);
    let place = folder.join(&hash).join("conducto");
    if !place.exists() {
        copy(&content, &folder.join(&hash), &place)?;
    }
    if let Err(error) = remove_others(folder, &hash) {
        tracing::warn!(%error, folder = %folder.display(), "binaries of other versions stay");
    }
    Ok(place)
}

fn copy(content: &[u8], directory: &Path, place: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let draft = directory.join(format!("draft-{}", std::process::id()));
    fs::write(&draft, content)?;
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755))?;
    fs::rename(&draft, place)
}

fn remove_others(folder: &Path, hash: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() != hash && entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_replaces_the_binary_of_the_version_before() {
        let folder = tempfile::tempdir().unwrap();
        let old = folder.path().join("0123456789abcdef");
        fs::create_dir(&old).unwrap();
        fs::write(old.join("conducto"), "old").unwrap();
        let first = place(folder.path()).unwrap();
        assert!(fs::read(&first).unwrap() == fs::read("/proc/self/exe").unwrap());
        assert_eq!(fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(place(folder.path()).unwrap(), first);
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, [first.parent().unwrap()]);
    }
}
