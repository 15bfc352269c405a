//! Tests of what nodes print: where it is found, both forms, what the old one means, and that nothing in it does harm.

use std::io::Write;

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::read;
use crate::model::{Callback, Definition, Exec, NodeIndex, NodeKind, NodePath, On, Remedy, Reuse};

/// A program of the old client, serialized by it: `compat.md` §1.8, the shortened paths and images filled in.
const REAL: &str = r#"{"edges": [["B","cmoUroa31CfycGuum6AaB","one"], ["B","mQisT7t6NAlycGuum6AaB","two"],
  ["B","qQMWITN1odATZLsLUAEB5","lazy"], ["mQisT7t6NAlycGuum6AaB","qbWFUJGFfw5qPL4yU1mb3C","n0"],
  ["qQMWITN1odATZLsLUAEB5","neDYR7zRRYCaqvmBO1bsrC","Generate"],
  ["qQMWITN1odATZLsLUAEB5","jZdwwnx42RYKY6C8Lac8fD","Execute"]],
 "nodes": [
  {"skip": false, "image_name": "minor-cosmog", "__env__A": "1", "id": "B", "callbacks": [], "type": "Serial",
   "file": "/home/me/demo/hello.py", "line": 12, "is_notebook": false, "doc": "A small demo.\n\nSecond line.",
   "title": "hello.py pipeline", "stop_on_error": false},
  {"cpu": 0.5, "id": "cmoUroa31CfycGuum6AaB", "callbacks": [], "type": "Exec", "file": "/home/me/demo/hello.py", "line": 13,
   "is_notebook": false, "max_time": "30s", "command": "echo hi"},
  {"id": "mQisT7t6NAlycGuum6AaB", "callbacks": [["error", ["retry", {"max_num_retries": 2, "inherited": false,
   "user_display": true}]]], "type": "Parallel", "is_notebook": false, "container_reuse_context": "new", "max_concurrent": 2},
  {"id": "qQMWITN1odATZLsLUAEB5", "callbacks": [], "type": "Serial", "is_notebook": false, "stop_on_error": true},
  {"skip": false, "__env__I": "0", "id": "qbWFUJGFfw5qPL4yU1mb3C", "callbacks": [], "type": "Exec",
   "is_notebook": false, "command": "echo 0; exit 0"},
  {"id": "neDYR7zRRYCaqvmBO1bsrC", "callbacks": [["done", ["deserialize_into_node", {"target": "/lazy/Execute"}]]],
   "type": "Exec", "is_notebook": false, "command": "sh gen.sh"},
  {"id": "jZdwwnx42RYKY6C8Lac8fD", "callbacks": [], "type": "Parallel", "is_notebook": false}],
 "images": {"minor-cosmog": {"name": "minor-cosmog", "image": "conducto/busybox:test", "dockerfile": null,
   "dockerfile_text": null, "docker_build_args": null, "docker_auto_workdir": true, "context": null, "copy_repo": null,
   "copy_dir": null, "copy_url": null, "copy_branch": null, "install_pip": null, "install_npm": null,
   "install_packages": null, "install_docker": false, "path_map": null, "shell": "__auto__"}},
 "token": null, "autorun": null, "autorun_at": null, "sleep_when_done": null, "pipeline_reservation": null,
 "agent_only": false}"#;

fn pack(json: &[u8]) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(3));
    gzip.write_all(json).unwrap();
    BASE64_STANDARD.encode(gzip.finish().unwrap())
}

/// Prints a blob as the old client does, with words around it.
fn printed(blob: &str) -> Vec<u8> {
    format!("installing…\n\n<__conducto_serialization>{blob}</__conducto_serialization>\n\n/\n└─0 one\n").into_bytes()
}

fn read_old(serialization: &Value) -> Result<Definition, String> {
    read(&printed(&pack(serialization.to_string().as_bytes())))
}

/// A root with one child that runs a command; `change` is made to the child.
fn with(change: &Value) -> Result<Definition, String> {
    let mut child = json!({ "id": "x", "type": "Exec", "command": "true", "callbacks": [] });
    child.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let nodes = json!([{ "id": "B", "type": "Parallel", "callbacks": [] }, child]);
    read_old(&json!({ "nodes": nodes, "edges": [["B", "x", "a"]], "images": {} }))
}

fn at(tree: &Definition, path: &str) -> NodeIndex {
    tree.find(&NodePath::parse(path).unwrap()).unwrap_or_else(|| panic!("no {path}"))
}

#[test]
fn what_the_old_client_prints_is_understood() {
    let tree = read(&printed(&pack(REAL.as_bytes()))).unwrap();
    let paths: Vec<_> = tree.indices().map(|index| tree.path(index).to_string()).collect();
    assert_eq!(paths, ["/", "/one", "/two", "/two/n0", "/lazy", "/lazy/Generate", "/lazy/Execute"]);
    let root = tree.node(NodeIndex::ROOT);
    assert_eq!(root.kind, NodeKind::Serial { stop_on_error: false });
    assert_eq!(root.settings.doc.as_deref(), Some("A small demo.\n\nSecond line."));
    assert_eq!(root.settings.skip, Some(false));
    let (one, two, n0) = (at(&tree, "/one"), at(&tree, "/two"), at(&tree, "/two/n0"));
    assert_eq!(tree.node(one).kind, NodeKind::Exec(Exec { command: "echo hi".into() }));
    assert_eq!(tree.max_time(one).unwrap().as_secs(), 30);
    assert_eq!(tree.resources(one).cpu, 0.5);
    assert_eq!(tree.image(n0), Some(&"conducto/busybox:test".into()));
    assert_eq!(tree.environment(n0), [("A".into(), "1".into()), ("I".into(), "0".into())].into());
    let two = &tree.node(two).settings;
    assert_eq!((two.max_concurrent, two.container_reuse_context), (Some(2), Some(Reuse::New)));
    let retry = Callback { on: On::Error, remedy: Remedy::Retry { max_num_retries: 2 }, inherited: false };
    assert_eq!(two.callbacks, [retry]);
    assert_eq!(tree.grows_at(at(&tree, "/lazy/Generate")).unwrap().as_str(), "/lazy/Execute");
}

#[test]
fn a_definition_in_json_may_be_printed_as_it_is() {
    let text = r#"{ "image": "x", "/": { "type": "parallel" }, "/a": { "exec": "true", "retry": 2 }, "/b": { "generate": "g" } }"#;
    let tree = read(&printed(text)).unwrap();
    assert_eq!(tree.image(at(&tree, "/a")), Some(&"x".into()));
    assert_eq!(tree.grows_at(at(&tree, "/b/Generate")).unwrap().as_str(), "/b/Execute");
    // There may be nothing to do today.
    assert_eq!(read(&printed("{}")).unwrap().len(), 1);
    assert_eq!(
        read(&printed(r#"{ "/": { "type": "parallel" } }"#)).unwrap().node(NodeIndex::ROOT).kind,
        NodeKind::Parallel
    );
}

#[test]
fn the_last_pair_of_marks_counts_whatever_else_is_printed() {
    let blob = |name: &str| {
        format!(
            "<__conducto_serialization>\n  {{ \"/{name}\": {{ \"exec\": \"true\" }} }}\n</__conducto_serialization>"
        )
    };
    let mut bytes = b"\xff\xfe noise ".to_vec();
    bytes.extend(format!("{}{} then <__conducto_serialization> alone", blob("first"), blob("last")).into_bytes());
    bytes.extend(b"\xff");
    let tree = read(&bytes).unwrap();
    assert_eq!(tree.path(NodeIndex(1)).as_str(), "/last");
}

#[rstest]
#[case(b"all is well\n", "it printed no pipeline")]
#[case(b"", "it printed no pipeline")]
#[case(b"<__conducto_serialization>H4s", "not the one that ends it")]
#[case(b"H4s</__conducto_serialization>", "not the one that begins it")]
#[case(b"<__conducto_serialization> \n </__conducto_serialization>", "nothing stands between the marks")]
#[case(b"<__conducto_serialization>\xff</__conducto_serialization>", "not UTF-8")]
#[case(b"<__conducto_serialization>!?</__conducto_serialization>", "nor base64")]
#[case(b"<__conducto_serialization>aGVsbG8=</__conducto_serialization>", "cannot be unpacked")]
#[case(
    b"<__conducto_serialization>{ \"/a\": { \"exce\": \"x\" } }</__conducto_serialization>",
    "the pipeline it printed:1:"
)]
#[case(b"<__conducto_serialization>{ oops }</__conducto_serialization>", "not valid JSON")]
fn what_is_wrong_with_the_output_is_said(#[case] stdout: &[u8], #[case] words: &str) {
    let error = read(stdout).unwrap_err();
    assert!(error.contains(words), "{error}");
}

#[rstest]
#[case(json!({}), "missing field `nodes`")]
#[case(json!({ "nodes": [] }), "has no nodes")]
#[case(json!({ "nodes": [{ "id": "B", "type": "Loop" }] }), "nodes[0].type: unknown variant `Loop`")]
#[case(json!({ "nodes": [{ "id": "B", "type": "Exec" }] }), "node / of the pipeline it printed: it has no command")]
#[case(json!({ "nodes": [{ "id": "B", "type": "Serial" }, { "id": "B", "type": "Serial" }] }), "two nodes")]
#[case(json!({ "nodes": [{ "id": "B", "type": "Serial" }, { "id": "x", "type": "Serial" }] }), "1 of the nodes")]
#[case(json!({ "nodes": [{ "id": "B", "type": "Serial" }], "edges": [["B", "x", "a"]] }), "no such node")]
#[case(json!({ "nodes": [{ "id": "B", "type": "Serial" }], "edges": [["B", "B", "a"]] }), "placed twice")]
#[case(
    json!({ "nodes": [{ "id": "B", "type": "Exec", "command": "true" }, { "id": "x", "type": "Serial" }], "edges": [["B", "x", "a"]] }),
    "`/` is an Exec node and cannot have children"
)]
#[case(
    json!({ "nodes": [{ "id": "B", "type": "Serial" }, { "id": "x", "type": "Serial" }], "edges": [["B", "x", "a/b"]] }),
    "holds a slash"
)]
fn what_is_no_tree_is_refused(#[case] serialization: Value, #[case] words: &str) {
    let error = read_old(&serialization).unwrap_err();
    assert!(error.contains(words), "{error}");
}

#[rstest]
#[case(json!({ "cpu": 0 }), "its cpu must be above 0")]
#[case(json!({ "cpu": "two" }), "nodes[1].cpu")]
#[case(json!({ "max_time": "30" }), "has no unit")]
#[case(json!({ "__env__A": 1 }), "variable `A` is not a text")]
#[case(json!({ "image_name": "gone" }), "`gone` is not among the images")]
#[case(json!({ "container_reuse_context": "fresh" }), "neither `new` nor `global`")]
#[case(json!({ "docker_run_args": ["--privileged"] }), "`--privileged` cannot be used here")]
#[case(json!({ "callbacks": [["error", ["sing", {}]]] }), "callback `sing` is not known")]
#[case(json!({ "callbacks": [["never", ["retry", { "max_num_retries": 1 }]]] }), "`never`, which is no event")]
#[case(json!({ "callbacks": [["error", ["retry", {}]]] }), "max_num_retries")]
fn a_node_that_cannot_be_used_is_named(#[case] change: Value, #[case] words: &str) {
    let error = with(&change).unwrap_err();
    assert!(error.contains(words), "{error}");
    assert!(error.contains("node /a of") || error.contains("nodes[1]"), "{error}");
}

#[rstest]
#[case(json!({ "dockerfile": path(&json!([git(), "ci", "Dockerfile"])) }), json!({ "base": { "dockerfile": { "path": "ci/Dockerfile", "context": "ci" } } }))]
#[case(
    json!({ "dockerfile": "ci/Dockerfile", "context": "web", "instantiation_directory": "/mnt/conducto/x/.." }),
    json!({ "base": { "dockerfile": { "path": "ci/Dockerfile", "context": "web" } } })
)]
#[case(
    json!({ "dockerfile": path(&json!([git(), "ci", "Dockerfile"])), "copy_repo": true, "docker_build_args": { "A": 1, "B": true } }),
    json!({ "base": { "dockerfile": { "path": "ci/Dockerfile", "context": "" } }, "build_args": { "A": "1", "B": "True" } })
)]
// So the old client writes it in a container.
#[case(
    json!({ "dockerfile": path(&json!([git(), "ci", "Dockerfile"])), "context": path(&json!(["ci"])) }),
    json!({ "base": { "dockerfile": { "path": "ci/Dockerfile", "context": "ci" } } })
)]
#[case(json!({ "dockerfile_text": "FROM a" }), json!({ "base": { "text": { "text": "FROM a", "context": null } } }))]
#[case(
    json!({ "image": "a", "install_pip": ["six", "Conducto==0.1", "six"], "reqs_packages": ["git"], "install_docker": true }),
    json!({ "base": { "reference": "a" }, "packages": ["git"], "docker": true, "pip": ["six"] })
)]
#[case(json!({ "install_npm": true, "reqs_npm": ["x"] }), json!({ "base": "default", "npm": "project" }))]
#[case(json!({ "reqs_npm": ["x"] }), json!({ "base": "default", "npm": { "packages": ["x"] } }))]
#[case(json!({ "image": "a", "docker_auto_workdir": false }), json!({ "base": { "reference": "a" }, "keeps_workdir": true }))]
#[case(
    json!({ "image": "a", "copy_url": "https://h/o/r.git", "copy_branch": "main" }),
    json!({ "base": { "reference": "a" }, "copy": { "url": "https://h/o/r.git", "branch": "main" } })
)]
fn an_image_that_must_be_made_is_a_recipe(#[case] image: Value, #[case] recipe: Value) {
    let tree = with_image(&image, "true").unwrap();
    assert_eq!(serde_json::to_value(tree.image(NodeIndex(1))).unwrap(), recipe);
    let again = read(super::pack(super::to_json(&tree).to_string().as_bytes(), 3).as_bytes()).unwrap();
    assert_eq!(again.image(NodeIndex(1)), tree.image(NodeIndex(1)));
}

#[rstest]
#[case(json!({ "image": "a", "dockerfile_text": "FROM a" }), "more than one of")]
#[case(json!({ "dockerfile": "/etc/Dockerfile" }), "its dockerfile what it may not have: `/etc/Dockerfile`")]
#[case(json!({ "dockerfile": path(&json!([git(), "Dockerfile"])), "context": path(&json!([git(), ".."])) }), "its context")]
#[case(json!({ "dockerfile": path(&json!([git()])) }), "root of the repository for its dockerfile")]
#[case(json!({ "image": "a", "install_packages": ["--allow-untrusted"] }), "not the name of a package")]
#[case(json!({ "image": "a", "install_packages": ["a b"] }), "not the name of a package")]
#[case(json!({ "image": "a", "install_pip": ["-r x"] }), "not the name of a package")]
#[case(json!({ "dockerfile_text": "FROM a", "docker_build_args": { "A B": "x" } }), "build argument `A B`")]
#[case(json!({ "copy_url": "https://h/o/r", "copy_branch": "main", "copy_dir": "/mnt/conducto/x" }), "both copy_dir and copy_url")]
#[case(json!({ "copy_url": "https://h/o/r" }), "copy_url without copy_branch")]
#[case(json!({ "copy_url": "https://u:p@h/o/r", "copy_branch": "main" }), "holds credentials")]
#[case(json!({ "copy_url": "file:///etc", "copy_branch": "main" }), "does not begin with https://")]
#[case(json!({ "copy_url": "https://h/o/r", "copy_branch": "--upload-pack" }), "not the name of a branch")]
#[case(json!({ "copy_url": "s3://bucket" }), "S3 bucket")]
fn an_image_that_cannot_be_made_is_refused_if_a_node_wants_it(#[case] image: Value, #[case] words: &str) {
    let error = with_image(&image, "true").unwrap_err();
    assert!(error.contains("its image `i`") && error.contains(words), "{error}");
    let node = json!({ "id": "B", "type": "Exec", "command": "true" });
    assert!(read_old(&json!({ "nodes": [node], "images": { "i": image } })).is_ok());
}

fn with_image(image: &Value, command: &str) -> Result<Definition, String> {
    let leaf = json!({ "id": "x", "type": "Exec", "command": command });
    let root = json!({ "id": "B", "type": "Serial", "image_name": "i" });
    read_old(&json!({ "nodes": [root, leaf], "edges": [["B", "x", "a"]], "images": { "i": image } }))
}

fn path(parts: &Value) -> Value {
    json!({ "pathsep": "/", "path": parts })
}

fn git() -> Value {
    json!({ "type": "git", "url": "https://github.com/acme/api", "branch": "main" })
}

#[rstest]
#[case(json!({ "copy_dir": path(&json!([git(), "ci"])) }), "ci")]
#[case(json!({ "copy_dir": path(&json!(["home", "me", git(), "ci", "x", "..", "."])) }), "ci")]
#[case(json!({ "copy_dir": path(&json!(["mnt", "conducto", "ci"])) }), "ci")]
#[case(json!({ "copy_dir": "./ci/", "instantiation_directory": "/mnt/conducto" }), "ci")]
#[case(json!({ "copy_dir": path(&json!([git()])) }), "")]
#[case(json!({ "copy_repo": true, "copy_url": "https://github.com/acme/api", "copy_branch": "main" }), "")]
#[case(json!({ "install_pip": ["conducto"], "reqs_py": ["conducto"] }), "")]
fn the_folder_of_an_image_is_one_of_the_commit(#[case] image: Value, #[case] folder: &str) {
    let tree = with_image(&image, "true").unwrap();
    assert_eq!(tree.folder(NodeIndex(1)), folder);
}

#[rstest]
#[case(json!({ "copy_dir": path(&json!(["etc"])) }), "`/etc` does not lie in the repository")]
#[case(json!({ "copy_dir": "/etc" }), "`/etc` does not lie in the repository")]
#[case(json!({ "copy_dir": path(&json!([git(), ".."])) }), "`/..` does not lie in the repository")]
#[case(json!({ "copy_dir": path(&json!(["mnt", "conducto", "..", "..", "etc"])) }), "does not lie in the repository")]
#[case(json!({ "copy_dir": path(&json!([git(), "../../etc"])) }), "does not lie in the repository")]
#[case(json!({ "copy_dir": path(&json!(["x", { "type": "shared", "name": "s" }])) }), "lies in a share")]
#[case(json!({ "copy_dir": "x" }), "is a relative path")]
#[case(json!({ "copy_dir": 7 }), "is no path")]
#[case(json!({ "path_map": { "/etc": "/x" } }), "maps what it may not: `/etc`")]
fn what_lies_outside_of_the_commit_is_refused(#[case] image: Value, #[case] words: &str) {
    let error = with_image(&image, "true").unwrap_err();
    assert!(error.contains(words), "{error}");
}

#[test]
fn paths_in_commands_become_those_of_the_container() {
    let run = |image: &Value, parts: Value| {
        let command = format!("cat __conducto_path:{}:endpath__ && true", path(&parts));
        let tree = with_image(image, &command)?;
        match &tree.node(NodeIndex(1)).kind {
            NodeKind::Exec(exec) => Ok(exec.command.clone()),
            _ => Err("no leaf".to_owned()),
        }
    };
    let plain = json!({ "image": "busybox" });
    assert_eq!(run(&plain, json!([git(), "ci", "a b.py"])).unwrap(), "cat 'ci/a b.py' && true");
    assert_eq!(run(&plain, json!([git()])).unwrap(), "cat . && true");
    let part = json!({ "copy_dir": path(&json!([git(), "ci"])) });
    assert_eq!(run(&part, json!([git(), "ci", "a.py"])).unwrap(), "cat a.py && true");
    // Marks that say different things of one repository are met by their names.
    assert_eq!(run(&part, json!([{ "type": "git" }, "ci", "a.py"])).unwrap(), "cat a.py && true");
    let error = run(&part, json!([git(), "other", "a.py"])).unwrap_err();
    assert!(error.contains("`/other/a.py`, which its image does not have"), "{error}");
    let key = path(&json!([git(), "data"])).to_string();
    let mapped = json!({ "copy_dir": path(&json!([git()])), "path_map": { key: "/opt/data" } });
    assert_eq!(run(&mapped, json!([git(), "data", "x"])).unwrap(), "cat /opt/data/x && true");
    assert_eq!(run(&mapped, json!([git(), "x"])).unwrap(), "cat x && true");
    let elsewhere = json!({ "copy_dir": path(&json!([git()])), "docker_auto_workdir": false });
    assert_eq!(run(&elsewhere, json!([git(), "x"])).unwrap(), "cat /mnt/conducto/x && true");
}

#[test]
fn peculiarities_of_old_clients_are_borne() {
    // A text where a flag belongs: Python takes any that is not empty for true.
    let serial = |stop: Value| {
        let tree = read_old(&json!({ "nodes": [{ "id": "B", "type": "Serial", "stop_on_error": stop }] })).unwrap();
        tree.node(NodeIndex::ROOT).kind == NodeKind::Serial { stop_on_error: true }
    };
    assert!(serial(json!("False")) && serial(json!(true)) && serial(json!(null)));
    assert!(!serial(json!(false)) && !serial(json!("")));
    // Limits on a leaf, messages to people, keys of the future, nulls.
    let tree = with(&json!({
        "max_concurrent": 0, "callbacks": [["stateChange", ["slack_status", { "recipient": "me" }]]],
        "future": { "deep": [1, 2] }, "cpu": null, "__env__A": null, "max_time": 90, "gpu": 1, "suppress_errors": true,
    }));
    let tree = tree.unwrap();
    let settings = &tree.node(NodeIndex(1)).settings;
    assert_eq!((settings.max_concurrent, settings.callbacks.len(), settings.env.len()), (None, 0, 0));
    assert_eq!(settings.watches[0].notice.name(), "slack_status");
    assert_eq!((settings.cpu, settings.gpu, settings.suppress_errors), (None, Some(1), true));
    assert_eq!(tree.max_time(NodeIndex(1)).unwrap().as_secs(), 90);
    // An image without a name is the default one: the node inherits.
    let image = json!({ "nodes": [{ "id": "B", "type": "Parallel", "image_name": "i" }], "images": { "i": { "image": null } } });
    assert_eq!(read_old(&image).unwrap().image(NodeIndex::ROOT), None);
}

#[test]
fn every_callback_has_its_meaning() {
    let callback = |event: &str, name: &str, arguments: Value| {
        let tree = with(&json!({ "callbacks": [[event, [name, arguments]]] })).unwrap();
        tree.node(NodeIndex(1)).settings.callbacks[0].clone()
    };
    let is = |on, remedy, inherited| Callback { on, remedy, inherited };
    assert_eq!(
        callback("worker_error", "retry_then_skip", json!({ "max_num_retries": 1, "inherited": true })),
        is(On::WorkerError, Remedy::RetryThenSkip { max_num_retries: 1 }, true)
    );
    assert_eq!(
        callback("error", "retry_with_double_mem", json!({ "max_num_retries": 3 })),
        is(On::Error, Remedy::RetryWithDoubleMem { max_num_retries: 3 }, false)
    );
    assert_eq!(
        callback("error", "skip_some_errors", json!({ "max_num_errors": 5 })),
        is(On::Error, Remedy::SkipSomeErrors { max_num_errors: 5 }, false)
    );
    assert_eq!(
        callback("error", "handle_memory_errors", json!({})),
        is(On::Error, Remedy::HandleMemoryErrors { mem_limits: (8.0, 32.0), max_duration: 3_600.0 }, false)
    );
    assert_eq!(
        callback("stateChange", "handle_memory_errors", json!({ "mem_limits": [1, 2.5], "max_duration": 60 })),
        is(On::StateChange, Remedy::HandleMemoryErrors { mem_limits: (1.0, 2.5), max_duration: 60.0 }, false)
    );
}

#[test]
fn a_few_kilobytes_that_would_fill_the_memory_are_refused() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let nothing = vec![b' '; 1 << 20];
    for _ in 0..65 {
        gzip.write_all(&nothing).unwrap();
    }
    let bomb = BASE64_STANDARD.encode(gzip.finish().unwrap());
    assert!(read(&printed(&bomb)).unwrap_err().contains("more than 64 MiB"));
    let deep = pack("[".repeat(1_000_000).as_bytes());
    assert!(read(&printed(&deep)).unwrap_err().contains("not a serialization"));
    let wide = format!("{{{}}}", " ".repeat(17 << 20));
    assert!(read(&printed(&wide)).unwrap_err().contains("too large"));
}

#[test]
fn a_tree_that_is_too_deep_or_too_large_is_refused() {
    let chain: Vec<_> = (0..70).map(|id| json!({ "id": id.to_string(), "type": "Serial" })).collect();
    let edges: Vec<_> = (1..70).map(|id| json!([(id - 1).to_string(), id.to_string(), "a"])).collect();
    let error = read_old(&json!({ "nodes": chain, "edges": edges })).unwrap_err();
    assert!(error.contains("at most 64 levels"), "{error}");
    let many: Vec<_> = (0..100_001).map(|id| json!({ "id": id.to_string(), "type": "Serial" })).collect();
    assert!(read_old(&json!({ "nodes": many })).unwrap_err().contains("more than 100000 nodes"));
}

proptest! {
    #[test]
    fn no_output_makes_the_reader_panic(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        is_packed: bool,
    ) {
        let mut json = REAL.as_bytes().to_vec();
        let damage = |bytes: &mut Vec<u8>| for (at, byte) in &cuts {
            let at = at.index(bytes.len());
            match byte % 3 {
                0 => bytes[at] = *byte,
                1 => bytes.insert(at, b"[]{}\",:0"[usize::from(byte / 3) % 8]),
                _ => drop(bytes.remove(at)),
            }
        };
        if !is_packed {
            damage(&mut json);
        }
        let mut output = printed(&pack(&json));
        if is_packed {
            damage(&mut output);
        }
        if let Err(words) = read(&output) {
            prop_assert!(!words.is_empty());
        }
    }
}
