//! Starts, recognises and removes worker processes. They outlive the server, so everything is found again from files and
//! the machine's table of processes.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::sleep;

use super::{
    record::Record,
    table::{self, Identity},
};
use crate::{
    executor::{Error, Executor, ImageOrder, OwnedImage, Progress, Watch, WorkerSpec, WorkerStatus},
    model::{PipelineId, WorkerId},
};

/// In every process of a worker; it finds those whose parents are gone.
const MARK: &str = "CONDUCTO_WORKER";

/// Folder below the worker's own with all that its nodes write.
const FOLDER: &str = "node";

/// Folder in that with the working copy.
const WORK: &str = "work";

/// Between two looks at processes that are being killed, and how often we look.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const LOOKS: u32 = 2_000;

/// What the executor is told once.
#[derive(Clone, Debug)]
pub struct Options {
    /// This very binary, beside what nodes have from us: commands, and packages in `sdk`.
    pub binary: PathBuf,
    /// Folder for what must be remembered; no worker's directory.
    pub state: PathBuf,
    /// What nodes inherit: PATH and the like, and none of the server's own settings.
    pub environment: Vec<(OsString, OsString)>,
}

/// The executor.
pub struct Process {
    options: Options,
    /// Those this server started itself: their exit codes are ours to collect.
    children: Mutex<HashMap<WorkerId, Child>>,
}

impl Process {
    /// Makes the executor; workers of an earlier server are known from its files.
    pub fn new(options: Options) -> Self {
        Self { options, children: Mutex::default() }
    }

    fn start_now(&self, spec: &WorkerSpec) -> io::Result<()> {
        let state = &self.options.state;
        let known = Record::load(state, &spec.worker)?;
        if known.as_ref().is_some_and(|record| record.process.is_some()) {
            return Ok(());
        }
        let (pipeline, worker) = (spec.pipeline.clone(), spec.worker.clone());
        let mut record = Record { pipeline, worker, folder: spec.directory.join(FOLDER), process: None };
        if known.is_some() {
            // The server ended between starting it and noting that.
            record.process = table::with_arguments(&["worker", "--name", spec.worker.as_str()]).and_then(Identity::of);
        } else {
            record.store(state)?;
        }
        if record.process.is_none() {
            let child = self.spawn(spec, &record.folder)?;
            let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
            record.process = Identity::of(pid);
            self.children().insert(spec.worker.clone(), child);
        }
        record.store(state)
    }

    fn spawn(&self, spec: &WorkerSpec, folder: &Path) -> io::Result<Child> {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        let log = File::create(folder.join("worker.log"))?;
        let mut command = Command::new(&self.options.binary);
        command.arg("worker").arg("--socket").arg(spec.directory.join("worker.sock"));
        command
            .arg("--source")
            .arg(spec.source.join(crate::layout::SOURCE).join(&spec.folder))
            .arg("--work")
            .arg(folder.join(WORK));
        command.arg("--private").arg(folder).arg("--name").arg(spec.worker.as_str()).arg("--detach");
        if !spec.mounts_data {
            command.arg("--data");
        }
        if let Some(kit) = self.options.binary.parent() {
            command.arg("--kit").arg(kit);
        }
        command.env_clear().envs(self.options.environment.iter().cloned()).env(MARK, spec.worker.as_str());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()
    }

    fn status_now(&self, worker: &WorkerId) -> io::Result<WorkerStatus> {
        let exited = |code| WorkerStatus::Exited { code, out_of_memory: false };
        let Some(record) = Record::load(&self.options.state, worker)? else { return Ok(WorkerStatus::Gone) };
        if let Some(child) = self.children().get_mut(worker) {
            return Ok(match child.try_wait()? {
                None => WorkerStatus::Running,
                Some(status) => exited(status.code().map(i64::from)),
            });
        }
        match record.process {
            Some(process) if process.is_alive() => Ok(WorkerStatus::Running),
            Some(_) => Ok(exited(None)),
            None => Ok(WorkerStatus::Gone),
        }
    }

    async fn remove_now(&self, worker: &WorkerId) -> io::Result<()> {
        let state = &self.options.state;
        let Some(record) = Record::load(state, worker)? else { return Ok(()) };
        let process = record
            .process
            .clone()
            .or_else(|| table::with_arguments(&["worker", "--name", worker.as_str()]).and_then(Identity::of));
        let process = process.filter(Identity::is_alive);
        if let Some(process) = &process {
            // Stopped, it starts nothing more, and still is the parent of everything that loses its own.
            send(process.pid, Signal::SIGSTOP);
        }
        let mark = format!("{MARK}={worker}");
        let root = process.as_ref().map(|process| process.pid);
        let victims = || {
            let mut victims = table::with_environment(&mark);
            victims.extend(root.map(table::descendants).unwrap_or_default());
            victims.retain(|pid| Some(*pid) != root);
            victims
        };
        kill_all(victims).await?;
        if let Some(process) = &process {
            send(process.pid, Signal::SIGKILL);
        }
        // Taken out first: nobody else may wait for it, and no lock is held while we do.
        let child = self.children().remove(worker);
        if let Some(mut child) = child {
            tokio::task::spawn_blocking(move || child.wait()).await.map_err(io::Error::other)??;
        }
        kill_all(|| process.iter().filter(|process| process.is_alive()).map(|process| process.pid).collect()).await?;
        let folder = record.folder;
        tokio::task::spawn_blocking(move || remove_folder(&folder)).await.map_err(io::Error::other)??;
        Record::erase(state, worker)
    }

    fn children(&self) -> MutexGuard<'_, HashMap<WorkerId, Child>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Executor for Process {
    fn name(&self) -> &'static str {
        "process"
    }

    fn isolates(&self) -> bool {
        false
    }

    fn work(&self, directory: &Path) -> PathBuf {
        directory.join(FOLDER).join(WORK)
    }

    fn prepare<'a>(&'a self, _spec: &'a WorkerSpec, _progress: Progress<'a>) -> BoxFuture<'a, Result<(), Error>> {
        // A process needs nothing but its folders.
        Box::pin(async { Ok(()) })
    }

    fn make_image<'a>(&'a self, order: &'a ImageOrder, _watch: Watch<'a>) -> BoxFuture<'a, Result<String, Error>> {
        // There are none here; a process sees the machine as it is.
        Box::pin(async { Ok(order.recipe.to_string()) })
    }

    fn owned_images(&self) -> BoxFuture<'_, Result<Vec<OwnedImage>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn remove_image<'a>(&'a self, _reference: &'a str) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async { Ok(true) })
    }

    fn start<'a>(&'a self, spec: &'a WorkerSpec, _progress: Progress<'a>) -> BoxFuture<'a, Result<(), Error>> {
        let refused = |error: io::Error| Error::Refused { message: error.to_string() };
        Box::pin(async move { self.start_now(spec).map_err(refused) })
    }

    fn status<'a>(
        &'a self,
        _pipeline: &'a PipelineId,
        worker: &'a WorkerId,
    ) -> BoxFuture<'a, Result<WorkerStatus, Error>> {
        Box::pin(async move { self.status_now(worker).map_err(unavailable) })
    }

    fn remove<'a>(&'a self, _pipeline: &'a PipelineId, worker: &'a WorkerId) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.remove_now(worker).await.map_err(unavailable) })
    }

    fn owned(&self) -> BoxFuture<'_, Result<Vec<(PipelineId, WorkerId)>, Error>> {
        Box::pin(async move {
            let records = Record::load_all(&self.options.state).map_err(unavailable)?;
            Ok(records.into_iter().map(|record| (record.pipeline, record.worker)).collect())
        })
    }

    fn release<'a>(&'a self, _pipeline: &'a PipelineId) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn owned_pipelines(&self) -> BoxFuture<'_, Result<Vec<PipelineId>, Error>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

fn unavailable(error: io::Error) -> Error {
    Error::Unavailable { message: error.to_string() }
}

fn send(pid: i32, signal: Signal) {
    if let Err(error) = kill(Pid::from_raw(pid), signal) {
        tracing::debug!(%error, pid, "a signal was not delivered");
    }
}

/// Kills until nobody is left.
async fn kill_all(victims: impl Fn() -> Vec<i32>) -> io::Result<()> {
    for _ in 0..LOOKS {
        let left = victims();
        if left.is_empty() {
            return Ok(());
        }
        for pid in left {
            send(pid, Signal::SIGKILL);
        }
        sleep(LOOK_AGAIN).await;
    }
    Err(io::Error::other("a process of the worker cannot be killed"))
}

/// Removes a folder, whatever modes its nodes gave to what is in it.
fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(folder)?;
            fs::remove_dir_all(folder)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}
