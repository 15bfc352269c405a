//! Reads a definition file. Knows which keys are paths, not what makes a tree.

use std::collections::{HashMap, HashSet};

use super::{
    super::{
        codes,
        document::{Entry, Value},
        json_text,
        key::Support,
        report::Report,
        suggest::nearest,
        toml_text,
    },
    keys::{KEYS, TOP, is_inherited},
    node::Draft,
    tree,
};
use crate::model::{BadPath, Definition, Diagnostic, NodePath};

/// Larger files are refused.
const LARGEST_FILE: usize = 4 * 1024 * 1024;

/// Larger trees are refused.
pub(in super::super) const MOST_NODES: usize = 100_000;

/// Reads a definition file, JSON if its name says so and TOML otherwise, and reports every mistake in it.
/// The result is missing if one of them is an error.
pub fn read_pipeline(name: &str, bytes: &[u8]) -> (Option<Definition>, Vec<Diagnostic>) {
    let mut report = match Report::open(name, bytes, LARGEST_FILE, codes::PIPELINE) {
        Ok(report) => report,
        Err(diagnostic) => return (None, vec![*diagnostic]),
    };
    let is_json = name.to_lowercase().ends_with(".json");
    if !is_json && report.text().trim_start().starts_with('{') {
        let start = report.text().find('{').unwrap_or_default();
        let message = "this looks like JSON, and is read as TOML because of its name";
        let diagnostic = report.error(codes::PIPELINE_SYNTAX, &(start..start + 1), message, "no TOML begins like this");
        return (None, vec![diagnostic.help("give the file a name that ends in `.json`")]);
    }
    report.is_json = is_json;
    read(report, false)
}

/// Reads a tree that a node of another has printed, in JSON. Unlike a file it may hold nothing to run.
pub(in super::super) fn read_printed(name: &str, bytes: &[u8], limit: usize) -> (Option<Definition>, Vec<Diagnostic>) {
    match Report::open(name, bytes, limit, codes::PIPELINE) {
        Ok(mut report) => {
            report.is_json = true;
            read(report, true)
        }
        Err(diagnostic) => (None, vec![*diagnostic]),
    }
}

fn read(mut report: Report, may_be_empty: bool) -> (Option<Definition>, Vec<Diagnostic>) {
    let root = if report.is_json { json_text::read(&mut report) } else { toml_text::read(&mut report) };
    report.end_syntax();
    let mut reader = Reader {
        top: Draft::new(NodePath::root(), 0..0),
        drafts: Vec::new(),
        known: HashMap::new(),
        refused: HashSet::new(),
    };
    for entry in &root.entries {
        if reader.drafts.len() == MOST_NODES {
            let message = format!("the tree has more than {MOST_NODES} nodes");
            let diagnostic = report.error(codes::PIPELINE_TOO_MANY, &entry.key_range, message, "one too many");
            report.add(diagnostic.help("let one node do the work of several"));
            break;
        }
        reader.read(entry, &mut report);
    }
    let definition = reader.finish(may_be_empty, &mut report);
    report.finish(definition)
}

struct Reader {
    /// Keys at the top of the file, which are the root's.
    top: Draft,
    drafts: Vec<Draft>,
    known: HashMap<NodePath, usize>,
    /// Paths that were refused and yet tell which node is meant.
    refused: HashSet<NodePath>,
}

impl Reader {
    fn read(&mut self, entry: &Entry, report: &mut Report) {
        if entry.key == "$schema" {
            return;
        }
        if !entry.key.starts_with('/') {
            self.read_top(entry, report);
            return;
        }
        let Some(path) = self.path(entry, report) else { return };
        let Some(table) = entry.table() else {
            add_no_table(entry, report);
            return;
        };
        let place = format!("in node `{path}`");
        let mut draft = Draft::new(path.clone(), entry.key_range.clone());
        for inner in &table.entries {
            draft.read(inner, &place, report);
        }
        self.known.insert(path, self.drafts.len());
        self.drafts.push(draft);
    }

    fn read_top(&mut self, entry: &Entry, report: &mut Report) {
        let name = &entry.key;
        let key = KEYS.iter().find(|key| key.name == name);
        if key.is_some_and(|key| is_inherited(key.name) || matches!(key.support, Support::Later(_))) {
            self.top.read(entry, "at the top of the file", report);
        } else if key.is_some() {
            let message = format!("`{name}` belongs to a node");
            let label = "at the top stands only what every node inherits";
            let diagnostic = report.error(codes::PIPELINE_MISPLACED_KEY, &entry.key_range, message, label);
            report.add(diagnostic.help(format!("put it into a node, such as `{}`", report.header("/"))));
        } else if entry.table().is_some() {
            let message = format!("`{name}` is not a node path");
            let diagnostic = report.error(codes::PIPELINE_BAD_PATH, &entry.key_range, message, "no `/` before it");
            report.add(diagnostic.help(format!("write `{}`", report.header(&format!("/{name}")))));
        } else if !matches!(entry.value.value, Value::Lost) {
            let help = match nearest(name, KEYS.iter().map(|key| key.name)) {
                Some(near) if !is_inherited(near) => {
                    format!("a key with a similar name exists: `{near}`, which belongs into a node")
                }
                Some(near) => format!("a key with a similar name exists: `{near}`"),
                None => {
                    let names: Vec<_> = TOP.iter().map(|name| format!("`{name}`")).collect();
                    format!("the keys at the top are {}; nodes begin with `/`", names.join(", "))
                }
            };
            let message = format!("unknown key `{name}` at the top of the file");
            let diagnostic = report.error(codes::PIPELINE_UNKNOWN_KEY, &entry.key_range, message, "not a key");
            report.add(diagnostic.help(help));
        }
    }

    /// Reads the path of a node that has none yet.
    fn path(&mut self, entry: &Entry, report: &mut Report) -> Option<NodePath> {
        let text = &entry.key;
        let parsed = NodePath::parse(text);
        if parsed == Err(BadPath::Dots) && text.split('/').any(|part| part == "..") {
            let message = format!("node path `{text}` leads back up the tree");
            let diagnostic = report.error(codes::PIPELINE_CYCLE, &entry.key_range, message, "`..` in a path");
            report.add(diagnostic.help("a tree has no cycles: name each node by the parts from the root down to it"));
            return None;
        }
        let parts: Vec<_> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let plain = format!("/{}", parts.join("/"));
        let meant = parsed.clone().or_else(|_| NodePath::parse(&plain));
        if let Some(first) = meant.ok().and_then(|path| self.known.get(&path)).map(|at| &self.drafts[*at]) {
            let message = format!("node `{}` is defined twice", first.path);
            let diagnostic = report.error(codes::PIPELINE_DUPLICATE, &entry.key_range, message, "defined again here");
            let diagnostic = diagnostic.see(report.span(&first.at), "first defined here");
            report.add(diagnostic.help("keep one of the two, or give one another name"));
            return None;
        }
        match parsed {
            Ok(path) => Some(path),
            Err(bad) => {
                let message = format!("`{}` is not a node path", text.escape_debug());
                let diagnostic = report.error(codes::PIPELINE_BAD_PATH, &entry.key_range, message, bad.to_string());
                let help = match bad {
                    BadPath::Control => "name it with letters, digits, blanks and signs".to_owned(),
                    _ => format!("write `{}`", report.header(&plain)),
                };
                report.add(diagnostic.help(help));
                self.refused.extend(NodePath::parse(&plain));
                None
            }
        }
    }

    fn finish(mut self, may_be_empty: bool, report: &mut Report) -> Option<Definition> {
        let root = match self.known.get(&NodePath::root()) {
            Some(at) => *at,
            None => {
                self.drafts.insert(0, Draft::new(NodePath::root(), 0..0));
                let root = &mut self.drafts[0];
                root.kind = Some(("serial", 0..0));
                0
            }
        };
        self.join_top(root, report);
        tree::build(self.drafts, self.refused, may_be_empty, report)
    }

    /// Gives the keys at the top to the root; a key in both places is a mistake.
    fn join_top(&mut self, root: usize, report: &mut Report) {
        let root = &mut self.drafts[root];
        for (name, range) in &self.top.given {
            if let Some(again) = root.given(name) {
                let message = format!("`{name}` of the root is given twice");
                let diagnostic = report.error(codes::PIPELINE_DUPLICATE, again, message, "given again here");
                let diagnostic = diagnostic.see(report.span(range), "the top of the file speaks for the root too");
                report.add(diagnostic.help("keep one of the two"));
            }
        }
        let top = std::mem::take(&mut self.top.settings);
        let own = &mut root.settings;
        own.image = own.image.take().or(top.image);
        own.cpu = own.cpu.or(top.cpu);
        own.mem = own.mem.or(top.mem);
        own.gpu = own.gpu.or(top.gpu);
        own.requires_docker = own.requires_docker.or(top.requires_docker);
        own.docker_run_args = own.docker_run_args.take().or(top.docker_run_args);
        own.isolation = own.isolation.or(top.isolation);
        own.env.extend(top.env);
    }
}

fn add_no_table(entry: &Entry, report: &mut Report) {
    let path = &entry.key;
    let help = match &entry.value.value {
        Value::Lost => return,
        Value::Text(command) if !command.contains('\n') => {
            let command = toml::Value::from(command.as_str()).to_string();
            format!("write `{}` and in it `{}`", report.header(path), report.pair("exec", &command))
        }
        _ => format!("write `{}` and its keys in it", report.header(path)),
    };
    let label = format!("this is {}", entry.value.value.words());
    let message = format!("node `{path}` must be a table");
    let diagnostic = report.error(codes::PIPELINE_WRONG_TYPE, &entry.value.range, message, label);
    report.add(diagnostic.help(help));
}
