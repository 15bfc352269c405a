//! GitHub's own example deliveries, through the real receiver: each gets its verdict, and the runnable ones run.

use std::collections::BTreeMap;

use conducto::standin::{Delivery, SampleFile, SampleRepository};
use serde_json::Value;

use crate::{
    house::{House, Plan, SECRET},
    oracles,
};

/// What the table says becomes of each payload, by its key.
fn table() -> BTreeMap<String, String> {
    let text = include_str!("../fixtures/github/verdicts.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(" => ")).map(|(key, words)| (key.to_owned(), words.to_owned())).collect()
}

/// The repository that the examples speak of, with a pipeline for each event.
struct Prepared {
    base: String,
    head: String,
}

fn prepare(house: &House, full_name: &str) -> Prepared {
    let repository = SampleRepository::init(&house.root().join(format!("git/{full_name}.git"))).unwrap();
    let events = ["push", "pr", "create-tag", "delete-tag", "merge-group", "release"];
    let cfg: String = events.map(|event| format!("[{event}]\npipeline = \"ci.toml\"\n")).concat();
    let files = [
        SampleFile::plain("conducto.cfg", &cfg),
        SampleFile::plain("ci.toml", "[\"/only\"]\nexec = \"cat README\"\n"),
        SampleFile::plain("README", "hello\n"),
    ];
    let base = repository.commit("main", "base", &files).unwrap();
    let head = repository.commit("main", "head", &[SampleFile::plain("README", "hello again\n")]).unwrap();
    for name in ["refs/heads/master", "refs/tags/simple-tag", "refs/tags/0.0.1"] {
        repository.set_reference(name, &head).unwrap();
    }
    Prepared { base, head }
}

/// Puts the prepared commits in the place of GitHub's, and a repository of its own number, so that no two are one event.
fn rewrite(body: &mut Value, event: &str, is_fork: bool, prepared: &Prepared, number: u64) {
    let id = Value::from(1_000_000 + number);
    body["repository"]["id"] = id.clone();
    if event == "merge_group" {
        body["merge_group"]["head_sha"] = prepared.head.clone().into();
        body["merge_group"]["base_sha"] = prepared.base.clone().into();
    } else if event == "push" {
        if body["deleted"] == false {
            body["after"] = prepared.head.clone().into();
        }
        if body["head_commit"].is_object() {
            body["head_commit"]["id"] = prepared.head.clone().into();
        }
    } else if event == "pull_request" {
        body["pull_request"]["head"]["sha"] = prepared.head.clone().into();
        body["pull_request"]["base"]["sha"] = prepared.base.clone().into();
        // One that came from a fork still does.
        if !is_fork {
            body["pull_request"]["head"]["repo"]["id"] = id.clone();
        }
        body["pull_request"]["base"]["repo"]["id"] = id;
    }
}

#[tokio::test]
async fn github_s_examples_get_the_verdicts_of_the_table_and_the_runnable_ones_run() {
    let examples = tokio::task::spawn_blocking(oracles::examples).await.unwrap();
    let house = House::build(Plan { previous_secret: examples.secret.clone(), ..Plan::default() }).await;
    let table = table();
    let mut repositories: BTreeMap<String, Prepared> = BTreeMap::new();
    let mut started = Vec::new();
    for (number, example) in (0..).zip(&examples.deliveries) {
        let expected = &table[&example.key];
        let mut body: Value = serde_json::from_str(&example.body).unwrap();
        let is_fork = expected.contains("fork true");
        let runs = !expected.starts_with("ignored: ") && expected != "ping";
        // What starts nothing goes in as GitHub's own library has signed it, byte for byte.
        let mut delivery = Delivery::sign_bytes(&examples.secret, &example.event, example.body.clone().into_bytes());
        assert_eq!(delivery.signature, example.signature, "{}", example.key);
        if runs {
            let full_name = body["repository"]["full_name"].as_str().unwrap().to_owned();
            let prepared = repositories.entry(full_name.clone()).or_insert_with(|| prepare(&house, &full_name));
            rewrite(&mut body, &example.event, is_fork, prepared, number);
            house.github.add_repository(1_000_000 + number, full_name);
            delivery = Delivery::sign(SECRET, &example.event, &body);
        }
        let answer = house.send(&delivery).await;
        if expected == "ping" {
            assert_eq!(answer, 200, "{}", example.key);
            continue;
        }
        assert_eq!(answer, 202, "{}", example.key);
        let verdict = house.concluded(&delivery.guid).await;
        let words = verdict.verdict.unwrap();
        if let Some(reason) = expected.strip_prefix("ignored: ") {
            assert_eq!((verdict.state.as_str(), words.as_str()), ("ignored", reason), "{}", example.key);
        } else if is_fork {
            assert!(words.contains("waits for approval"), "{}: {words}", example.key);
        } else if runs {
            assert!(words.starts_with("started pipeline"), "{}: {words}", example.key);
            started.extend(verdict.pipelines);
        }
    }
    assert!(started.len() >= 40, "only {} payloads started a pipeline", started.len());
    for id in &started {
        let ended = house.ended(id).await;
        assert_eq!(ended.summary.state.word(), "done", "{id}");
    }
}
