//! Reads the keys that say in advance what to do about a failure. Knows no node and no state.

use std::time::Duration;

use super::{
    super::{
        document::{Entry, Located, Value},
        key::{Key, accept},
        report::Report,
    },
    keys::{MEMORY_ERRORS, RETRY},
    value,
};
use crate::model::{Callback, On, Remedy};

/// GiB up to which memory is doubled every time, and up to which once, where the author says nothing (the old product's).
pub(in super::super) const MEM_LIMITS: (f64, f64) = (8.0, 32.0);

/// What ran longer is not repeated, where the author says nothing (the old product's).
pub(in super::super) const MAX_DURATION: Duration = Duration::from_secs(3_600);

/// Reads `retry = 2` or `retry = { times = 2, … }`.
pub(super) fn retry(key: &Key, entry: &Entry, place: &str, report: &mut Report) -> Option<Callback> {
    let Value::Table(table) = &entry.value.value else {
        let max_num_retries = value::whole(key, &entry.value, report)?;
        return Some(on_error(Remedy::Retry { max_num_retries }, false));
    };
    let (mut times, mut then, mut double_mem, mut inherited) = (None, None, None, None);
    let place = format!("of `retry` {place}");
    for inner in &table.entries {
        let Some(key) = accept(RETRY, inner, &place, report) else { continue };
        match key.name {
            "times" => times = value::whole(key, &inner.value, report),
            "then" => then = value::choice(key, &inner.value, report),
            "double_mem" => double_mem = value::flag(&inner.value),
            "inherited" => inherited = value::flag(&inner.value),
            _ => {}
        }
    }
    let given = |name: &str| table.entries.iter().find(|inner| inner.key == name);
    if given("times").is_none() {
        let message = format!("`times` {place} is missing");
        let diagnostic = report.error(report.codes.missing_key, &entry.key_range, message, "how many times?");
        report.add(diagnostic.help(format!("add for example `{}`", report.pair("times", "2"))));
    }
    let (does_skip, does_double) = (then == Some("skip"), double_mem == Some(true));
    if let (Some(skip), Some(double), true, true) = (given("then"), given("double_mem"), does_skip, does_double) {
        let message = "a retry either ends in a skip or doubles the memory";
        let label = "not together with the other";
        let diagnostic = report.error(report.codes.bad_value, &double.key_range, message, label);
        let diagnostic = diagnostic.see(report.span(&skip.key_range), "the other");
        let example = report.pair("memory_errors", "true");
        report.add(diagnostic.help(format!("keep one of the two; `{example}` doubles the memory beside a `retry`")));
        return None;
    }
    let max_num_retries = times?;
    let remedy = match (does_skip, does_double) {
        (true, _) => Remedy::RetryThenSkip { max_num_retries },
        (_, true) => Remedy::RetryWithDoubleMem { max_num_retries },
        _ => Remedy::Retry { max_num_retries },
    };
    Some(on_error(remedy, inherited == Some(true)))
}

/// Reads `skip_errors = 3`.
pub(super) fn skip_errors(key: &Key, value: &Located, report: &mut Report) -> Option<Callback> {
    let max_num_errors = value::whole(key, value, report)?;
    Some(on_error(Remedy::SkipSomeErrors { max_num_errors }, false))
}

/// Reads `memory_errors = true` or `memory_errors = { limits = [8, 32], … }`.
pub(super) fn memory_errors(entry: &Entry, place: &str, report: &mut Report) -> Option<Callback> {
    let (mut mem_limits, mut max_duration, mut inherited) = (MEM_LIMITS, MAX_DURATION, false);
    match &entry.value.value {
        Value::Flag(true) => {}
        Value::Table(table) => {
            let place = format!("of `memory_errors` {place}");
            for inner in &table.entries {
                let Some(key) = accept(MEMORY_ERRORS, inner, &place, report) else { continue };
                match key.name {
                    "limits" => mem_limits = value::bounds(key, &inner.value, report).unwrap_or(mem_limits),
                    "max_duration" => {
                        max_duration = value::duration(key, &inner.value, report).unwrap_or(max_duration);
                    }
                    "inherited" => inherited = value::flag(&inner.value).unwrap_or_default(),
                    _ => {}
                }
            }
        }
        _ => return None,
    }
    Some(on_error(Remedy::HandleMemoryErrors { mem_limits, max_duration: max_duration.as_secs_f64() }, inherited))
}

fn on_error(remedy: Remedy, inherited: bool) -> Callback {
    Callback { on: On::Error, remedy, inherited }
}
