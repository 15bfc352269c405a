//! Tests of definition files: what is read, in both forms, and that nothing makes the reader panic.

use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;

use super::read_pipeline;
use crate::model::{
    Callback, Definition, Exec, Image, Isolation, NodeDefinition, NodeIndex, NodeKind, NodePath, On, Remedy, Resources,
    Reuse, Settings,
};

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
    assert_eq!(tree.image(unit), Some(&"node:20".into()));
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
    assert_eq!(root.settings.image, Some("x".into()));
    assert_eq!(root.settings.env, [("A".to_owned(), "1".to_owned())].into());
}

/// The settings that one node gets from these lines.
fn settings(lines: &str) -> Settings {
    let tree = read("p.toml", &format!("[\"/\"]\ntype = \"parallel\"\n{lines}\n[\"/a\"]\nexec = \"true\"\n"));
    tree.node(NodeIndex::ROOT).settings.clone().into()
}

#[test]
fn every_key_of_a_node_is_understood() {
    let lines = "skip = true\nsuppress_errors = true\nmax_concurrent = 2\ngpu = 1\nrequires_docker = true\n\
                 docker_run_args = [\"--shm-size=1g\"]\ncontainer_reuse_context = \"new\"\n";
    let expected = Settings {
        skip: Some(true),
        suppress_errors: true,
        max_concurrent: Some(2),
        gpu: Some(1),
        requires_docker: Some(true),
        docker_run_args: Some(vec!["--shm-size=1g".into()]),
        container_reuse_context: Some(Reuse::New),
        ..Settings::default()
    };
    assert_eq!(settings(lines), expected);
    let global = settings("container_reuse_context = \"global\"\nisolation = \"pristine\"\nskip = false");
    assert_eq!((global.container_reuse_context, global.skip), (Some(Reuse::Global), Some(false)));
    assert_eq!(global.isolation, Some(Isolation::Pristine));
    let one_text = settings("docker_run_args = \"--label 'a=b c' --init\"").docker_run_args;
    assert_eq!(one_text, Some(vec!["--label".into(), "a=b c".into(), "--init".into()]));
}

#[rstest]
#[case("retry = 2", Some((Remedy::Retry { max_num_retries: 2 }, false)))]
#[case("retry = { times = 3, inherited = true }", Some((Remedy::Retry { max_num_retries: 3 }, true)))]
#[case("retry = { times = 1, then = \"error\", double_mem = false }", Some((Remedy::Retry { max_num_retries: 1 }, false)))]
#[case("retry = { times = 1, then = \"skip\" }", Some((Remedy::RetryThenSkip { max_num_retries: 1 }, false)))]
#[case(
    "retry = { times = 4, double_mem = true, inherited = true }",
    Some((Remedy::RetryWithDoubleMem { max_num_retries: 4 }, true))
)]
#[case("skip_errors = 3", Some((Remedy::SkipSomeErrors { max_num_errors: 3 }, false)))]
#[case(
    "memory_errors = { inherited = true }",
    Some((Remedy::HandleMemoryErrors { mem_limits: (8.0, 32.0), max_duration: 3_600.0 }, true))
)]
#[case(
    "memory_errors = { limits = [0.5, 4], max_duration = \"90s\", inherited = true }",
    Some((Remedy::HandleMemoryErrors { mem_limits: (0.5, 4.0), max_duration: 90.0 }, true))
)]
#[case("memory_errors = false", None)]
fn keys_about_failures_become_callbacks(#[case] line: &str, #[case] expected: Option<(Remedy, bool)>) {
    let expected = expected.map(|(remedy, inherited)| Callback { on: On::Error, remedy, inherited });
    assert_eq!(settings(line).callbacks, Vec::from_iter(expected));
}

#[test]
fn a_leaf_may_handle_its_own_memory_errors() {
    let tree = read("p.json", r#"{ "/": { "exec": "make", "memory_errors": true } }"#);
    let remedy = Remedy::HandleMemoryErrors { mem_limits: (8.0, 32.0), max_duration: 3_600.0 };
    assert_eq!(tree.node(NodeIndex::ROOT).settings.callbacks, [Callback { on: On::Error, remedy, inherited: false }]);
}

#[test]
fn a_node_that_generates_is_a_leaf_and_the_place_where_its_tree_grows() {
    let text = "[\"/all\"]\ntype = \"parallel\"\n[\"/all/lazy\"]\ngenerate = \"sh gen.sh\"\ncpu = 2\nenv = { A = \"1\" }\n\
                [\"/all/after\"]\nexec = \"true\"\n";
    let tree = read("p.toml", text);
    let all = ["/", "/all", "/all/lazy", "/all/lazy/Generate", "/all/lazy/Execute", "/all/after"];
    assert_eq!(paths(&tree), all);
    let find = |path: &str| tree.find(&NodePath::parse(path).unwrap()).unwrap();
    let (lazy, generate, execute) = (find(all[2]), find(all[3]), find(all[4]));
    assert_eq!(tree.node(lazy).kind, NodeKind::Serial { stop_on_error: true });
    assert_eq!(tree.node(generate).kind, NodeKind::Exec(Exec { command: "sh gen.sh".into() }));
    assert_eq!(tree.node(execute).kind, NodeKind::Parallel);
    assert_eq!(tree.grows_at(generate).map(NodePath::as_str), Some("/all/lazy/Execute"));
    assert_eq!(tree.node(generate).settings.callbacks[0].on, On::Done);
    assert_eq!((tree.node(lazy).settings.cpu, tree.node(generate).settings.cpu), (Some(2.0), None));
    assert_eq!(tree.environment(generate), [("A".to_owned(), "1".to_owned())].into());
}

#[test]
fn the_root_may_generate() {
    let tree = read("p.toml", "[\"/\"]\ngenerate = \"sh gen.sh\"\n");
    assert_eq!(paths(&tree), ["/", "/Generate", "/Execute"]);
    assert_eq!(tree.grows_at(NodeIndex(1)).map(NodePath::as_str), Some("/Execute"));
}

#[test]
fn the_whole_root_speaks_at_the_top() {
    let tree = read(
        "p.toml",
        "gpu = 2\nrequires_docker = true\ndocker_run_args = \"--init\"\nisolation = \"pristine\"\n[\"/a\"]\nexec = \"true\"\n",
    );
    let leaf = NodeIndex(1);
    assert_eq!(tree.resources(leaf).gpu, 2);
    assert!(tree.requires_docker(leaf));
    assert_eq!(tree.docker_run_args(leaf), ["--init"]);
    assert_eq!(tree.isolation(leaf), Isolation::Pristine);
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
#[case("[\"/\"]\ntype = \"parallel\"\nmax_concurrent = 0\n[\"/a\"]\nexec = \"true\"\n", &["pipeline::bad-value"])]
#[case("[\"/a\"]\nexec = \"true\"\nmax_concurrent = 2\n", &["pipeline::misplaced-key"])]
#[case("[\"/a\"]\nexec = \"true\"\nskip_errors = 2\n", &["pipeline::misplaced-key"])]
#[case("[\"/a\"]\ngenerate = \"true\"\nstop_on_error = false\n", &["pipeline::misplaced-key"])]
#[case("[\"/a\"]\ngenerate = \"true\"\n[\"/a/b\"]\nexec = \"true\"\n", &["pipeline::exec-parent"])]
#[case("[\"/a\"]\ngenerate = \"true\"\nexec = \"true\"\n", &["pipeline::type-conflict"])]
#[case("[\"/a\"]\ngenerate = \"true\"\ntype = \"serial\"\n", &["pipeline::type-conflict"])]
#[case("[\"/a\"]\ngenerate = \" \"\n", &["pipeline::bad-value"])]
#[case("[\"/a\"]\nexec = \"true\"\nretry = {}\n", &["pipeline::missing-key"])]
#[case("[\"/a\"]\nexec = \"true\"\nretry = 0\n", &["pipeline::bad-value"])]
#[case("[\"/a\"]\nexec = \"true\"\nretry = 99999999999\n", &["pipeline::bad-value"])]
#[case("[\"/a\"]\nexec = \"true\"\ngpu = -1\n", &["pipeline::bad-value"])]
#[case("[\"/a\"]\nexec = \"true\"\ngpu = 1.5\n", &["pipeline::wrong-type"])]
#[case("[\"/a\"]\nexec = \"true\"\nmemory_errors = { limits = [8] }\n", &["pipeline::bad-value"])]
#[case("[\"/a\"]\nexec = \"true\"\ndocker_run_args = [1]\n", &["pipeline::wrong-type"])]
#[case("[\"/a\"]\nexec = \"true\"\ndocker_run_args = \"--label 'open\"\n", &["pipeline::bad-value"])]
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

/// Settings that few nodes carry.
fn rare() -> impl Strategy<Value = Settings> {
    let reuse = prop_oneof![Just(Reuse::New), Just(Reuse::Global)];
    let callback = prop_oneof![
        (1..9_u32).prop_map(|max_num_retries| Remedy::Retry { max_num_retries }),
        (1..9_u32).prop_map(|max_num_retries| Remedy::RetryThenSkip { max_num_retries }),
        (1..9_u32).prop_map(|max_num_retries| Remedy::RetryWithDoubleMem { max_num_retries }),
        (1..9_u32, 1..999_u32).prop_map(|(low, seconds)| Remedy::HandleMemoryErrors {
            mem_limits: (f64::from(low), f64::from(low) * 2.0),
            max_duration: f64::from(seconds),
        }),
    ];
    let flags = (prop::option::of(any::<bool>()), any::<bool>(), prop::option::of(any::<bool>()));
    let drawn = (
        flags,
        prop::option::of(0..9_u32),
        prop::option::of(reuse),
        prop::option::of(callback),
        prop::option::of("--label=[a-z]{1,5}=\\PC{0,5}"),
    );
    drawn.prop_map(|((skip, suppress_errors, requires_docker), gpu, reuse, remedy, label)| Settings {
        skip,
        suppress_errors,
        requires_docker,
        gpu,
        container_reuse_context: reuse,
        docker_run_args: label.map(|label| vec![label]),
        callbacks: remedy.map(|remedy| Callback { on: On::Error, remedy, inherited: true }).into_iter().collect(),
        ..Settings::default()
    })
}

/// Trees as the model makes them: any order of kinds, names with blanks, quotes and letters of all the world.
fn trees() -> impl Strategy<Value = Definition> {
    let settings = (
        prop::option::of("[a-z]{1,8}(:[0-9]{1,3})?"),
        prop::collection::btree_map("[A-Z]{1,4}", "\\PC{0,8}", 0..3),
        prop::option::of(1_u64..1_000_000),
        prop::option::of(1_u32..64),
        prop::option::of("\\PC{0,12}"),
        rare(),
    );
    let node = ("[a-zé\"\\\\ .-]{0,5}x", any::<prop::sample::Index>(), 0..3_u8, any::<bool>(), "\\PC{0,10}", settings);
    prop::collection::vec(node, 1..12).prop_map(|drawn| {
        let root_kind = NodeKind::Parallel;
        let root =
            NodeDefinition { name: "/".into(), parent: None, kind: root_kind, settings: Settings::default().into() };
        let mut nodes = vec![root];
        let mut groups = vec![0];
        for (at, (name, parent, kind, stop_on_error, command, (image, env, max_time, cpu, doc, rare))) in
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
            let image = image.map(Image::from);
            let settings = Settings { image, env, max_time, cpu, doc, ..rare }.into();
            nodes.push(NodeDefinition { name: format!("{name}{at}").into(), parent: Some(parent), kind, settings });
        }
        Definition::new(nodes).unwrap()
    })
}

/// Writes a callback as a key and its value.
fn written(callback: &Callback) -> (&'static str, serde_json::Value) {
    let inherited = callback.inherited;
    match callback.remedy {
        Remedy::Retry { max_num_retries } => {
            ("retry", serde_json::json!({ "times": max_num_retries, "inherited": inherited }))
        }
        Remedy::RetryThenSkip { max_num_retries } => {
            ("retry", serde_json::json!({ "times": max_num_retries, "inherited": inherited, "then": "skip" }))
        }
        Remedy::RetryWithDoubleMem { max_num_retries } => {
            ("retry", serde_json::json!({ "times": max_num_retries, "inherited": inherited, "double_mem": true }))
        }
        Remedy::HandleMemoryErrors { mem_limits: (low, high), max_duration } => (
            "memory_errors",
            serde_json::json!({ "limits": [low, high], "max_duration": max_duration, "inherited": inherited }),
        ),
        Remedy::SkipSomeErrors { max_num_errors } => ("skip_errors", max_num_errors.into()),
        Remedy::DeserializeIntoNode { .. } => unreachable!("no key says this"),
    }
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
        let callbacks = keys.as_object_mut().unwrap().remove("callbacks");
        if callbacks.is_some() {
            let (key, value) = written(&node.settings.callbacks[0]);
            keys[key] = value;
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
            toml += &toml::to_string(&serde_json::json!({ path: keys })).unwrap();
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
