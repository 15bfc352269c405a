//! One making of an image, from its first line to its end in the store. Knows not who waits for it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    clock,
    dispatch::{images::keep_within, shared::Shared, view::ImageStageView},
    executor::{Error, ImageNews, ImageOrder, ImageStage},
    model::Trust,
    store::images::{self, End},
};

/// More of a log is not kept.
const LARGEST_LOG: usize = 16 << 20;

/// How far a making is.
#[derive(Clone, Debug, Default)]
pub(super) struct Status {
    /// What is being done, since when.
    pub(super) stage: Option<(ImageStage, Timestamp)>,
    /// How it ended.
    pub(super) end: Option<Result<String, Error>>,
}

/// A making that somebody waits for. When nobody does any more, it ends.
pub(super) struct Flight {
    pub(super) status: watch::Receiver<Status>,
    leave: CancellationToken,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.leave.cancel();
    }
}

/// Begins to make an image.
pub(super) fn begin(shared: &Arc<Shared>, key: String, order: ImageOrder) -> Flight {
    let (sender, status) = watch::channel(Status::default());
    let leave = CancellationToken::new();
    let (token, shared_too) = (leave.clone(), Arc::clone(shared));
    shared.tasks.spawn(async move { fly(&shared_too, key, order, sender, token).await });
    Flight { status, leave }
}

async fn fly(
    shared: &Arc<Shared>,
    key: String,
    order: ImageOrder,
    status: watch::Sender<Status>,
    leave: CancellationToken,
) {
    let now = clock::now();
    let (title, log) = (order.recipe.to_string(), format!("{key}.{}", now.as_microsecond()));
    let trust = if order.trust == Trust::Fork { "fork" } else { "trusted" };
    let (own_key, own_log) = (key.clone(), log.clone());
    let begun =
        shared.store.write(move |connection| images::begin(connection, (&own_key, &title, trust, &own_log), now)).await;
    let before = match begun {
        Ok(before) => before,
        Err(error) => {
            let message = format!("nothing can be kept of it: {error}");
            status.send_modify(|status| status.end = Some(Err(Error::Refused { message })));
            return;
        }
    };
    if let Some(before) = before {
        remove_log(shared, &before);
    }
    let mut record = Record { shared, key, log, stages: Vec::new() };
    let (news, heard) = mpsc::unbounded_channel();
    let room = AtomicUsize::new(LARGEST_LOG);
    let watch = move |told: ImageNews| {
        if let ImageNews::Line(line) = &told {
            let left = room.load(Ordering::Relaxed);
            if left == 0 {
                return;
            }
            room.store(left.saturating_sub(line.len() + 1), Ordering::Relaxed);
        }
        drop(news.send(told));
    };
    let making = async {
        let made = tokio::select! {
            made = shared.parts.executor.make_image(&order, &watch) => made,
            () = leave.cancelled() => Err(Error::Refused { message: "nobody waits for it any more".into() }),
            () = shared.stop.cancelled() => Err(Error::Unavailable { message: "the server is stopping".into() }),
        };
        drop(watch);
        made
    };
    let (made, ()) = tokio::join!(making, record.keep(heard, &status));
    record.end(&made).await;
    let is_made = made.is_ok();
    status.send_modify(|status| status.end = Some(made));
    if is_made && let Err(error) = keep_within(shared, false).await {
        tracing::warn!(%error, "images beyond the budget stay for now");
    }
}

/// Removes the log of a making that nobody needs any more.
pub(super) fn remove_log(shared: &Shared, name: &str) {
    match std::fs::remove_file(shared.options.layout.image_log(name)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, name, "the log of an image stays");
        }
        _ => {}
    }
}

/// What is kept of a making.
struct Record<'a> {
    shared: &'a Arc<Shared>,
    key: String,
    log: String,
    stages: Vec<ImageStageView>,
}

impl Record<'_> {
    async fn keep(&mut self, mut heard: mpsc::UnboundedReceiver<ImageNews>, status: &watch::Sender<Status>) {
        while let Some(told) = heard.recv().await {
            match told {
                ImageNews::Line(line) => self.line(&line).await,
                ImageNews::Begun(stage) => {
                    let now = clock::now();
                    self.close(now, "done");
                    self.stages.push(ImageStageView {
                        stage,
                        state: "running".to_owned(),
                        started_at: now,
                        finished_at: None,
                    });
                    self.line(&format!("== {}", stage.words())).await;
                    let (key, stages) = (self.key.clone(), self.written());
                    let kept =
                        self.shared.store.write(move |connection| images::advance(connection, &key, &stages)).await;
                    if let Err(error) = kept {
                        tracing::warn!(%error, "the stage of an image is not noted");
                    }
                    status.send_modify(|status| status.stage = Some((stage, now)));
                }
            }
        }
    }

    async fn line(&self, line: &str) {
        let path = self.shared.options.layout.image_log(&self.log);
        if let Err(error) = self.shared.logs().notice(&path, clock::now(), line).await {
            tracing::warn!(%error, "a line of the log of an image is lost");
        }
    }

    fn close(&mut self, now: Timestamp, state: &str) {
        if let Some(last) = self.stages.last_mut() {
            last.state = state.to_owned();
            last.finished_at = Some(now);
        }
    }

    fn written(&self) -> String {
        serde_json::to_string(&self.stages).unwrap_or_default()
    }

    async fn end(&mut self, made: &Result<String, Error>) {
        let now = clock::now();
        self.close(now, if made.is_ok() { "done" } else { "failed" });
        if let Err(error) = made {
            self.line(&error.to_string()).await;
        }
        let path = self.shared.options.layout.image_log(&self.log);
        if let Err(error) = self.shared.logs().finish(&path).await {
            tracing::warn!(%error, "the log of an image may not be whole");
        }
        let end = End {
            reference: made.as_ref().ok().cloned(),
            error: made.as_ref().err().map(ToString::to_string),
            stages: self.written(),
        };
        let key = self.key.clone();
        if let Err(error) = self.shared.store.write(move |connection| images::end(connection, &key, &end, now)).await {
            tracing::warn!(%error, "the end of an image's making is not noted");
        }
    }
}
