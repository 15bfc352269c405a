//! Removes mirrors that nobody has used for long. The next fetch makes them again.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::SystemTime,
};

use jiff::Timestamp;
use nix::fcntl::{Flock, FlockArg};

use super::{
    error::Error,
    mirror::{MirrorName, Mirrors, Shared},
};

impl Mirrors {
    /// Takes away the mirrors that were last used before this time, but for those of the repositories that are `needed`.
    /// Returns where they are now: in the folder `to`, which must be on the same disk; of a rehearsal, where they still are.
    ///
    /// # Errors
    /// When the disk says no.
    pub async fn prune(
        &self,
        before: Timestamp,
        needed: Vec<u64>,
        to: PathBuf,
        is_rehearsal: bool,
    ) -> Result<Vec<PathBuf>, Error> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || {
            let unused = shared.unused(before.into(), &needed);
            if is_rehearsal {
                return Ok(unused.iter().map(|name| shared.path(name)).collect());
            }
            let taken = unused.iter().filter_map(|name| shared.take_away(name, &to).transpose());
            taken.collect()
        })
        .await
        .unwrap_or_else(|_| Err(Error::Unavailable("looking for unused mirrors ended badly".into())))
    }
}

impl Shared {
    fn unused(&self, before: SystemTime, needed: &[u64]) -> Vec<MirrorName> {
        let hosts = fs::read_dir(&self.options.root).into_iter().flatten().flatten();
        let names = hosts.flat_map(|host| {
            let files = fs::read_dir(host.path()).into_iter().flatten().flatten();
            let ids = files.filter_map(|file| file.file_name().to_str()?.strip_suffix(".git")?.parse().ok());
            ids.filter_map(move |id| Some(MirrorName { host: host.file_name().into_string().ok()?, id }))
                .collect::<Vec<_>>()
        });
        names.filter(|name| !needed.contains(&name.id) && self.last_used(name).is_some_and(|at| at < before)).collect()
    }

    fn path(&self, name: &MirrorName) -> PathBuf {
        self.options.root.join(&name.host).join(format!("{}.git", name.id))
    }

    /// The lock file is touched at every use.
    fn last_used(&self, name: &MirrorName) -> Option<SystemTime> {
        fs::metadata(lock_file(&self.path(name))).and_then(|about| about.modified()).ok()
    }

    fn take_away(&self, name: &MirrorName, to: &Path) -> Result<Option<PathBuf>, Error> {
        // Held until it is gone: whoever wants this mirror waits, and then makes a new one.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(name);
        let lock = match open.get(name) {
            Some(mirror) if Arc::strong_count(mirror) > 1 => return Ok(None),
            Some(_) => None,
            None => {
                let file = File::open(lock_file(&path)).map_err(Error::disk("open a lock file"))?;
                match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                    Ok(lock) => Some(lock),
                    Err(_) => return Ok(None),
                }
            }
        };
        let aside = to.join(format!("mirror-{}-{}", name.host, name.id));
        fs::rename(&path, &aside).map_err(Error::disk("take a mirror away"))?;
        open.remove(name);
        fs::remove_file(lock_file(&path)).map_err(Error::disk("remove a lock file"))?;
        drop(lock);
        Ok(Some(aside))
    }
}

fn lock_file(mirror: &Path) -> PathBuf {
    mirror.with_extension("lock")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Options;

    #[tokio::test]
    async fn only_mirrors_that_nobody_used_for_long_go() {
        let root = tempfile::tempdir().unwrap();
        let trash = tempfile::tempdir().unwrap();
        let folder = root.path().join("github.com");
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        for (id, used) in [(1, 100), (2, 100), (3, 300)] {
            fs::create_dir_all(folder.join(format!("{id}.git/objects"))).unwrap();
            File::create(folder.join(format!("{id}.lock"))).unwrap().set_modified(at(used).into()).unwrap();
        }
        let mirrors = Mirrors::build(Options::new(root.path())).unwrap();
        let prune = |is_rehearsal| mirrors.prune(at(200), vec![2], trash.path().to_owned(), is_rehearsal);
        assert_eq!(prune(true).await.unwrap(), [folder.join("1.git")]);
        assert_eq!(prune(false).await.unwrap(), [trash.path().join("mirror-github.com-1")]);
        let left = |id: u32| folder.join(format!("{id}.git")).exists();
        assert_eq!([left(1), left(2), left(3)], [false, true, true]);
        assert!(prune(false).await.unwrap().is_empty());
    }
}
