//! The threshold between those who deliver and the one who deals with it: says that something has come, and lets those who
//! deliver go first. Knows no delivery.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

/// So many at the door at once are a storm.
const STORM: usize = 8;

/// Between two looks whether the storm is over.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The longest that a storm holds up what it has brought.
const LONGEST: Duration = Duration::from_secs(2);

/// The threshold.
#[derive(Default)]
pub(in crate::dispatch) struct Door {
    entering: AtomicUsize,
    changed: Notify,
}

/// Somebody at the door, until this goes.
pub(in crate::dispatch) struct Entering<'a>(&'a Door);

impl Door {
    /// Notes that somebody brings a delivery.
    pub(in crate::dispatch) fn enter(&self) -> Entering<'_> {
        self.entering.fetch_add(1, Ordering::Relaxed);
        Entering(self)
    }

    /// Says that a new delivery is stored.
    pub(in crate::dispatch) fn has_stored(&self) {
        self.changed.notify_one();
    }

    /// Waits for a new delivery.
    pub(super) async fn stored(&self) {
        self.changed.notified().await;
    }

    /// Waits for the end of a storm, but not for long. The forge gives up on a delivery that is not stored within ten seconds;
    /// nobody notices when what is stored is dealt with a little later.
    pub(super) async fn let_pass(&self) {
        self.let_pass_for(LONGEST).await;
    }

    async fn let_pass_for(&self, longest: Duration) {
        let until = Instant::now() + longest;
        while self.entering.load(Ordering::Relaxed) >= STORM && Instant::now() < until {
            sleep(LOOK_AGAIN).await;
        }
    }
}

impl Drop for Entering<'_> {
    fn drop(&mut self) {
        self.0.entering.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_storm_goes_first_but_not_for_ever() {
        let door = Door::default();
        let mut storm: Vec<_> = (0..STORM).map(|_| door.enter()).collect();
        assert!(door.let_pass().now_or_never().is_none(), "they go first");
        assert!(door.let_pass_for(Duration::ZERO).now_or_never().is_some(), "not for ever");
        storm.pop();
        assert!(door.let_pass().now_or_never().is_some(), "a few are no storm");
    }
}
