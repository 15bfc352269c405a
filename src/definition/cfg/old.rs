//! Sections of the old dialect. Knows how its texts are the values that keys take, not what those mean.

use super::{
    super::{
        codes,
        document::{Entry, Located, Value},
        key::Kind,
        report::Report,
        suggest::nearest,
    },
    ini::{self, OldSection},
    keys::{KEYS, OURS},
    read::read_section,
    section::{Dialect, Event, Section},
};
use crate::model::Diagnostic;

/// Says something of a sandbox of the old product, and launches nothing.
const GENERAL: &str = ".general";

/// Accepted and without use: images have no names here.
const NAME: &str = "name";

pub(super) fn read(report: &mut Report) -> Vec<Section> {
    let found = ini::read(report);
    report.end_syntax();
    let mut sections = Vec::new();
    for old in found.iter().filter(|old| old.name != GENERAL) {
        let (event, label) = old.name.split_once(' ').map_or((old.name.as_str(), ""), |(event, label)| (event, label));
        let Some(event) = Event::named(event) else {
            add_unknown(old, event, report);
            continue;
        };
        // What stands in `[DEFAULT]` may be there only for others to refer to.
        let is_known = |entry: &Entry| KEYS.iter().any(|key| key.name == entry.key);
        let (own, inherited) = old.entries.split_at(old.own);
        let all = own.iter().chain(inherited.iter().filter(|entry| is_known(entry)));
        let entries: Vec<Entry> = all.filter_map(|entry| typed(entry, report)).collect();
        let label = Some(label.trim()).filter(|label| !label.is_empty());
        let entries: Vec<&Entry> = entries.iter().collect();
        sections.extend(read_section(event, label, &old.header, &entries, Dialect::Ini, report));
    }
    sections
}

/// The old product passed over such sections; whoever wrote one should know.
fn add_unknown(old: &OldSection, event: &str, report: &mut Report) {
    let help = match nearest(event, Event::ALL.iter().map(|event| event.name())) {
        Some(near) => format!("the event is called `{near}` here"),
        None => "a section is called `[push]` or `[pr]`, or `[push label]` with a label of your own".to_owned(),
    };
    let diagnostic = Diagnostic::warning(codes::CFG_UNKNOWN_EVENT, format!("unknown event `{event}`"))
        .at(report.span(&old.header), "this section launches nothing")
        .help(help);
    report.add(diagnostic);
}

/// Makes of a text the kind of value that its key takes. Nothing is returned for keys that mean nothing here.
fn typed(entry: &Entry, report: &mut Report) -> Option<Entry> {
    let name = entry.key.as_str();
    if name == NAME {
        return None;
    }
    if OURS.contains(&name) {
        let message = format!("`{name}` is set by the server");
        let diagnostic = report.error(codes::CFG_CONFLICT, &entry.key_range, message, "cannot be set here");
        report.add(diagnostic.help("take it out: nodes always find the commit that is built"));
        return None;
    }
    let Value::Text(text) = &entry.value.value else { return Some(entry.clone()) };
    let Some(key) = KEYS.iter().find(|key| key.name == name) else { return Some(entry.clone()) };
    let range = &entry.value.range;
    let value = match key.kind {
        Kind::Text | Kind::Choice(_) | Kind::Duration => return Some(entry.clone()),
        Kind::Flag => flag(text),
        Kind::TextsOrTrue if flag(text).is_some() => flag(text),
        _ => serde_json::from_str(text).ok().map(|json| of_json(json, range)),
    };
    let Some(value) = value else {
        let message = format!("`{name}` cannot be read");
        let diagnostic = report.error(report.codes.wrong_type, range, message, "in this dialect it is written in JSON");
        let example = if matches!(key.kind, Kind::TextTable) { "{\"KEY\": \"value\"}" } else { "[\"one\", \"two\"]" };
        report.add(diagnostic.help(format!("write for example `{name} = {example}`")));
        return None;
    };
    Some(Entry { value: Located { value, range: range.clone() }, ..entry.clone() })
}

/// Reads the words that Python takes for a truth in such files.
fn flag(text: &str) -> Option<Value> {
    Some(Value::Flag(match text.to_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => true,
        "0" | "no" | "false" | "off" => false,
        _ => return None,
    }))
}

/// All of it stands where the text stands.
fn of_json(json: serde_json::Value, range: &std::ops::Range<usize>) -> Value {
    use serde_json::Value as Json;
    let located = |json| Located { value: of_json(json, range), range: range.clone() };
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Flag(flag),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or(f64::NAN)), Value::Integer)
        }
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::List(items.into_iter().map(located).collect()),
        Json::Object(items) => {
            let entries =
                items.into_iter().map(|(key, json)| Entry { key, key_range: range.clone(), value: located(json) });
            Value::Table(super::super::document::Table { entries: entries.collect(), is_explicit: true })
        }
    }
}
