//! One live connection: reports go to the sink in order and are acknowledged when they are safe; orders go to the worker.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt, stream::FuturesOrdered};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite;

use super::{
    door::Socket,
    handle::{Incoming, Options, Report},
    post::Post,
};
use crate::{
    model::WorkerId,
    worker::{
        protocol::{FromWorker, Hello, Message, ToWorker},
        wire,
    },
};

/// An acknowledgement nobody waits for may be late by this much.
const LAZY_ACK: Duration = Duration::from_millis(100);

/// That of an end, too, may be joined by the next: a worker only waits for it before it goes.
const SOON: Duration = Duration::from_millis(4);

/// It is sent at once when so many bytes are safe: a quarter of what a worker sends ahead.
const ACK_BYTES: usize = 128 * 1024;

/// After so many silent heartbeats the connection is taken for dead.
const SILENT_BEATS: u32 = 3;

/// What a delivered report is to its connection.
struct Delivered {
    /// Its number; nothing for `Connected` and `Wants`, which the worker does not keep.
    seq: Option<u64>,
    bytes: usize,
    urgent: bool,
    done: bool,
}

type Delivery = Pin<Box<dyn Future<Output = Delivered> + Send>>;

/// Why a connection ends.
enum End {
    Lost,
    Silent,
    /// A report was not taken; the worker shall say it again.
    NotTaken,
    Malformed(wire::Malformed),
    Socket(tungstenite::Error),
}

/// The connection.
pub(super) struct Session {
    worker: WorkerId,
    options: Options,
    post: Arc<Post>,
    sink: mpsc::Sender<Incoming>,
    socket: Socket,
    /// Read, and waiting for its turn.
    waiting: Option<FromWorker>,
    /// Waiting for room in the sink.
    staged: Option<(Incoming, Delivery)>,
    /// In the sink or beyond, and not yet safe.
    pending: FuturesOrdered<Delivery>,
    is_announced: bool,
    heard_at: Instant,
    acknowledged_bytes: usize,
    ack_due: Option<Instant>,
}

impl Session {
    pub(super) fn new(
        worker: WorkerId,
        options: Options,
        post: Arc<Post>,
        sink: mpsc::Sender<Incoming>,
        socket: Socket,
        hello: Hello,
        first: FromWorker,
    ) -> Self {
        post.begin();
        let mut session = Self {
            worker,
            options,
            post,
            sink,
            socket,
            waiting: Some(first),
            staged: None,
            pending: FuturesOrdered::new(),
            is_announced: false,
            heard_at: Instant::now(),
            acknowledged_bytes: 0,
            ack_due: None,
        };
        session.stage(Report::Connected { hello }, None, 0);
        session
    }

    /// Serves the connection until it ends.
    pub(super) async fn run(mut self) {
        let end = match self.serve().await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        let worker = &self.worker;
        match end {
            End::Lost => tracing::debug!(%worker, "a worker's connection was closed"),
            End::Silent => tracing::warn!(%worker, "a worker is silent, its connection is given up"),
            End::NotTaken => tracing::debug!(%worker, "a worker's report was not taken"),
            End::Malformed(error) => tracing::warn!(%worker, %error, "a worker speaks another language"),
            End::Socket(error) => tracing::debug!(%worker, %error, "a worker's connection broke"),
        }
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, End> {
        let mut next_heartbeat = Instant::now() + self.options.heartbeat;
        let (sink, post) = (self.sink.clone(), Arc::clone(&self.post));
        loop {
            if self.is_announced
                && self.staged.is_none()
                && let Some(message) = self.waiting.take()
            {
                self.take(message);
            }
            let silent_at = self.heard_at + self.options.heartbeat * SILENT_BEATS;
            let may_read = self.waiting.is_none() && self.staged.is_none();
            let timer = [Some(next_heartbeat), Some(silent_at).filter(|_| may_read), self.ack_due];
            let timer = timer.into_iter().flatten().min().unwrap_or(next_heartbeat);
            let has_room = self.pending.len() < self.options.window.max(1);
            tokio::select! {
                frame = self.socket.next(), if may_read => self.read(frame)?,
                permit = sink.reserve(), if self.staged.is_some() && has_room => {
                    let permit = permit.map_err(|_| End::NotTaken)?;
                    if let Some((incoming, delivery)) = self.staged.take() {
                        permit.send(incoming);
                        self.pending.push_back(delivery);
                    }
                }
                Some(delivered) = self.pending.next() => self.settle(&delivered).await?,
                () = post.changed.notified(), if self.is_announced => self.give_orders().await?,
                () = sleep_until(timer) => {
                    let now = Instant::now();
                    if may_read && now >= silent_at {
                        return Err(End::Silent);
                    }
                    if self.ack_due.is_some_and(|due| now >= due) {
                        self.acknowledge().await?;
                    }
                    if now >= next_heartbeat {
                        next_heartbeat = now + self.options.heartbeat;
                        self.say(&[ToWorker::Heartbeat]).await?;
                    }
                }
            }
        }
    }

    fn read(&mut self, frame: Option<Result<tungstenite::Message, tungstenite::Error>>) -> Result<(), End> {
        let frame = frame.ok_or(End::Lost)?.map_err(End::Socket)?;
        self.heard_at = Instant::now();
        self.waiting = wire::decode_from_worker(&frame).map_err(End::Malformed)?;
        Ok(())
    }

    /// Makes a message a report, if it is one.
    fn take(&mut self, message: FromWorker) {
        let (seq, message) = match message {
            FromWorker::Numbered { seq, message } => (seq, message),
            FromWorker::Wants { fence } if self.post.may_ask(fence) => {
                return self.stage(Report::Wants { fence }, None, 0);
            }
            FromWorker::Wants { .. } => {
                return tracing::warn!(worker = %self.worker, "a worker asked about an attempt that is not its own");
            }
            FromWorker::Hello(_) | FromWorker::Heartbeat => return,
        };
        let bytes = match &message {
            Message::Output { data, .. } => data.len(),
            _ => 0,
        };
        if seq <= self.post.acknowledged() {
            // Said again because the acknowledgement was lost with the last connection.
            self.settled(seq, bytes);
        } else if self.post.confirm(&message) {
            self.stage(message.into(), Some(seq), bytes);
        } else {
            tracing::warn!(worker = %self.worker, "a worker spoke of an attempt that is not its own");
            self.settled(seq, bytes);
        }
    }

    fn stage(&mut self, report: Report, seq: Option<u64>, bytes: usize) {
        let urgent = matches!(report, Report::Finished { .. });
        let (done, safe) = oneshot::channel();
        let incoming = Incoming { worker: self.worker.clone(), report, done };
        let delivery = async move { Delivered { seq, bytes, urgent, done: safe.await.is_ok() } };
        self.staged = Some((incoming, Box::pin(delivery)));
    }

    /// Puts a number that needs no delivery behind those that do.
    fn settled(&mut self, seq: u64, bytes: usize) {
        let delivered = Delivered { seq: Some(seq), bytes, urgent: true, done: true };
        self.pending.push_back(Box::pin(std::future::ready(delivered)));
    }

    async fn settle(&mut self, delivered: &Delivered) -> Result<(), End> {
        if !delivered.done {
            return Err(End::NotTaken);
        }
        let Some(seq) = delivered.seq else {
            self.is_announced = true;
            // Waiting has kept us from listening.
            self.heard_at = Instant::now();
            return self.give_orders().await;
        };
        self.post.acknowledge(seq);
        self.acknowledged_bytes += delivered.bytes;
        if self.acknowledged_bytes >= ACK_BYTES {
            return self.acknowledge().await;
        }
        let due = Instant::now() + if delivered.urgent { SOON } else { LAZY_ACK };
        self.ack_due = Some(self.ack_due.map_or(due, |earlier| earlier.min(due)));
        Ok(())
    }

    async fn acknowledge(&mut self) -> Result<(), End> {
        self.acknowledged_bytes = 0;
        self.ack_due = None;
        let seq = self.post.acknowledged();
        self.say(&[ToWorker::Ack { seq }]).await
    }

    async fn give_orders(&mut self) -> Result<(), End> {
        let orders = self.post.take();
        if orders.is_empty() { Ok(()) } else { self.say(&orders).await }
    }

    async fn say(&mut self, messages: &[ToWorker]) -> Result<(), End> {
        let said = async {
            for message in messages {
                self.socket.feed(wire::encode_to_worker(message)).await?;
            }
            self.socket.flush().await
        };
        let patience = self.options.heartbeat * SILENT_BEATS;
        timeout(patience, said).await.map_err(|_| End::Silent)?.map_err(End::Socket)
    }
}

/// Returns whole milliseconds for the wire.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
