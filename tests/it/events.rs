//! The events beside pushes and pull requests: what each launches, at which commit, and what is skipped.

use conducto::standin::{Delivery, PullRequest, Push, pull_request, push};
use serde_json::{Value, json};

use crate::house::{House, Plan, SECRET};

const SHOW: &str = "[\"/only\"]\nexec = \"echo branch=$CONDUCTO_GIT_BRANCH sha=$CONDUCTO_GIT_SHA\"\n";

/// A cfg with a section for each of these events, all with the same definition.
fn sections(events: &[&str]) -> String {
    events.iter().map(|event| format!("[{event}]\npipeline = \"ci.toml\"\n")).collect()
}

/// What GitHub says of the repository in every payload.
fn repository(house: &House) -> Value {
    push(&house.facts, &Push { branch: "x", before: None, after: None, message: "", sender: "kim" })["repository"]
        .clone()
}

async fn deliver(house: &House, event: &str, mut payload: Value) -> conducto::dispatch::view::DeliveryView {
    if payload["repository"].is_null() {
        payload["repository"] = repository(house);
    }
    payload["sender"] = json!({"login": "kim"});
    let delivery = Delivery::sign(SECRET, event, &payload);
    assert_eq!(house.send(&delivery).await, 202);
    house.concluded(&delivery.guid).await
}

/// The one pipeline of a delivery: its section and what its node has printed.
async fn ran(house: &House, verdict: &conducto::dispatch::view::DeliveryView) -> (String, String) {
    assert_eq!(verdict.pipelines.len(), 1, "{:?}", verdict.verdict);
    let ended = house.ended(&verdict.pipelines[0]).await;
    assert_eq!(ended.summary.state.word(), "done");
    (ended.summary.section, house.log(&verdict.pipelines[0], "/only", "stream=stdout").await.trim().to_owned())
}

#[tokio::test]
async fn what_is_created_runs_at_its_tip_and_a_tag_only_once() {
    let house = House::build(Plan::default()).await;
    let cfg = sections(&["create-branch", "create-tag"]);
    let sha = house.commit("main", &[("conducto.cfg", &cfg), ("ci.toml", SHOW)]);
    house.repository.set_reference("refs/heads/topic", &sha).unwrap();
    house.repository.set_reference("refs/tags/v1", &sha).unwrap();

    let branch = deliver(&house, "create", json!({"ref": "topic", "ref_type": "branch"})).await;
    assert_eq!(ran(&house, &branch).await, ("create-branch".into(), format!("branch=topic sha={sha}")));
    assert_eq!(house.statuses(&sha, "conducto/create-branch").await.last().unwrap().state, "success");

    let tag = deliver(&house, "create", json!({"ref": "v1", "ref_type": "tag"})).await;
    assert_eq!(ran(&house, &tag).await, ("create-tag".into(), format!("branch= sha={sha}")));
    let pushed = json!({"ref": "refs/tags/v1", "before": "0".repeat(40), "after": sha, "head_commit": {"id": sha}});
    let twin = deliver(&house, "push", pushed).await;
    assert_eq!(twin.verdict, Some(format!("the same event as delivery {}", tag.guid)));

    for event in ["conducto-cron", "conducto-manual"] {
        let forged = deliver(&house, event, json!({"section": "create-tag", "branch": "main"})).await;
        let words = format!("event `{event}` starts nothing");
        assert_eq!(forged.verdict, Some(words), "what only the server itself delivers does not come from outside");
    }

    let gone = deliver(&house, "create", json!({"ref": "brief", "ref_type": "branch"})).await;
    assert_eq!(gone.state, "ignored");
    let words = "new branch brief: there is no branch `brief` in the repository (any more)";
    assert_eq!(gone.verdict.as_deref(), Some(words));
}

#[tokio::test]
async fn a_deletion_runs_once_at_the_tip_of_the_default_branch_however_often_it_is_delivered() {
    let house = House::build(Plan::default()).await;
    let cfg = sections(&["push", "delete-branch", "delete-tag"]);
    let sha = house.commit("main", &[("conducto.cfg", &cfg), ("ci.toml", SHOW)]);

    let mut facts = repository(&house);
    facts["pushed_at"] = json!(1_790_000_000);
    let to_nothing = Push { branch: "topic", before: Some(&sha), after: None, message: "", sender: "kim" };
    let mut payload = push(&house.facts, &to_nothing);
    payload["repository"] = facts.clone();
    let first = deliver(&house, "push", payload).await;
    assert_eq!(ran(&house, &first).await, ("delete-branch".into(), format!("branch=main sha={sha}")));

    facts["pushed_at"] = json!("2026-09-21T14:13:20Z");
    let twin = json!({"ref": "topic", "ref_type": "branch", "repository": facts});
    let twin = deliver(&house, "delete", twin).await;
    assert_eq!(twin.verdict, Some(format!("the same event as delivery {}", first.guid)));

    facts["pushed_at"] = json!("2026-09-21T14:13:21Z");
    let again = json!({"ref": "topic", "ref_type": "branch", "repository": facts});
    assert_eq!(deliver(&house, "delete", again).await.pipelines.len(), 1, "another deletion of the same name");
    let tag = deliver(&house, "delete", json!({"ref": "v1", "ref_type": "tag"})).await;
    assert_eq!(ran(&house, &tag).await.0, "delete-tag");
}

#[tokio::test]
async fn merge_groups_releases_and_comments_launch_their_sections() {
    let house = House::build(Plan::default()).await;
    let cfg = sections(&["merge-group", "release"])
        + "[comment]\nfilter = \"{comment} == /deploy* && {pr} == 5\"\npipeline = \"ci.toml\"\n";
    let base = house.commit("main", &[("conducto.cfg", &cfg), ("ci.toml", SHOW)]);
    house.repository.set_reference("refs/heads/gh-readonly-queue/main/pr-5-x", &base).unwrap();
    let head = house.commit("gh-readonly-queue/main/pr-5-x", &[("new", "file")]);
    house.repository.set_reference("refs/tags/v2", &head).unwrap();

    let group = json!({"head_sha": head, "head_ref": "refs/heads/gh-readonly-queue/main/pr-5-x", "base_sha": base,
        "base_ref": "refs/heads/main", "head_commit": {"message": "Merge #5"}});
    let group = deliver(&house, "merge_group", json!({"action": "checks_requested", "merge_group": group})).await;
    let expected = format!("branch=gh-readonly-queue/main/pr-5-x sha={head}");
    assert_eq!(ran(&house, &group).await, ("merge-group".into(), expected));

    let release = json!({"tag_name": "v2", "name": "Two", "prerelease": false});
    let release = deliver(&house, "release", json!({"action": "published", "release": release})).await;
    assert_eq!(ran(&house, &release).await, ("release".into(), format!("branch= sha={head}")));

    let comment = |id: u64, text: &str, association: &str| {
        json!({"action": "created", "issue": {"number": 5, "title": "Add a file", "pull_request": {"url": "x"}},
            "comment": {"id": id, "body": text, "author_association": association, "user": {"login": "kim", "type": "User"}}})
    };
    let said = deliver(&house, "issue_comment", comment(1, "/deploy staging", "MEMBER")).await;
    assert_eq!(ran(&house, &said).await, ("comment".into(), format!("branch=main sha={base}")));
    let twin = deliver(&house, "issue_comment", comment(1, "/deploy staging", "MEMBER")).await;
    assert_eq!(twin.verdict, Some(format!("the same event as delivery {}", said.guid)));
    let stranger = deliver(&house, "issue_comment", comment(2, "/deploy staging", "NONE")).await;
    assert_eq!((stranger.state.as_str(), stranger.pipelines.len()), ("ignored", 0));
    let other = deliver(&house, "issue_comment", comment(3, "nice", "OWNER")).await;
    assert_eq!((other.state.as_str(), other.pipelines.len()), ("ignored", 0));
}

#[tokio::test]
async fn a_marker_in_the_message_or_the_title_starts_nothing_and_the_verdict_names_it() {
    let house = House::build(Plan::default()).await;
    let cfg = sections(&["push", "pr", "create-tag"]);
    let base = house.commit("main", &[("conducto.cfg", &cfg), ("ci.toml", SHOW)]);
    let files = [conducto::standin::SampleFile::plain("note", "x")];
    let message = "Correct a word\n\nOnly a word. [CI skip]";
    let quiet = house.repository.commit("main", message, &files).unwrap();
    let delivery = house.push_of("main", Some(&base), &quiet);
    assert_eq!(house.send(&delivery).await, 202);
    let verdict = house.concluded(&delivery.guid).await;
    let words = format!("`[ci skip]` in the message of commit {}: nothing is started", &quiet[..8]);
    assert_eq!((verdict.state.as_str(), verdict.verdict), ("ignored", Some(words)));

    let event = PullRequest {
        action: "opened",
        number: 7,
        title: "Try something [skip ci]",
        branch: "topic",
        sha: &base,
        fork: None,
        base: "main",
        base_sha: &base,
        sender: "kim",
    };
    let verdict = deliver(&house, "pull_request", pull_request(&house.facts, &event)).await;
    let words = "`[skip ci]` in the title of the pull request: nothing is started";
    assert_eq!((verdict.state.as_str(), verdict.verdict.as_deref()), ("ignored", Some(words)));
    let event = PullRequest { title: "Try something", number: 8, sha: &quiet, ..event };
    let verdict = deliver(&house, "pull_request", pull_request(&house.facts, &event)).await;
    assert!(verdict.verdict.unwrap().starts_with("`[ci skip]` in the message of commit "));

    // A tag of the same commit is a release somebody wants.
    house.repository.set_reference("refs/tags/v1", &quiet).unwrap();
    let tag = deliver(&house, "create", json!({"ref": "v1", "ref_type": "tag"})).await;
    assert_eq!(ran(&house, &tag).await.0, "create-tag");
}
