//! Sections that run a script: what its author can rely on, and what nobody can do with it.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use conducto::standin::SampleFile;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use std::io::Write as _;

use crate::house::{House, Plan};

/// What a client of the old product would print of one leaf with this image.
fn printed(image: &Value, command: &str) -> String {
    let node = json!({ "id": "B", "type": "Exec", "command": command, "image_name": "i", "callbacks": [] });
    let serialization = json!({ "nodes": [node], "edges": [], "images": { "i": image } });
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(3));
    gzip.write_all(serialization.to_string().as_bytes()).unwrap();
    let blob = BASE64_STANDARD.encode(gzip.finish().unwrap());
    format!("\n<__conducto_serialization>{blob}</__conducto_serialization>\n\n/   {command}\n")
}

/// Commits files, and a link out of the repository, and pushes them.
async fn push(house: &House, branch: &str, cfg: &str, files: &[(&str, String)]) -> String {
    let mut samples = vec![SampleFile::plain("conducto.cfg", cfg)];
    samples.extend(files.iter().map(|(path, text)| SampleFile::plain(path, text)));
    samples.push(SampleFile::symlink("out", "/etc"));
    let sha = house.repository.commit(branch, "a change", &samples).unwrap();
    let delivery = house.push_of(branch, None, &sha);
    assert_eq!(house.send(&delivery).await, 202);
    let verdict = house.concluded(&delivery.guid).await;
    assert_eq!(verdict.pipelines.len(), 1, "{:?} {}", verdict.verdict, verdict.diagnostics);
    verdict.pipelines[0].clone()
}

#[tokio::test]
async fn what_a_script_prints_grows_and_finds_the_environment_of_its_section() {
    let house = House::build(Plan::default()).await;
    let tree =
        json!({ "/": { "type": "serial" }, "/say": { "exec": "echo $MODE $CONDUCTO_GIT_BRANCH; cat words.txt" } });
    let script = format!("echo '<__conducto_serialization>{tree}</__conducto_serialization>'\n");
    let cfg = "[push]\ncommand = \"sh ci.sh --branch={branch}\"\nmax_time = \"5m\"\nenv = { MODE = \"fast\" }\n";
    let files = [("ci.sh", script), ("words.txt", "from the commit\n".to_owned())];
    let id = push(&house, "main", cfg, &files).await;
    let view = house.ended(&id).await;
    assert_eq!(view.summary.state.word(), "done", "{:?}", view.summary.cause);
    let paths: Vec<&str> = view.nodes.iter().map(|node| node.path.as_str()).collect();
    assert_eq!(paths, ["/", "/Generate", "/Execute", "/Execute/say"]);
    assert_eq!(house.log(&id, "/Execute/say", "stream=stdout").await, "fast main\nfrom the commit\n");
}

#[tokio::test]
async fn a_branch_called_as_a_command_runs_nothing() {
    let house = House::build(Plan::default()).await;
    // No part of the name of a branch may begin with a dot, as temporary folders do.
    let mark = std::env::temp_dir().join(format!("conducto-mark-{}", std::process::id()));
    let branch = format!("feat/$(touch${{IFS}}{})`id`;'\"x", mark.display());
    let print = "echo '<__conducto_serialization>{{\"/\": {{\"exec\": \"true\"}}}}</__conducto_serialization>'";
    for command in ["printf '%s\\n' {branch}", "printf '%s\\n' '{branch}'", "printf '%s\\n' \"{branch}\""] {
        let cfg = format!("[push]\ncommand = '''\n{command}\n{print}'''\n");
        let id = push(&house, &branch, &cfg, &[]).await;
        let view = house.ended(&id).await;
        assert_eq!(view.summary.state.word(), "done", "{command}: {:?}", view.summary.cause);
        let log = house.log(&id, "/Generate", "stream=stdout").await;
        assert_eq!(log.lines().next().unwrap(), branch, "{command}");
        assert!(!mark.exists(), "{command}");
    }
}

#[tokio::test]
async fn nothing_outside_of_the_commit_is_copied() {
    let house = House::build(Plan::default()).await;
    let git = json!({ "type": "git", "url": "https://github.com/acme/api" });
    let cases = [
        (json!(["etc"]), "`/etc` does not lie in the repository"),
        (json!([git, ".."]), "`/..` does not lie in the repository"),
        (json!(["mnt", "conducto", "..", "..", "etc"]), "does not lie in the repository"),
        (json!([git, "out"]), "copies `out`, which is a link out of the repository"),
        (json!([git, "nowhere"]), "copies `nowhere`, which is not in this commit"),
    ];
    for (at, (parts, words)) in cases.into_iter().enumerate() {
        let image = json!({ "image": "busybox", "copy_dir": { "pathsep": "/", "path": parts } });
        let files = [("printed.txt", printed(&image, "cat passwd hostname"))];
        let id = push(&house, &format!("case-{at}"), "[push]\ncommand = \"cat printed.txt\"\n", &files).await;
        let view = house.ended(&id).await;
        let node = view.nodes.iter().find(|node| node.path == "/Generate").unwrap();
        assert_eq!(node.state.word(), "error");
        let outcome = node.attempts[0].outcome.clone().unwrap();
        assert!(outcome.contains(words), "{outcome}");
        assert_eq!(view.nodes.len(), 3, "nothing has grown");
    }
}

#[tokio::test]
async fn the_old_name_and_dialect_launch_one_section() {
    let house = House::build(Plan::default()).await;
    let cfg = "[push first]\nfilter = {branch} == none\ncommand = true\n[push second]\nfilter = {branch} == ma*\n\
               command = echo '<__conducto_serialization>{{\"/\": {{\"exec\": \"true\"}}}}</__conducto_serialization>'\n\
               [push third]\ncommand = true\n";
    let sha = house.commit("main", &[(".conducto.cfg", cfg)]);
    let delivery = house.push_of("main", None, &sha);
    assert_eq!(house.send(&delivery).await, 202);
    let verdict = house.concluded(&delivery.guid).await;
    assert_eq!(verdict.pipelines.len(), 1, "{:?} {}", verdict.verdict, verdict.diagnostics);
    let view = house.ended(&verdict.pipelines[0]).await;
    assert_eq!((view.summary.section.as_str(), view.summary.state.word()), ("push.second", "done"));
    assert_eq!(house.statuses(&sha, "conducto/push.second").await.last().unwrap().state, "success");
}
