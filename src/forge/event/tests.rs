//! Examples of payloads and what becomes of them; GitHub's own examples are judged by `tests/forge`.

use serde_json::{Value, json};

use super::*;

const SHA: &str = "6113728f27ae82c7b1a177c8d03f9e96e0adf246";
const ZERO: &str = "0000000000000000000000000000000000000000";

fn verified(value: &Value) -> Verified<Bytes> {
    Verified::from_inbox(Bytes::from(value.to_string()))
}

fn parse(host: &str, event: &str, body: &Verified<Bytes>) -> Result<Parsed, Malformed> {
    super::parse(host, event, body).map(|(_, parsed)| parsed)
}

fn push_of(change: impl FnOnce(&mut Value)) -> Parsed {
    let mut payload = json!({
        "ref": "refs/heads/main", "before": SHA, "after": SHA,
        "repository": {"id": 7, "full_name": "acme/rocket", "default_branch": "main", "clone_url": "https://github.com/acme/rocket.git"},
        "head_commit": {"id": SHA, "message": "Fix the nozzle\n\nIt leaked."},
        "sender": {"login": "ada"},
    });
    change(&mut payload);
    parse("github.com", "push", &verified(&payload)).unwrap()
}

fn pull_request_of(change: impl FnOnce(&mut Value)) -> Parsed {
    let mut payload = json!({
        "action": "opened", "number": 3,
        "pull_request": {
            "title": "Add a fin",
            "head": {"ref": "fin", "sha": SHA, "repo": {"id": 7}},
            "base": {"ref": "main", "sha": SHA, "repo": {"id": 7}},
        },
        "repository": {"id": 7, "full_name": "acme/rocket"}, "sender": {"login": "ada"},
    });
    change(&mut payload);
    parse("github.com", "pull_request", &verified(&payload)).unwrap()
}

fn reason(parsed: Parsed) -> String {
    match parsed {
        Parsed::Ignored { reason } => reason,
        other => panic!("not ignored: {other:?}"),
    }
}

fn trigger(parsed: Parsed) -> (Trigger, Source) {
    match parsed {
        Parsed::Trigger(trigger, source) => (*trigger, source),
        other => panic!("no trigger: {other:?}"),
    }
}

#[test]
fn a_push_to_a_branch_is_a_trigger() {
    let (found, source) = trigger(push_of(|_| {}));
    assert_eq!(found.describe(), "push to main");
    assert_eq!((found.title.as_str(), found.sender.as_str()), ("Fix the nozzle", "ada"));
    assert_eq!(source.reference, "refs/heads/main");
    assert_eq!(source.clone_url.as_deref(), Some("https://github.com/acme/rocket.git"));
}

#[test]
fn a_new_branch_has_no_before_and_may_have_no_head_commit() {
    let (found, _) = trigger(push_of(|payload| {
        payload["before"] = json!(ZERO);
        payload["head_commit"] = Value::Null;
    }));
    assert_eq!(found.kind, TriggerKind::Push { branch: "main".into(), before: None });
    assert_eq!(found.title, "");
}

#[test]
fn a_deletion_is_one_event_however_it_is_delivered() {
    let deleted = |payload: &mut Value| payload["repository"]["pushed_at"] = json!(1_557_933_657);
    let (found, source) = trigger(push_of(|payload| {
        deleted(payload);
        payload["after"] = json!(ZERO);
    }));
    assert_eq!(found.describe(), "deletion of branch main");
    assert_eq!(
        (found.sha.as_str(), source.reference.as_str()),
        ("", "refs/heads/main"),
        "the tip of the default branch"
    );
    let (twin, _) = trigger(other(
        "delete",
        json!({
            "ref": "main", "ref_type": "branch",
            "repository": {"id": 7, "full_name": "acme/rocket", "pushed_at": "2019-05-15T15:20:57Z"},
        }),
    ));
    assert_eq!(twin.dedupe_key(), found.dedupe_key());
    let (tag, _) = trigger(push_of(|payload| {
        deleted(payload);
        payload["ref"] = json!("refs/tags/v1");
        payload["deleted"] = json!(true);
    }));
    assert_eq!(tag.describe(), "deletion of tag v1");
    assert_eq!(
        reason(push_of(|payload| payload["deleted"] = json!(true))),
        "the payload has no `repository.pushed_at`"
    );
}

fn other(event: &str, payload: Value) -> Parsed {
    parse("github.com", event, &verified(&payload)).unwrap()
}

#[test]
fn what_is_created_is_at_the_tip_of_its_reference() {
    let create = |kind: &str| {
        other("create", json!({"ref": "v1", "ref_type": kind, "repository": {"id": 7, "full_name": "a/b"}}))
    };
    let (branch, source) = trigger(create("branch"));
    assert_eq!(
        (branch.event_name(), branch.sha.as_str(), source.reference.as_str()),
        ("create-branch", "", "refs/heads/v1")
    );
    let (tag, source) = trigger(create("tag"));
    assert_eq!((tag.event_name(), tag.sha.as_str(), source.reference.as_str()), ("create-tag", "", "refs/tags/v1"));
    assert_eq!(reason(create("repository")), "`v1` is a repository, neither a branch nor a tag");
}

#[test]
fn a_merge_group_and_a_release_have_their_own_fields() {
    let repository = json!({"id": 7, "full_name": "acme/rocket"});
    let (group, source) = trigger(other(
        "merge_group",
        json!({
            "action": "checks_requested", "repository": repository,
            "merge_group": {"head_sha": SHA, "head_ref": "refs/heads/gh-readonly-queue/main/pr-1-x", "base_sha": SHA,
                "base_ref": "refs/heads/main", "head_commit": {"message": "Merge #1\n\nx"}},
        }),
    ));
    assert_eq!((group.describe().as_str(), group.title.as_str()), ("merge group to main", "Merge #1"));
    assert_eq!((group.sha.as_str(), source.reference.as_str()), (SHA, "refs/heads/gh-readonly-queue/main/pr-1-x"));
    assert_eq!(
        reason(other("merge_group", json!({"action": "destroyed"}))),
        "action `destroyed` of a merge group starts nothing"
    );
    let (release, source) = trigger(other(
        "release",
        json!({
            "action": "published", "repository": repository,
            "release": {"tag_name": "v2", "name": "Two", "prerelease": true},
        }),
    ));
    let kind = TriggerKind::Release { tag: "v2".into(), name: "Two".into(), prerelease: true };
    assert_eq!((release.kind, source.reference.as_str()), (kind, "refs/tags/v2"));
    assert_eq!(reason(other("release", json!({"action": "edited"}))), "action `edited` of a release starts nothing");
}

#[test]
fn comments_count_on_pull_requests_and_by_people_with_a_say() {
    let comment = |change: &dyn Fn(&mut Value)| {
        let mut payload = json!({
            "action": "created", "issue": {"number": 5, "title": "Add a fin", "pull_request": {"url": "x"}},
            "comment": {"id": 99, "body": "/deploy", "author_association": "MEMBER", "user": {"login": "ada", "type": "User"}},
            "repository": {"id": 7, "full_name": "acme/rocket", "default_branch": "main"}, "sender": {"login": "ada"},
        });
        change(&mut payload);
        other("issue_comment", payload)
    };
    let (found, source) = trigger(comment(&|_| {}));
    assert_eq!(found.kind, TriggerKind::Comment { number: 5, comment: 99, text: "/deploy".into() });
    assert_eq!((found.sha.as_str(), source.reference.as_str()), ("", "refs/heads/main"));
    for (pointer, value, expected) in [
        ("/action", json!("edited"), "action `edited` of a comment starts nothing"),
        ("/issue/pull_request", Value::Null, "a comment on issue #5, which is no pull request, starts nothing"),
        ("/comment/user/type", json!("Bot"), "the comment is by the program ada, and starts nothing"),
        ("/comment/user/login", json!("x[bot]"), "the comment is by the program x[bot], and starts nothing"),
        (
            "/comment/author_association",
            json!("CONTRIBUTOR"),
            "the comment is by ada, who is no owner, member or collaborator of the repository",
        ),
    ] {
        assert_eq!(reason(comment(&|payload| *payload.pointer_mut(pointer).unwrap() = value.clone())), expected);
    }
}

#[test]
fn an_annotated_tag_leads_to_its_commit() {
    let (found, _) = trigger(push_of(|payload| {
        payload["ref"] = json!("refs/tags/v1.0");
        payload["after"] = json!("f".repeat(40));
    }));
    assert_eq!((found.sha.as_str(), found.kind), (SHA, TriggerKind::Tag { tag: "v1.0".into() }));
}

#[test]
fn pull_requests_know_forks_even_when_they_are_gone() {
    let from_fork = |parsed| match trigger(parsed).0.kind {
        TriggerKind::PullRequest { from_fork, .. } => from_fork,
        other => panic!("{other:?}"),
    };
    assert!(!from_fork(pull_request_of(|_| {})));
    assert!(from_fork(pull_request_of(|payload| payload["pull_request"]["head"]["repo"] = Value::Null)));
    assert!(from_fork(pull_request_of(|payload| payload["pull_request"]["head"]["repo"]["id"] = json!(8))));
    assert_eq!(trigger(pull_request_of(|_| {})).1.reference, "refs/pull/3/head");
}

#[test]
fn other_actions_and_events_say_that_they_start_nothing() {
    assert_eq!(
        reason(pull_request_of(|payload| payload["action"] = json!("brand_new"))),
        "action `brand_new` of pull request #3 starts nothing"
    );
    let star = parse("github.com", "star", &verified(&json!({}))).unwrap();
    assert_eq!(reason(star), "event `star` starts nothing");
}

#[test]
fn what_is_missing_or_odd_is_named() {
    for (pointer, value, expected) in [
        ("/ref", Value::Null, "the payload has no `ref`"),
        ("/after", json!(""), "the payload has no `after`"),
        ("/after", json!("../../etc"), "`after` of the payload is not a commit id"),
        ("/repository", Value::Null, "the payload has no `repository`"),
        ("/repository/id", Value::Null, "the payload has no `repository.id`"),
        ("/ref", json!("refs/notes/x"), "`refs/notes/x` is neither a branch nor a tag"),
    ] {
        assert_eq!(reason(push_of(|payload| *payload.pointer_mut(pointer).unwrap() = value)), expected);
    }
    let odd = reason(push_of(|payload| payload["repository"]["id"] = json!("seven")));
    assert!(odd.starts_with("the payload has an unexpected `repository.id`"), "{odd}");
}

#[test]
fn only_json_objects_are_payloads() {
    let raw =
        |text: &'static str| parse("github.com", "push", &Verified::from_inbox(Bytes::from_static(text.as_bytes())));
    assert!(matches!(raw("ref=1"), Err(Malformed::NotJson(_))));
    assert!(matches!(raw("{\"ref\": \"refs/heads/main\""), Err(Malformed::NotJson(_))));
    assert_eq!(raw(" [1]"), Err(Malformed::NotAnObject));
    assert!(matches!(raw(" {}"), Ok(Parsed::Ignored { .. })));
}

#[test]
fn the_envelope_never_minds_odd_fields() {
    let envelope = |payload: Value| super::parse("github.com", "star", &verified(&payload)).unwrap().0;
    let expected =
        Envelope { repository: Some("acme/rocket".into()), action: Some("opened".into()), installation: None };
    assert_eq!(envelope(json!({"action": "opened", "repository": {"full_name": "acme/rocket"}})), expected);
    assert_eq!(envelope(json!({"repository": 5})), Envelope::default());
}

#[test]
fn what_cannot_be_an_object_is_refused_at_first_sight() {
    let check = |text: &'static str| check_braces(&Verified::from_inbox(Bytes::from_static(text.as_bytes())));
    assert_eq!(check(" {\"ref\": 1}\n"), Ok(()));
    for text in ["", "{", "}", "[]", "{\"ref\": \"refs/hea", "payload={}"] {
        assert_eq!(check(text), Err(Malformed::NotAnObject), "{text}");
    }
}

#[test]
fn a_ping_names_its_hook() {
    let ping = parse("github.com", "ping", &verified(&json!({"zen": "Speak like a human.", "hook_id": 12}))).unwrap();
    assert_eq!(ping, Parsed::Ping { hook_id: Some(12) });
}
