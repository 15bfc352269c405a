//! The receiver: what is stored, what is refused, and the verdict each delivery gets.

use conducto::{
    model::{Hold, Trust},
    standin::{Delivery, PullRequest, ping, pull_request},
};

use crate::house::{House, Plan, SECRET};

const CFG: &str = "[push]\nfilter = \"{branch} == main\"\npipeline = \"ci.toml\"\n\
                   [push.docs]\nfilter = \"{branch} != main\"\npaths = [\"docs/\"]\npipeline = \"ci.toml\"\n[pr]\npipeline = \"ci.toml\"\n";
const PIPELINE: &str = "[\"/only\"]\nexec = \"true\"\n";

#[tokio::test]
async fn what_is_not_signed_well_is_refused_and_nothing_is_stored() {
    let house = House::build(Plan::default()).await;
    let sha = house.commit("main", &[("conducto.cfg", CFG), ("ci.toml", PIPELINE)]);
    let good = house.push_of("main", None, &sha);

    let mut changed = good.clone();
    let last = changed.body.len() - 2;
    changed.body[last] ^= 1;
    assert_eq!(house.send(&changed).await, 401, "one changed byte");
    let unsigned = Delivery { signature: String::new(), ..good.clone() };
    assert_eq!(house.send(&unsigned).await, 401, "no signature");
    let foreign = Delivery::sign("another secret", "push", &serde_json::json!({}));
    assert_eq!(house.send(&foreign).await, 401, "another secret");
    let malformed = Delivery::sign_bytes(SECRET, "push", b"{ not json".to_vec());
    assert_eq!(house.send(&malformed).await, 400, "not JSON");
    let huge = Delivery::sign_bytes(SECRET, "push", vec![b' '; 26 * 1024 * 1024]);
    assert_eq!(house.send(&huge).await, 413, "too large");

    let stored: Vec<serde_json::Value> = house.get("/deliveries").await.unwrap();
    assert_eq!(stored.len(), 0);
    assert_eq!(house.send(&good).await, 202);
    assert_eq!(house.concluded(&good.guid).await.pipelines.len(), 1);
}

#[tokio::test]
async fn a_repeated_delivery_starts_nothing_again_nor_does_the_same_event_under_another_name() {
    let house = House::build(Plan::default()).await;
    let sha = house.commit("main", &[("conducto.cfg", CFG), ("ci.toml", PIPELINE)]);
    let delivery = house.push_of("main", None, &sha);
    assert_eq!(house.send(&delivery).await, 202);
    assert_eq!(house.send(&delivery).await, 200);
    let verdict = house.concluded(&delivery.guid).await;
    assert_eq!(verdict.verdict, Some(format!("started pipeline {} (push)", verdict.pipelines[0])));
    assert_eq!(verdict.deliveries, 2);

    let twin = house.push_of("main", None, &sha);
    assert_ne!(twin.guid, delivery.guid);
    assert_eq!(house.send(&twin).await, 202);
    let verdict = house.concluded(&twin.guid).await;
    assert_eq!(verdict.verdict, Some(format!("the same event as delivery {}", delivery.guid)));
    assert_eq!(house.pipelines().await.len(), 1);
}

#[tokio::test]
async fn every_delivery_gets_a_verdict_in_words() {
    let house = House::build(Plan::default()).await;
    let first = house.commit("main", &[("conducto.cfg", CFG), ("ci.toml", PIPELINE)]);

    let hook = Delivery::sign(SECRET, "ping", &ping(&house.facts, 7));
    assert_eq!(house.send(&hook).await, 200);

    let star = Delivery::sign(SECRET, "star", &serde_json::json!({"action": "created"}));
    assert_eq!(house.send(&star).await, 202);
    let verdict = house.concluded(&star.guid).await;
    assert_eq!(verdict.state, "ignored");
    assert!(verdict.verdict.unwrap().contains("star"), "the reason names the event");

    house.repository.set_reference("refs/heads/docs", &first).unwrap();
    let second = house.commit("docs", &[("src/main.rs", "fn main() {}")]);
    let outside = house.push_of("docs", Some(&first), &second);
    assert_eq!(house.send(&outside).await, 202);
    let verdict = house.concluded(&outside.guid).await;
    let words = verdict.verdict.unwrap();
    assert!(words.starts_with("no section of conducto.cfg matches push to docs; push: "), "{words}");
    assert!(words.contains("push.docs: "), "{words}");

    let third = house.commit("docs", &[("docs/index.md", "# Docs")]);
    let inside = house.push_of("docs", Some(&second), &third);
    assert_eq!(house.send(&inside).await, 202);
    let verdict = house.concluded(&inside.guid).await;
    assert_eq!(verdict.verdict, Some(format!("started pipeline {} (push.docs)", verdict.pipelines[0])));
    assert_eq!(house.statuses(&third, "conducto/push.docs").await.last().unwrap().state, "success");
}

#[tokio::test]
async fn pull_requests_run_and_those_of_forks_wait_for_approval() {
    let house = House::build(Plan::default()).await;
    let base = house.commit("main", &[("conducto.cfg", CFG), ("ci.toml", PIPELINE)]);
    house.repository.set_reference("refs/heads/topic", &base).unwrap();
    let head = house.commit("topic", &[("new", "file")]);
    let event = PullRequest {
        action: "opened",
        number: 7,
        title: "Add a file",
        branch: "topic",
        sha: &head,
        fork: None,
        base: "main",
        base_sha: &base,
        sender: "kim",
    };
    let own = Delivery::sign(SECRET, "pull_request", &pull_request(&house.facts, &event));
    assert_eq!(house.send(&own).await, 202);
    let verdict = house.concluded(&own.guid).await;
    let pipeline = house.ended(&verdict.pipelines[0]).await;
    assert_eq!((pipeline.summary.title.as_str(), pipeline.summary.section.as_str()), ("Add a file", "pr"));
    assert_eq!(house.statuses(&head, "conducto/pr").await.last().unwrap().state, "success");

    // What runs for a fork the base commit says: its own conducto.cfg would start something else.
    house.repository.set_reference("refs/heads/foreign", &base).unwrap();
    let lax = CFG.replace("[pr]", "[pr.own]");
    let head = house.commit("foreign", &[("conducto.cfg", &lax), ("ci.toml", &PIPELINE.replace("only", "foreign"))]);
    let foreign = PullRequest { number: 8, fork: Some(99), branch: "foreign", sha: &head, ..event };
    let fork = Delivery::sign(SECRET, "pull_request", &pull_request(&house.facts, &foreign));
    assert_eq!(house.send(&fork).await, 202);
    let verdict = house.concluded(&fork.guid).await;
    let id = &verdict.pipelines[0];
    let words = format!("started pipeline {id} (pr), which waits for approval: the code comes from a fork");
    assert_eq!((verdict.state.as_str(), verdict.verdict), ("done", Some(words)));
    let held = house.pipeline(id).await;
    assert_eq!((held.summary.trust, held.hold), (Trust::Fork, Some(Hold::Approval)));
    assert_eq!((held.nodes[1].path.as_str(), held.nodes[1].state.word()), ("/foreign", "pending"));
    let pending = house
        .until("the forge hears of it", async || house.github.statuses(&head, "conducto/pr").last().cloned())
        .await;
    assert_eq!(pending.description, "waits for approval: the code comes from a fork");

    // Approved it goes on; but not as a plain process.
    assert_eq!(house.post(&format!("/pipelines/{id}/start")).await.0, 200);
    let ended = house.ended(id).await;
    let node = &ended.nodes[1];
    assert_eq!((ended.hold, node.state.word(), node.attempts.len()), (None, "killed", 0));
    let cause = node.cause.as_deref().unwrap();
    assert!(cause.starts_with("the code of a fork runs only in containers"), "{cause}");

    // Without the base commit nobody knows what may run.
    let unknown = "0123456789".repeat(4);
    let lost = PullRequest { number: 9, base_sha: &unknown, ..foreign };
    let lost = Delivery::sign(SECRET, "pull_request", &pull_request(&house.facts, &lost));
    assert_eq!(house.send(&lost).await, 202);
    let verdict = house.concluded(&lost.guid).await;
    assert_eq!((verdict.state.as_str(), verdict.pipelines.len()), ("failed", 0));
    assert!(verdict.verdict.as_ref().unwrap().starts_with("commit 01234567 cannot be fetched: "), "{verdict:?}");
}

#[tokio::test]
async fn a_second_secret_is_accepted_during_a_rotation_and_forms_are_read() {
    let house = House::build(Plan::default()).await;
    let sha = house.commit("main", &[("conducto.cfg", CFG), ("ci.toml", PIPELINE)]);
    let body: serde_json::Value = serde_json::from_slice(&house.push_of("main", None, &sha).body).unwrap();
    let form = Delivery::sign_form(SECRET, "push", &body);
    assert_eq!(house.send(&form).await, 202);
    assert_eq!(house.concluded(&form.guid).await.pipelines.len(), 1);
    let old = Delivery::sign(crate::house::OLD_SECRET, "star", &serde_json::json!({}));
    assert_eq!(house.send(&old).await, 202);
}

#[tokio::test]
async fn nobody_looks_without_a_token_but_at_health() {
    let house = House::build(Plan::default()).await;
    let client = reqwest::Client::new();
    for path in ["/api/v1/pipelines", "/api/v1/deliveries", "/api/v1/outbox"] {
        let answer = client.get(format!("{}{path}", house.url())).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
        let problem: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], 401);
    }
    let health = client.get(format!("{}/healthz", house.url())).send().await.unwrap();
    assert_eq!(health.status(), 200);
    let metrics = client.get(format!("{}/metrics", house.url())).send().await.unwrap();
    assert_eq!(metrics.status(), 200);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(house.base().join("admin-token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!house.server_log().contains(&house.token()), "the token is in no log");
}

#[tokio::test]
async fn a_second_server_on_the_same_directory_says_who_holds_it() {
    let house = House::build(Plan::default()).await;
    let second = house.command().args(["serve", "--config"]).arg(house.root().join("conducto.toml")).output().unwrap();
    assert!(!second.status.success());
    let words = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(words.contains("another Conducto (process ") && words.contains("--base-dir"), "{words}");
}
