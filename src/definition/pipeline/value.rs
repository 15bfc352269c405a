//! Reads the values of a node's keys. Knows no node.

use std::{collections::BTreeMap, time::Duration};

use super::super::{
    docker_args,
    document::{Entry, Located, Value},
    key::{Key, Kind, LARGEST_WHOLE},
    report::Report,
    suggest::nearest,
};
use crate::model::parse_duration;

/// More of anything than this is a slip of the pen.
const LARGEST_NUMBER: f64 = 100_000.0;

pub(super) fn text(value: &Located) -> Option<&str> {
    match &value.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

pub(super) fn flag(value: &Located) -> Option<bool> {
    match value.value {
        Value::Flag(flag) => Some(flag),
        _ => None,
    }
}

fn bad(value: &Located, message: String, label: &str, help: &str, report: &mut Report) {
    let diagnostic = report.error(report.codes.bad_value, &value.range, message, label);
    report.add(diagnostic.help(help));
}

/// Reads one of the words that a key takes.
pub(in super::super) fn choice(key: &Key, value: &Located, report: &mut Report) -> Option<&'static str> {
    let (Kind::Choice(words), word) = (key.kind, text(value)?) else { return None };
    if let Some(word) = words.iter().find(|known| **known == word) {
        return Some(word);
    }
    let help = match nearest(&word.to_lowercase(), words.iter().copied()) {
        Some(near) => format!("write `{}`", report.pair(key.name, &format!("\"{near}\""))),
        None => {
            let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
            format!("its values are {}", quoted.join(", "))
        }
    };
    bad(value, format!("`{word}` is not a value of `{}`", key.name), "no such value", &help, report);
    None
}

/// Reads a whole number in the range of its key.
pub(super) fn whole(key: &Key, value: &Located, report: &mut Report) -> Option<u32> {
    let (Kind::Whole(least) | Kind::Short(&Kind::Whole(least), _), Value::Integer(number)) = (key.kind, &value.value)
    else {
        return None;
    };
    let found = u32::try_from(*number).ok().filter(|number| (least..=LARGEST_WHOLE).contains(number));
    if found.is_none() {
        let label = format!("must be at least {least} and at most 1,000,000");
        let help = format!("write for example `{}`", report.pair(key.name, key.example));
        bad(value, format!("`{}` is out of range", key.name), &label, &help, report);
    }
    found
}

/// Reads an amount above zero.
pub(super) fn number(key: &Key, value: &Located, report: &mut Report) -> Option<f64> {
    let number = as_number(value)?;
    if is_amount(number) {
        return Some(number);
    }
    let help = format!("write for example `{}`", report.pair(key.name, "2"));
    bad(value, format!("`{}` is out of range", key.name), "must be above 0 and at most 100,000", &help, report);
    None
}

/// Reads two amounts, the second not below the first.
pub(super) fn bounds(key: &Key, value: &Located, report: &mut Report) -> Option<(f64, f64)> {
    let Value::List(items) = &value.value else { return None };
    let numbers: Option<Vec<f64>> = items.iter().map(as_number).collect();
    if let Some(&[low, high]) = numbers.as_deref()
        && is_amount(low)
        && is_amount(high)
        && low <= high
    {
        return Some((low, high));
    }
    let label = "must be two numbers above 0, the second not below the first";
    let help = format!("write for example `{}`", report.pair(key.name, key.example));
    bad(value, format!("`{}` holds no bounds", key.name), label, &help, report);
    None
}

fn as_number(value: &Located) -> Option<f64> {
    match value.value {
        #[expect(clippy::cast_precision_loss, reason = "amounts are small; large ones are refused")]
        Value::Integer(number) => Some(number as f64),
        Value::Float(number) => Some(number),
        _ => None,
    }
}

/// Says whether this can be an amount of processors or GiB.
pub(in super::super) fn is_amount(number: f64) -> bool {
    number > 0.0 && number <= LARGEST_NUMBER
}

/// Reads a duration: a text with units, or a number of seconds.
pub(in super::super) fn duration(key: &Key, value: &Located, report: &mut Report) -> Option<Duration> {
    let parsed = match &value.value {
        Value::Text(text) => parse_duration(text).map_err(|bad| bad.to_string()),
        _ => seconds(as_number(value)?),
    };
    let help = format!("write for example `{}`, or a number of seconds", report.pair(key.name, key.example));
    match parsed {
        Ok(duration) if duration >= Duration::from_millis(1) => Some(duration),
        Ok(_) => {
            bad(value, format!("`{}` is too short", key.name), "less than a millisecond", &help, report);
            None
        }
        Err(message) => {
            bad(value, message, "not a usable duration", &help, report);
            None
        }
    }
}

/// Makes a duration of a number of seconds, at most a hundred years.
pub(in super::super) fn seconds(seconds: f64) -> Result<Duration, String> {
    let duration = Duration::try_from_secs_f64(seconds).ok().filter(|_| seconds <= 100.0 * 365.0 * 86_400.0);
    duration.ok_or_else(|| format!("`{seconds}` is out of range; it is taken as seconds"))
}

/// Reads a shell script.
pub(in super::super) fn command(key: &Key, value: &Located, report: &mut Report) -> Option<String> {
    let (command, name) = (text(value)?, key.name);
    if command.trim().is_empty() {
        let (example, nothing) = (report.pair(name, key.example), report.pair(name, "\"true\""));
        let help = match name {
            "exec" => format!("write the shell command, for example `{example}`, or `{nothing}` to do nothing"),
            _ => format!("write the shell command, for example `{example}`"),
        };
        bad(value, format!("`{name}` is empty"), "there is nothing to run", &help, report);
        return None;
    }
    if command.contains('\0') {
        bad(value, format!("`{name}` holds a null character"), "no shell takes this", "take it out", report);
        return None;
    }
    Some(command.to_owned())
}

/// Says whether a text may name an image.
pub(in super::super) fn is_image(image: &str) -> bool {
    !image.is_empty() && !image.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Says whether a text may name an environment variable.
pub(in super::super) fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// Reads a table of variables; those that cannot be used are left out.
pub(in super::super) fn environment(value: &Located, report: &mut Report) -> BTreeMap<String, String> {
    let Value::Table(table) = &value.value else { return BTreeMap::new() };
    let mut environment = BTreeMap::new();
    for Entry { key: name, key_range, value } in &table.entries {
        if !is_variable(name) {
            let message = format!("`{name}` cannot be the name of a variable");
            let diagnostic = report.error(report.codes.bad_value, key_range, message, "empty, or `=` in it");
            report.add(diagnostic.help("names are made of letters, digits and `_`"));
            continue;
        }
        let written = report.text()[value.range.clone()].to_owned();
        match &value.value {
            Value::Text(text) if text.contains('\0') => {
                let message = format!("variable `{name}` holds a null character");
                bad(value, message, "no program can be given this", "take it out", report);
            }
            Value::Text(text) => {
                environment.insert(name.clone(), text.clone());
            }
            Value::Lost => {}
            other => {
                let help = match other {
                    Value::Integer(_) | Value::Float(_) | Value::Flag(_) | Value::Date => {
                        format!("write `{}`", report.pair(name, &format!("\"{written}\"")))
                    }
                    _ => "environment variables are texts".to_owned(),
                };
                let message = format!("variable `{name}` must be a text in quotes");
                let label = format!("this is {}", other.words());
                let diagnostic = report.error(report.codes.wrong_type, &value.range, message, label);
                report.add(diagnostic.help(help));
            }
        }
    }
    environment
}

/// Reads further options of `docker run`, one word each. Every word that is refused is reported where it stands.
pub(super) fn docker_run_args(value: &Located, report: &mut Report) -> Option<Vec<String>> {
    let (words, places) = match &value.value {
        Value::Text(text) => {
            let Some(words) = shlex::split(text) else {
                let label = "a quote is not closed, or nothing follows the last `\\`";
                let help = "write a list of texts, one for each word: `docker_run_args = [\"--label\", \"a=b c\"]`";
                bad(value, "`docker_run_args` is not what a shell can take apart".to_owned(), label, help, report);
                return None;
            };
            let places = vec![value.range.clone(); words.len()];
            (words, places)
        }
        Value::List(items) => {
            let mut words = Vec::with_capacity(items.len());
            for item in items {
                match &item.value {
                    Value::Text(word) => words.push(word.clone()),
                    Value::Lost => return None,
                    other => {
                        let label = format!("this is {}", other.words());
                        let message = "an argument of `docker run` is a text in quotes";
                        let diagnostic = report.error(report.codes.wrong_type, &item.range, message, label);
                        let example = report.pair("docker_run_args", "[\"--shm-size=1g\"]");
                        report.add(diagnostic.help(format!("write for example `{example}`")));
                        return None;
                    }
                }
            }
            (words, items.iter().map(|item| item.range.clone()).collect())
        }
        _ => return None,
    };
    match docker_args::parse(&words) {
        Ok(_) => Some(words),
        Err(refused) => {
            for wrong in refused {
                let label = wrong.reason;
                let diagnostic = report.error(report.codes.bad_value, &places[wrong.at], wrong.message, label);
                report.add(diagnostic.help(wrong.help));
            }
            None
        }
    }
}
