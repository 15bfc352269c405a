//! Reads conducto.cfg, and the sections of its TOML dialect. Knows which tables are sections, not what their values mean.

use std::{collections::BTreeMap, ops::Range};

use toml::de::DeTable;

use super::{
    super::{
        codes,
        document::{Entry, Table, Value},
        key::Kind,
        pipeline,
        report::Report,
        suggest::nearest,
        toml_text,
    },
    dialect,
    keys::{KEYS, event_elsewhere},
    old, own,
    section::{Cfg, Dialect, Event, Section, Work},
    value,
};
use crate::model::{Diagnostic, Duplicate};

/// Larger files are refused.
const LARGEST_FILE: usize = 256 * 1024;

/// Reads conducto.cfg and reports every mistake in it. The result is missing if one of them is an error.
pub fn read_cfg(name: &str, bytes: &[u8]) -> (Option<Cfg>, Vec<Diagnostic>) {
    let mut report = match Report::open(name, bytes, LARGEST_FILE, codes::CFG) {
        Ok(report) => report,
        Err(diagnostic) => return (None, vec![*diagnostic]),
    };
    let dialect = dialect(&mut report);
    let sections = match dialect {
        Dialect::Toml => read_toml(&mut report),
        Dialect::Ini => old::read(&mut report),
    };
    if sections.is_empty() && !report.has_errors() {
        let message = format!("no section of {name} answers an event");
        let help = "add one, for example `[push]` with `pipeline = \"ci/pipeline.toml\"`";
        report.add(Diagnostic::warning(codes::CFG_EMPTY, message).help(help));
    }
    report.finish(Some(Cfg { dialect, sections }))
}

/// Returns how a conducto.cfg is written, with or without mistakes; nothing if it is no text.
pub(in super::super) fn dialect_of(bytes: &[u8]) -> Option<Dialect> {
    Report::open("", bytes, LARGEST_FILE, codes::CFG).ok().map(|mut report| dialect(&mut report))
}

fn dialect(report: &mut Report) -> Dialect {
    let is_toml = toml_text::too_deep(report.text()).is_none() && DeTable::parse(report.text()).is_ok();
    if is_toml { Dialect::Toml } else { dialect::recognise(report) }
}

fn read_toml(report: &mut Report) -> Vec<Section> {
    let root = toml_text::read(report);
    report.end_syntax();
    let mut sections = Vec::new();
    for entry in &root.entries {
        read_top(entry, &mut sections, report);
    }
    sections
}

fn read_top(entry: &Entry, sections: &mut Vec<Section>, report: &mut Report) {
    let name = entry.key.as_str();
    let event = Event::named(name);
    let Some(table) = entry.table() else {
        add_stray(entry, event.is_some(), report);
        return;
    };
    match event {
        Some(event) => read_event(event, entry, table, sections, report),
        None => {
            let all = Event::ALL.iter().map(|event| event.name());
            let help = match event_elsewhere(name).or_else(|| nearest(name, all)) {
                Some(near) => format!("the event is called `{near}` here"),
                None => "a section is called `push` or `pr`, or `push.label` with a label of your own".to_owned(),
            };
            let message = format!("unknown event `{name}`");
            let diagnostic = report.error(codes::CFG_UNKNOWN_EVENT, &entry.key_range, message, "no such event");
            report.add(diagnostic.help(help));
        }
    }
}

fn add_stray(entry: &Entry, is_event: bool, report: &mut Report) {
    let name = &entry.key;
    if matches!(entry.value.value, Value::Lost) {
        return;
    }
    let help = if is_event {
        format!("write `[{name}]`, or `[{name}.label]` for each of several, and the keys below it")
    } else {
        "keys stand below the header of a section, such as `[push]`".to_owned()
    };
    let label = if is_event { "an event is a section" } else { "in no section" };
    let message = format!("`{name}` stands outside every section");
    let diagnostic = report.error(codes::CFG_STRAY_KEY, &entry.key_range, message, label);
    report.add(diagnostic.help(help));
}

/// Reads a bare section and its labelled children: what is a table and no key is a child.
fn read_event(event: Event, entry: &Entry, table: &Table, sections: &mut Vec<Section>, report: &mut Report) {
    let (children, own): (Vec<_>, Vec<_>) = table.entries.iter().partition(|inner| is_child(inner));
    if !own.is_empty() || children.is_empty() {
        let header = if table.is_explicit { &entry.value.range } else { &entry.key_range };
        sections.extend(read_section(event, None, header, &own, Dialect::Toml, report));
    }
    for child in children {
        if !is_label(child, event, report) {
            continue;
        }
        let Some(inner) = child.table() else { continue };
        let entries: Vec<_> = inner.entries.iter().collect();
        let (label, header) = (Some(child.key.as_str()), &child.value.range);
        sections.extend(read_section(event, label, header, &entries, Dialect::Toml, report));
    }
}

/// Says whether an entry of an event is a labelled section. Names of keys that take tables, now or later, are keys.
fn is_child(entry: &Entry) -> bool {
    let is_table_key =
        KEYS.iter().any(|key| key.name == entry.key && matches!(key.kind, Kind::TextTable | Kind::Tables(_)));
    entry.table().is_some() && !is_table_key
}

fn is_label(child: &Entry, event: Event, report: &mut Report) -> bool {
    let label = child.key.as_str();
    let (message, help) = if KEYS.iter().any(|key| key.name == label) {
        let message = format!("`{label}` is the name of a key and cannot be a label");
        (message, format!("choose another label, for example `[{}.my-{label}]`", event.name()))
    } else if label.is_empty() || label.contains(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c)) {
        let usable = label.replace(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c), "-");
        let usable = if usable.is_empty() { "label" } else { &usable };
        (format!("`{label}` cannot be a label"), format!("write for example `[{}.{usable}]`", event.name()))
    } else {
        return true;
    };
    let rule = "labels are made of letters, digits, `_` and `-`";
    let diagnostic = report.error(codes::CFG_BAD_LABEL, &child.key_range, message, rule);
    report.add(diagnostic.help(help));
    false
}

/// Reads the keys of one section. Nothing is returned for one that does not say what to run.
pub(super) fn read_section(
    event: Event,
    label: Option<&str>,
    header: &Range<usize>,
    entries: &[&Entry],
    dialect: Dialect,
    report: &mut Report,
) -> Option<Section> {
    let name = label.map_or(event.name().to_owned(), |label| format!("{}.{label}", event.name()));
    let own = own::read(event, &name, header, entries, dialect, report);
    let names = own.substitutions(event);
    let own::Own { schedule, params } = own;
    let (mut file, mut command) = (None, None);
    let mut section = Section {
        event,
        label: label.map(str::to_owned),
        filter: None,
        paths: None,
        schedule,
        params,
        work: Work::File { path: String::new(), span: report.span(header) },
        image: None,
        env: BTreeMap::new(),
        secrets: None,
        max_time: None,
        duplicate: Duplicate::default(),
        slack_channel: None,
    };
    for entry in entries {
        let value = &entry.value;
        let Some(key) = value::known_key(entry, &name, report) else { continue };
        match key.name {
            "pipeline" => file = value::file(value, report).map(|path| (path, &value.range)),
            "command" => {
                command = value::command(key, value, &names, report).map(|command| (command, &entry.key_range));
            }
            "filter" => section.filter = value::filter(value, &names, dialect, report),
            "paths" => section.paths = value::paths(value, report),
            "slack_channel" => section.slack_channel = value::channel(value, report),
            "image" => section.image = pipeline::image(value, report),
            "env" => section.env = pipeline::environment(value, report),
            "secrets" => section.secrets = value::secrets(value, report),
            "max_time" => section.max_time = pipeline::duration(key, value, report),
            "duplicate" => section.duplicate = value::duplicate(key, value, report).unwrap_or_default(),
            _ => {}
        }
    }
    let says_what = |name: &str| entries.iter().find(|entry| entry.key == name);
    match (says_what("pipeline"), says_what("command")) {
        (None, None) if !report.is_broken() => {
            let message = format!("section `[{name}]` does not say what to run");
            let label = "`pipeline` or `command` is missing";
            let diagnostic = report.error(report.codes.missing_key, header, message, label);
            report.add(diagnostic.help("add for example `pipeline = \"ci/pipeline.toml\"`"));
        }
        (Some(first), Some(second)) => {
            let message = format!("section `[{name}]` says twice what to run");
            let diagnostic = report.error(codes::CFG_CONFLICT, &second.key_range, message, "prints the tree");
            let diagnostic = diagnostic.see(report.span(&first.key_range), "names the file with the tree");
            report.add(diagnostic.help("take out one of the two"));
        }
        _ => {}
    }
    section.work = match (file, command) {
        (Some((path, range)), _) => Work::File { path, span: report.span(range) },
        (None, Some((command, _))) => Work::Command(command),
        (None, None) => return None,
    };
    Some(section)
}
