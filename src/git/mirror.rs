//! Which mirrors there are, who may use them when, and for how long a fetch is waited for. Knows nothing of their content.

use std::{
    collections::HashMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use git2::Repository;
use nix::fcntl::{Flock, FlockArg};
use tokio::sync::{Semaphore, oneshot};

use super::{
    error::Error,
    fetch::{self, Remote, Wanted},
    options,
};
use crate::clock;

/// Where mirrors are, and how much may be spent on them at once.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of all mirrors.
    pub root: PathBuf,
    /// How long a fetch is waited for.
    pub fetch_deadline: Duration,
    /// Fetches at once, and reads at once.
    pub threads: usize,
}

/// Name of a mirror; the names of repositories change, these do not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MirrorName {
    /// Host of the forge.
    pub host: String,
    /// Number of the repository there.
    pub id: u64,
}

/// All mirrors of this server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Mirrors {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: Options,
    fetches: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    pub(super) open: Mutex<HashMap<MirrorName, Arc<Mirror>>>,
}

#[derive(Debug)]
pub(super) struct Mirror {
    path: PathBuf,
    fetching: tokio::sync::Mutex<()>,
    /// Held as long as this process lives, against a second server on the same folder. Its time is that of the last use.
    lock: Flock<File>,
}

/// Tells the thread of a fetch that nobody waits for it any more.
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Options {
    /// Returns the usual options: four threads, ten minutes.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), fetch_deadline: Duration::from_secs(600), threads: 4 }
    }
}

impl Mirrors {
    /// Makes the folder of all mirrors, if it is not there.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn build(options: Options) -> Result<Self, Error> {
        options::set();
        fs::create_dir_all(&options.root).map_err(Error::disk("make the folder of the mirrors"))?;
        let pool = || Arc::new(Semaphore::new(options.threads.max(1)));
        let (fetches, reads) = (pool(), pool());
        Ok(Self { shared: Arc::new(Shared { options, fetches, reads, open: Mutex::default() }) })
    }

    /// Makes sure that the mirror has the commits with their history; asks the server only for those it has not.
    ///
    /// Fetches of one mirror go one after the other, so that the second finds what the first one brought.
    ///
    /// # Errors
    /// [`Error::Overdue`] after the deadline, waiting for other fetches included; else by what the caller can do.
    pub async fn fetch(&self, remote: &Remote, wanted: &[Wanted]) -> Result<(), Error> {
        fetch::check_url(&remote.url)?;
        let deadline = self.shared.options.fetch_deadline;
        tokio::time::timeout(deadline, self.fetch_in_turn(remote, wanted))
            .await
            .unwrap_or(Err(Error::Overdue { deadline }))
    }

    /// Asks the server for the commit that a reference leads to now (`refs/heads/main`, `refs/tags/v1`, `HEAD`); a tag object is
    /// followed to its commit. Nothing is fetched.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such reference; [`Error::Overdue`] after the deadline; else by what the caller can do.
    pub async fn tip(&self, remote: &Remote, reference: &str) -> Result<String, Error> {
        fetch::check_url(&remote.url)?;
        let deadline = self.shared.options.fetch_deadline;
        let (remote, reference) = (remote.clone(), reference.to_owned());
        tokio::time::timeout(deadline, self.ask_server("git-tip", move |_| fetch::tip(&remote, &reference)))
            .await
            .unwrap_or(Err(Error::Overdue { deadline }))
    }

    async fn fetch_in_turn(&self, remote: &Remote, wanted: &[Wanted]) -> Result<(), Error> {
        let mirror = self.mirror(&remote.name).await?;
        let _turn = mirror.fetching.lock().await;
        let (path, remote, wanted) = (mirror.path.clone(), remote.clone(), wanted.to_vec());
        self.ask_server("git-fetch", move |abandoned| fetch_or_begin_anew(&path, &remote, &wanted, abandoned)).await
    }

    /// Runs what waits for a server on a thread of its own: one that is stuck with a silent server would hold up the end of the
    /// runtime.
    async fn ask_server<T: Send + 'static>(
        &self,
        name: &str,
        ask: impl FnOnce(&Arc<AtomicBool>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let slot = Arc::clone(&self.shared.fetches).acquire_owned().await.expect("the pool is never closed");
        let abandoned = Arc::new(AtomicBool::new(false));
        let guard = Abandon(Arc::clone(&abandoned));
        let (sender, receiver) = oneshot::channel();
        let work = move || {
            let outcome = ask(&abandoned);
            // The slot is given back only now: an abandoned fetch counts until it really ends.
            drop(slot);
            if sender.send(outcome).is_err() {
                tracing::info!("an abandoned fetch has ended");
            }
        };
        std::thread::Builder::new().name(name.into()).spawn(work).map_err(Error::disk("start a thread"))?;
        let outcome = receiver.await;
        drop(guard);
        outcome.unwrap_or_else(|_| Err(Error::Unavailable("the fetch ended without a result".into())))
    }

    /// Runs something on the repository of a mirror, off the runtime's threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        name: &MirrorName,
        work: impl FnOnce(&Repository) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let mirror = self.mirror(name).await?;
        let slot = Arc::clone(&self.shared.reads).acquire_owned().await.expect("the pool is never closed");
        let work = move || {
            let _slot = slot;
            if !mirror.path.exists() {
                return Err(Error::NotFound("nothing of the repository has been fetched yet".into()));
            }
            let outcome = Repository::open_bare(&mirror.path).map_err(Error::from).and_then(|found| work(&found));
            if let Err(Error::Corrupt(what)) = &outcome {
                put_aside(&mirror.path, what)?;
            }
            outcome
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable("the read ended without a result".into())))
    }

    /// Runs something that adds to the repository of a mirror, which is made if there is none, off the runtime's threads. Takes
    /// its turn with fetches.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        name: &MirrorName,
        work: impl FnOnce(&Repository) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let mirror = self.mirror(name).await?;
        let _turn = mirror.fetching.lock().await;
        let path = mirror.path.clone();
        tokio::task::spawn_blocking(move || work(&fetch::open_or_init(&path)?))
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable("the write ended without a result".into())))
    }

    async fn mirror(&self, name: &MirrorName) -> Result<Arc<Mirror>, Error> {
        let (shared, name) = (Arc::clone(&self.shared), name.clone());
        tokio::task::spawn_blocking(move || shared.mirror(&name))
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable("the mirror cannot be opened".into())))
    }
}

impl Shared {
    fn mirror(&self, name: &MirrorName) -> Result<Arc<Mirror>, Error> {
        let mut open = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(mirror) = open.get(name) {
            touch(&mirror.lock);
            return Ok(Arc::clone(mirror));
        }
        let folder = self.options.root.join(folder_name(&name.host)?);
        fs::create_dir_all(&folder).map_err(Error::disk("make the folder of a mirror"))?;
        let file = File::create(folder.join(format!("{}.lock", name.id))).map_err(Error::disk("make a lock file"))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|_| Error::Unavailable("another process uses this mirror".into()))?;
        touch(&lock);
        let path = folder.join(format!("{}.git", name.id));
        remove_leftovers(&path);
        let mirror = Arc::new(Mirror { path, fetching: tokio::sync::Mutex::default(), lock });
        open.insert(name.clone(), Arc::clone(&mirror));
        Ok(mirror)
    }
}

/// Notes that a mirror is used now. One that seems unused for longer than it is costs a fetch, no more.
fn touch(lock: &File) {
    if let Err(error) = lock.set_modified(clock::now().into()) {
        tracing::debug!(%error, "the time of a mirror's last use cannot be noted");
    }
}

fn fetch_or_begin_anew(
    path: &Path,
    remote: &Remote,
    wanted: &[Wanted],
    abandoned: &Arc<AtomicBool>,
) -> Result<(), Error> {
    match fetch::fetch(path, remote, wanted, abandoned) {
        Err(Error::Corrupt(what)) => {
            put_aside(path, &what)?;
            fetch::fetch(path, remote, wanted, abandoned)
        }
        outcome => outcome,
    }
}

/// Keeps a damaged mirror for people to look at, one of each repository, and makes room for a new one.
fn put_aside(path: &Path, what: &str) -> Result<(), Error> {
    tracing::warn!(mirror = %path.display(), what, "a damaged mirror is put aside");
    let aside = path.with_extension("bad");
    match fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "cannot remove an old one");
        }
        _ => {}
    }
    fs::rename(path, aside).map_err(Error::disk("put a damaged mirror aside"))
}

fn folder_name(host: &str) -> Result<&str, Error> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || host.starts_with('.') || !host.chars().all(fits) {
        return Err(Error::Refused(format!("`{host}` cannot be the name of a host")));
    }
    Ok(host)
}

/// Removes what a killed process left: locks on references and half-written packs. Only under our lock.
fn remove_leftovers(path: &Path) {
    let mut folders = vec![path.join("refs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|extension| extension == "lock") {
                remove(&entry.path());
            }
        }
    }
    for name in ["packed-refs.lock", "shallow.lock", "config.lock", "HEAD.lock"] {
        remove(&path.join(name));
    }
    for entry in fs::read_dir(path.join("objects/pack")).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if ["tmp_", "pack_git2_"].iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes())) {
            remove(&entry.path());
        }
    }
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => tracing::info!(path = %path.display(), "removed what a killed process left"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(path = %path.display(), %error, "a leftover cannot be removed"),
    }
}
