//! One connection to the server's hub, and the way to get another. Knows no nodes.

use std::{
    fs::File,
    future::poll_fn,
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use futures_util::{FutureExt, Sink, SinkExt, Stream};
use tokio::{
    net::UnixStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error, Message as Frame},
};

use super::{protocol::ToWorker, wire};
use crate::clock;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest path the kernel takes for a Unix socket, with its final zero.
const LONGEST_ADDRESS: usize = 107;

/// An open connection. Sending only queues; [`Link::next`] moves the bytes.
pub(crate) struct Link {
    socket: WebSocketStream<UnixStream>,
    unflushed: bool,
}

impl Link {
    /// Dials until somebody answers, after `failures` connections in a row that came to nothing.
    pub(crate) async fn dial(path: PathBuf, mut failures: u32) -> Self {
        loop {
            if failures > 0 {
                sleep(pause(failures)).await;
            }
            match timeout(DIAL_TIMEOUT, Self::dial_once(&path)).await {
                Ok(Ok(link)) => return link,
                Ok(Err(error)) => tracing::debug!(%error, "the server does not answer"),
                Err(_) => tracing::debug!("the server does not answer in time"),
            }
            failures = failures.saturating_add(1);
        }
    }

    async fn dial_once(path: &Path) -> Result<Self, Error> {
        let stream = connect(path).await?;
        let limits = Some(wire::worker_limits());
        let (socket, _) = client_async_with_config("ws://worker.invalid/", stream, limits).await?;
        Ok(Self { socket, unflushed: false })
    }

    /// Queues a frame.
    pub(crate) fn send(&mut self, frame: Frame) -> Result<(), Error> {
        self.unflushed = true;
        Pin::new(&mut self.socket).start_send(frame)
    }

    /// Sends what is queued, as far as the socket takes it without waiting.
    pub(crate) fn flush_now(&mut self) {
        // An error will be met again by whoever listens.
        if let Some(Ok(())) = self.socket.flush().now_or_never() {
            self.unflushed = false;
        }
    }

    /// Sends what is queued and returns the next word of the server; nothing when the connection is of no more use.
    pub(crate) async fn next(&mut self) -> Option<ToWorker> {
        loop {
            let frame = poll_fn(|context| {
                if self.unflushed {
                    match Pin::new(&mut self.socket).poll_flush(context) {
                        Poll::Ready(Ok(())) => self.unflushed = false,
                        Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                        Poll::Pending => {}
                    }
                }
                Pin::new(&mut self.socket).poll_next(context)
            })
            .await;
            match frame.map(|frame| frame.map(|frame| wire::decode_to_worker(&frame))) {
                Some(Ok(Ok(Some(message)))) => return Some(message),
                Some(Ok(Ok(None))) => {}
                Some(Ok(Err(error))) => {
                    tracing::warn!(%error, "the server speaks another language");
                    return None;
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "the connection broke");
                    return None;
                }
                None => return None,
            }
        }
    }

    /// Sends what is queued and says good-bye.
    pub(crate) async fn close(mut self) {
        timeout(Duration::from_secs(1), self.socket.close(None)).await.ok();
    }
}

/// Doubles with each failure, and keeps a thousand workers from dialing in step.
fn pause(failures: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
    let [dice] = clock::random::<1>();
    longest.mul_f64(0.5 + f64::from(dice) / 512.0)
}

pub(super) async fn connect(path: &Path) -> io::Result<UnixStream> {
    if path.as_os_str().len() <= LONGEST_ADDRESS {
        return UnixStream::connect(path).await;
    }
    // By way of an open folder the address becomes short.
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let folder = File::open(folder)?;
    UnixStream::connect(Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_two_seconds_and_no_further() {
        assert!(pause(1) >= Duration::from_millis(25) && pause(1) <= Duration::from_millis(50));
        assert!((2..50).all(|failures| pause(failures) <= LONGEST_PAUSE));
        assert!(pause(40) >= Duration::from_secs(1));
    }
}
