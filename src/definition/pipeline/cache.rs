//! Reads what a node keeps from one pipeline to the next. Knows no node and no disk.

use super::{
    super::{
        document::{Entry, Located, Table, Value},
        key::accept,
        report::Report,
    },
    keys::CACHE,
    value,
};
use crate::model::{Cache, CacheKey};

/// Longest name, in bytes; it is that of a folder.
const LONGEST_NAME: usize = 100;

/// Reads `cache = { name = …, paths = […], key = … }`, or a list of such tables.
pub(super) fn caches(entry: &Entry, place: &str, report: &mut Report) -> Vec<Cache> {
    let place = format!("of `cache` {place}");
    match &entry.value.value {
        Value::Table(table) => one(table, &entry.value, &place, report).into_iter().collect(),
        Value::List(items) => {
            let mut found: Vec<Cache> = Vec::new();
            for item in items {
                match &item.value {
                    Value::Table(table) => {
                        let Some(cache) = one(table, item, &place, report) else { continue };
                        if found.iter().any(|other| other.name == cache.name) {
                            let message = format!("two caches of one node are called `{}`", cache.name);
                            add(item, message, "the second", "give each a name of its own", report);
                        }
                        found.push(cache);
                    }
                    Value::Lost => {}
                    other => {
                        let label = format!("this is {}", other.words());
                        let diagnostic =
                            report.error(report.codes.wrong_type, &item.range, "a cache is a table", label);
                        report.add(diagnostic.help(example(report)));
                    }
                }
            }
            found
        }
        _ => Vec::new(),
    }
}

fn one(table: &Table, whole: &Located, place: &str, report: &mut Report) -> Option<Cache> {
    let (mut name, mut paths, mut key) = (None, None, None);
    for inner in &table.entries {
        let Some(known) = accept(CACHE, inner, place, report) else { continue };
        match known.name {
            "name" => name = value::text(&inner.value).filter(|_| is_name(&inner.value, report)).map(str::to_owned),
            "paths" => paths = texts(&inner.value, "a path", is_path, report),
            _ => key = read_key(&inner.value, report),
        }
    }
    let given = |name: &str| table.entries.iter().any(|inner| inner.key == name);
    let missing: Vec<&str> = ["name", "paths", "key"].into_iter().filter(|name| !given(name)).collect();
    for name in &missing {
        let message = format!("`{name}` {place} is missing");
        let diagnostic = report.error(report.codes.missing_key, &whole.range, message, "of this cache");
        report.add(diagnostic.help(example(report)));
    }
    Some(Cache { name: name?, paths: paths?, key: key? })
}

fn is_name(value: &Located, report: &mut Report) -> bool {
    let text = value::text(value).unwrap_or_default();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let fits = !text.is_empty() && text.len() <= LONGEST_NAME && !text.starts_with('.') && text.chars().all(is_plain);
    if !fits {
        let label = "must be of letters, digits, `-`, `_` and `.`, and not begin with `.`";
        let help = format!("write for example `{}`", report.pair("name", "\"npm\""));
        add(value, "this cannot be the name of a cache".to_owned(), label, &help, report);
    }
    fits
}

fn read_key(value: &Located, report: &mut Report) -> Option<CacheKey> {
    match &value.value {
        Value::Text(text) if text.is_empty() => {
            add(value, "`key` is empty".to_owned(), "nothing it could be made from", KEY_HELP, report);
            None
        }
        Value::Text(text) => Some(CacheKey::Text(text.clone())),
        _ => texts(value, "a file", is_file, report).map(CacheKey::Files),
    }
}

const KEY_HELP: &str = "name the files it is made from, or write a text of your own, such as `v1`";

/// Reads a list of texts, none of which is wrong.
fn texts(value: &Located, what: &str, fits: fn(&str) -> bool, report: &mut Report) -> Option<Vec<String>> {
    let Value::List(items) = &value.value else { return None };
    if items.is_empty() {
        add(value, "the list is empty".to_owned(), &format!("not {what} in it"), "name at least one", report);
        return None;
    }
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        match value::text(item) {
            Some(text) if fits(text) => found.push(text.to_owned()),
            Some(text) => {
                let message = format!("`{text}` cannot be {what} of a cache");
                let label = "empty, or it leads out with `..`, or it is a whole tree";
                let help = "write it relative to the working copy, as in `node_modules`, or as `~/.npm` or `/opt/x`";
                add(item, message, label, help, report);
            }
            None => {
                let diagnostic = report.error(
                    report.codes.wrong_type,
                    &item.range,
                    format!("{what} is a text in quotes"),
                    "not a text",
                );
                report.add(diagnostic.help(example(report)));
            }
        }
    }
    (found.len() == items.len()).then_some(found)
}

/// A path that something in particular lies under.
fn is_path(path: &str) -> bool {
    is_clean(path) && !matches!(path.trim_end_matches('/'), "" | "~" | ".")
}

fn is_file(path: &str) -> bool {
    is_clean(path) && !path.starts_with(['/', '~'])
}

fn is_clean(path: &str) -> bool {
    !path.is_empty() && !path.contains('\0') && !path.split('/').any(|part| part == "..")
}

fn example(report: &Report) -> String {
    let value = "{ name = \"npm\", paths = [\"node_modules\"], key = [\"package-lock.json\"] }";
    format!("write for example `{}`", report.pair("cache", value))
}

fn add(value: &Located, message: String, label: &str, help: &str, report: &mut Report) {
    let diagnostic = report.error(report.codes.bad_value, &value.range, message, label);
    report.add(diagnostic.help(help));
}
