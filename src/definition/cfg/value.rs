//! Checks the values of a section's keys. Knows no section.

use std::collections::BTreeMap;

use super::{
    super::{
        command::Command,
        document::{Entry, Located, Value},
        filter::Filter,
        key::{Key, accept},
        pipeline,
        report::Report,
        template::{Fault, Name},
    },
    keys::KEYS,
    paths::Paths,
    section::Dialect,
};
use crate::model::{Diagnostic, Duplicate, check_secret_name};

/// Reads a filter and puts its faults where they stand in the file.
pub(super) fn filter(value: &Located, known: &[Name], dialect: Dialect, report: &mut Report) -> Option<Filter> {
    let Value::Text(text) = &value.value else { return None };
    let (filter, faults) = Filter::parse(text, known, dialect == Dialect::Ini);
    add(faults, value, text, report);
    filter
}

/// Reads a script and puts its faults where they stand in the file.
pub(super) fn command(key: &Key, value: &Located, known: &[Name], report: &mut Report) -> Option<Command> {
    let text = pipeline::command(key, value, report)?;
    let (command, faults) = Command::parse(&text, known);
    add(faults, value, &text, report);
    command
}

fn add(faults: Vec<Fault>, value: &Located, text: &str, report: &mut Report) {
    // Where escapes stand between, a fault points at the whole value.
    let written = &report.text()[value.range.clone()];
    let start = written.find(text).filter(|_| !text.is_empty()).map(|offset| value.range.start + offset);
    for Fault { code, is_warning, range, message, label, help } in faults {
        let range = start.map_or(value.range.clone(), |start| start + range.start..start + range.end);
        let diagnostic = if is_warning { Diagnostic::warning(code, message) } else { Diagnostic::error(code, message) };
        report.add(diagnostic.at(report.span(&range), label).help(help));
    }
}

/// Reads what becomes of a pipeline beside an earlier one.
pub(super) fn duplicate(key: &Key, value: &Located, report: &mut Report) -> Option<Duplicate> {
    Some(match pipeline::choice(key, value, report)? {
        "suppress" | "SUPPRESS_NEW" => Duplicate::SuppressNew,
        "queue" | "DEFER" => Duplicate::Defer,
        "cancel-old" | "SLEEP_OLD" => Duplicate::SleepOld,
        _ => Duplicate::Allow,
    })
}

/// Reads path patterns.
pub(super) fn paths(value: &Located, report: &mut Report) -> Option<Paths> {
    let Value::List(items) = &value.value else { return None };
    let mut patterns = Vec::new();
    for item in items {
        match &item.value {
            Value::Text(pattern) => patterns.push(pattern.as_str()),
            Value::Lost => return None,
            other => {
                let label = format!("this is {}", other.words());
                let message = "a path pattern is a text in quotes";
                let diagnostic = report.error(report.codes.wrong_type, &item.range, message, label);
                report.add(diagnostic.help("write for example `paths = [\"src/**\"]`"));
                return None;
            }
        }
    }
    let bad = match Paths::parse(&patterns) {
        Ok(paths) => return Some(paths),
        Err(bad) => bad,
    };
    for pattern in bad {
        let range = pattern.at.map_or(&value.range, |at| &items[at].range);
        let diagnostic = report.error(report.codes.bad_value, range, pattern.message, pattern.label);
        report.add(diagnostic.help(pattern.help));
    }
    None
}

/// Reads the path of a definition file.
pub(super) fn file(value: &Located, report: &mut Report) -> Option<String> {
    let Value::Text(path) = &value.value else { return None };
    let (label, help) = if path.trim().is_empty() {
        ("it is empty", "write for example `pipeline = \"ci/pipeline.toml\"`".to_owned())
    } else if path.contains('\\') {
        ("it holds a backslash", format!("folders are separated by `/`: `{}`", path.replace('\\', "/")))
    } else if path.starts_with('/') {
        let help = format!("paths start at the root of the repository: `{}`", path.trim_start_matches('/'));
        ("it is absolute", help)
    } else if path.split('/').any(|part| part == "..") {
        ("it leads out of its folder", "name the file from the root of the repository, without `..`".to_owned())
    } else if path.split('/').any(|part| part == "." || part.is_empty()) {
        let parts: Vec<_> = path.split('/').filter(|part| *part != "." && !part.is_empty()).collect();
        ("a part of it names nothing", format!("write `{}`", parts.join("/")))
    } else if path.chars().any(char::is_control) {
        ("it holds a control character", "rename the file".to_owned())
    } else {
        return Some(path.clone());
    };
    let message = format!("`pipeline` is not a path in the repository: {label}");
    let diagnostic = report.error(report.codes.bad_value, &value.range, message, "");
    report.add(diagnostic.help(help));
    None
}

/// Reads which secrets nodes get: variables, each with the name of its secret.
pub(super) fn secrets(value: &Located, report: &mut Report) -> Option<BTreeMap<String, String>> {
    let Value::Table(table) = &value.value else { return None };
    let mut wanted = BTreeMap::new();
    for Entry { key: variable, key_range, value } in &table.entries {
        let Value::Text(name) = &value.value else { continue };
        let mut are_good = true;
        for (text, range, message, label) in [
            (
                variable,
                key_range,
                "no node can have a secret in this variable",
                "not the name of one, or Conducto's own",
            ),
            // Whoever wrote a value here need not find it in a commit status as well.
            (name, &value.range, "secrets are named in conducto.cfg, not given", "not the name of a secret"),
        ] {
            if check_secret_name(text).is_err() {
                let diagnostic = report.error(report.codes.bad_value, range, message, label);
                report.add(diagnostic.help("write for example `secrets = { API_TOKEN = \"STAGING_TOKEN\" }`"));
                are_good = false;
            }
        }
        if are_good {
            wanted.insert(variable.clone(), name.clone());
        }
    }
    Some(wanted)
}

/// Reads the name of a Slack channel.
pub(super) fn channel(value: &Located, report: &mut Report) -> Option<String> {
    let Value::Text(channel) = &value.value else { return None };
    if !channel.is_empty() && !channel.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Some(channel.clone());
    }
    let message = "`slack_channel` is not the name of a channel";
    let diagnostic = report.error(report.codes.bad_value, &value.range, message, "empty, or a blank in it");
    report.add(diagnostic.help("write for example `slack_channel = \"#builds\"`"));
    None
}

/// Checks a key against the table of keys.
pub(super) fn known_key(entry: &Entry, section: &str, report: &mut Report) -> Option<&'static Key> {
    accept(KEYS, entry, &format!("in section `[{section}]`"), report)
}
