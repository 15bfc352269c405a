//! The clock of all schedules: puts what is due into the inbox, where it is dealt with like any delivery. Knows no conducto.cfg.
//!
//! The next time of each schedule lies in the store. It moves on in the very transaction that puts the delivery into the inbox,
//! and the delivery's id holds the time that was due: neither a crash nor a clock that is set back makes a time come twice. What
//! was missed while the server was down comes once, for the latest of the missed times.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    intake::{Own, What},
    shared::Shared,
};
use crate::{
    clock,
    definition::Schedule,
    store::{
        Error, inbox,
        schedules::{self, Kept},
    },
};

/// The longest sleep: a clock that jumps is noticed within it.
const LOOK_AGAIN: Duration = Duration::from_secs(20);

/// A clock that goes back further than this was set.
const SET_BACK: Duration = Duration::from_secs(30);

/// How many schedules share a transaction.
const AT_ONCE: u32 = 50;

/// Waits for the times of all schedules until the server stops.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut latest: Option<Timestamp> = None;
    loop {
        let now = clock::now();
        let has_jumped = latest.is_none_or(|latest| now + SET_BACK < latest);
        latest = Some(now);
        let pause = match turn(&shared, now, has_jumped).await {
            Ok(next) => {
                let left = next.map(|next| Duration::try_from(next.duration_since(clock::now())).unwrap_or_default());
                left.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN)
            }
            Err(Error::Closed) => return,
            Err(error) => {
                tracing::error!(error = %error, "the schedules cannot be read");
                // It is not known whether times were mended.
                latest = None;
                LOOK_AGAIN
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.schedules_changed.notified() => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

/// Does what is due. Returns when something is due next.
async fn turn(shared: &Shared, now: Timestamp, has_jumped: bool) -> Result<Option<Timestamp>, Error> {
    if has_jumped {
        mend(shared, now).await?;
    }
    loop {
        let due = shared.store.read(move |connection| schedules::due(connection, now, AT_ONCE)).await?;
        if due.is_empty() {
            break;
        }
        let fired = shared
            .store
            .write(move |connection| due.iter().try_fold(0, |fired, kept| Ok(fired + fire(connection, kept, now)?)))
            .await?;
        if fired > 0 {
            tracing::info!(fired, "schedules have come to their time");
            shared.door.has_stored();
        }
    }
    shared.store.read(schedules::next_due_at).await
}

/// Puts one schedule that is due into the inbox and moves it on. Returns how many deliveries came of it.
fn fire(connection: &crate::store::Connection, kept: &Kept, now: Timestamp) -> Result<u32, Error> {
    let (Some(first), Some(schedule)) = (kept.next_at, read(kept)) else {
        schedules::advance(connection, kept, None, None)?;
        return Ok(0);
    };
    let due = schedule.latest(first, now);
    if !schedules::advance(connection, kept, schedule.next_after(due.max(now)), Some(due))? {
        return Ok(0);
    }
    let repository = kept.seen.repository.clone();
    let Some(branch) = repository.default_branch.clone() else { return Ok(0) };
    let guid = format!("cron-{}-{}-{}", repository.id, kept.section, due.strftime("%Y%m%dT%H%M%SZ"));
    let (host, section) = (kept.seen.host.clone(), kept.section.clone());
    let delivery = Own { host, repository, section, branch, what: What::Cron { due } }.delivery(guid)?;
    Ok(u32::from(inbox::put_from(connection, inbox::CRON, &delivery, now)?))
}

/// A clock that was ahead has left times that are too late: what comes sooner by the clock as it is now, comes then.
async fn mend(shared: &Shared, now: Timestamp) -> Result<(), Error> {
    let kept = shared.store.read(schedules::all).await?;
    let late: Vec<(Kept, Option<Timestamp>)> = kept
        .into_iter()
        .filter_map(|kept| {
            let next = read(&kept)?.next_after(now);
            let is_late = next.is_some_and(|next| kept.next_at.is_none_or(|at| at > next));
            is_late.then_some((kept, next))
        })
        .collect();
    if late.is_empty() {
        return Ok(());
    }
    tracing::warn!(schedules = late.len(), "the clock was set back; schedules go by it as it is now");
    let mend = move |connection: &crate::store::Connection| {
        late.iter().try_for_each(|(kept, next)| schedules::advance(connection, kept, *next, None).map(drop))
    };
    shared.store.write(mend).await
}

/// Nothing for what an earlier release could read and this one cannot.
fn read(kept: &Kept) -> Option<Schedule> {
    let read = Schedule::parse(&kept.expression, &kept.timezone);
    read.inspect_err(|bad| tracing::error!(section = %kept.section, reason = %bad.message, "a schedule cannot be read"))
        .ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{
        model::Repository,
        store::{Connection, in_memory, repositories, schedules::NewSchedule},
    };

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn nightly(next: &str) -> Connection {
        let connection = in_memory().unwrap();
        let repository = Repository { id: 7, full_name: "acme/api".into(), default_branch: Some("main".into()) };
        repositories::note(&connection, "github.com", &repository).unwrap();
        let nightly = NewSchedule {
            section: "cron.nightly".into(),
            expression: "30 2 * * *".into(),
            timezone: "Europe/Berlin".into(),
            next_at: Some(at(next)),
        };
        schedules::replace(&connection, "github.com", 7, 1, &[nightly]).unwrap();
        connection
    }

    fn turn_at(connection: &Connection, now: &str) -> u32 {
        let due = schedules::due(connection, at(now), 9).unwrap();
        due.iter().map(|kept| fire(connection, kept, at(now)).unwrap()).sum()
    }

    fn guids(connection: &Connection) -> Vec<String> {
        let found = inbox::due(connection, Timestamp::MAX, &HashSet::new(), 99).unwrap();
        assert!(found.iter().all(|waiting| waiting.source == inbox::CRON));
        found.into_iter().map(|waiting| waiting.guid).collect()
    }

    #[test]
    fn many_missed_times_come_once() {
        let connection = nightly("2026-11-01T01:30:00Z");
        assert_eq!(turn_at(&connection, "2026-11-01T01:29:59Z"), 0);
        assert_eq!(turn_at(&connection, "2026-11-05T09:00:00Z"), 1);
        assert_eq!(guids(&connection), ["cron-7-cron.nightly-20261105T013000Z"]);
        assert_eq!(schedules::next_due_at(&connection).unwrap(), Some(at("2026-11-06T01:30:00Z")));
        assert_eq!(turn_at(&connection, "2026-11-05T09:00:01Z"), 0);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_time_come_twice() {
        let connection = nightly("2026-11-01T01:30:00Z");
        assert_eq!(turn_at(&connection, "2026-11-01T01:30:00Z"), 1);
        let kept = schedules::all(&connection).unwrap().remove(0);
        schedules::advance(&connection, &kept, Some(at("2026-11-01T01:30:00Z")), None).unwrap();
        assert_eq!(turn_at(&connection, "2026-11-01T01:30:00Z"), 0);
        assert_eq!(guids(&connection).len(), 1);
    }

    #[test]
    fn both_daylight_saving_edges_have_one_night_each() {
        let connection = nightly("2026-10-24T00:30:00Z");
        let nights = ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"];
        assert_eq!(nights.map(|now| turn_at(&connection, now)), [1, 1, 0, 1]);
        let connection = nightly("2027-03-27T01:30:00Z");
        let nights = ["2027-03-27T01:30:00Z", "2027-03-28T00:59:59Z", "2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"];
        assert_eq!(nights.map(|now| turn_at(&connection, now)), [1, 0, 1, 1]);
    }
}
