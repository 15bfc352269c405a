//! What can be done to a run, by its addresses: a pipeline whose leaves wait in a queue that nobody empties.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use rstest::rstest;
use serde_json::{Value, json};

use super::{ADMIN, Answer, READER, Service, ask};
use crate::{
    clock, engine,
    model::{
        Actor, Definition, Exec, Hold, Launch, NodeDefinition, NodeIndex, NodeKind, PipelineId, Repository, Trigger,
        TriggerKind, Trust,
    },
    store::{
        Store,
        pipelines::{self, Projection},
    },
};

/// Writes down the birth of a pipeline.
pub(super) async fn begin(store: &Store, launch: Launch) {
    let now = clock::now();
    let (pipeline, events) = engine::launch(launch.clone(), now, Actor::Server);
    let projection = Projection {
        state: pipeline.state(NodeIndex::ROOT),
        ending: None,
        cause: None,
        counts: pipeline.counts(NodeIndex::ROOT),
        finished_at: None,
        hold: pipeline.hold(),
        is_asleep: false,
    };
    let written = store.write(move |connection| {
        pipelines::create(connection, &launch, None, clock::new_uuid(), now)?;
        pipelines::append(connection, &launch.pipeline, &events, &projection)
    });
    written.await.unwrap();
}

/// `/checks/unit` and `/checks/lint & style` wait for a worker, `/deploy` for both.
fn launch() -> Launch {
    let node = |name: &str, parent: Option<u32>, kind| NodeDefinition {
        name: name.into(),
        parent: parent.map(NodeIndex),
        kind,
        settings: Default::default(),
    };
    let exec = || NodeKind::Exec(Exec { command: "true".into() });
    Launch {
        pipeline: PipelineId::parse("abc-def").unwrap(),
        definition: Definition::new(vec![
            node("/", None, NodeKind::Serial { stop_on_error: true }),
            node("checks", Some(0), NodeKind::Parallel),
            node("unit", Some(1), exec()),
            node("lint & style", Some(1), exec()),
            node("deploy", Some(0), exec()),
        ])
        .unwrap(),
        title: "a change".into(),
        section: "push".into(),
        trigger: Trigger {
            host: "github.com".into(),
            repository: Repository { id: 1, full_name: "acme/api".into(), default_branch: None },
            sha: "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334".into(),
            kind: TriggerKind::Push { branch: "main".into(), before: None },
            title: "a change".into(),
            sender: "octocat".into(),
        },
        slack_channel: None,
        trust: Trust::Trusted,
        hold: None,
        most_mem: None,
        turn: None,
        secrets: None,
    }
}

impl Service {
    async fn act(&self, verb: &str, key: &str, body: &str) -> Answer {
        let request = Request::post(format!("/api/v1/pipelines/abc-def/{verb}"))
            .header(ADMIN.0, ADMIN.1)
            .header("idempotency-key", key)
            .body(Body::from(body.to_owned()));
        ask(self.app(false), request.unwrap()).await
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

#[tokio::test]
async fn a_key_does_a_thing_once_and_another_key_does_it_again() {
    let service = Service::start_with(&[launch()]).await;
    let first = service.act("nodes/checks/unit/reset", "k", "").await.json();
    assert_eq!((&first["repeated"], &first["reruns"]), (&json!(false), &json!(1)));
    let again = service.act("nodes/checks/unit/reset", "k", "").await.json();
    assert_eq!((&again["repeated"], &again["seq"]), (&json!(true), &first["seq"]));
    // The same key for another node, or of another verb, is another wish.
    let other = service.act("nodes/checks/reset", "k", "").await.json();
    assert_eq!((&other["repeated"], &other["reruns"]), (&json!(false), &json!(2)));
    let later = service.act("nodes/checks/unit/reset", "l", "").await.json();
    assert!(later["seq"].as_u64() > first["seq"].as_u64());
}

#[tokio::test]
async fn a_pipeline_that_waits_for_somebody_begins_when_it_is_told() {
    let service = Service::start_with(&[Launch { hold: Some(Hold::Manual), ..launch() }]).await;
    let view = || async { service.get("/api/v1/pipelines/abc-def", &[READER]).await.json() };
    let held = view().await;
    assert_eq!((&held["hold"], &held["counts"]["queued"]), (&json!("manual"), &json!(0)));
    assert!(held["nodes"][2]["waits_for"].as_str().unwrap().contains("waits for somebody to start"), "{held}");
    assert_eq!(service.act("start", "k", "").await.status, StatusCode::OK);
    let begun = view().await;
    assert_eq!((begun.get("hold"), &begun["counts"]["queued"]), (None, &json!(2)));
    let again = service.act("start", "l", "").await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.text.contains("does not wait to be started"), "{}", again.text);
}

#[tokio::test]
async fn one_key_at_the_same_time_does_a_thing_once() {
    let service = Service::start_with(&[launch()]).await;
    let asked = || service.act("nodes/checks/unit/reset", "k", "");
    let answers = tokio::join!(asked(), asked(), asked());
    let answers = [answers.0, answers.1, answers.2].map(|answer| answer.json());
    assert_eq!(answers.iter().filter(|answer| answer["repeated"] == json!(false)).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| answer["seq"] == answers[0]["seq"]), "{answers:?}");
}

#[rstest]
#[case::misspelt("nodes/cheks/unit/reset", "", 404, "there is no node `/cheks/unit`; did you mean `/checks/unit`?")]
#[case::misplaced("nodes/unit/skip", "", 404, "there is no node `/unit`; did you mean `/checks/unit`?")]
#[case::strange("nodes/nothing/kill", "", 404, "there is no node `/nothing`")]
#[case::not_reached("nodes/deploy/reset", "", 409, "nothing to reset: everything below is pending")]
#[case::no_change("nodes/deploy/edit", "{\"rerun\": true}", 422, "nothing to change")]
#[case::bad_amount("nodes/deploy/edit", "{\"mem\": -1}", 422, "`mem` must be above 0")]
#[case::no_leaf("nodes/checks/edit", "{\"command\": \"true\"}", 422, "only an Exec node has a command")]
#[case::not_skipped("nodes/deploy/unskip", "", 409, "the node is not skipped")]
#[case::nothing_failed("nodes/rerun-failed", "", 409, "nothing to run again: nothing below has failed")]
#[case::nothing_runs("nodes/deploy/kill", "", 409, "nothing to kill: nothing below runs or is queued")]
#[case::awake("wake", "", 409, "the pipeline does not sleep")]
#[case::no_verb("nodes/checks/unit/restart", "", 404, "nothing has this address")]
#[case::no_pipeline_verb("restart", "", 404, "nothing has this address")]
#[case::no_json("nodes/deploy/edit", "{", 400, "the body is no JSON: EOF while parsing an object at line 1 column 1")]
#[case::unknown_key("nodes/deploy/edit", "{\"memory\": 4}", 422, "`memory`: unknown field `memory`, expected one of")]
#[case::wrong_type("nodes/deploy/edit", "{\"cpu\": \"two\"}", 422, "`cpu`: invalid type: string \"two\", expected f64")]
#[tokio::test]
async fn a_refusal_says_why(#[case] verb: &str, #[case] body: &str, #[case] status: u16, #[case] why: &str) {
    let service = Service::start_with(&[launch()]).await;
    let answer = service.act(verb, "k", body).await;
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with(why), "{detail}");
}

#[tokio::test]
async fn a_refused_wish_can_be_had_later_under_the_same_key() {
    let service = Service::start_with(&[launch()]).await;
    assert_eq!(service.act("cancel", "k", "").await.status, StatusCode::OK);
    let answer = tokio::time::timeout(Duration::from_secs(120), async {
        loop {
            let answer = service.act("nodes/reset", "k", "").await;
            match answer.status {
                // A lease that was on its way has to be given back first.
                StatusCode::CONFLICT => tokio::time::sleep(Duration::from_millis(10)).await,
                _ => return answer,
            }
        }
    });
    let answer = answer.await.unwrap().json();
    assert_eq!((&answer["repeated"], &answer["reruns"]), (&json!(false), &json!(3)));
}

#[tokio::test]
async fn a_log_that_is_asked_for_by_a_wrong_path_names_the_right_one() {
    let service = Service::start_with(&[launch()]).await;
    let answer = service.get("/api/v1/pipelines/abc-def/nodes/deploi/log", &[READER]).await;
    assert!(answer.text.contains("did you mean `/deploy`?"), "{}", answer.text);
}
