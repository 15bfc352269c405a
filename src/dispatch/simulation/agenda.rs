//! What is still to happen, in order. There is no other time than this.

use std::collections::BTreeMap;

/// Microseconds since the simulation began.
pub(super) type Moment = u64;

pub(super) const MILLISECOND: Moment = 1_000;
pub(super) const SECOND: Moment = 1_000_000;

/// What happens when; what happens at one moment happens in the order in which it was put down.
pub(super) struct Agenda<T> {
    entries: BTreeMap<(Moment, u64), T>,
    next: u64,
    pub(super) now: Moment,
}

impl<T> Agenda<T> {
    pub(super) fn new() -> Self {
        Self { entries: BTreeMap::new(), next: 0, now: 0 }
    }

    /// Puts something down. What should have happened already happens next.
    pub(super) fn put(&mut self, at: Moment, what: T) {
        self.entries.insert((at.max(self.now), self.next), what);
        self.next += 1;
    }

    /// Lets time pass until the next thing happens.
    pub(super) fn next(&mut self) -> Option<T> {
        let ((at, _), what) = self.entries.pop_first()?;
        self.now = at;
        Some(what)
    }
}
