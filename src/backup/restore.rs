//! Restores a back-up: everything is unpacked beside, checked, and only then takes its place.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufReader, Read as _},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    error::Error,
    manifest::{FORMAT, MANIFEST, Manifest, SUMS, Sums},
    place::Place,
};
use crate::{layout::SECRET_KEY, store::copy};

/// How a back-up is to be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Whether what is in the directory may be moved aside.
    pub replace: bool,
    /// The name of a server that shall live beside the one it was taken from; nothing when it is to be the same again.
    pub fresh: Option<Uuid>,
}

/// A back-up that has taken its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Where the content before it is kept.
    pub replaced: Option<PathBuf>,
    /// How many attempts were live when it was made; the next start gives them up.
    pub live: u64,
}

/// Restores an archive into a base directory that no server uses.
///
/// # Errors
/// [`Error`]; the directory is as it was before.
pub fn restore(archive: &Path, base: &Path, wish: Wish, now: Timestamp) -> Result<Restored, Error> {
    let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let file = File::open(archive).map_err(Error::disk("open", archive))?;
    let place = Place::take(base, &stamp)?;
    if !wish.replace && !place.is_empty()? {
        return Err(Error::NotEmpty(base.to_owned()));
    }
    let prepared = place.stage().and_then(|new| {
        unpack(file, &new)?;
        let manifest = check(&new)?;
        keep_key(base, &new)?;
        let adopted = copy::adopt(&new.join("server/conducto.db"), now, wish.fresh)?;
        Ok((manifest, adopted.live))
    });
    match prepared {
        Ok((manifest, live)) => Ok(Restored { manifest, live, replaced: place.replace(&stamp)? }),
        Err(error) => {
            place.clear()?;
            Err(error)
        }
    }
}

/// Back-ups leave the key of secrets out: the one that is there stays.
fn keep_key(base: &Path, new: &Path) -> Result<(), Error> {
    let (old, new) = (base.join(SECRET_KEY), new.join(SECRET_KEY));
    if old.exists() && !new.exists() {
        fs::copy(&old, &new).map_err(Error::disk("write", &new))?;
    }
    Ok(())
}

fn unpack(file: File, to: &Path) -> Result<(), Error> {
    let decoder = zstd::Decoder::new(BufReader::new(file)).map_err(unreadable)?;
    let mut archive = tar::Archive::new(decoder);
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(true);
    // Only root can give files away; for others they are their own.
    archive.set_preserve_ownerships(nix::unistd::geteuid().is_root());
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        if !entry.unpack_in(to).map_err(unreadable)? {
            return Err(Error::Damaged(format!("`{}` leads out of it", String::from_utf8_lossy(&entry.path_bytes()))));
        }
    }
    Ok(())
}

/// Compares every file with its sum. Takes the manifest and the sums out of the content.
fn check(content: &Path) -> Result<Manifest, Error> {
    let take = |name: &str| {
        let path = content.join(name);
        let text = fs::read(&path).map_err(|_| Error::Damaged(format!("it ends too early: there is no {name}")))?;
        fs::remove_file(&path).map_err(Error::disk("remove", path))?;
        Ok::<_, Error>(text)
    };
    let text = take(MANIFEST)?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| Error::Damaged(format!("{MANIFEST}: {error}")))?;
    if manifest.format != FORMAT {
        let words = format!("it has form {}, and this release reads form {FORMAT}; use a newer one", manifest.format);
        return Err(Error::Damaged(words));
    }
    let text = take(SUMS)?;
    if Sums::sum(&text) != manifest.sums {
        return Err(Error::Damaged(format!("{SUMS} is not what {MANIFEST} says")));
    }
    let sums = Sums::read(&text)?;
    if sums.len() as u64 != manifest.files {
        return Err(Error::Damaged(format!("{} files are listed, not {}", sums.len(), manifest.files)));
    }
    for (name, sum) in sums {
        let path = content.join(OsStr::from_bytes(&name));
        let wrong = |what: &str| Error::Damaged(format!("`{}` {what}", String::from_utf8_lossy(&name)));
        let file = File::open(&path).map_err(|_| wrong("is missing"))?;
        if sum_of(file).map_err(Error::disk("read", &path))? != sum {
            return Err(wrong("is not what it was: its sum differs"));
        }
    }
    Ok(manifest)
}

fn sum_of(mut file: File) -> io::Result<Vec<u8>> {
    let (mut sum, mut buffer) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(sum.finalize().to_vec()),
            read => sum.update(&buffer[..read]),
        }
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::Damaged(error.to_string())
}
