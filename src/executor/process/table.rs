//! The machine's table of processes, as /proc shows it. Knows no workers.

use std::{collections::HashMap, fs};

use serde::{Deserialize, Serialize};

/// One process, told from any other that ever had or will have its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) pid: i32,
    /// In ticks since the machine started.
    started: u64,
    /// Which start of the machine.
    boot: String,
}

struct Row {
    pid: i32,
    parent: i32,
    is_zombie: bool,
    started: u64,
}

impl Identity {
    /// Identifies a process that exists.
    pub(super) fn of(pid: i32) -> Option<Self> {
        let row = row(pid)?;
        Some(Self { pid, started: row.started, boot: boot() })
    }

    /// Says whether this very process still runs.
    pub(super) fn is_alive(&self) -> bool {
        row(self.pid).is_some_and(|row| !row.is_zombie && row.started == self.started) && self.boot == boot()
    }
}

/// Lists all living processes below one.
pub(super) fn descendants(root: i32) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<Row>> = HashMap::new();
    for row in pids().filter_map(row) {
        children.entry(row.parent).or_default().push(row);
    }
    let (mut found, mut open) = (Vec::new(), vec![root]);
    while let Some(parent) = open.pop() {
        for row in children.remove(&parent).unwrap_or_default() {
            open.push(row.pid);
            if !row.is_zombie {
                found.push(row.pid);
            }
        }
    }
    found
}

/// Lists all living processes that have an entry in their environment.
pub(super) fn with_environment(entry: &str) -> Vec<i32> {
    let has = |pid: &i32| holds(*pid, "environ", &[entry]);
    pids().filter(has).filter(|pid| row(*pid).is_some_and(|row| !row.is_zombie)).collect()
}

/// Finds a process by words of its command line.
pub(super) fn with_arguments(words: &[&str]) -> Option<i32> {
    pids().find(|pid| holds(*pid, "cmdline", words))
}

fn holds(pid: i32, file: &str, words: &[&str]) -> bool {
    let Ok(text) = fs::read(format!("/proc/{pid}/{file}")) else { return false };
    words.iter().all(|word| text.split(|byte| *byte == 0).any(|part| part == word.as_bytes()))
}

fn pids() -> impl Iterator<Item = i32> {
    let names = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.parse().ok())
}

fn row(pid: i32) -> Option<Row> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name stands in brackets and may itself hold brackets and blanks.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let (parent, started) = (fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?);
    Some(Row { pid, parent, is_zombie: matches!(fields.first(), Some(&("Z" | "X"))), started })
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
