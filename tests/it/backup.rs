//! Back up a running server, lose everything, restore: what was there is there again, and nothing runs twice.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Output,
};

use crate::house::{House, Plan};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";

/// Leaves that print and keep something.
const FINISHED: &str = r#"
["/"]
type = "serial"
["/print"]
exec = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo line $i; done; echo warned >&2; printf '\\001\\377no newline'"
["/keep"]
exec = "echo kept > $CONDUCTO_DATA_PIPELINE/kept; cd $CONDUCTO_DATA_USER; echo tool > tool; chmod 750 tool; ln -s tool link"
"#;

/// One leaf that runs for ever at its first attempt, and one that waits behind it.
const LIVE: &str = r#"
["/"]
type = "parallel"
["/long"]
exec = "echo begun; test $CONDUCTO_ATTEMPT = 2 || sleep 600"
["/waits"]
exec = "echo waited"
"#;

fn run(house: &House, arguments: &[&str]) -> Output {
    house.command().args(arguments).output().unwrap()
}

fn succeed(house: &House, arguments: &[&str]) -> Vec<u8> {
    let output = run(house, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn refused(house: &House, arguments: &[&str], code: i32, words: &str) {
    let output = run(house, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(words), "{said}");
}

/// The one file in a profile's folder.
fn in_profile(base: &Path, path: &str) -> PathBuf {
    let profiles = fs::read_dir(base).unwrap().map(|entry| entry.unwrap().path());
    profiles.map(|profile| profile.join(path)).find(|path| path.symlink_metadata().is_ok()).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_lost_server_comes_back_from_its_back_up_and_goes_on() {
    let mut house = House::build(Plan { slots: 1, ..Plan::docker() }).await;
    let (_, finished) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", FINISHED)]).await;
    let finished = finished[0].clone();
    assert_eq!(house.ended(&finished).await.summary.state.word(), "done");
    let (_, live) = house.push("live", &[("conducto.cfg", CFG), ("ci.toml", LIVE)]).await;
    let live = live[0].clone();
    house.reaches(&live, "/long", "running").await;
    let log = succeed(&house, &["logs", &finished, "/print"]);
    assert!(log.ends_with(b"\x01\xffno newline") || log.ends_with(b"warned\n"), "{}", log.len());
    let shown = succeed(&house, &["show", &finished, "--json"]);
    let fence = house.pipeline(&live).await.nodes.iter().flat_map(|node| &node.attempts).map(|one| one.fence).max();

    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("all.tar.zst");
    succeed(&house, &["backup", text(&archive)]);
    assert_eq!(fs::metadata(&archive).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "drafts are left behind");
    refused(&house, &["restore", text(&archive)], 2, "uses");

    // The disk is lost, and the container of the live node runs on.
    let token = house.token();
    house.kill();
    fs::remove_dir_all(house.base()).unwrap();
    succeed(&house, &["restore", text(&archive)]);
    house.start().await;

    assert_eq!(house.token(), token);
    assert!(succeed(&house, &["logs", &finished, "/print"]) == log, "the log is not the same, byte for byte");
    let again = succeed(&house, &["show", &finished, "--json"]);
    assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&shown));
    let kept = in_profile(&house.base(), &format!("pipelines/{finished}/data/kept"));
    assert_eq!(fs::read_to_string(kept).unwrap(), "kept\n");
    let link = in_profile(&house.base(), "data/link");
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("tool"));
    assert_eq!(fs::metadata(&link).unwrap().permissions().mode() & 0o777, 0o750);

    // What ran then is lost, what waited runs, and a reset runs what was lost.
    let ended = house.ended(&live).await;
    let words = ended.summary.cause.unwrap();
    assert!(words.contains("its worker was left behind when the server was restored from a back-up"), "{words}");
    assert_eq!(house.log(&live, "/waits", "stream=stdout").await, "waited\n");
    house.post(&format!("/pipelines/{live}/nodes/long/reset")).await;
    let done = house.reaches(&live, "/", "done").await;
    let fences: Vec<u64> = done.nodes.iter().flat_map(|node| &node.attempts).map(|one| one.fence).collect();
    assert!(fences.iter().filter(|one| **one > 1_000_000_000_000_000).count() == 2, "{fences:?} after {fence:?}");
    let (_, new) = house.push("new", &[("conducto.cfg", CFG), ("ci.toml", "[\"/a\"]\nexec = \"echo new\"\n")]).await;
    assert_eq!(house.ended(&new[0]).await.summary.state.word(), "done");
    house.nothing_is_left().await;
}

#[tokio::test]
async fn a_directory_is_only_touched_by_a_whole_back_up_and_only_when_told() {
    let mut house = House::build(Plan::default()).await;
    let (_, pipelines) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", FINISHED)]).await;
    house.ended(&pipelines[0]).await;
    let folder = tempfile::tempdir().unwrap();
    let without = succeed(&house, &["backup", text(folder.path()), "--without-data", "--json"]);
    let without: serde_json::Value = serde_json::from_slice(&without).unwrap();
    let archive = PathBuf::from(without["file"].as_str().unwrap());
    assert_eq!((&without["manifest"]["data"], &without["manifest"]["logs"]), (&false.into(), &1.into()));
    assert!(house.stop().success());

    let mut bytes = fs::read(&archive).unwrap();
    let damaged = folder.path().join("damaged");
    fs::write(&damaged, &bytes[..bytes.len() - 100]).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    let to = ["--base-dir", text(&elsewhere)];
    refused(&house, &[&["restore", text(&damaged)], &to[..]].concat(), 1, "cannot be used");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&damaged, &bytes).unwrap();
    refused(&house, &[&["restore", text(&damaged)], &to[..]].concat(), 1, "cannot be used");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);

    refused(&house, &["restore", text(&archive)], 2, "is not empty");
    assert!(house.base().join("run").exists(), "nothing was touched");
    let user_data = in_profile(&house.base(), "data/tool");
    let restored = succeed(&house, &["restore", text(&archive), "--replace", "--json"]);
    let restored: serde_json::Value = serde_json::from_slice(&restored).unwrap();
    let replaced = PathBuf::from(restored["replaced"].as_str().unwrap());
    assert!(replaced.join("run").exists() && !user_data.exists());
    house.start().await;
    assert_eq!(house.log(&pipelines[0], "/keep", "stream=stdout").await, "");
    assert!(house.log(&pipelines[0], "/print", "stream=stdout").await.starts_with("line 1\n"));
}
