//! How often one may write to GitHub, kept as plain bookkeeping. Knows no clock: the time is an argument.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// Writes that may follow one another at once.
const BURST: f64 = 5.0;

/// Of what may be made new in an hour, so much is kept for final words.
const KEPT_FOR_FINALS: usize = 3;

/// Those who wait are spread over so many writes.
const CROWD: u32 = 20;

/// The rates of one installation or token. GitHub's own limits are a little above them: 80 new things a minute and 500 an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Writes of any kind in a minute.
    pub writes: u32,
    /// New things (check runs, statuses, comments) in a minute.
    pub creations: u32,
    /// New things in an hour.
    pub creations_an_hour: u32,
}

impl Rates {
    /// Returns the rates for so many writes in a minute. Sixty are what GitHub recommends.
    pub fn of(writes: u32) -> Self {
        Self { writes, creations: writes.saturating_mul(7) / 6, creations_an_hour: writes.saturating_mul(15) / 2 }
    }
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// Whether it makes something new.
    pub creates: bool,
    /// Whether nothing follows that would say the same and more.
    pub is_final: bool,
}

/// How much of the rates is used. It begins empty: a start after a crash must not send a burst after a burst.
#[derive(Clone, Debug)]
pub struct Pace {
    rates: Rates,
    tokens: f64,
    at: Timestamp,
    created: VecDeque<Timestamp>,
    rests_until: Option<Timestamp>,
    /// How many were told to come again since the last one that passed.
    waiting: u32,
}

impl Pace {
    /// Begins, with room for one write.
    pub fn new(rates: Rates, now: Timestamp) -> Self {
        Self { rates, tokens: 1.0, at: now, created: VecDeque::new(), rests_until: None, waiting: 0 }
    }

    /// Nothing is sent before this time.
    pub fn rest(&mut self, until: Timestamp) {
        self.rests_until = Some(self.rests_until.map_or(until, |known| known.max(until)));
    }

    /// Says whether it rests.
    pub fn is_resting(&self, now: Timestamp) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    /// Takes room for one write.
    ///
    /// # Errors
    /// When there is none: the time at which to ask again.
    pub fn take(&mut self, write: Write, now: Timestamp) -> Result<(), Timestamp> {
        if let Some(until) = self.rests_until.filter(|until| now < *until) {
            return Err(until);
        }
        let each = MINUTE.as_secs_f64() / f64::from(self.rates.writes.max(1));
        let passed = Duration::try_from(now.duration_since(self.at)).unwrap_or_default();
        self.tokens = (self.tokens + passed.as_secs_f64() / each).min(BURST);
        self.at = now;
        if self.tokens < 1.0 {
            // Each is told another time: a crowd that comes back at once would be sent away at once.
            let others = f64::from(self.waiting.min(CROWD));
            self.waiting += 1;
            return Err(now + Duration::from_secs_f64(each * (1.0 - self.tokens + others)) + Duration::from_millis(1));
        }
        if write.creates {
            self.take_creation(write.is_final, now)?;
        }
        self.tokens -= 1.0;
        self.waiting = 0;
        Ok(())
    }

    fn take_creation(&mut self, is_final: bool, now: Timestamp) -> Result<(), Timestamp> {
        while self.created.front().is_some_and(|at| *at + HOUR <= now) {
            self.created.pop_front();
        }
        let an_hour = self.rates.creations_an_hour as usize;
        let an_hour = if is_final { an_hour } else { an_hour - an_hour / KEPT_FOR_FINALS };
        for (most, span) in [(self.rates.creations as usize, MINUTE), (an_hour, HOUR)] {
            // The one that must be older than the span, so that one more fits.
            if let Some(at) = self.created.len().checked_sub(most.max(1)).and_then(|place| self.created.get(place))
                && *at + span > now
            {
                return Err(*at + span);
            }
        }
        self.created.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPDATE: Write = Write { creates: false, is_final: false };
    const CREATION: Write = Write { creates: true, is_final: false };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    /// Sends as much as it may until a time; returns when each was sent.
    fn sent(pace: &mut Pace, write: Write, until: Timestamp) -> Vec<Timestamp> {
        let (mut now, mut sent) = (at(0), Vec::new());
        while now < until {
            match pace.take(write, now) {
                Ok(()) => sent.push(now),
                Err(next) => {
                    assert!(next > now, "whoever waits gets on");
                    now = next;
                }
            }
        }
        sent
    }

    #[test]
    fn writes_come_once_a_second_after_the_first_and_five_at_once_after_a_silence() {
        let mut pace = Pace::new(Rates::of(60), at(0));
        let minute = sent(&mut pace, UPDATE, at(60_000));
        assert_eq!(minute.len(), 60);
        let burst = (0..10).filter(|_| pace.take(UPDATE, at(100_000)).is_ok()).count();
        assert_eq!(burst, 5);
    }

    #[test]
    fn new_things_stay_below_the_limits_of_any_minute_and_any_hour() {
        let mut pace = Pace::new(Rates { writes: 6_000, creations: 70, creations_an_hour: 450 }, at(0));
        let made = sent(&mut pace, Write { creates: true, is_final: true }, at(3 * 3_600_000));
        for (at, (span, most)) in made.iter().flat_map(|at| [(at, (MINUTE, 70)), (at, (HOUR, 450))]) {
            let within = made.iter().filter(|other| *other >= at && **other < *at + span).count();
            assert!(within <= most, "{within} within {span:?}");
        }
        assert_eq!(made.len(), 3 * 450);
    }

    #[test]
    fn progress_leaves_room_for_final_words() {
        let mut pace = Pace::new(Rates { writes: 6_000, creations: 1_000, creations_an_hour: 450 }, at(0));
        assert_eq!(sent(&mut pace, CREATION, at(3_000_000)).len(), 300);
        assert!(pace.take(Write { creates: true, is_final: true }, at(3_000_000)).is_ok());
    }

    #[test]
    fn a_crowd_is_told_to_come_one_after_another() {
        let mut pace = Pace::new(Rates::of(60), at(0));
        pace.take(UPDATE, at(0)).unwrap();
        let told: Vec<Timestamp> = (0..10).map(|_| pace.take(UPDATE, at(0)).unwrap_err()).collect();
        assert!(told.windows(2).all(|pair| pair[1] >= pair[0] + Duration::from_secs(1)), "{told:?}");
        assert!(told.iter().all(|time| pace.take(UPDATE, *time).is_ok()), "and then each passes");
    }

    #[test]
    fn a_rest_holds_for_everything_and_the_longer_one_counts() {
        let mut pace = Pace::new(Rates::of(60), at(0));
        pace.rest(at(50_000));
        pace.rest(at(20_000));
        assert_eq!(pace.take(UPDATE, at(30_000)), Err(at(50_000)));
        assert!(pace.is_resting(at(49_999)) && !pace.is_resting(at(50_000)));
        assert_eq!(pace.take(UPDATE, at(50_000)), Ok(()));
    }
}
