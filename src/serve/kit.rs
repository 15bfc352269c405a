//! What workers have from the server, by the hash of its binary: that very binary, and what nodes use it for. Knows no workers.
//!
//! ```text
//! bin/<hash>/conducto      this binary
//! bin/<hash>/conducto-…    commands: links to the binary, and those of the Python package
//! bin/<hash>/sdk/          the Python package, for PYTHONPATH
//! ```

use std::{
    fs,
    io::{self, Read as _},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rust_embed::Embed;
use sha2::{Digest as _, Sha256};

use crate::clock;

/// Commands that the binary itself is, called by these names: a container without Python has them too.
const NAMES: [&str; 4] = ["conducto-data-pipeline", "conducto-data-user", "conducto-perm-data", "conducto-temp-data"];

/// The Python package, with what tells pip that it is installed.
#[derive(Embed)]
#[folder = "sdk/python/src"]
struct Package;

/// Its commands.
#[derive(Embed)]
#[folder = "sdk/python/bin"]
struct Commands;

/// This binary, wherever it lies, and also when its file was replaced meanwhile.
const BINARY: &str = "/proc/self/exe";

/// Workers of a version before go on using what they were given. None of them lives as long as this.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Puts everything where it is mounted into containers from, and removes what has not been used for long. Returns the
/// binary's place in the folder.
pub(super) fn place(folder: &Path) -> io::Result<PathBuf> {
    let hash = hash(fs::File::open(BINARY)?)?;
    let place = folder.join(&hash);
    if !place.exists() {
        let draft = folder.join(format!("draft-{}", std::process::id()));
        fill(&draft)?;
        fs::rename(&draft, &place)?;
    }
    // The time at which it was last used.
    fs::File::open(&place)?.set_modified(SystemTime::from(clock::now()))?;
    if let Err(error) = remove_old(folder, &hash) {
        tracing::warn!(%error, folder = %folder.display(), "what other versions gave to workers stays");
    }
    Ok(place.join("conducto"))
}

/// In pieces: the binary is larger than all that an idle server holds in memory.
fn hash(mut file: fs::File) -> io::Result<String> {
    let (mut digest, mut piece) = (Sha256::new(), vec![0; 256 << 10]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex::encode(&digest.finalize()[..8])),
            length => digest.update(&piece[..length]),
        }
    }
}

fn fill(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let write = |path: PathBuf, content: &[u8], mode: u32| {
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(&path, content)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
    };
    fs::create_dir_all(folder)?;
    fs::copy(BINARY, folder.join("conducto"))?;
    fs::set_permissions(folder.join("conducto"), fs::Permissions::from_mode(0o755))?;
    for name in NAMES {
        symlink("conducto", folder.join(name))?;
    }
    for name in Commands::iter().filter(|name| !NAMES.contains(&&**name)) {
        let file = Commands::get(&name).ok_or(io::ErrorKind::NotFound)?;
        write(folder.join(&*name), &file.data, 0o755)?;
    }
    // What Python itself has written beside its sources is no part of them.
    for name in Package::iter().filter(|name| !name.contains("__pycache__")) {
        let file = Package::get(&name).ok_or(io::ErrorKind::NotFound)?;
        write(folder.join("sdk").join(&*name), &file.data, 0o644)?;
    }
    Ok(())
}

fn remove_old(folder: &Path, current: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let age = SystemTime::from(clock::now()).duration_since(entry.metadata()?.modified()?).unwrap_or_default();
        if entry.file_name() != current && entry.file_type()?.is_dir() && age > KEPT {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_have_the_binary_the_commands_and_the_package() {
        let folder = tempfile::tempdir().unwrap();
        let binary = super::place(folder.path()).unwrap();
        let place = binary.parent().unwrap();
        let mode = |name: &str| fs::metadata(place.join(name)).unwrap().permissions().mode() & 0o777;
        assert!(fs::read(place.join("conducto")).unwrap() == fs::read("/proc/self/exe").unwrap());
        assert_eq!(
            (mode("conducto"), mode("conducto-data-pipeline"), mode("sdk/conducto/__init__.py")),
            (0o755, 0o755, 0o644)
        );
        assert!(NAMES.iter().all(|name| fs::read_link(place.join(name)).unwrap() == Path::new("conducto")));
        assert!(place.join("conducto-slack").is_file());
        assert_eq!(super::place(folder.path()).unwrap(), binary);
    }

    #[test]
    fn an_upgrade_leaves_what_workers_of_the_version_before_may_still_use() {
        let folder = tempfile::tempdir().unwrap();
        for (name, days) in [("0123456789abcdef", 1), ("fedcba9876543210", 8)] {
            let old = folder.path().join(name);
            fs::create_dir(&old).unwrap();
            fs::write(old.join("conducto"), "old").unwrap();
            let then = SystemTime::from(clock::now()) - Duration::from_secs(days * 24 * 3_600);
            fs::File::open(&old).unwrap().set_modified(then).unwrap();
        }
        place(folder.path()).unwrap();
        assert!(folder.path().join("0123456789abcdef").exists() && !folder.path().join("fedcba9876543210").exists());
    }
}
