//! Any tree, written in the old serialization, is read as the same tree, in every form in which clients write it.

use std::{collections::BTreeMap, time::Duration};

use conducto::{
    definition::printed,
    model::{
        Callback, Definition, Exec, NodeDefinition, NodeIndex, NodeKind, NodePath, Notice, On, Remedy, Reuse, Settings,
        Watch,
    },
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::random::Random;

/// A tree as far as the old serialization has words for it.
pub(crate) fn as_serialized(tree: &Definition) -> Definition {
    let mut nodes: Vec<NodeDefinition> = tree.clone().into();
    for node in &mut nodes {
        let mut settings: Settings = node.settings.clone().into();
        settings.isolation = None;
        settings.caches.clear();
        if settings.image.is_some() || settings.folder.is_some() || settings.shell.is_some() {
            // There it is one word that says all three.
            settings.folder.get_or_insert_default();
            settings.shell.get_or_insert_default();
        }
        if matches!(node.kind, NodeKind::Exec(_)) {
            settings.max_concurrent = None;
        }
        node.settings = settings.into();
    }
    Definition::new(nodes).expect("it was a tree before")
}

/// Every node by its path, in the order of the tree; numbers that JSON does not keep to the last bit are rounded.
pub(crate) fn comparable(tree: &Definition) -> Vec<(NodePath, NodeKind, Settings)> {
    let mut all = Vec::with_capacity(tree.len());
    let mut stack = vec![NodeIndex::ROOT];
    while let Some(index) = stack.pop() {
        let node = tree.node(index);
        let mut settings: Settings = node.settings.clone().into();
        // The reader says of every image what its folder and shell are; the writer leaves both to the image.
        (settings.folder, settings.shell) = (None, None);
        let round = |number: &mut f64| *number = format!("{number:.9e}").parse().expect("it is a number");
        settings.cpu.iter_mut().chain(&mut settings.mem).for_each(round);
        settings.max_time = settings.max_time.map(|time| {
            Duration::from_micros(u64::try_from(time.as_micros().div_ceil(1_000) * 1_000).expect("it is short"))
        });
        for callback in &mut settings.callbacks {
            if let Remedy::HandleMemoryErrors { mem_limits: (low, high), max_duration } = &mut callback.remedy {
                [low, high, max_duration].into_iter().for_each(round);
            }
        }
        all.push((tree.path(index), node.kind.clone(), settings));
        stack.extend(tree.children(index).iter().rev());
    }
    all
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 ._é🙂$'\"-]{0,6}"
}

fn remedy() -> impl Strategy<Value = Remedy> {
    let amount = || (1_u32..1_000).prop_map(|eighths| f64::from(eighths) / 8.0);
    prop_oneof![
        (0..9_u32).prop_map(|max_num_retries| Remedy::Retry { max_num_retries }),
        (0..9_u32).prop_map(|max_num_retries| Remedy::RetryThenSkip { max_num_retries }),
        (0..9_u32).prop_map(|max_num_retries| Remedy::RetryWithDoubleMem { max_num_retries }),
        any::<u32>().prop_map(|max_num_errors| Remedy::SkipSomeErrors { max_num_errors }),
        (amount(), amount(), amount())
            .prop_map(|(low, high, max_duration)| Remedy::HandleMemoryErrors { mem_limits: (low, high), max_duration }),
        name().prop_map(|name| Remedy::DeserializeIntoNode { target: NodePath::root().child(&format!("x{name}")) }),
    ]
}

fn on() -> impl Strategy<Value = On> {
    prop_oneof![
        Just(On::Queued),
        Just(On::Running),
        Just(On::Done),
        Just(On::Error),
        Just(On::WorkerError),
        Just(On::StateChange)
    ]
}

fn notice() -> impl Strategy<Value = Notice> {
    let addresses = || prop::collection::vec("[a-z]{1,3}@[a-z]{1,3}", 0..3);
    let word = || "[!-+--~é]{1,4}";
    prop_oneof![
        (addresses(), addresses()).prop_map(|(to, cc)| Notice::Email { to, cc }),
        (word(), prop::option::of("[!-~é\n]{1,8}"), any::<bool>()).prop_map(|(recipient, message, node_summary)| {
            Notice::SlackStatus { recipient, message: message.filter(|text| !text.trim().is_empty()), node_summary }
        }),
        (word(), word()).prop_map(|(url, sha)| Notice::GithubStatus { url, sha }),
        (word(), word()).prop_map(|(url, sha)| Notice::GithubPipelineStatus { url, sha }),
    ]
}

fn watch() -> impl Strategy<Value = Watch> {
    (on(), notice(), any::<bool>()).prop_map(|(on, notice, inherited)| Watch { on, notice, inherited })
}

fn callback() -> impl Strategy<Value = Callback> {
    (on(), remedy(), any::<bool>()).prop_map(|(on, remedy, inherited)| Callback { on, remedy, inherited })
}

fn settings() -> impl Strategy<Value = Settings> {
    let amount = || prop::option::weighted(0.3, (1_u32..64).prop_map(|eighths| f64::from(eighths) / 8.0));
    let words = prop::collection::vec(prop_oneof!["--env=[A-Z]{1,3}=[a-z ]{0,3}", Just("--init".to_owned())], 0..3);
    let needs = (
        prop::option::weighted(0.5, prop_oneof![Just("busybox"), Just("python:3.12"), Just("host/a/b:1@sha256:00")]),
        prop::option::weighted(0.2, prop_oneof![Just(""), Just("ci"), Just("a/b é")]),
        prop::option::weighted(0.2, prop_oneof![Just(""), Just("/bin/bash")]),
        amount(),
        amount(),
        prop::option::weighted(0.2, 0..3_u32),
        prop::option::weighted(0.2, any::<bool>()),
        prop::option::weighted(0.2, words),
    );
    let env = prop::collection::btree_map("[A-C]|é|A B", "[a-z\n\"é$]{0,3}", 0..3);
    let time = prop::option::weighted(0.3, (1..10_000_000_u64).prop_map(Duration::from_millis));
    let reuse = prop::option::weighted(0.2, prop_oneof![Just(Reuse::New), Just(Reuse::Global)]);
    let rest = (
        prop::option::weighted(0.3, any::<bool>()),
        prop::bool::weighted(0.2),
        prop::option::weighted(0.3, 1..5_u32),
        prop::collection::vec(callback(), 0..3),
        prop::collection::vec(watch(), 0..2),
        prop::option::weighted(0.2, "[ -~é\n]{1,12}"),
    );
    (needs, env, time, reuse, rest).prop_map(|(needs, env, max_time, reuse, rest)| {
        let (image, folder, shell, cpu, mem, gpu, requires_docker, docker_run_args) = needs;
        let (skip, suppress_errors, max_concurrent, callbacks, watches, doc) = rest;
        Settings {
            image: image.map(Into::into),
            folder: folder.map(str::to_owned),
            shell: shell.map(str::to_owned),
            env,
            max_time,
            cpu,
            mem,
            gpu,
            requires_docker,
            docker_run_args,
            container_reuse_context: reuse,
            isolation: None,
            skip,
            suppress_errors,
            max_concurrent,
            callbacks,
            watches,
            caches: Vec::new(),
            doc,
        }
    })
}

fn kind() -> impl Strategy<Value = NodeKind> {
    prop_oneof![
        4 => "[ -~é\n]{0,12}".prop_map(|command| NodeKind::Exec(Exec { command })),
        1 => any::<bool>().prop_map(|stop_on_error| NodeKind::Serial { stop_on_error }),
        1 => Just(NodeKind::Parallel),
    ]
}

prop_compose! {
    /// Any tree: each node hangs below any of the groups before it.
    fn tree()(nodes in prop::collection::vec((any::<prop::sample::Index>(), name(), kind(), settings()), 1..24))
            -> Definition {
        let mut all: Vec<NodeDefinition> = Vec::new();
        let mut groups = Vec::new();
        for (number, (place, name, kind, settings)) in nodes.into_iter().enumerate() {
            let parent = (!groups.is_empty()).then(|| groups[place.index(groups.len())]);
            if number > 0 && parent.is_none() {
                break;
            }
            if !matches!(kind, NodeKind::Exec(_)) {
                groups.push(NodeIndex(u32::try_from(number).unwrap()));
            }
            let name = if number == 0 { "/".to_owned() } else { format!("{name}-{number}") };
            all.push(NodeDefinition { name: name.into(), parent, kind, settings: settings.into() });
        }
        as_serialized(&Definition::new(all).unwrap())
    }
}

fn read(json: &Value, level: u32) -> Definition {
    let stdout = printed::pack(&serde_json::to_vec(json).unwrap(), level);
    printed::read(stdout.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{json:#}"))
}

/// The form that images have before the client has resolved their paths.
fn unfinalized(json: &mut Value) {
    for image in json["images"].as_object_mut().unwrap().values_mut() {
        image["instantiation_directory"] = json!("/home/me/demo");
        for key in ["reqs_py", "reqs_npm", "reqs_packages"] {
            image[key] = Value::Null;
        }
        image["reqs_docker"] = json!(false);
    }
}

/// Other ids, other names of images, keys of other versions, and edges in another order wherever that means nothing.
fn disguised(json: &mut Value, random: &mut Random) {
    let nodes = json["nodes"].as_array_mut().unwrap();
    let mut ids = BTreeMap::new();
    for (number, node) in nodes.iter_mut().enumerate() {
        let id = format!("{} {number}é", random.next());
        let old = std::mem::replace(&mut node["id"], json!(id));
        ids.insert(old.as_str().unwrap().to_owned(), id);
        node["file"] = json!("/home/me/x.py");
        node["__unknown__"] = json!({ "a": [1] });
    }
    // The root stays the first.
    for at in (2..nodes.len()).rev() {
        nodes.swap(at, 1 + random.below(at));
    }
    let edges = json["edges"].as_array_mut().unwrap();
    for edge in edges.iter_mut() {
        for end in 0..2 {
            edge[end] = json!(ids[edge[end].as_str().unwrap()]);
        }
    }
    // Children of one parent keep their order.
    edges.sort_by_key(|edge| edge[0].as_str().unwrap().to_owned());
    json["version"] = json!("99");
}

const HOISTED: [&str; 7] = ["skip", "cpu", "mem", "gpu", "requires_docker", "docker_run_args", "image_name"];

/// Moves common values up, as the old client does before it serializes (`compat.md` §1.6).
fn hoisted(json: &mut Value) {
    let nodes: Vec<Map<String, Value>> = serde_json::from_value(json["nodes"].take()).unwrap();
    let mut by_id: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let order: Vec<String> = nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect();
    by_id.extend(order.iter().cloned().zip(nodes));
    let edges: Vec<(String, String, String)> = serde_json::from_value(json["edges"].clone()).unwrap();
    // Nodes are listed level by level: from the last to the first is from the leaves to the root.
    for id in order.iter().rev() {
        let children: Vec<&String> = edges.iter().filter(|edge| edge.0 == *id).map(|edge| &edge.1).collect();
        if children.is_empty() {
            continue;
        }
        let known = children.iter().map(|child| &by_id[*child]).chain([&by_id[id]]);
        let env = known.flat_map(Map::keys).filter(|key| key.starts_with("__env__")).cloned();
        let keys: Vec<String> = HOISTED.into_iter().map(str::to_owned).chain(env).collect();
        for key in keys {
            let values: Vec<Option<Value>> = children.iter().map(|child| by_id[*child].get(&key).cloned()).collect();
            let own = by_id[id].get(&key).cloned();
            let is_common = match &own {
                Some(own) => values.iter().flatten().all(|value| value == own),
                None => values[0].is_some() && values.iter().all(|value| *value == values[0]),
            };
            if !is_common {
                continue;
            }
            if let (None, Some(value)) = (own, values[0].clone()) {
                by_id.get_mut(id).unwrap().insert(key.clone(), value);
            }
            for child in &children {
                by_id.get_mut(*child).unwrap().shift_remove(&key);
            }
        }
    }
    json["nodes"] = order.iter().map(|id| Value::Object(by_id[id].clone())).collect();
}

/// What counts when a tree runs: what leaves end up with, and what groups say themselves.
fn effective(tree: &Definition) -> Vec<Value> {
    let mut all = Vec::new();
    for (path, kind, settings) in comparable(tree) {
        let index = tree.find(&path).unwrap();
        let Settings {
            max_time,
            container_reuse_context,
            suppress_errors,
            max_concurrent,
            callbacks,
            watches,
            doc,
            ..
        } = settings;
        let own = json!([max_time, container_reuse_context, suppress_errors, max_concurrent, callbacks, watches, doc]);
        let is_skipped = tree.lineage(index).any(|above| tree.node(above).settings.skip == Some(true));
        let leaf = tree.is_exec(index).then(|| {
            let needs = format!("{:?}", tree.needs(index));
            json!([needs, tree.environment(index), is_skipped, tree.resources(index).mem])
        });
        all.push(json!([path, kind, own, leaf]));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_comes_back_from_its_serialization(tree in tree(), level in 0..10_u32, seed: u64) {
        let plain = printed::to_json(&tree);
        let same = comparable(&tree);
        prop_assert_eq!(comparable(&read(&plain, level)), same.clone());
        let mut other = plain.clone();
        unfinalized(&mut other);
        disguised(&mut other, &mut Random::new(seed));
        prop_assert_eq!(comparable(&read(&other, level)), same);
    }

    #[test]
    fn values_that_were_moved_to_parents_come_back_where_they_count(tree in tree(), level in 0..10_u32, seed: u64) {
        let mut json = printed::to_json(&tree);
        hoisted(&mut json);
        prop_assert_eq!(effective(&read(&json, level)), effective(&tree));
        disguised(&mut json, &mut Random::new(seed));
        prop_assert_eq!(effective(&read(&json, level)), effective(&tree));
    }
}
