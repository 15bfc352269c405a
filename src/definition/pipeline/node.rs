//! Reads the keys of one node. Knows no tree.

use std::ops::Range;

use super::{
    super::{document::Entry, key::accept, recipe, report::Report},
    cache, callback,
    keys::KEYS,
    value,
};
use crate::model::{Isolation, NodePath, Reuse, Settings};

/// What an author wrote about one node.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) path: NodePath,
    /// Where its path is written.
    pub(super) at: Range<usize>,
    pub(super) kind: Option<(&'static str, Range<usize>)>,
    /// The command; its text is empty if it was refused.
    pub(super) exec: Option<(String, Range<usize>)>,
    /// The command that prints the tree below; its text is empty if it was refused.
    pub(super) generate: Option<(String, Range<usize>)>,
    pub(super) stop_on_error: Option<bool>,
    pub(super) settings: Settings,
    /// Keys that were given, in any state.
    pub(super) given: Vec<(String, Range<usize>)>,
}

impl Draft {
    /// Makes a draft of which nothing is known but its place.
    pub(super) fn new(path: NodePath, at: Range<usize>) -> Self {
        Self {
            path,
            at,
            kind: None,
            exec: None,
            generate: None,
            stop_on_error: None,
            settings: Settings::default(),
            given: Vec::new(),
        }
    }

    /// Says where a key was given.
    pub(super) fn given(&self, name: &str) -> Option<&Range<usize>> {
        self.given.iter().find(|(given, _)| given == name).map(|(_, range)| range)
    }

    /// Says whether it has a command, be it to run or to print a tree.
    pub(super) fn has_command(&self) -> bool {
        self.exec.is_some() || self.generate.is_some()
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
        let Some(key) = accept(KEYS, entry, place, report) else { return };
        let located = &entry.value;
        let settings = &mut self.settings;
        match key.name {
            "type" => self.kind = value::choice(key, located, report).map(|kind| (kind, located.range.clone())),
            "exec" | "generate" => {
                let command = value::command(key, located, report).unwrap_or_default();
                let place = if key.name == "exec" { &mut self.exec } else { &mut self.generate };
                *place = Some((command, located.range.clone()));
            }
            "stop_on_error" => self.stop_on_error = value::flag(located),
            "image" => settings.image = recipe::image(entry, place, report),
            "env" => settings.env = value::environment(located, report),
            "max_time" => settings.max_time = value::duration(key, located, report),
            "cpu" => settings.cpu = value::number(key, located, report),
            "mem" => settings.mem = value::number(key, located, report),
            "gpu" => settings.gpu = value::whole(key, located, report),
            "requires_docker" => settings.requires_docker = value::flag(located),
            "docker_run_args" => settings.docker_run_args = value::docker_run_args(located, report),
            "container_reuse_context" => settings.container_reuse_context = reuse(value::choice(key, located, report)),
            "isolation" => settings.isolation = isolation(value::choice(key, located, report)),
            "skip" => settings.skip = value::flag(located),
            "suppress_errors" => settings.suppress_errors = value::flag(located).unwrap_or_default(),
            "max_concurrent" => settings.max_concurrent = value::whole(key, located, report),
            "retry" => settings.callbacks.extend(callback::retry(key, entry, place, report)),
            "skip_errors" => settings.callbacks.extend(callback::skip_errors(key, located, report)),
            "memory_errors" => {
                // Before any retry, which would spend a try on the same memory.
                settings.callbacks.splice(..0, callback::memory_errors(entry, place, report));
            }
            "cache" => settings.caches = cache::caches(entry, place, report),
            "doc" => settings.doc = value::text(located).map(str::to_owned),
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

fn reuse(word: Option<&str>) -> Option<Reuse> {
    word.map(|word| if word == "new" { Reuse::New } else { Reuse::Global })
}

fn isolation(word: Option<&str>) -> Option<Isolation> {
    word.map(|word| if word == "pristine" { Isolation::Pristine } else { Isolation::Shared })
}
