//! Ctrl-C and its like, one after the other. Knows nothing of what they stop.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals by which people and terminals say that it is enough.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// How many have come.
    pub(super) count: u32,
}

impl Signals {
    pub(super) fn listen() -> anyhow::Result<Self> {
        let of = |kind| signal(kind).context("cannot listen for signals");
        let (interrupt, terminate) = (of(SignalKind::interrupt())?, of(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, hangup: of(SignalKind::hangup())?, count: 0 })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        let Self { interrupt, terminate, hangup, .. } = self;
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {}, _ = hangup.recv() => {} }
        self.count += 1;
    }
}
