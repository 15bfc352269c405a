//! Tests of definition files: what is read, in both forms, and that nothing makes the reader panic.

use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;

use super::read_pipeline;
use crate::model::{Definition, Exec, NodeDefinition, NodeIndex, NodeKind, NodePath, Resources, Settings};

const TOML: &str = r#"
image = "node:20"            # inherited by every node
["/"]
type = "serial"
["/install"]
exec = "npm ci"
["/checks"]
type = "parallel"
["/checks/lint"]
exec = "npm run lint"
["/checks/unit"]
exec = "npm test"
env = { CI = "1" }
max_time = "10m"
"#;

const JSON: &str = r#"{
    "$schema": "pipeline.schema.json",
    "image": "node:20",
    "/": { "type": "serial" },
    "/install": { "exec": "npm ci" },
    "/checks": { "type": "parallel" },
    "/checks/lint": { "exec": "npm run lint" },
    "/checks/unit": { "exec": "npm test", "env": { "CI": "1" }, "max_time": 600 }
}"#;

fn read(name: &str, text: &str) -> Definition {
    let (definition, diagnostics) = read_pipeline(name, text.as_bytes());
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    definition.unwrap()
}

fn paths(definition: &Definition) -> Vec<String> {
    definition.indices().map(|index| definition.path(index).to_string()).collect()
}

fn codes(name: &str, text: &str) -> Vec<&'static str> {
    read_pipeline(name, text.as_bytes()).1.iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn both_forms_make_the_same_tree() {
    let tree = read("ci/pipeline.toml", TOML);
    assert_eq!(tree, read("ci/pipeline.JSON", JSON));
    assert_eq!(paths(&tree), ["/", "/install", "/checks", "/checks/lint", "/checks/unit"]);
    let unit = tree.find(&NodePath::parse("/checks/unit").unwrap()).unwrap();
    assert_eq!(tree.image(unit), Some("node:20"));
    assert_eq!(tree.max_time(unit), Some(Duration::from_secs(600)));
    assert_eq!(tree.node(unit).kind, NodeKind::Exec(Exec { command: "npm test".into() }));
    assert_eq!(tree.node(NodeIndex::ROOT).kind, NodeKind::Serial { stop_on_error: true });
}

#[test]
fn siblings_keep_the_order_of_the_file_even_if_parents_come_late() {
    let text =
        "[\"/z/b\"]\nexec = \"1\"\n[\"/z/a\"]\nexec = \"2\"\n[\"/a\"]\nexec = \"3\"\n[\"/z\"]\ntype = \"parallel\"\n";
    assert_eq!(paths(&read("p.toml", text)), ["/", "/a", "/z", "/z/b", "/z/a"]);
}

#[test]
fn the_root_may_be_left_out_or_run_the_only_command() {
    let tree = read("p.toml", "[\"/a\"]\nexec = \"true\"\n");
    assert_eq!(tree.node(NodeIndex::ROOT).kind, NodeKind::Serial { stop_on_error: true });
    let tree = read("p.toml", "cpu = 2\n[\"/\"]\nexec = \"make\"\nmem = 0.5\n");
    assert_eq!(tree.len(), 1);
    let Resources { cpu, mem, .. } = tree.resources(NodeIndex::ROOT);
    assert_eq!((cpu, mem), (2.0, 0.5));
}

#[test]
fn keys_at_the_top_are_those_of_the_root() {
    let tree = read(
        "p.toml",
        "env = { A = \"1\" }\nimage = \"x\"\n[\"/\"]\ntype = \"serial\"\nstop_on_error = false\n[\"/a\"]\nexec = \"true\"\n",
    );
    let root = tree.node(NodeIndex::ROOT);
    assert_eq!(root.kind, NodeKind::Serial { stop_on_error: false });
    assert_eq!(root.settings.image.as_deref(), Some("x"));
    assert_eq!(root.settings.env, [("A".to_owned(), "1".to_owned())].into());
}

#[rstest]
#[case("", &["pipeline::empty"])]
#[case("{", &["pipeline::syntax"])]
#[case("[\"/a/../a\"]\nexec = \"true\"\n", &["pipeline::cycle"])]
#[case("[\"/a\"]\nexec = \"true\"\n[\"/a//\"]\nexec = \"true\"\n", &["pipeline::duplicate"])]
#[case("[\"/a\"]\nexec = \"\"\n", &["pipeline::bad-value"])]
#[case("[\"/a\"]\nexec = \"true\"\nmax_time = 1e300\n", &["pipeline::bad-value"])]
#[case("[\"/a\"]\nexec = \"true\"\ncpu = nan\n", &["pipeline::bad-value"])]
#[case("[\"/a\"]\nexec = \"true\"\ncpu = inf\n", &["pipeline::bad-value"])]
#[case("[\"/a\"]\nexec = \"true\"\nmax_time = \"1ns\"\n", &["pipeline::bad-value"])]
#[case("[\"/a\"]\nexec = \"true\"\nexec.b = 1\n", &["pipeline::syntax"])]
#[case("[[\"/a\"]]\nexec = \"true\"\n", &["pipeline::wrong-type"])]
fn mistakes_have_codes(#[case] text: &str, #[case] expected: &[&str]) {
    assert_eq!(codes("p.toml", text), expected);
}

#[test]
fn hostile_nesting_is_refused() {
    assert_eq!(codes("p.json", &"[".repeat(1_000_000)), ["pipeline::syntax"]);
    assert_eq!(codes("p.json", &("{\"/\":".repeat(100_000) + "1")), ["pipeline::syntax"]);
    assert!(!codes("p.toml", &("a = ".to_owned() + &"[".repeat(100_000))).is_empty());
    assert!(!codes("p.toml", &("a.".repeat(100_000) + "b = 1")).is_empty());
}

/// Trees as the model makes them: any order of kinds, names with blanks, quotes and letters of all the world.
fn trees() -> impl Strategy<Value = Definition> {
    let settings = (
        prop::option::of("[a-z]{1,8}(:[0-9]{1,3})?"),
        prop::collection::btree_map("[A-Z]{1,4}", "\\PC{0,8}", 0..3),
        prop::option::of(1_u64..1_000_000),
        prop::option::of(1_u32..64),
        prop::option::of("\\PC{0,12}"),
    );
    let node = ("[a-zé\"\\\\ .-]{0,5}x", any::<prop::sample::Index>(), 0..3_u8, any::<bool>(), "\\PC{0,10}", settings);
    prop::collection::vec(node, 1..12).prop_map(|drawn| {
        let root_kind = NodeKind::Parallel;
        let root =
            NodeDefinition { name: "/".into(), parent: None, kind: root_kind, settings: Settings::default().into() };
        let mut nodes = vec![root];
        let mut groups = vec![0];
        for (at, (name, parent, kind, stop_on_error, command, (image, env, max_time, cpu, doc))) in
            drawn.into_iter().enumerate()
        {
            let parent = NodeIndex(u32::try_from(*parent.get(&groups)).unwrap());
            let kind = match kind {
                0 if at > 0 => NodeKind::Serial { stop_on_error },
                1 if at > 0 => NodeKind::Parallel,
                _ => NodeKind::Exec(Exec { command: command + "!" }),
            };
            if !matches!(kind, NodeKind::Exec(_)) {
                groups.push(nodes.len());
            }
            let max_time = max_time.map(Duration::from_millis);
            let cpu = cpu.map(f64::from);
            let settings = Settings { image, env, max_time, cpu, doc, ..Settings::default() }.into();
            nodes.push(NodeDefinition { name: format!("{name}{at}").into(), parent: Some(parent), kind, settings });
        }
        Definition::new(nodes).unwrap()
    })
}

/// Writes a tree as a definition file.
fn write(tree: &Definition) -> serde_json::Map<String, serde_json::Value> {
    let mut file = serde_json::Map::new();
    for index in tree.indices() {
        let node = tree.node(index);
        let mut keys = serde_json::to_value(&node.settings).unwrap();
        if let Some(time) = node.settings.max_time {
            keys["max_time"] = serde_json::json!(format!("{}ms", time.as_millis()));
        }
        match &node.kind {
            NodeKind::Exec(exec) => keys["exec"] = exec.command.clone().into(),
            NodeKind::Serial { stop_on_error } => {
                keys["type"] = "serial".into();
                keys["stop_on_error"] = (*stop_on_error).into();
            }
            NodeKind::Parallel => keys["type"] = "parallel".into(),
        }
        file.insert(tree.path(index).to_string(), keys);
    }
    file
}

/// Compares trees by path: the order of siblings counts, that of the list does not.
fn described(tree: &Definition) -> Vec<(String, NodeDefinition)> {
    let mut nodes: Vec<_> = tree
        .subtree(NodeIndex::ROOT)
        .into_iter()
        .map(|index| (tree.path(index).to_string(), NodeDefinition { parent: None, ..tree.node(index).clone() }))
        .collect();
    nodes.sort_by_key(|(path, _)| path.matches('/').count());
    nodes
}

proptest! {
    #[test]
    fn any_tree_survives_being_written_as_toml_and_json(tree in trees()) {
        let file = write(&tree);
        let json = serde_json::to_string_pretty(&file).unwrap();
        let (read, diagnostics) = read_pipeline("p.json", json.as_bytes());
        prop_assert!(diagnostics.is_empty(), "{json}\n{diagnostics:?}");
        prop_assert_eq!(described(&read.unwrap()), described(&tree));
        let mut toml = String::new();
        for (path, keys) in &file {
            toml += &format!("[{}]\n{}\n", toml::Value::from(path.as_str()), toml::to_string(keys).unwrap().replace("[env]", "[ENV]"));
            toml = toml.replace("[ENV]", &format!("[{}.env]", toml::Value::from(path.as_str())));
        }
        let (read, diagnostics) = read_pipeline("p.toml", toml.as_bytes());
        prop_assert!(diagnostics.is_empty(), "{toml}\n{diagnostics:?}");
        prop_assert_eq!(described(&read.unwrap()), described(&tree));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*", json: bool) {
        let name = if json { "p.json" } else { "p.toml" };
        let (_, diagnostics) = read_pipeline(name, text.as_bytes());
        super::super::text(&diagnostics, false);
    }

    #[test]
    fn no_damage_to_a_file_makes_the_reader_panic(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..6),
        json: bool,
    ) {
        let (name, text) = if json { ("p.json", JSON) } else { ("p.toml", TOML) };
        let mut bytes = text.as_bytes().to_vec();
        for (at, other, byte) in cuts {
            let (at, other) = (at.index(bytes.len()), other.index(bytes.len()));
            match byte % 4 {
                0 => bytes[at] = byte,
                1 => bytes.swap(at, other),
                2 => drop(bytes.drain(at.min(other)..=at.min(other) + 3.min(bytes.len() - 1 - at.min(other)))),
                _ => bytes.insert(at, b"[]{}\"'=.,\n#/"[usize::from(byte / 4) % 12]),
            }
            prop_assume!(!bytes.is_empty());
        }
        let (definition, diagnostics) = read_pipeline(name, &bytes);
        prop_assert_eq!(definition.is_none(), diagnostics.iter().any(crate::model::Diagnostic::is_error));
        super::super::text(&diagnostics, true);
        super::super::summary(&diagnostics);
    }
}
