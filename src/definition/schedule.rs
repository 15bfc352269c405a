//! Times by the clock of a place: an expression of cron's, and a time zone. Knows no clock.
//!
//! Where the clock is put forward, a fixed time that does not exist that day (`30 2 * * *`) comes at the first moment after the
//! gap, and where it is put back, one that exists twice comes the first time only: once a day, every day. Times that go on all
//! day (`*/15 * * * *`, `0 * * * *`) follow the clock as it runs: through both of two equal hours, and not in one that is
//! left out. The rules of time zones come with the program, so that every server knows the same.

use std::{fmt, sync::LazyLock};

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{
    SignedDuration, Timestamp,
    tz::{TimeZone, TimeZoneDatabase},
};

use super::suggest::nearest;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The time zone of a schedule that names none.
pub const UTC: &str = "UTC";

/// Longer expressions are nobody's.
const LONGEST: usize = 200;

/// How far back the last of many missed times is looked for, the shortest first: the windows after the first that holds one
/// need not be walked through.
const WINDOWS: [SignedDuration; 3] =
    [SignedDuration::from_hours(1), SignedDuration::from_hours(72), SignedDuration::from_hours(70 * 24)];

/// When something happens, again and again.
#[derive(Clone)]
pub struct Schedule {
    expression: String,
    timezone: String,
    cron: Cron,
    zone: TimeZone,
}

/// Why a text is no schedule; label and help are for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSchedule {
    /// Whether the time zone is at fault, not the expression.
    pub is_timezone: bool,
    /// What is wrong.
    pub message: String,
    /// A way out.
    pub help: String,
}

impl Schedule {
    /// Reads an expression of five fields and the name of a time zone.
    ///
    /// # Errors
    /// [`BadSchedule`] for what cannot be read, and for times that never come.
    pub fn parse(expression: &str, timezone: &str) -> Result<Self, BadSchedule> {
        let Ok(zone) = ZONES.get(timezone) else { return Err(bad_timezone(timezone)) };
        let wrong = |message: String, help: &str| BadSchedule { is_timezone: false, message, help: help.to_owned() };
        let fields = expression.split_whitespace().count();
        if expression.len() > LONGEST || (fields != 5 && !expression.trim().starts_with('@')) {
            let message = format!("it has {fields} fields, and five make a time");
            return Err(wrong(message, "write minute, hour, day, month and weekday, for example `30 2 * * *`"));
        }
        if let Some(message) = never(expression) {
            return Err(wrong(message, "name a day that the month has"));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(expression).map_err(|error| {
            let words = error.to_string();
            let words = words.rsplit(": ").next().unwrap_or_default().trim_end_matches('.');
            wrong(first_small(words), "write minute, hour, day, month and weekday, for example `30 2 * * *`")
        })?;
        let schedule = Self { expression: expression.to_owned(), timezone: timezone.to_owned(), cron, zone };
        if schedule.next_after(Timestamp::UNIX_EPOCH).is_none() {
            return Err(wrong("these times never come".to_owned(), "name a day that the month has"));
        }
        Ok(schedule)
    }

    /// Returns the expression as it was written.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// Returns the name of the time zone.
    pub fn timezone(&self) -> &str {
        &self.timezone
    }

    /// Returns the first time after this one; nothing at the end of the calendar.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        // Fractions of a second would be carried along into the answer.
        let whole = Timestamp::from_second(time.as_second()).ok()?;
        let found = self.cron.find_next_occurrence(&whole.to_zoned(self.zone.clone()), false).ok()?;
        Some(found.timestamp())
    }

    /// Writes a time in the clock of the place, for people.
    pub fn local(&self, time: Timestamp) -> String {
        time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
    }

    /// Returns the last time not later than `now`, where `first` is one that has come already.
    pub fn latest(&self, first: Timestamp, now: Timestamp) -> Timestamp {
        let starts = WINDOWS.iter().filter_map(|window| now.checked_sub(*window).ok()).filter(|start| *start > first);
        let mut found =
            starts.filter_map(|start| self.next_after(start)).find(|found| *found <= now).unwrap_or(first).max(first);
        while let Some(next) = self.next_after(found).filter(|next| *next <= now && *next > found) {
            found = next;
        }
        found
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({} {})", self.expression, self.timezone)
    }
}

fn bad_timezone(name: &str) -> BadSchedule {
    let known: Vec<String> = ZONES.available().map(|zone| zone.to_string()).collect();
    // People know the city more often than the continent.
    let city = known.iter().find(|zone| {
        zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name.rsplit('/').next().unwrap_or(name)))
    });
    let near = city.map(String::as_str).or_else(|| nearest(name, known.iter().map(String::as_str)));
    let help = match near {
        Some(near) => format!("a time zone with a similar name exists: `{near}`"),
        None => "write a name of the IANA database, for example `Europe/Berlin`, or leave it out for UTC".to_owned(),
    };
    BadSchedule { is_timezone: true, message: "there is no such time zone".to_owned(), help }
}

/// Says why a day and month never meet; to look for such a day in every year there is would take seconds.
fn never(expression: &str) -> Option<String> {
    const LONGEST_DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    const NAMES: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let [_, _, day, month, weekday] = fields[..] else { return None };
    if weekday != "*" {
        return None;
    }
    let days = day.split(',').map(|part| part.split(['-', '/']).next()?.parse::<u32>().ok());
    let earliest = days.collect::<Option<Vec<_>>>()?.into_iter().min()?;
    let months = month.split(',').map(|name| {
        let named = NAMES.iter().position(|known| name.eq_ignore_ascii_case(known)).map(|at| at + 1);
        named.or_else(|| name.parse().ok())
    });
    let months = months.collect::<Option<Vec<usize>>>()?;
    let longest = months.iter().filter_map(|month| LONGEST_DAYS.get(month.checked_sub(1)?)).max()?;
    (earliest > *longest && earliest <= 31).then(|| format!("day {earliest} never comes in month {month}"))
}

fn first_small(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The next times, in the clock of the place.
    fn times(expression: &str, timezone: &str, after: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(expression, timezone).unwrap();
        let mut now = at(after);
        (0..count)
            .map(|_| {
                now = schedule.next_after(now).unwrap();
                now.to_zoned(schedule.zone.clone()).strftime("%m-%d %H:%M %Z").to_string()
            })
            .collect()
    }

    #[test]
    fn a_fixed_time_comes_once_on_the_day_when_the_clock_is_put_forward() {
        let found = times("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3);
        assert_eq!(found, ["03-28 02:30 CET", "03-29 03:00 CEST", "03-30 02:30 CEST"]);
    }

    #[test]
    fn a_fixed_time_comes_once_on_the_day_when_the_clock_is_put_back() {
        let found = times("30 2 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", 3);
        assert_eq!(found, ["10-24 02:30 CEST", "10-25 02:30 CEST", "10-26 02:30 CET"]);
        let found = times("30 1 * * *", "America/New_York", "2026-11-01T00:00:00Z", 2);
        assert_eq!(found, ["11-01 01:30 EDT", "11-02 01:30 EST"]);
    }

    #[test]
    fn a_server_that_looks_in_the_second_of_two_equal_hours_does_not_fire_again() {
        // 02:45 the second time: 02:30 has come already.
        let found = times("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", 1);
        assert_eq!(found, ["10-26 02:30 CET"]);
    }

    #[test]
    fn what_goes_on_all_day_follows_the_clock_as_it_runs() {
        let found = times("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:59:00Z", 6);
        let both = ["10-25 02:00 CEST", "10-25 02:30 CEST", "10-25 02:00 CET", "10-25 02:30 CET", "10-25 03:00 CET"];
        assert_eq!(found[..5], both);
        let found = times("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:29:00Z", 3);
        assert_eq!(found, ["03-29 01:30 CET", "03-29 03:00 CEST", "03-29 03:30 CEST"]);
    }

    #[test]
    fn leap_days_and_last_days_come_when_they_exist() {
        let schedule = Schedule::parse("0 0 29 2 *", UTC).unwrap();
        assert_eq!(schedule.next_after(at("2026-01-01T00:00:00Z")), Some(at("2028-02-29T00:00:00Z")));
        assert_eq!(schedule.next_after(at("2096-03-01T00:00:00Z")), Some(at("2104-02-29T00:00:00Z")));
        let found = times("0 12 L * *", UTC, "2026-02-01T00:00:00Z", 2);
        assert_eq!(found, ["02-28 12:00 UTC", "03-31 12:00 UTC"]);
        assert_eq!(times("@daily", UTC, "2026-02-01T00:00:00Z", 1), ["02-02 00:00 UTC"]);
    }

    #[rstest]
    #[case("0 0 30 2 *", UTC, "day 30 never comes in month 2")]
    #[case("0 0 31 apr,jun *", UTC, "day 31 never comes in month apr,jun")]
    #[case("0 0 * *", UTC, "it has 4 fields, and five make a time")]
    #[case("0 0 0 * * *", UTC, "it has 6 fields, and five make a time")]
    #[case("61 0 * * *", UTC, "")]
    #[case("* * * * nonday", UTC, "")]
    #[case("@often", UTC, "")]
    #[case("0 0 * * *", "Berlin", "there is no such time zone")]
    #[case("0 0 * * *", "Europe/../Berlin", "there is no such time zone")]
    #[case("0 0 * * *", "", "there is no such time zone")]
    fn what_is_no_schedule_is_refused(#[case] expression: &str, #[case] timezone: &str, #[case] message: &str) {
        let bad = Schedule::parse(expression, timezone).unwrap_err();
        assert!(if message.is_empty() { !bad.message.is_empty() } else { bad.message == message }, "{bad:?}");
    }

    #[test]
    fn a_city_is_enough_to_find_its_time_zone() {
        let bad = Schedule::parse("0 0 * * *", "Berlin").unwrap_err();
        assert_eq!(bad.help, "a time zone with a similar name exists: `Europe/Berlin`");
    }

    #[rstest]
    #[case("*/15 * * * *", "2026-01-01T00:15:00Z", "2026-01-01T00:15:00Z", "2026-01-01T00:15:00Z")]
    #[case("*/15 * * * *", "2020-01-01T00:15:00Z", "2026-01-01T00:14:59Z", "2026-01-01T00:00:00Z")]
    #[case("0 3 * * *", "2026-01-01T03:00:00Z", "2026-03-01T02:59:59Z", "2026-02-28T03:00:00Z")]
    #[case("0 0 1 1 *", "2020-01-01T00:00:00Z", "2026-06-01T00:00:00Z", "2026-01-01T00:00:00Z")]
    fn of_all_that_was_missed_the_latest_counts(
        #[case] expression: &str,
        #[case] first: &str,
        #[case] now: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(Schedule::parse(expression, UTC).unwrap().latest(at(first), at(now)), at(expected));
    }
}
