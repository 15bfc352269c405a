//! Watches a pipeline from its launch to its end, and stops it when somebody has had enough. Draws nothing itself.

use std::{collections::HashMap, time::Duration};

use anyhow::anyhow;
use tokio::time::Instant;

use super::{files::Files, holder::Holder, signals::Signals, teller::Teller};
use crate::{
    cli::{
        client::encode,
        failure::{Failure, INTERRUPTED},
        printer::Printer,
        show::read_log,
    },
    clock,
    dispatch::view::PipelineView,
    model::PipelineId,
};

/// Between two frames.
const FRAME: Duration = Duration::from_millis(100);

/// Looking takes at most such a part of the time: a large tree is not looked at all the time.
const SHARE: u32 = 10;

/// Between two looks, at most.
const LONGEST: Duration = Duration::from_secs(3);

/// How long the runtime may take to remove what a pipeline had.
const REMOVAL: Duration = Duration::from_secs(30);

/// Why watching ended.
pub(super) enum Ended {
    /// The pipeline has ended.
    Itself(Box<PipelineView>),
    /// A file has changed, and the pipeline was cancelled.
    Changed,
}

/// Watches one pipeline. A first signal cancels it, a second ends it at once.
pub(super) async fn follow(
    holder: &mut Holder,
    id: &str,
    teller: &mut Teller,
    signals: &mut Signals,
    files: Option<&mut Files>,
    printer: &mut Printer,
) -> Result<Ended, Failure> {
    let (mut files, mut is_outdated) = (files, false);
    loop {
        let began = Instant::now();
        let pipeline = tokio::select! {
            pipeline = look(holder, id) => pipeline?,
            () = signals.next() => {
                interrupted(holder, id, signals, teller, printer).await?;
                continue;
            }
        };
        let mut logs = HashMap::new();
        for node in teller.wants_logs(&pipeline) {
            logs.insert(node.path.clone(), read_log(&holder.client, id, node).await.unwrap_or_default());
        }
        teller.see(&pipeline, logs, clock::now(), printer)?;
        if pipeline.summary.finished_at.is_some() {
            return Ok(if is_outdated { Ended::Changed } else { Ended::Itself(Box::new(pipeline)) });
        }
        let again = Instant::now() + (began.elapsed() * SHARE).clamp(FRAME, LONGEST);
        while Instant::now() < again {
            tokio::select! {
                () = tokio::time::sleep(FRAME) => teller.draw(&pipeline, Vec::new(), clock::now(), printer)?,
                () = signals.next() => {
                    interrupted(holder, id, signals, teller, printer).await?;
                    break;
                }
                changed = changed(&mut files), if !is_outdated => {
                    changed?;
                    is_outdated = true;
                    teller.remark("a file has changed: cancelling, to begin again", printer)?;
                    cancel(holder, id).await?;
                    break;
                }
            }
        }
    }
}

/// Waits until the runtime has nothing of the pipeline any more, where that is ours to see.
pub(super) async fn wait_until_removed(holder: &Holder, id: &str) {
    let (Some(server), Ok(id)) = (holder.server(), PipelineId::parse(id)) else { return };
    let gone = async {
        // A runtime that does not answer is looked at again by the next who has the directory.
        while server.has_leftovers(&id).await.unwrap_or(false) {
            tokio::time::sleep(FRAME / 4).await;
        }
    };
    tokio::time::timeout(REMOVAL, gone).await.ok();
}

/// Asks how the pipeline stands, of whoever holds it by now.
pub(super) async fn look(holder: &mut Holder, id: &str) -> Result<PipelineView, Failure> {
    let path = format!("/pipelines/{}", encode(id));
    loop {
        match holder.client.get(&path).await {
            Ok(pipeline) => return Ok(pipeline),
            Err(lost) => holder.find_again(lost).await?,
        }
    }
}

async fn changed(files: &mut Option<&mut Files>) -> Result<(), Failure> {
    match files {
        Some(files) => files.changed().await,
        None => std::future::pending().await,
    }
}

async fn interrupted(
    holder: &mut Holder,
    id: &str,
    signals: &Signals,
    teller: &mut Teller,
    printer: &mut Printer,
) -> Result<(), Failure> {
    if signals.count < 2 {
        teller.remark("cancelling; Ctrl-C again ends everything at once", printer)?;
        return cancel(holder, id).await;
    }
    if let (Some(server), Ok(id)) = (holder.server(), PipelineId::parse(id)) {
        server.end_workers(&id).await?;
    }
    Err(Failure { code: INTERRUPTED, error: anyhow!("stopped at once"), help: None })
}

/// A pipeline that has just ended needs no cancelling.
async fn cancel(holder: &mut Holder, id: &str) -> Result<(), Failure> {
    let path = format!("/pipelines/{}/cancel", encode(id));
    loop {
        match holder.client.post::<serde_json::Value>(&path, &clock::new_key(), None).await {
            Err(lost) if lost.code == crate::cli::failure::UNREACHABLE => holder.find_again(lost).await?,
            _ => return Ok(()),
        }
    }
}
