//! Durations as people write them: `90s`, `10m`, `1h30m`. Knows no clock.
//!
//! The units are those of the old product (`ns us µs ms s m h d w mm y`, where `mm` is 30 days and `y` 365 days).

use std::time::Duration;

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDuration {
    /// A number without a unit, as in `30`.
    #[error("`{0}` has no unit; write for example `30s`, `10m` or `1h30m`")]
    NoUnit(String),
    /// An unknown unit, or no number before it.
    #[error("`{0}` is not a duration; write for example `30s`, `10m` or `1h30m` (units: ms s m h d w)")]
    Malformed(String),
    /// Zero, or more than fits.
    #[error("`{0}` is out of range; a duration is longer than zero and at most 100 years")]
    OutOfRange(String),
}

const UNITS: [(&str, f64); 12] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("mm", 30.0 * 86_400.0),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3_600.0),
    ("d", 86_400.0),
    ("w", 7.0 * 86_400.0),
    ("y", 365.0 * 86_400.0),
    ("μs", 1e-6),
];

const LONGEST_SECONDS: f64 = 100.0 * 365.0 * 86_400.0;

/// Reads a sum of `<decimal><unit>` pieces.
///
/// # Errors
/// [`BadDuration`] with an example of the right form.
///
/// ```
/// use conducto::model::parse_duration;
/// assert_eq!(parse_duration("1h30m").unwrap().as_secs(), 5_400);
/// assert!(parse_duration("30").is_err());
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, BadDuration> {
    let malformed = || BadDuration::Malformed(text.to_owned());
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(malformed());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| malformed())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.' || c.is_whitespace()).unwrap_or(rest.len());
        let unit = &rest[..letters];
        if unit.is_empty() {
            return Err(BadDuration::NoUnit(text.to_owned()));
        }
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(malformed)?;
        seconds += number * factor;
        rest = rest[letters..].trim_start();
    }
    if seconds > 0.0 && seconds <= LONGEST_SECONDS {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(BadDuration::OutOfRange(text.to_owned()))
    }
}

/// Writes a duration for people, two units at most: `840ms`, `12.3s`, `4m05s`, `2h10m`, `3d4h`.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{}.{}s", seconds, duration.subsec_millis() / 100),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Stores durations as whole milliseconds.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => serializer.serialize_some(&u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("90s", 90_000)]
    #[case("1h30m", 5_400_000)]
    #[case("1.5m", 90_000)]
    #[case("250ms", 250)]
    #[case("2d", 172_800_000)]
    #[case("1mm", 2_592_000_000)]
    #[case(" 1h 5s ", 3_605_000)]
    fn durations_are_sums_of_numbers_with_units(#[case] text: &str, #[case] millis: u128) {
        assert_eq!(parse_duration(text).unwrap().as_millis(), millis);
    }

    #[rstest]
    #[case("30", BadDuration::NoUnit("30".into()))]
    #[case("", BadDuration::Malformed(String::new()))]
    #[case("ten minutes", BadDuration::Malformed("ten minutes".into()))]
    #[case("1x", BadDuration::Malformed("1x".into()))]
    #[case("-5s", BadDuration::Malformed("-5s".into()))]
    #[case("0s", BadDuration::OutOfRange("0s".into()))]
    #[case("999y", BadDuration::OutOfRange("999y".into()))]
    fn bad_durations_say_what_is_wrong(#[case] text: &str, #[case] expected: BadDuration) {
        assert_eq!(parse_duration(text), Err(expected));
    }

    #[test]
    fn durations_are_printed_with_two_units_at_most() {
        let cases =
            [(840, "840ms"), (12_340, "12.3s"), (245_000, "4m05s"), (7_800_000, "2h10m"), (273_600_000, "3d4h")];
        for (millis, text) in cases {
            assert_eq!(format_duration(Duration::from_millis(millis)), text);
        }
    }
}
