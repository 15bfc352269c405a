//! What people ask by buttons and comments on GitHub: one new attempt, one history with its actor, and only from those who may.

use conducto::{
    dispatch::view::{DeliveryView, PipelineView},
    standin::{Delivery, PullRequest, Push, Said, StandingPull, pull_request, push},
};
use serde_json::{Value, json};

use crate::house::{APP, House, PATIENCE, Plan, SECRET};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n[pr]\npipeline = \"ci.toml\"\n";
const FAILS: &str = "[\"/only\"]\nexec = \"exit 1\"\n";

fn plan() -> Plan {
    Plan { is_app: true, github: "writes_per_minute = 600", ..Plan::default() }
}

async fn deliver(house: &House, event: &str, mut payload: Value) -> DeliveryView {
    let any = push(&house.facts, &Push { branch: "x", before: None, after: None, message: "", sender: "kim" });
    payload["repository"] = any["repository"].clone();
    if payload["sender"].is_null() {
        payload["sender"] = json!({"login": "kim"});
    }
    payload["installation"] = json!({"id": 42});
    let delivery = Delivery::sign(SECRET, event, &payload);
    assert_eq!(house.send(&delivery).await, 202);
    house.concluded(&delivery.guid).await
}

fn check_run(action: &str, sha: &str, external: &str, app: u64, button: Option<&str>) -> Value {
    json!({"action": action, "requested_action": button.map(|identifier| json!({"identifier": identifier})),
        "check_run": {"id": 500, "head_sha": sha, "external_id": external, "app": {"id": app}}})
}

fn comment(id: u64, login: &str, text: &str) -> Value {
    json!({"action": "created", "issue": {"number": 5, "title": "Add a file", "pull_request": {"url": "x"}},
        "comment": {"id": id, "body": text, "author_association": "COLLABORATOR", "user": {"login": login, "type": "User"}}})
}

/// Waits until the one leaf has so many attempts that have ended.
async fn attempts(house: &House, id: &str, count: usize) -> PipelineView {
    house
        .until(&format!("{id} has {count} attempts"), async || {
            let view = house.ended(id).await;
            let leaf = view.nodes.iter().find(|node| node.path == "/only")?;
            (leaf.attempts.len() == count).then_some(view)
        })
        .await
}

#[tokio::test]
async fn each_way_to_ask_for_another_try_gives_one_with_its_actor() {
    let house = House::build(plan()).await;
    house.github.add_writer("kim");
    house.github.add_writer("lee");
    let (sha, pipelines) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", FAILS)]).await;
    let id = &pipelines[0];
    let external = format!("cdt:{id}:1");
    house.github.set_pull(5, StandingPull { sha: sha.clone(), branch: "main".into(), repository: house.facts.id });
    attempts(&house, id, 1).await;

    deliver(&house, "check_run", check_run("rerequested", &sha, &external, APP, None)).await;
    attempts(&house, id, 2).await;
    deliver(&house, "check_run", check_run("requested_action", &sha, &external, APP, Some("rerun-failed"))).await;
    attempts(&house, id, 3).await;
    let suite = json!({"action": "rerequested", "check_suite": {"head_sha": sha, "app": {"id": APP}}});
    deliver(&house, "check_suite", suite).await;
    attempts(&house, id, 4).await;
    let said = deliver(&house, "issue_comment", comment(77, "lee", "/conducto retry")).await;
    attempts(&house, id, 5).await;
    assert_eq!(said.verdict, Some(format!("asked by lee: rerun-failed / of {id}")));
    let twin = deliver(&house, "issue_comment", comment(77, "lee", "/conducto retry")).await;
    assert_eq!(twin.state, "done");
    deliver(&house, "issue_comment", comment(78, "lee", "/conducto run push")).await;
    let view = attempts(&house, id, 6).await;
    assert_eq!(view.summary.state.word(), "error");
    let leaf = view.nodes.iter().find(|node| node.path == "/only").unwrap();
    let asked_by: Vec<&str> = leaf.attempts.iter().map(|attempt| attempt.asked_by.as_str()).collect();
    assert_eq!(asked_by, ["kim", "kim", "kim", "kim", "lee", "lee"], "the history knows who asked");
    assert!(house.github.wait_for(PATIENCE, |github| github.said().contains(&Said::Sign(77, "+1".into()))).await);
    let numbers: Vec<_> =
        house.github.checks(&sha, "conducto/push").into_iter().map(|check| check.external_id).collect();
    let mut single = numbers.clone();
    single.dedup();
    assert_eq!(numbers, single, "each try shows as one check");

    deliver(&house, "check_run", check_run("requested_action", &sha, &external, APP, Some("skip-failed"))).await;
    house
        .until("what is skipped does not count", async || {
            let view: PipelineView = house.get(&format!("/pipelines/{id}")).await?;
            (view.summary.state.word() == "done").then_some(())
        })
        .await;
}

#[tokio::test]
async fn who_may_not_write_and_what_is_not_ours_does_nothing() {
    let house = House::build(plan()).await;
    house.github.add_writer("kim");
    let (sha, pipelines) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", FAILS)]).await;
    let id = &pipelines[0];
    let external = format!("cdt:{id}:1");
    house.github.set_pull(5, StandingPull { sha: sha.clone(), branch: "main".into(), repository: house.facts.id });
    attempts(&house, id, 1).await;
    let foreign = deliver(&house, "check_run", check_run("rerequested", &sha, &external, APP + 1, None)).await;
    assert_eq!(foreign.verdict.as_deref(), Some("the check is of another App than this one"));
    let elsewhere = "b".repeat(40);
    let stray = deliver(&house, "check_run", check_run("rerequested", &elsewhere, &external, APP, None)).await;
    assert_eq!(stray.verdict.as_deref(), Some("asked by kim: the check stands for no pipeline of this commit"));
    let mut pressed = check_run("requested_action", &sha, &external, APP, Some("rerun-failed"));
    pressed["sender"] = json!({"login": "eve"});
    let pressed = deliver(&house, "check_run", pressed).await;
    assert_eq!(pressed.verdict.as_deref(), Some("asked by eve: eve may not write to acme/api"));
    for (number, text) in ["/conducto retry", "/conducto cancel", "/conducto run push"].into_iter().enumerate() {
        let said = deliver(&house, "issue_comment", comment(90 + number as u64, "eve", text)).await;
        assert_eq!(said.verdict.as_deref(), Some("asked by eve: eve may not write to acme/api"));
    }
    let unknown = deliver(&house, "issue_comment", comment(99, "kim", "/conducto dance")).await;
    assert!(unknown.verdict.unwrap().contains("what can be said is"));
    assert!(house.github.wait_for(PATIENCE, |github| github.said().contains(&Said::Sign(99, "confused".into()))).await);
    assert_eq!(attempts(&house, id, 1).await.nodes.len(), 2, "nothing has run again");
}

#[tokio::test]
async fn the_code_of_a_fork_runs_as_the_policy_of_its_repository_says() {
    let cases = [("approve", true, 1), ("run-without-secrets", false, 1), ("never", false, 0)];
    for (policy, waits, count) in cases {
        let lines: &'static str = match policy {
            "approve" => "forks = \"never\"\nforks_of = [\"acme/api=approve\"]\nwrites_per_minute = 600",
            "run-without-secrets" => "forks = \"run-without-secrets\"\nwrites_per_minute = 600",
            _ => "forks = \"never\"\nwrites_per_minute = 600",
        };
        let house = House::build(Plan { github: lines, ..plan() }).await;
        house.github.add_writer("kim");
        let base = house.commit("main", &[("conducto.cfg", CFG), ("ci.toml", FAILS)]);
        let head = house.commit("from-fork", &[("conducto.cfg", CFG), ("ci.toml", FAILS), ("more", "")]);
        house.repository.set_reference("refs/pull/5/head", &head).unwrap();
        house.github.set_pull(5, StandingPull { sha: head.clone(), branch: "from-fork".into(), repository: 99 });
        let pull = PullRequest {
            action: "opened",
            number: 5,
            title: "Add",
            branch: "from-fork",
            sha: &head,
            fork: Some(99),
            base: "main",
            base_sha: &base,
            sender: "eve",
        };
        let opened = deliver(&house, "pull_request", pull_request(&house.facts, &pull)).await;
        assert_eq!(opened.pipelines.len(), count, "{policy}: {:?}", opened.verdict);
        let Some(id) = opened.pipelines.first() else { continue };
        assert_eq!(house.pipeline(id).await.hold.is_some(), waits, "{policy}");
        if waits {
            let wanted = |github: &conducto::standin::GitHub| {
                let check = github.checks(&head, "conducto/pr").pop();
                check.is_some_and(|check| check.last("conclusion") == Some("action_required"))
            };
            assert!(house.github.wait_for(PATIENCE, wanted).await, "the button is there");
            let other = deliver(&house, "issue_comment", comment(1, "kim", "/conducto approve abcdef1")).await;
            assert!(other.verdict.unwrap().contains("is not the head of #5"));
            assert!(house.pipeline(id).await.hold.is_some());
            let text = format!("/conducto approve {}", &head[..10]);
            let approved = deliver(&house, "issue_comment", comment(2, "kim", &text)).await;
            assert_eq!(approved.verdict, Some(format!("asked by kim: start of {id}")));
            assert!(house.pipeline(id).await.hold.is_none());
        }
    }
}

#[tokio::test]
async fn a_renamed_repository_keeps_its_number_and_gets_its_name() {
    let house = House::build(plan()).await;
    let mut payload = json!({"action": "renamed", "changes": {"repository": {"name": {"from": "api"}}}});
    payload["sender"] = json!({"login": "kim"});
    let renamed = deliver(&house, "repository", payload).await;
    assert_eq!(renamed.verdict.as_deref(), Some("acme/api is noted as it is now"));
    let gone = deliver(&house, "installation", json!({"action": "suspend"})).await;
    assert_eq!(gone.verdict.as_deref(), Some("installation 42 is noted as gone"));
}
