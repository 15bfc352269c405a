//! What is attacked, and what holds whatever the input is: no panic, places that lie in the text, trees that can be written
//! and read again.

use std::{collections::BTreeSet, sync::LazyLock};

use conducto::{
    definition::{self, ALL_CODES, Cfg, Work, matching, printed, read_cfg, read_pipeline},
    model::{Definition, Diagnostic, Repository, Trigger, TriggerKind},
};

use crate::{
    damage,
    engine::Target,
    round_trip::{as_serialized, comparable},
    seeds,
};

/// Bytes for any input, and bytes for each byte of it. Most is needed by a line of many mistakes, each with its message.
const TEXT: (usize, usize) = (8 << 20, 512);

/// A few bytes may unpack to 64 MiB, which are then read.
const PACKED: (usize, usize) = (640 << 20, 512);

pub(crate) fn serialization() -> Target {
    let read = |json: &[u8]| {
        // Any level of gzip, the same for the same input.
        let level = u32::try_from(json.len() % 10).expect("it is below ten");
        of_printed(printed::read(printed::pack(json, level).as_bytes()))
    };
    Target { name: "serialization", seeds: seeds::serializations(), damage: damage::json, read, memory: TEXT }
}

pub(crate) fn output() -> Target {
    let in_words = |json: Vec<u8>| printed::pack(&json, 3).into_bytes();
    let mut seeds: Vec<_> = seeds::serializations().into_iter().map(in_words).collect();
    let bare = seeds::definitions_in_json().into_iter().map(|json| {
        let json = String::from_utf8_lossy(&json).into_owned();
        format!("words\n<__conducto_serialization>{json}</__conducto_serialization>\n\n/\n").into_bytes()
    });
    seeds.extend(bare);
    let read = |stdout: &[u8]| of_printed(printed::read(stdout));
    Target { name: "output", seeds, damage: damage::text, read, memory: PACKED }
}

pub(crate) fn cfg_toml() -> Target {
    Target { name: "cfg_toml", seeds: seeds::cfg(false), damage: damage::text, read: of_cfg, memory: TEXT }
}

pub(crate) fn cfg_ini() -> Target {
    Target { name: "cfg_ini", seeds: seeds::cfg(true), damage: damage::text, read: of_cfg, memory: TEXT }
}

/// The filter in both dialects.
pub(crate) fn filter() -> Target {
    let read = |bytes: &[u8]| of_value("filter", bytes);
    Target { name: "filter", seeds: seeds::values("filter"), damage: damage::text, read, memory: TEXT }
}

/// The script in both dialects.
pub(crate) fn command() -> Target {
    let read = |bytes: &[u8]| of_value("command", bytes);
    Target { name: "command", seeds: seeds::values("command"), damage: damage::text, read, memory: TEXT }
}

pub(crate) fn definition_toml() -> Target {
    let read = |bytes: &[u8]| of_definition("ci/pipeline.toml", bytes);
    let seeds = seeds::definitions_in_toml();
    Target { name: "definition_toml", seeds, damage: damage::text, read, memory: TEXT }
}

pub(crate) fn definition_json() -> Target {
    let read = |bytes: &[u8]| of_definition("ci/pipeline.json", bytes);
    let seeds = seeds::definitions_in_json();
    Target { name: "definition_json", seeds, damage: damage::json, read, memory: TEXT }
}

fn of_printed(read: Result<Definition, String>) -> String {
    match read {
        Ok(tree) => {
            comes_back(&tree);
            shape(&tree)
        }
        Err(message) => {
            assert!(!message.is_empty());
            gist(&message)
        }
    }
}

fn of_definition(name: &str, bytes: &[u8]) -> String {
    let (tree, diagnostics) = read_pipeline(name, bytes);
    let said = said(&diagnostics, tree.is_some());
    match tree {
        Some(tree) => {
            comes_back(&tree);
            said + &shape(&tree)
        }
        None => said,
    }
}

fn of_cfg(bytes: &[u8]) -> String {
    let (cfg, diagnostics) = read_cfg("conducto.cfg", bytes);
    let said = said(&diagnostics, cfg.is_some());
    cfg.map_or(said.clone(), |cfg| said + &answers(&cfg))
}

/// Puts a text into the same key of both dialects.
fn of_value(key: &str, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let quoted = toml::Value::String(text.clone().into_owned());
    let rest = if key == "filter" { "command = \"true\"\n" } else { "" };
    let in_toml = of_cfg(format!("[push]\n{rest}{key} = {quoted}\n").as_bytes());
    let in_lines = text.replace('\n', "\n  ");
    let in_ini = of_cfg(format!("[push main]\n{}{key} = {in_lines}\n", rest.replace('"', "")).as_bytes());
    in_toml + &in_ini
}

/// Events with values that no shell and no filter may take for more than a word.
static EVENTS: LazyLock<Vec<Trigger>> = LazyLock::new(|| {
    let trigger = |kind| Trigger {
        host: "github.com".to_owned(),
        repository: Repository { id: 1, full_name: "acme/api".to_owned(), default_branch: Some("main".to_owned()) },
        sha: "a1b2c3".repeat(7)[..40].to_owned(),
        kind,
        title: "a || b".to_owned(),
        sender: "$(rm -rf x)".to_owned(),
    };
    ["main", "$(rm -rf x)", "a'b\"c`d`", "[!a-]*?"]
        .into_iter()
        .map(|branch| trigger(TriggerKind::Push { branch: branch.to_owned(), before: None }))
        .collect()
});

/// Asks every section about events, and fills every script.
fn answers(cfg: &Cfg) -> String {
    let files = ["docs/index.md".to_owned(), String::new()];
    let mut launched = String::new();
    for event in EVENTS.iter() {
        let answer = matching(cfg, event, Some(&files));
        assert_eq!(answer.launching.len() + answer.still.len(), cfg.sections.len());
        for section in &answer.launching {
            if let Work::Command(command) = &section.work {
                assert!(command.fill(&definition::values(event)).len() >= command.as_str().len() / 8);
            }
        }
        launched += &format!(" {}", answer.launching.len().min(2));
    }
    launched
}

/// What holds for every list of mistakes.
fn said(diagnostics: &[Diagnostic], is_read: bool) -> String {
    assert_eq!(is_read, !diagnostics.iter().any(Diagnostic::is_error), "the result is missing exactly after errors");
    assert!(diagnostics.len() <= 201, "{} mistakes are reported", diagnostics.len());
    for diagnostic in diagnostics {
        assert!(ALL_CODES.contains(&diagnostic.code), "{} is no code", diagnostic.code);
        for label in diagnostic.primary.iter().chain(&diagnostic.others) {
            let range = label.span.range.clone();
            assert!(label.span.file.text.get(range.clone()).is_some(), "{range:?} lies not in the text");
        }
    }
    let words = definition::text(&diagnostics[..diagnostics.len().min(4)], false);
    let summary = definition::summary(diagnostics).unwrap_or_default();
    let is_harmless = |letter: char| letter == '\n' || !letter.is_control();
    assert!(words.chars().all(is_harmless) && summary.chars().all(is_harmless), "{words:?} {summary:?}");
    let gists: BTreeSet<_> =
        diagnostics.iter().map(|found| format!("{} {}", found.code, gist(&found.message))).collect();
    gists.into_iter().collect::<Vec<_>>().join("\n")
}

/// A message without what it cites.
fn gist(message: &str) -> String {
    let uncited: String = message.split('`').step_by(2).collect::<Vec<_>>().join("_");
    uncited.chars().filter(|letter| letter.is_ascii_alphabetic() || " :_".contains(*letter)).take(80).collect()
}

fn shape(tree: &Definition) -> String {
    let nodes: Vec<_> = tree.indices().map(|index| tree.node(index)).collect();
    let callbacks: BTreeSet<_> =
        nodes.iter().flat_map(|node| &node.settings.callbacks).map(|callback| callback.remedy.name()).collect();
    format!("a tree of about {} with {callbacks:?}", nodes.len().next_power_of_two())
}

/// A tree that is written in the old serialization and read again is the same.
fn comes_back(tree: &Definition) {
    let json = serde_json::to_vec(&printed::to_json(tree)).expect("a value is JSON");
    let again = printed::read(printed::pack(&json, 1).as_bytes());
    let again = again.unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&json)));
    assert_eq!(comparable(&again), comparable(&as_serialized(tree)));
}
