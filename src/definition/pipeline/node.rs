//! Reads the keys of one node. Knows no tree.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use super::{
    super::{
        document::{Entry, Located, Value},
        key::accept,
        report::Report,
    },
    keys::KEYS,
};
use crate::model::{NodePath, Settings, parse_duration};

/// What an author wrote about one node.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) path: NodePath,
    /// Where its path is written.
    pub(super) at: Range<usize>,
    pub(super) kind: Option<(String, Range<usize>)>,
    /// The command; its text is empty if it was refused.
    pub(super) exec: Option<(String, Range<usize>)>,
    pub(super) stop_on_error: Option<(bool, Range<usize>)>,
    pub(super) settings: Settings,
    /// Keys that were given, in any state.
    pub(super) given: Vec<(String, Range<usize>)>,
}

impl Draft {
    /// Makes a draft of which nothing is known but its place.
    pub(super) fn new(path: NodePath, at: Range<usize>) -> Self {
        Self { path, at, kind: None, exec: None, stop_on_error: None, settings: Settings::default(), given: Vec::new() }
    }

    /// Says where a key was given.
    pub(super) fn given(&self, name: &str) -> Option<&Range<usize>> {
        self.given.iter().find(|(given, _)| given == name).map(|(_, range)| range)
    }

    /// Reads one key into the draft. `place` names the node for people.
    pub(super) fn read(&mut self, entry: &Entry, place: &str, report: &mut Report) {
        self.given.push((entry.key.clone(), entry.key_range.clone()));
        if let Some(table) = entry.table()
            && !KEYS.iter().any(|key| key.name == entry.key)
        {
            self.add_nested(entry, table.is_explicit, report);
            return;
        }
        let value = &entry.value;
        match accept(KEYS, entry, place, report).map(|key| key.name) {
            Some("type") => self.kind = kind(value, report).map(|kind| (kind, value.range.clone())),
            Some("exec") => self.exec = Some((command(value, report).unwrap_or_default(), value.range.clone())),
            Some("image") => self.settings.image = image(value, report),
            Some("env") => self.settings.env = environment(value, report),
            Some("max_time") => self.settings.max_time = max_time(value, report),
            Some("stop_on_error") => {
                self.stop_on_error = flag(value).map(|flag| (flag, entry.key_range.clone()));
            }
            Some("cpu") => self.settings.cpu = number("cpu", value, report),
            Some("mem") => self.settings.mem = number("mem", value, report),
            Some("doc") => self.settings.doc = text(value).map(str::to_owned),
            _ => {}
        }
    }

    fn add_nested(&self, entry: &Entry, is_explicit: bool, report: &mut Report) {
        let child = self.path.child(entry.key.trim_matches('/'));
        let message = format!("unknown key `{}` in node `{}`", entry.key, self.path);
        let label = if is_explicit { "a table" } else { "a part of a dotted key" };
        let diagnostic = report.error(report.codes.unknown_key, &entry.key_range, message, label);
        let header = report.header(child.as_str());
        report.add(diagnostic.help(format!("a child stands by itself, under its whole path: `{header}`")));
    }
}

fn text(value: &Located) -> Option<&str> {
    match &value.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn flag(value: &Located) -> Option<bool> {
    match value.value {
        Value::Flag(flag) => Some(flag),
        _ => None,
    }
}

fn bad(value: &Located, message: String, label: &str, help: &str, report: &mut Report) {
    let diagnostic = report.error(report.codes.bad_value, &value.range, message, label);
    report.add(diagnostic.help(help));
}

fn kind(value: &Located, report: &mut Report) -> Option<String> {
    let word = text(value)?;
    if matches!(word, "serial" | "parallel" | "exec") {
        return Some(word.to_owned());
    }
    let lower = word.to_lowercase();
    let help = match super::super::suggest::nearest(&lower, ["serial", "parallel", "exec"]) {
        Some(near) => format!("write `{}`", report.pair("type", &format!("\"{near}\""))),
        None => "the types are `serial`, `parallel` and `exec`".to_owned(),
    };
    bad(value, format!("`{word}` is not a type of node"), "no such type", &help, report);
    None
}

fn command(value: &Located, report: &mut Report) -> Option<String> {
    let command = text(value)?;
    if command.trim().is_empty() {
        let (example, nothing) = (report.pair("exec", "\"npm test\""), report.pair("exec", "\"true\""));
        let help = format!("write the shell command, for example `{example}`, or `{nothing}` to do nothing");
        bad(value, "`exec` is empty".to_owned(), "there is nothing to run", &help, report);
        return None;
    }
    if command.contains('\0') {
        bad(value, "`exec` holds a null character".to_owned(), "no shell takes this", "take it out", report);
        return None;
    }
    Some(command.to_owned())
}

fn image(value: &Located, report: &mut Report) -> Option<String> {
    let image = text(value)?;
    if image.is_empty() || image.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let help = format!("write for example `{}`", report.pair("image", "\"node:20\""));
        bad(value, "`image` is not the name of an image".to_owned(), "empty, or a blank in it", &help, report);
        return None;
    }
    Some(image.to_owned())
}

fn environment(value: &Located, report: &mut Report) -> BTreeMap<String, String> {
    let Value::Table(table) = &value.value else { return BTreeMap::new() };
    let mut environment = BTreeMap::new();
    for Entry { key: name, key_range, value } in &table.entries {
        if name.is_empty() || name.contains(['=', '\0']) {
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

fn max_time(value: &Located, report: &mut Report) -> Option<Duration> {
    let parsed = match &value.value {
        Value::Text(text) => parse_duration(text).map_err(|bad| bad.to_string()),
        _ => {
            let seconds = as_number(value)?;
            let duration = Duration::try_from_secs_f64(seconds).ok().filter(|_| seconds <= 100.0 * 365.0 * 86_400.0);
            duration.ok_or_else(|| format!("`{seconds}` is out of range; it is taken as seconds"))
        }
    };
    let help = format!("write for example `{}`, or a number of seconds", report.pair("max_time", "\"10m\""));
    match parsed {
        Ok(duration) if duration >= Duration::from_millis(1) => Some(duration),
        Ok(_) => {
            bad(value, "`max_time` is too short".to_owned(), "less than a millisecond", &help, report);
            None
        }
        Err(message) => {
            bad(value, message, "not a usable duration", &help, report);
            None
        }
    }
}

/// More of anything than this is a slip of the pen.
const LARGEST_NUMBER: f64 = 100_000.0;

fn as_number(value: &Located) -> Option<f64> {
    match value.value {
        #[expect(clippy::cast_precision_loss, reason = "amounts are small; large ones are refused")]
        Value::Integer(number) => Some(number as f64),
        Value::Float(number) => Some(number),
        _ => None,
    }
}

fn number(name: &str, value: &Located, report: &mut Report) -> Option<f64> {
    let number = as_number(value)?;
    if number > 0.0 && number <= LARGEST_NUMBER {
        return Some(number);
    }
    let help = format!("write for example `{}`", report.pair(name, "2"));
    bad(value, format!("`{name}` is out of range"), "must be above 0 and at most 100,000", &help, report);
    None
}
