//! Keys that only sections of one event have: the times of `cron`, the parameters of `manual`. Knows no other key.

use std::ops::Range;

use super::{
    super::{
        codes,
        document::{Entry, Located, Value},
        params::Params,
        report::Report,
        schedule::{BadSchedule, Schedule, UTC},
        template::Name,
    },
    parameters,
    section::{Dialect, Event},
};

use crate::model::Severity;

/// What only this section's event has.
#[derive(Debug, Default)]
pub(super) struct Own {
    pub(super) schedule: Option<Schedule>,
    pub(super) params: Params,
}

impl Own {
    /// Returns the names that texts of the section may hold.
    pub(super) fn substitutions(&self, event: Event) -> Vec<Name> {
        let mut names = event.substitutions();
        names.extend(self.params.iter().map(|param| Name::Parameter(param.name.as_str().into())));
        names
    }
}

/// Reads these keys; reports those that stand in a section of another event, and a section for times without any.
pub(super) fn read(
    event: Event,
    name: &str,
    header: &Range<usize>,
    entries: &[&Entry],
    dialect: Dialect,
    report: &mut Report,
) -> Own {
    let find = |key: &str| entries.iter().find(|entry| entry.key == key).copied();
    let places = [
        ("schedule", Event::Cron, "when the clock reaches a time"),
        ("timezone", Event::Cron, "when the clock reaches a time"),
        ("params", Event::Manual, "when somebody asks for it"),
    ];
    for (key, place, happens) in places {
        if let Some(entry) = find(key).filter(|_| place != event) {
            let message = format!("`{key}` does not belong in section `[{name}]`");
            let label = format!("only sections of `{}` have it", place.name());
            let diagnostic = report.error(codes::CFG_MISPLACED_KEY, &entry.key_range, message, label);
            report.add(
                diagnostic.help(format!("for what is launched {happens}, write a section `[{}.label]`", place.name())),
            );
        }
    }
    let schedule = if event == Event::Cron { schedule(name, header, &find, dialect, report) } else { None };
    let params = match find("params") {
        Some(entry) if event == Event::Manual => parameters::read(entry, name, report),
        _ => Params::default(),
    };
    Own { schedule, params }
}

fn schedule<'e>(
    name: &str,
    header: &Range<usize>,
    find: &impl Fn(&str) -> Option<&'e Entry>,
    dialect: Dialect,
    report: &mut Report,
) -> Option<Schedule> {
    let Some(entry) = find("schedule") else {
        if !report.is_broken() {
            let message = format!("section `[{name}]` does not say when");
            let mut diagnostic = report.error(report.codes.missing_key, header, message, "`schedule` is missing");
            // There the times stood elsewhere, and the section was no mistake.
            if dialect == Dialect::Ini {
                diagnostic.severity = Severity::Warning;
            }
            report
                .add(diagnostic.help("add for example `schedule = \"30 2 * * *\"`: minute, hour, day, month, weekday"));
        }
        return None;
    };
    let text = |value: &Located| match &value.value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    let timezone = find("timezone");
    // A value of another kind is reported with all other keys.
    let zone = match timezone {
        Some(entry) => text(&entry.value)?,
        None => UTC.to_owned(),
    };
    let expression = text(&entry.value)?;
    // To find out that a time never comes takes a while; nobody reads so many mistakes.
    if report.is_full() {
        return None;
    }
    match Schedule::parse(&expression, &zone) {
        Ok(schedule) => Some(schedule),
        Err(BadSchedule { is_timezone, message, help }) => {
            let (key, value) = match timezone {
                Some(timezone) if is_timezone => ("timezone", &timezone.value),
                _ => ("schedule", &entry.value),
            };
            let full = format!("`{key}` of section `[{name}]` cannot be used: {message}");
            let diagnostic = report.error(codes::CFG_BAD_SCHEDULE, &value.range, full, "");
            report.add(diagnostic.help(help));
            None
        }
    }
}
