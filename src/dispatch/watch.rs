//! Following a whole tree: one look at a time for all who follow it, and to each what has changed since the event it knows.
//! A listener costs one number, however slow it is: what changes twice before it listens again reaches it once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{Stream, stream};
use tokio::{
    sync::{broadcast, oneshot, watch},
    time::Instant,
};

use super::{
    error::Error,
    feed::Published,
    glance::{ChangeView, Glance, Glimpse, Place, Row, ShapeKey, TreeView, letter, six},
    live::Message,
    shared::Shared,
};
use crate::{clock, dispatch::glance::Head, model::PipelineId};

/// Changes within so long travel together.
const PACE: Duration = Duration::from_millis(50);

/// Looking takes at most one part in so many of the time, however large the tree is.
const SHARE: u32 = 10;

/// How long changes are remembered after the last listener has gone: it may only be reconnecting.
const LINGER: Duration = Duration::from_secs(60);

/// The trees that somebody follows.
#[derive(Default)]
pub(super) struct Watches {
    open: Mutex<HashMap<PipelineId, Arc<Watch>>>,
}

struct Watch {
    board: Mutex<Board>,
    /// Number of the last event on the board; nothing once it is not kept any more.
    seq: watch::Sender<Option<u64>>,
}

/// What a tree looks like, and since when each of its nodes does.
struct Board {
    /// Before this event it is not known what has changed.
    base: u64,
    seq: u64,
    head: Head,
    key: ShapeKey,
    shape: Vec<Place>,
    rows: Vec<(Row, u64)>,
}

impl Watches {
    fn open(&self) -> MutexGuard<'_, HashMap<PipelineId, Arc<Watch>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the watch of a pipeline with a listener's place at it.
    fn find(&self, id: &PipelineId) -> Option<(Arc<Watch>, watch::Receiver<Option<u64>>)> {
        let open = self.open();
        // Taken under the lock: a watch with a listener is not given up.
        open.get(id).map(|watch| (Arc::clone(watch), watch.seq.subscribe()))
    }

    /// Gives a watch up, unless somebody listens.
    fn retire(&self, id: &PipelineId, watch: &Watch) -> bool {
        let mut open = self.open();
        let is_idle = watch.seq.receiver_count() == 0;
        if is_idle {
            open.remove(id);
        }
        is_idle
    }
}

/// Follows a tree: what has changed since the event with this number, or all of it, then each change. Never ends by itself.
pub(super) async fn follow(
    shared: &Arc<Shared>,
    id: &PipelineId,
    after: Option<u64>,
) -> Result<impl Stream<Item = Glimpse> + Send + use<>, Error> {
    let (watch, receiver) = match shared.watches.find(id) {
        Some(found) => found,
        None => begin(shared, id).await?,
    };
    let listener = Listener { watch, receiver, at: after, is_greeted: false, stop: shared.stop.clone() };
    Ok(stream::unfold(listener, |mut listener| async move { Some((listener.next().await?, listener)) }))
}

async fn begin(shared: &Arc<Shared>, id: &PipelineId) -> Result<(Arc<Watch>, watch::Receiver<Option<u64>>), Error> {
    // Listening begins before looking: nothing falls between.
    let live = shared.feed.subscribe();
    let board = Board::new(look(shared, id, None).await?);
    let mut open = shared.watches.open();
    if let Some(watch) = open.get(id) {
        return Ok((Arc::clone(watch), watch.seq.subscribe()));
    }
    let (seq, receiver) = watch::channel(Some(board.seq));
    let watch = Arc::new(Watch { board: Mutex::new(board), seq });
    open.insert(id.clone(), Arc::clone(&watch));
    shared.tasks.spawn(keep(Arc::clone(shared), id.clone(), Arc::clone(&watch), live));
    Ok((watch, receiver))
}

async fn look(shared: &Arc<Shared>, id: &PipelineId, known: Option<ShapeKey>) -> Result<Glance, Error> {
    let (reply, answer) = oneshot::channel();
    shared.send(id, Message::Glance { known, reply }).await?;
    answer.await.map_err(|_| Error::Stopping)
}

/// Keeps a board current until nobody has looked at it for a while.
async fn keep(shared: Arc<Shared>, id: PipelineId, watch: Arc<Watch>, mut live: broadcast::Receiver<Published>) {
    let mut look_around = Instant::now() + LINGER;
    let mut pace = PACE;
    loop {
        let is_news = tokio::select! {
            () = shared.stop.cancelled() => break,
            () = tokio::time::sleep_until(look_around) => {
                look_around = Instant::now() + LINGER;
                if shared.watches.retire(&id, &watch) {
                    break;
                }
                false
            }
            published = live.recv() => match published {
                Ok(published) => published.pipeline == id,
                Err(broadcast::error::RecvError::Lagged(_)) => true,
                Err(broadcast::error::RecvError::Closed) => break,
            },
        };
        if !is_news {
            continue;
        }
        tokio::time::sleep(pace).await;
        // All of this is in what is looked at next; what comes after it leads to another look.
        while !matches!(
            live.try_recv(),
            Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed)
        ) {}
        let before = Instant::now();
        let known = Some(watch.board().key);
        let Ok(glance) = look(&shared, &id, known).await else { break };
        let seq = watch.board().take(glance);
        watch.seq.send_replace(Some(seq));
        pace = PACE.max(before.elapsed() * SHARE);
    }
    shared.watches.open().remove(&id);
    watch.seq.send_replace(None);
}

impl Watch {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    fn new(glance: Glance) -> Self {
        let Glance { seq, head, key, shape, rows } = glance;
        let rows = rows.into_iter().map(|row| (row, seq)).collect();
        Self { base: seq, seq, head, key, shape: shape.unwrap_or_default(), rows }
    }

    /// Notes what is different. Returns the number of the last event.
    fn take(&mut self, glance: Glance) -> u64 {
        if glance.shape.is_some() {
            *self = Self::new(glance);
            return self.seq;
        }
        let Glance { seq, head, rows, .. } = glance;
        for (known, row) in self.rows.iter_mut().zip(rows) {
            if known.0 != row {
                *known = (row, seq);
            }
        }
        (self.seq, self.head) = (seq, head);
        seq
    }

    /// Returns what somebody has to be told who knows everything up to an event.
    fn since(&self, after: Option<u64>, now: i64) -> Glimpse {
        match after {
            Some(after) if (self.base..=self.seq).contains(&after) => Glimpse::Change(Box::new(ChangeView {
                prev: after,
                seq: self.seq,
                now,
                pipeline: self.head.clone(),
                rows: self
                    .shape
                    .iter()
                    .zip(&self.rows)
                    .filter(|(_, (_, changed))| *changed > after)
                    .map(|(place, (row, _))| {
                        let Row { state, flags, attempts, began, ended, counts } = *row;
                        (place.index, letter(state), flags, attempts, began, ended, counts.map(six))
                    })
                    .collect(),
            })),
            _ => Glimpse::Tree(Box::new(self.whole(now))),
        }
    }

    fn whole(&self, now: i64) -> TreeView {
        let rows = || self.rows.iter().map(|(row, _)| row);
        TreeView {
            seq: self.seq,
            now,
            pipeline: self.head.clone(),
            index: self.shape.iter().map(|place| place.index).collect(),
            parent: self.shape.iter().map(|place| place.parent).collect(),
            kind: self.shape.iter().map(|place| place.kind).collect(),
            name: self.shape.iter().map(|place| place.name.clone()).collect(),
            state: rows().map(|row| letter(row.state)).collect(),
            flags: rows().map(|row| row.flags).collect(),
            attempts: rows().map(|row| row.attempts).collect(),
            began: rows().map(|row| row.began).collect(),
            ended: rows().map(|row| row.ended).collect(),
            counts: rows().filter_map(|row| row.counts).flat_map(six).collect(),
        }
    }
}

struct Listener {
    watch: Arc<Watch>,
    receiver: watch::Receiver<Option<u64>>,
    at: Option<u64>,
    is_greeted: bool,
    stop: tokio_util::sync::CancellationToken,
}

impl Listener {
    /// Returns what comes next; nothing when the server stops. The first comes at once, if only to say that nothing is new.
    async fn next(&mut self) -> Option<Glimpse> {
        loop {
            let seq = (*self.receiver.borrow_and_update())?;
            if !self.is_greeted || self.at != Some(seq) {
                let board = self.watch.board();
                let glimpse = board.since(self.at, clock::now().as_millisecond());
                (self.at, self.is_greeted) = (Some(board.seq), true);
                return Some(glimpse);
            }
            tokio::select! {
                changed = self.receiver.changed() => changed.ok()?,
                () = self.stop.cancelled() => return None,
            }
        }
    }
}

/// Follows which pipelines change at all, gathered for a while. Never ends by itself.
pub(super) fn changes(shared: &Arc<Shared>) -> impl Stream<Item = Vec<String>> + Send + use<> {
    const GATHERED: Duration = Duration::from_millis(500);
    let (live, stop) = (shared.feed.subscribe(), shared.stop.clone());
    stream::unfold((live, stop), |(mut live, stop)| async move {
        let mut changed = std::collections::BTreeSet::new();
        let first = tokio::select! {
            first = live.recv() => first,
            () = stop.cancelled() => return None,
        };
        let mut note = |published: Result<Published, _>| match published {
            Ok(published) => {
                changed.insert(published.pipeline.to_string());
                true
            }
            Err(broadcast::error::RecvError::Lagged(_)) => true,
            Err(broadcast::error::RecvError::Closed) => false,
        };
        if !note(first) {
            return None;
        }
        let gather = async { while note(live.recv().await) {} };
        // It ends by the clock: more always comes.
        tokio::time::timeout(GATHERED, gather).await.ok();
        Some((changed.into_iter().collect(), (live, stop)))
    })
}
