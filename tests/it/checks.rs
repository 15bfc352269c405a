//! A GitHub App on the whole way: check runs, their buttons and annotations, in order and once.

use std::time::Duration;

use conducto::standin::{Fault, GitHub, Limits, ReceivedCheck};
use serde_json::Value;

use crate::house::{House, PATIENCE, Plan};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";

/// More than GitHub recommends, so that a test does not last for minutes; the stand-in enforces it all the same.
const QUICK: &str = "writes_per_minute = 600";

fn app(github: &'static str) -> Plan {
    Plan { is_app: true, github, ..Plan::default() }
}

async fn completed(house: &House, sha: &str, name: &str) -> ReceivedCheck {
    completed_within(PATIENCE, house, sha, name).await
}

async fn completed_within(patience: Duration, house: &House, sha: &str, name: &str) -> ReceivedCheck {
    let last = |github: &GitHub| github.checks(sha, name).pop().filter(|check| check.last("conclusion").is_some());
    let is_there = house.github.wait_for(patience, |github| last(github).is_some()).await;
    assert!(is_there, "no final check of {name}: {:?}\n{}", house.github.all_checks(), house.server_log());
    last(&house.github).unwrap()
}

#[tokio::test]
async fn a_failed_commit_shows_its_tree_its_logs_and_the_lines_that_are_wrong() {
    let house = House::build(app(QUICK)).await;
    let tree = "[\"/\"]\ntype = \"parallel\"\n[\"/build\"]\nexec = \"echo '<b>@everyone</b> ```'; echo \\\"$PWD/src/main.rs:3:7: error: wrong\\\"; exit 1\"\n\
                [\"/lint\"]\nexec = \"echo '::warning file=README.md,line=2,title=Style::too long'; exit 1\"\n";
    let (sha, pipelines) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", tree)]).await;
    let check = completed(&house, &sha, "conducto/push").await;
    assert_eq!((check.last("status"), check.last("conclusion")), (Some("completed"), Some("failure")));
    assert_eq!(house.github.all_checks().len(), 1, "one for a section, whatever happens to it");
    let output = check.output();
    let (summary, text) = (output["summary"].as_str().unwrap(), output["text"].as_str().unwrap());
    assert!(summary.contains("✘ build  exit 1"), "{summary}");
    assert!(
        text.contains("````text\n") && text.contains("\n<b>@everyone</b> ```\n"),
        "what a log says is text and nothing else:\n{text}"
    );
    let links = format!("/app/p/{}/n/build)", pipelines[0]);
    assert!(text.contains(&links), "{text}");
    let annotations = output["annotations"].as_array().unwrap();
    let places: Vec<_> = annotations.iter().map(|one| (one["path"].as_str().unwrap(), &one["start_line"])).collect();
    assert_eq!(places, [("src/main.rs", &Value::from(3)), ("README.md", &Value::from(2))]);
    let (_, last) = check.changes.last().unwrap();
    let buttons: Vec<_> = last["actions"].as_array().unwrap().iter().map(|one| one["identifier"].clone()).collect();
    assert_eq!(buttons, ["rerun-failed", "skip-failed"]);
    assert!(house.github.all_statuses().is_empty(), "never both");
}

#[tokio::test]
async fn mistakes_in_the_configuration_stand_beside_their_lines() {
    let house = House::build(app(QUICK)).await;
    let (sha, _) = house.push("main", &[("conducto.cfg", "[push]\npipelin = \"ci.toml\"\n")]).await;
    let check = completed(&house, &sha, "conducto/push").await;
    assert_eq!(check.last("conclusion"), Some("failure"));
    let output = check.output();
    let annotations = output["annotations"].as_array().unwrap();
    let unknown = annotations.iter().find(|one| one["title"] == "cfg::unknown-key").unwrap();
    assert_eq!((unknown["path"].as_str(), unknown["start_line"].as_u64()), (Some("conducto.cfg"), Some(2)));
}

#[tokio::test]
async fn where_branch_protection_wants_a_status_the_app_gives_one() {
    let house = House::build(app("feedback = \"statuses\"\nwrites_per_minute = 600")).await;
    let (sha, _) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", "[\"/only\"]\nexec = \"true\"\n")]).await;
    assert_eq!(house.statuses(&sha, "conducto/push").await.last().unwrap().state, "success");
    assert!(house.github.all_checks().is_empty());
}

#[tokio::test]
async fn a_check_whose_making_was_not_heard_of_is_found_again() {
    for fault in [Fault::CloseAfterwards, Fault::ServerError] {
        let house = House::build(app(QUICK)).await;
        let files = [("conducto.cfg", CFG), ("ci.toml", "[\"/only\"]\nexec = \"true\"\n")];
        let (first, _) = house.push("main", &files).await;
        completed(&house, &first, "conducto/push").await;
        // The token is there now: the next request makes the check.
        house.github.fail_next(1, fault);
        let (sha, _) = house.push("main", &[files[0], files[1], ("more", "of it")]).await;
        let check = completed(&house, &sha, "conducto/push").await;
        assert_eq!((house.github.checks(&sha, "conducto/push").len(), check.last("conclusion")), (1, Some("success")));
    }
}

#[tokio::test]
async fn a_server_that_dies_makes_no_second_check() {
    let mut house = House::build(app(QUICK)).await;
    let slow = "[\"/only\"]\nexec = \"sleep 1\"\n";
    let (first, _) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", slow)]).await;
    completed(&house, &first, "conducto/push").await;
    house.github.fail_next(1, Fault::Hang);
    let (sha, _) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", slow), ("more", "of it")]).await;
    house.kill();
    house.start().await;
    let check = completed(&house, &sha, "conducto/push").await;
    assert_eq!((house.github.checks(&sha, "conducto/push").len(), check.last("conclusion")), (1, Some("success")));
}

#[tokio::test]
async fn a_repository_that_lets_nobody_write_is_seen_and_left_alone() {
    let house = House::build(app(QUICK)).await;
    house.github.lock_repository(house.facts.id, true);
    let (_, pipelines) =
        house.push("main", &[("conducto.cfg", CFG), ("ci.toml", "[\"/only\"]\nexec = \"true\"\n")]).await;
    house.ended(&pipelines[0]).await;
    let problem = house
        .until("the health page tells it", async || {
            let health: Value = reqwest::get(format!("{}/healthz", house.url())).await.ok()?.json().await.ok()?;
            let problems = health["problems"].as_array()?;
            problems
                .iter()
                .find_map(|words| words.as_str().filter(|words| words.contains("acme/api")).map(str::to_owned))
        })
        .await;
    assert!(problem.contains("Checks: write"), "{problem}");
    let writes = house.github.requests().iter().filter(|request| request.path.contains("check-runs")).count();
    assert_eq!(writes, 1, "one try is enough to know");
}

/// Fifty pipelines of sixty-one nodes at once, on a GitHub that enforces its limits and has bad moments.
#[tokio::test]
async fn fifty_pipelines_stay_below_every_limit_and_all_end_right() {
    let house = House::build(Plan { slots: 8, ..app(QUICK) }).await;
    house.github.enforce(Limits { writes_in_ten_seconds: 112, creations_a_minute: 700 });
    let leaf = |number: usize| {
        let command = if number == 60 { "test \\\"$CONDUCTO_GIT_BRANCH\\\" != odd\"" } else { "true\"" };
        format!("[\"/group/leaf-{number}\"]\nexec = \"{command}\n")
    };
    let tree: String =
        std::iter::once("[\"/group\"]\ntype = \"parallel\"\n".to_owned()).chain((1..=60).map(leaf)).collect();
    let files = [("conducto.cfg", CFG), ("ci.toml", tree.as_str())];
    let mut pushed = Vec::new();
    for number in 0..50 {
        let branch = if number % 5 == 0 { "odd" } else { "even" };
        let mark = number.to_string();
        let sha = house.commit(branch, &[files[0], files[1], ("mark", &mark)]);
        let delivery = house.push_of(branch, None, &sha);
        assert_eq!(house.send(&delivery).await, 202);
        pushed.push((sha, branch));
        match number {
            10 => house.github.fail_next(2, Fault::CloseAfterwards),
            20 => house.github.fail_next(2, Fault::ServerError),
            30 => house.github.revoke_tokens(),
            _ => {}
        }
    }
    for (sha, branch) in &pushed {
        // Three thousand processes take their time on a busy machine.
        let check = completed_within(10 * PATIENCE, &house, sha, "conducto/push").await;
        let expected = if *branch == "odd" { "failure" } else { "success" };
        assert_eq!(check.last("conclusion"), Some(expected), "{sha} of {branch}");
        assert_eq!(house.github.checks(sha, "conducto/push").len(), 1, "no second check of {sha}");
        let words: Vec<_> = check.changes.iter().map(|(_, body)| body["status"].as_str().unwrap()).collect();
        let rank = |word: &&str| ["queued", "in_progress", "completed"].iter().position(|known| known == word);
        assert!(words.is_sorted_by_key(rank), "in order: {words:?}");
    }
    assert_eq!(house.github.overruns(), 0, "no request goes beyond a limit");
}
