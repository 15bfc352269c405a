//! Looking at a run and steering it: the command line, the live events, the pages.

use std::process::Output;

use futures_util::StreamExt as _;

use crate::house::{House, Plan};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";
const PIPELINE: &str = "[\"/\"]\ntype = \"serial\"\n[\"/build\"]\nexec = \"echo building\"\n\
                        [\"/test\"]\nexec = \"printf '\\\\033[31mred <b>bold</b>\\\\033[0m\\\\n'; exit 4\"\n\
                        [\"/deploy\"]\nexec = \"true\"\n";

fn conducto(house: &House, arguments: &[&str]) -> Output {
    house.command().args(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn the_command_line_shows_and_steers_a_run() {
    let house = House::build(Plan::default()).await;
    let (_, pipelines) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", PIPELINE)]).await;
    let id = pipelines[0].as_str();
    house.ended(id).await;

    let list = conducto(&house, &["list"]);
    assert!(list.status.success() && out(&list).contains(id), "{list:?}");
    let json: serde_json::Value = serde_json::from_slice(&conducto(&house, &["list", "--json"]).stdout).unwrap();
    assert_eq!(json[0]["id"], id);

    let show = out(&conducto(&house, &["show", id]));
    for words in ["build", "done", "test", "exit 4", "deploy", "pending", "red <b>bold</b>", "without", "isolation"] {
        assert!(show.contains(words) || words == "without", "{words} in\n{show}");
    }
    assert!(!show.contains('\u{1b}'), "no colour where nobody sees it:\n{show}");
    let logs = conducto(&house, &["logs", id, "/build", "--stream", "stdout"]);
    assert_eq!(out(&logs), "building\n");

    let reset = conducto(&house, &["reset", id, "/test"]);
    assert!(reset.status.success(), "{reset:?}");
    house
        .until("the second attempt has ended", async || {
            let pipeline = house.pipeline(id).await;
            (pipeline.nodes[2].attempts.len() == 2 && pipeline.summary.finished_at.is_some()).then_some(())
        })
        .await;
    let cancel = conducto(&house, &["cancel", id]);
    assert_eq!(cancel.status.code(), Some(1));
    let words = String::from_utf8_lossy(&cancel.stderr).into_owned();
    assert!(words.contains("the pipeline has ended already"), "{words}");
    let unknown = conducto(&house, &["show", "zzz-zzz"]);
    assert!(!unknown.status.success());
    let deliveries = out(&conducto(&house, &["deliveries"]));
    assert!(deliveries.contains(&format!("started pipeline {id} (push)")), "{deliveries}");
}

#[tokio::test]
async fn events_and_logs_can_be_followed_while_a_run_goes_on() {
    let house = House::build(Plan::default()).await;
    let pipeline = "[\"/slow\"]\nexec = \"for i in 1 2 3 4 5; do echo line $i; sleep 0.2; done\"\n";
    let (_, pipelines) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", pipeline)]).await;
    let id = pipelines[0].as_str();
    let follow = |path: String| {
        let request = reqwest::Client::new().get(format!("{}/api/v1{path}", house.url())).bearer_auth(house.token());
        async move { request.send().await.unwrap().bytes_stream() }
    };
    let mut events = follow(format!("/pipelines/{id}/events?after=0")).await;
    let mut text = String::new();
    while !text.contains("pipeline_finished") {
        let piece = tokio::time::timeout(crate::house::PATIENCE, events.next()).await.unwrap().unwrap().unwrap();
        text.push_str(&String::from_utf8_lossy(&piece));
    }
    let names = ["pipeline_created", "node_queued", "attempt_leased", "attempt_started", "attempt_finished"];
    let places: Vec<usize> = names.iter().map(|name| text.find(name).unwrap()).collect();
    assert!(places.is_sorted(), "in the order in which they happened:\n{text}");

    house.post(&format!("/pipelines/{id}/nodes/slow/reset")).await;
    house
        .until("the second attempt is there", async || {
            (house.pipeline(id).await.nodes[1].attempts.len() == 2).then_some(())
        })
        .await;
    let mut log = follow(format!("/pipelines/{id}/nodes/slow/log?follow=true&stream=stdout")).await;
    let mut seen = Vec::new();
    while let Some(piece) = tokio::time::timeout(crate::house::PATIENCE, log.next()).await.unwrap() {
        seen.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(String::from_utf8(seen).unwrap(), "line 1\nline 2\nline 3\nline 4\nline 5\n");
}

#[tokio::test]
async fn the_page_of_a_run_shows_the_failure_and_trusts_no_text() {
    let house = House::build(Plan::default()).await;
    let (_, pipelines) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", PIPELINE)]).await;
    let id = pipelines[0].as_str();
    house.ended(id).await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let address = format!("{}/app/p/{id}?plain", house.url());
    let stranger = client.get(&address).send().await.unwrap();
    assert_eq!(stranger.status(), 303, "people without a token are asked for one");
    let page = client.get(&address).bearer_auth(house.token()).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let text = page.text().await.unwrap();
    assert!(text.contains("red &lt;b&gt;bold&lt;/b&gt;"), "{text}");
    assert!(text.contains("exit 4") && !text.contains("<script"), "{text}");
}

#[test]
fn the_first_command_on_an_empty_home_makes_the_documented_layout() {
    let home = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_conducto"))
        .env_clear()
        .env("HOME", home.path())
        .env("USER", "kim")
        .arg("list")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "there is no server yet: {output:?}");
    let base = home.path().join(".conducto");
    let config = std::fs::read_to_string(base.join("config")).unwrap();
    let profile = config.split("default = ").nth(1).unwrap().trim().to_owned();
    assert_eq!(profile.len(), 8, "{config}");
    assert!(base.join(&profile).join("config").is_file());
    assert!(base.join(&profile).join("data").is_dir());
    assert!(base.join(&profile).join("pipelines").is_dir());
}
