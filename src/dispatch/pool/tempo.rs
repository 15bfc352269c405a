//! How quickly the leaves of a queue go by, and what follows from that. Plain arithmetic; knows no workers.

use std::time::Duration;

use jiff::Timestamp;

/// Leaves shorter than this are served best by few workers, each told of the next leaf before it has ended the one before.
const SHORT: Duration = Duration::from_millis(50);

/// How much work a worker is given ahead: more than a few commits take, so that it never waits for one.
const AHEAD: Duration = Duration::from_millis(16);

/// How many leaves a worker is given ahead at most.
const MOST_AHEAD: u32 = 16;

/// What a container takes to start on a machine with nothing else to do. The busier the machine, the longer: short leaves
/// take longer there as well, and are short all the same.
const LEAST_COST: Duration = Duration::from_millis(500);

/// How much longer than the start of a container a queue of short leaves may stand still.
const HESITATION: u32 = 4;

/// The course of one queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tempo {
    /// How long recent leaves took, the latest counting most; nothing before the first has ended.
    mean: Option<Duration>,
    /// When a leaf last ended, or a worker last came up.
    moved_at: Timestamp,
}

impl Tempo {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { mean: None, moved_at: now }
    }

    /// A leaf took so long.
    pub(super) fn took(&mut self, time: Duration, now: Timestamp) {
        self.mean = Some(follow(self.mean, time));
        self.moved_at = now;
    }

    /// Something else than the end of a leaf shows that the queue goes on.
    pub(super) fn moved(&mut self, now: Timestamp) {
        self.moved_at = now;
    }

    /// Returns how many leaves a worker should have besides the one it runs.
    pub(super) fn ahead(&self) -> usize {
        let Some(mean) = self.mean.filter(|mean| *mean < SHORT) else { return 0 };
        let leaves = AHEAD.as_micros() / mean.as_micros().max(1);
        usize::try_from(leaves).unwrap_or(usize::MAX).clamp(1, MOST_AHEAD as usize)
    }

    /// Says whether more workers would help, each of which takes `cost` to start: nothing has moved for so long, or what
    /// waits would take much longer and is not short.
    pub(super) fn wants_more(&self, waiting: usize, workers: usize, cost: Duration, now: Timestamp) -> bool {
        let cost = cost.max(LEAST_COST);
        // Where leaves have been short, it is the machine that hesitates rather than one of them.
        let patience = if self.mean.is_some_and(|mean| mean < SHORT) { cost * HESITATION } else { cost };
        if passed(self.moved_at, patience, now) {
            return true;
        }
        let left = |mean: Duration| mean.saturating_mul(u32::try_from(waiting / workers.max(1)).unwrap_or(u32::MAX));
        self.mean.is_some_and(|mean| mean >= cost / 4 && left(mean) >= cost * 4)
    }
}

/// Returns a mean in which the latest counts most.
pub(super) fn follow(mean: Option<Duration>, latest: Duration) -> Duration {
    mean.map_or(latest, |mean| (mean * 3 + latest) / 4)
}

/// Says whether so much time has passed. The clock may jump back; then nothing has.
pub(super) fn passed(since: Timestamp, long: Duration, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(since)).is_ok_and(|waited| waited >= long)
}

/// Returns the time between two moments, nothing if the clock has jumped back.
pub(super) fn between(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    fn tempo(millis: u64) -> Tempo {
        let mut tempo = Tempo::new(at(0));
        tempo.took(Duration::from_millis(millis), at(0));
        tempo
    }

    #[test]
    fn only_short_leaves_are_sent_ahead_and_the_shorter_the_more() {
        assert_eq!(Tempo::new(at(0)).ahead(), 0, "nobody knows yet how long they take");
        assert_eq!([0, 1, 4, 30, 50, 5_000].map(|millis| tempo(millis).ahead()), [16, 16, 4, 1, 0, 0]);
    }

    #[test]
    fn a_long_leaf_among_short_ones_is_noticed() {
        let mut tempo = tempo(1);
        tempo.took(Duration::from_secs(1), at(1_000));
        assert_eq!(tempo.ahead(), 0);
    }

    #[test]
    fn more_workers_are_wanted_where_nothing_moves_or_much_is_left() {
        let cost = Duration::from_millis(300);
        assert!(!tempo(1).wants_more(1_000, 2, cost, at(400)), "short leaves go by");
        assert!(!tempo(1).wants_more(1_000, 2, cost, at(500)), "the machine hesitates");
        assert!(tempo(1).wants_more(1_000, 2, cost, at(2_000)), "one of them is long");
        assert!(Tempo::new(at(0)).wants_more(1_000, 2, cost, at(500)), "nothing has moved");
        assert!(tempo(200).wants_more(20, 2, cost, at(100)));
        assert!(!tempo(200).wants_more(4, 2, cost, at(100)), "they are soon done");
        assert!(
            !tempo(200).wants_more(20, 2, Duration::from_secs(2), at(600)),
            "they are short for a machine this busy"
        );
    }
}
