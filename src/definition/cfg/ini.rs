//! Reads the old product's dialect, as Python's `configparser` does (`compat.md` §5.1), and remembers where everything stood.
//! Knows no event and no key.
//!
//! `key = value` or `key: value`, comments in lines of their own, values that go on in indented lines, keys in any case,
//! `[DEFAULT]` for all sections, `%%` for a percent sign and `%(key)s` for the value of another key.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::super::{
    document::{Entry, Located, Value},
    report::Report,
};

/// References within references deeper than this are a circle.
const MOST_REFERENCES: usize = 10;

/// What references and `[DEFAULT]` may add to a file, in bytes: a few lines that repeat one another would fill any memory.
const MOST_ADDED: usize = 4 << 20;

/// What each of them counts, however short its value is.
const LEAST_ADDED: usize = 64;

/// Gives its keys to all other sections.
const DEFAULT: &str = "DEFAULT";

/// A section with its keys, in the order of the file; those of `[DEFAULT]` come last.
#[derive(Clone, Debug)]
pub(super) struct OldSection {
    pub(super) name: String,
    pub(super) header: Range<usize>,
    pub(super) entries: Vec<Entry>,
    /// How many of these it has itself.
    pub(super) own: usize,
}

/// A key with the lines of its value.
#[derive(Clone, Debug)]
struct Raw {
    key: String,
    key_range: Range<usize>,
    lines: Vec<String>,
    range: Range<usize>,
    indent: usize,
}

/// Reads the report's text. Lines that are nothing are reported and passed over.
pub(super) fn read(report: &mut Report) -> Vec<OldSection> {
    let file = report.file.clone();
    let mut sections: Vec<(String, Range<usize>, Vec<Raw>)> = Vec::new();
    // What stands below a header that is there twice belongs nowhere.
    let mut is_lost = true;
    // Where the headers, and the keys of the last section, stand first.
    let (mut headers, mut keys) = (HashMap::new(), HashMap::new());
    let mut start = 0;
    let text = file.text.strip_prefix('\u{feff}').unwrap_or(&file.text);
    let offset = file.text.len() - text.len();
    for line in text.split_inclusive('\n') {
        let (begin, content) = (offset + start, line.trim());
        start += line.len();
        let indent = line.len() - line.trim_start().len();
        let range = begin + indent..begin + indent + content.len();
        if content.starts_with(['#', ';']) {
            continue;
        }
        let open = sections.last_mut().and_then(|(.., raws)| raws.last_mut()).filter(|_| !is_lost);
        if let Some(raw) = open
            && (content.is_empty() || indent > raw.indent)
        {
            if content.is_empty() {
                raw.lines.push(String::new());
            } else {
                raw.lines.push(content.to_owned());
                raw.range.end = range.end;
            }
            continue;
        }
        if content.is_empty() {
            continue;
        }
        if let Some(name) = content.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name) {
            let header = range.start..range.start + name.len() + 2;
            let first = headers.get(name).cloned();
            is_lost = first.is_some();
            match first {
                Some(first) => twice(&format!("[{name}]"), &header, &first, report),
                None => {
                    headers.insert(name.to_owned(), header.clone());
                    keys.clear();
                    sections.push((name.to_owned(), header, Vec::new()));
                }
            }
            continue;
        }
        let Some(separator) = content.find(['=', ':']) else {
            if !is_lost || sections.is_empty() {
                let message = "a line that is no key, no header and no comment";
                let diagnostic = report.error(report.codes.syntax, &range, message, "neither `=` nor `:` in it");
                report.add(diagnostic.help("write `key = value`; a value goes on in lines that are indented"));
            }
            continue;
        };
        let written = content[..separator].trim_end();
        let key_range = range.start..range.start + written.len();
        let value = content[separator + 1..].trim_start();
        let raw = Raw {
            key: written.to_lowercase(),
            key_range: key_range.clone(),
            lines: vec![value.to_owned()],
            range: range.end - value.len()..range.end,
            indent,
        };
        match sections.last_mut() {
            None => {
                let message = format!("`{written}` stands outside every section");
                let diagnostic = report.error(crate::definition::codes::CFG_STRAY_KEY, &key_range, message, "");
                report.add(diagnostic.help("keys stand below the header of a section, such as `[push]`"));
            }
            Some(_) if is_lost => {}
            Some((.., raws)) => match keys.get(&raw.key) {
                Some(first) => twice(&format!("`{}`", raw.key), &key_range, first, report),
                None => {
                    keys.insert(raw.key.clone(), key_range);
                    raws.push(raw);
                }
            },
        }
    }
    let defaults =
        sections.iter().find(|(name, ..)| name == DEFAULT).map(|(.., raws)| raws.clone()).unwrap_or_default();
    sections.retain(|(name, ..)| name != DEFAULT);
    let mut left = MOST_ADDED;
    sections.into_iter().map(|section| finish(section, &defaults, &mut left, report)).collect()
}

fn twice(what: &str, again: &Range<usize>, first: &Range<usize>, report: &mut Report) {
    let message = format!("{what} is defined twice");
    let diagnostic = report.error(report.codes.duplicate, again, message, "defined again here");
    report.add(diagnostic.see(report.span(first), "first defined here").help("keep one of the two"));
}

fn finish(
    (name, header, own): (String, Range<usize>, Vec<Raw>),
    defaults: &[Raw],
    left: &mut usize,
    report: &mut Report,
) -> OldSection {
    let own_count = own.len();
    let own_keys: HashSet<&str> = own.iter().map(|raw| raw.key.as_str()).collect();
    let mut inherited: Vec<&Raw> = defaults.iter().filter(|raw| !own_keys.contains(raw.key.as_str())).collect();
    let added = inherited.iter().map(|raw| raw.range.len() + LEAST_ADDED).sum();
    match left.checked_sub(added) {
        Some(rest) => *left = rest,
        None => {
            let message = format!("`[{DEFAULT}]` is too long for so many sections");
            let diagnostic = report.error(report.codes.bad_value, &header, message, "the first for which it is");
            // Said once.
            if std::mem::take(left) > 0 {
                report.add(diagnostic.help("move what only some sections need to these"));
            }
            inherited.clear();
        }
    }
    let all: Vec<&Raw> = own.iter().chain(inherited).collect();
    let values: HashMap<&str, String> = all.iter().map(|raw| (raw.key.as_str(), value(raw))).collect();
    let entries = all.iter().map(|raw| {
        let value = match interpolate(&values[raw.key.as_str()], &values, 0, left) {
            Ok(text) => Value::Text(text),
            Err((message, help)) => {
                let diagnostic = report.error(report.codes.bad_value, &raw.range, message, "");
                report.add(diagnostic.help(help));
                Value::Lost
            }
        };
        let value = Located { value, range: raw.range.clone() };
        Entry { key: raw.key.clone(), key_range: raw.key_range.clone(), value }
    });
    OldSection { name, header, entries: entries.collect(), own: own_count }
}

fn value(raw: &Raw) -> String {
    raw.lines.join("\n").trim_end().to_owned()
}

type Refusal = (String, String);

fn interpolate(text: &str, values: &HashMap<&str, String>, depth: usize, left: &mut usize) -> Result<String, Refusal> {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        done.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            done.push('%');
            rest = after;
            continue;
        }
        let Some((name, after)) = after.strip_prefix('(').and_then(|after| after.split_once(")s")) else {
            let help = "in this dialect a percent sign is written twice: `%%`".to_owned();
            return Err(("a lone percent sign".to_owned(), help));
        };
        let Some(other) = values.get(name.to_lowercase().as_str()) else {
            let help =
                "name a key of this section or of `[DEFAULT]`; a percent sign itself is written twice".to_owned();
            return Err((format!("`%({name})s` names no key"), help));
        };
        if depth == MOST_REFERENCES {
            return Err((format!("`%({name})s` leads in a circle"), "write the value itself".to_owned()));
        }
        let inner = interpolate(other, values, depth + 1, left)?;
        *left = left.checked_sub(inner.len() + LEAST_ADDED).ok_or_else(|| {
            let message = format!("with `%({name})s` the values of this file become too long");
            (message, "write the value itself".to_owned())
        })?;
        done.push_str(&inner);
        rest = after;
    }
    done.push_str(rest);
    Ok(done)
}
