//! Removes what is older than the settings keep: logs, data, working copies, mirrors, and rows that have served their purpose.
//!
//! States, attempts and definitions stay. A folder is moved aside in the very transaction that marks it as removed: the
//! pipeline cannot lease anything in between, so what a reset needs is never pulled from under it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    error::Error,
    images,
    shared::Shared,
    view::{Freed, PruneReport},
};
use crate::{
    clock,
    model::PipelineId,
    store::{
        self,
        retention::{self, Before, Remains, Rows},
    },
};

/// When it is done for the first time after a start, and how often then.
const FIRST: Duration = Duration::from_secs(600);
const AGAIN: Duration = Duration::from_secs(24 * 3_600);

/// How long rows are kept that only serve repetitions and curiosity.
const ROWS: Duration = Duration::from_secs(30 * 24 * 3_600);

/// How many rows one transaction removes, so that others get their turn.
const AT_ONCE: u32 = 500;

/// Removes what is old, once a day, until the server stops.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut pause = FIRST;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.stop.cancelled() => return,
        }
        if let Err(error) = prune(&shared, false).await {
            tracing::error!(error = %error, "what is old cannot be removed");
        }
        pause = AGAIN;
    }
}

/// Says when the log of an attempt was removed that ended at this time.
pub(super) async fn check_log(shared: &Shared, id: &PipelineId, finished_at: Timestamp) -> Result<(), Error> {
    let id = id.clone();
    let removed_at = shared.store.read(move |connection| retention::logs_removed_at(connection, &id)).await?;
    match removed_at.filter(|at| finished_at < *at) {
        Some(at) => {
            let day = at.strftime("%Y-%m-%d");
            Err(Error::Gone(format!(
                "the log was removed by retention on {day}; see `[retention] logs` of the settings"
            )))
        }
        None => Ok(()),
    }
}

/// Removes what is old, or says what that would be.
pub(super) async fn prune(shared: &Arc<Shared>, is_rehearsal: bool) -> Result<PruneReport, Error> {
    let _turn = shared.pruning.lock().await;
    let pruning = Pruning { shared, is_rehearsal, now: clock::now() };
    // Left by a server that ended in the middle.
    pruning.remove(shared.options.layout.trash()).await?;
    let kept = shared.options.retention;
    let freed = vec![
        pruning.remains(Remains::Logs, kept.logs).await?,
        pruning.remains(Remains::Data, kept.data).await?,
        pruning.sources().await?,
        pruning.mirrors(kept.mirrors).await?,
        pruning.images().await?,
        pruning.rows("bodies", Rows::Bodies).await?,
        pruning.rows("messages", Rows::Messages).await?,
        pruning.rows("keys", Rows::Keys).await?,
    ];
    if !is_rehearsal {
        for Freed { kind, count, files, bytes } in freed.iter().filter(|freed| freed.count > 0) {
            tracing::info!(kind, count, files, bytes, "what was old is removed");
        }
    }
    Ok(PruneReport { dry_run: is_rehearsal, freed })
}

/// One round of removing.
struct Pruning<'a> {
    shared: &'a Arc<Shared>,
    is_rehearsal: bool,
    now: Timestamp,
}

impl Pruning<'_> {
    fn before(&self, kept: Duration) -> Timestamp {
        self.now.checked_sub(kept).unwrap_or(Timestamp::MIN)
    }

    async fn remains(&self, what: Remains, kept: Duration) -> Result<Freed, Error> {
        let before = Before { ended: self.before(kept), slept: self.before(self.shared.options.retention.sleeping) };
        let ids = self.shared.store.read(move |connection| retention::removable(connection, what, before)).await?;
        let layout = &self.shared.options.layout;
        let kind = match what {
            Remains::Logs => "logs",
            Remains::Data => "data",
        };
        let mut freed = nothing(kind);
        for id in ids {
            let folders = match what {
                Remains::Logs => vec![layout.logs(&id)],
                Remains::Data => vec![layout.pipeline_data(&id), layout.fork_data(&id)],
            };
            let now = self.now;
            let mark =
                move |connection: &store::Connection| retention::mark_removed(connection, &id, what, before, now);
            self.folders(&mut freed, folders, mark).await?;
        }
        Ok(freed)
    }

    /// Working copies of pipelines that are over; usually they go with the pipeline's network.
    async fn sources(&self) -> Result<Freed, Error> {
        let mut freed = nothing("sources");
        for folder in children(&self.shared.options.layout.sources()) {
            let Some(id) = folder.file_name().and_then(|name| PipelineId::parse(name.to_str()?).ok()) else { continue };
            let is_over = move |connection: &store::Connection| Ok(!retention::needs_source(connection, &id)?);
            self.folders(&mut freed, vec![folder], is_over).await?;
        }
        Ok(freed)
    }

    /// Images beyond their budget.
    async fn images(&self) -> Result<Freed, Error> {
        let (count, bytes) = images::keep_within(self.shared, self.is_rehearsal).await?;
        Ok(Freed { count, bytes, ..nothing("images") })
    }

    async fn mirrors(&self, kept: Duration) -> Result<Freed, Error> {
        let needed = self.shared.store.read(retention::repositories_in_use).await?;
        let trash = if self.is_rehearsal { self.shared.options.layout.trash() } else { self.aside().await? };
        let before = self.before(kept);
        let pruned = self.shared.parts.mirrors.prune(before, needed, trash, self.is_rehearsal).await;
        let mut freed = nothing("mirrors");
        for path in pruned.map_err(|error| Error::Unavailable(Box::new(error)))? {
            let (files, bytes) = self.measure(vec![path]).await?;
            freed.add(files, bytes);
        }
        self.remove(self.shared.options.layout.trash()).await?;
        Ok(freed)
    }

    async fn rows(&self, kind: &str, rows: Rows) -> Result<Freed, Error> {
        let before = self.before(ROWS);
        let store = &self.shared.store;
        let (count, bytes) = store.read(move |connection| retention::count(connection, rows, before)).await?;
        let mut removed = if self.is_rehearsal { 0 } else { usize::MAX };
        while removed > 0 && count > 0 {
            removed = store.write(move |connection| retention::remove(connection, rows, before, AT_ONCE)).await?;
        }
        Ok(Freed { kind: kind.to_owned(), count, files: 0, bytes })
    }

    /// Takes folders away that belong together, if the store agrees in the same transaction, and removes them.
    async fn folders(
        &self,
        freed: &mut Freed,
        folders: Vec<PathBuf>,
        agrees: impl FnOnce(&store::Connection) -> Result<bool, store::Error> + Send + 'static,
    ) -> Result<(), Error> {
        if self.is_rehearsal {
            let (files, bytes) = self.measure(folders).await?;
            freed.add(files, bytes);
            return Ok(());
        }
        let trash = self.aside().await?;
        let aside = |number: usize| trash.join(number.to_string());
        let moves: Vec<(PathBuf, PathBuf)> =
            folders.into_iter().enumerate().map(|(number, folder)| (folder, aside(number))).collect();
        let ordered = moves.clone();
        let moved = self.shared.store.write(move |connection| Ok(agrees(connection)? && take_away(&ordered)?)).await;
        if moved.is_err() {
            // The mark is not there, so neither may the removal be.
            for (folder, aside) in moves.iter().filter(|(folder, aside)| aside.exists() && !folder.exists()) {
                fs::rename(aside, folder).map_err(disk)?;
            }
        }
        if moved? {
            let (files, bytes) = self.measure(vec![trash]).await?;
            freed.add(files, bytes);
        }
        self.remove(self.shared.options.layout.trash()).await
    }

    /// Makes a folder of its own in the trash.
    async fn aside(&self) -> Result<PathBuf, Error> {
        let aside = self.shared.options.layout.trash().join(clock::new_uuid().to_string());
        tokio::fs::create_dir_all(&aside).await.map_err(disk)?;
        Ok(aside)
    }

    async fn measure(&self, folders: Vec<PathBuf>) -> Result<(u64, u64), Error> {
        tokio::task::spawn_blocking(move || measure(folders)).await.map_err(|_| Error::Stopping)
    }

    async fn remove(&self, folder: PathBuf) -> Result<(), Error> {
        if self.is_rehearsal {
            return Ok(());
        }
        match tokio::fs::remove_dir_all(&folder).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk(error)),
            _ => Ok(()),
        }
    }
}

impl Freed {
    fn add(&mut self, files: u64, bytes: u64) {
        self.count += 1;
        self.files += files;
        self.bytes += bytes;
    }
}

fn nothing(kind: &str) -> Freed {
    Freed { kind: kind.to_owned(), count: 0, files: 0, bytes: 0 }
}

/// Moves what is there of these folders. Returns whether any of it was.
fn take_away(moves: &[(PathBuf, PathBuf)]) -> Result<bool, store::Error> {
    let mut moved = false;
    for (from, to) in moves {
        match fs::rename(from, to) {
            Ok(()) => moved = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(store::Error::Failed(format!("{} cannot be moved: {error}", from.display()))),
        }
    }
    Ok(moved)
}

/// Counts the files below folders and their bytes.
fn measure(mut waiting: Vec<PathBuf>) -> (u64, u64) {
    let (mut files, mut bytes) = (0, 0);
    while let Some(path) = waiting.pop() {
        match fs::symlink_metadata(&path) {
            Ok(about) if about.is_dir() => waiting.extend(children(&path)),
            Ok(about) => {
                files += 1;
                bytes += about.len();
            }
            // Removed meanwhile, by its pipeline.
            Err(_) => {}
        }
    }
    (files, bytes)
}

fn children(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn disk(error: io::Error) -> Error {
    Error::Unavailable(Box::new(error))
}
