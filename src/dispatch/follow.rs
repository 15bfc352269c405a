//! Following what happens: a pipeline's events and an attempt's log, from what is kept on to what comes. Knows no door.

use std::sync::Arc;

use futures_util::{Stream, StreamExt as _, stream};
use jiff::Timestamp;
use tokio::sync::broadcast;
use tokio_util::bytes::Bytes;

use super::{error::Error, feed::Published, shared::Shared};
use crate::{
    logs::{self, Chunk, Reader},
    model::{PipelineId, Recorded},
    store::pipelines,
    worker::protocol,
};

/// How many events are read from the store in one go.
const PAGE: u32 = 1_000;

/// A piece of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChunk {
    /// Where it came from.
    pub stream: protocol::Stream,
    /// When the server wrote it down.
    pub at: Timestamp,
    /// The bytes.
    pub data: Bytes,
}

/// Lines of an attempt's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPage {
    /// Number of the attempt.
    pub attempt: u32,
    /// Whether the attempt has ended.
    pub is_over: bool,
    /// The lines.
    pub page: logs::Page,
}

/// What was found in an attempt's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSearch {
    /// Number of the attempt.
    pub attempt: u32,
    /// What.
    pub found: logs::Found,
}

/// Pieces of a log, in order.
pub type LogStream = stream::BoxStream<'static, LogChunk>;

/// Follows a pipeline's events.
pub(super) async fn events(
    shared: &Arc<Shared>,
    id: &PipelineId,
    after: u64,
) -> Result<impl Stream<Item = Recorded> + Send + use<>, Error> {
    // Listening begins before reading, so nothing can fall between.
    let live = shared.feed.subscribe();
    let wanted = id.clone();
    if shared.store.read(move |connection| pipelines::find(connection, &wanted)).await?.is_none() {
        return Err(Error::NotFound("pipeline"));
    }
    let follower = Follower { shared: Arc::clone(shared), id: id.clone(), live, after, is_behind: true };
    Ok(stream::unfold(follower, |mut follower| async move {
        let events = follower.next().await?;
        Some((stream::iter(events), follower))
    })
    .flatten())
}

/// Turns a reader into pieces.
pub(super) fn log(reader: Reader) -> LogStream {
    stream::unfold(reader, |mut reader| async move {
        match reader.next().await {
            Ok(chunks) if chunks.is_empty() => None,
            Ok(chunks) => Some((stream::iter(chunks).map(log_chunk), reader)),
            Err(error) => {
                tracing::error!(error = %error, "a log cannot be read");
                None
            }
        }
    })
    .flatten()
    .boxed()
}

fn log_chunk(chunk: Chunk) -> LogChunk {
    let Chunk { stream, at, data } = chunk;
    let stream = match stream {
        logs::Stream::Notice => protocol::Stream::Notice,
        logs::Stream::Stdout => protocol::Stream::Stdout,
        logs::Stream::Stderr => protocol::Stream::Stderr,
    };
    LogChunk { stream, at, data: data.into() }
}

struct Follower {
    shared: Arc<Shared>,
    id: PipelineId,
    live: broadcast::Receiver<Published>,
    after: u64,
    is_behind: bool,
}

impl Follower {
    /// Returns the next events, at least one; nothing when the server stops.
    async fn next(&mut self) -> Option<Vec<Recorded>> {
        loop {
            if self.is_behind {
                let (id, after) = (self.id.clone(), self.after);
                let read = self.shared.store.read(move |connection| pipelines::events(connection, &id, after, PAGE));
                let events = read.await.ok()?;
                if let Some(last) = events.last() {
                    self.after = last.seq;
                    return Some(events);
                }
                self.is_behind = false;
            }
            let published = tokio::select! {
                published = self.live.recv() => published,
                () = self.shared.stop.cancelled() => return None,
            };
            match published {
                Ok(published) if published.pipeline != self.id => {}
                Ok(published) => {
                    let fresh: Vec<Recorded> =
                        published.events.iter().filter(|recorded| recorded.seq > self.after).cloned().collect();
                    // A hole means that a commit was missed; the store has it.
                    match fresh.first() {
                        Some(first) if first.seq == self.after + 1 => {
                            self.after = fresh.last().map_or(self.after, |last| last.seq);
                            return Some(fresh);
                        }
                        Some(_) => self.is_behind = true,
                        None => {}
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => self.is_behind = true,
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
