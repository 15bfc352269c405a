//! The client verbs against a server that answers what a server would.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Path, RawQuery},
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use rstest::rstest;
use serde_json::{Value, json};

use super::{failure::Failure, printer::Printer, run::client};
use crate::{dispatch::view::PipelineView, present::sample};

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Memory {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

type Refusal = (StatusCode, Json<Value>);

fn problem(status: StatusCode, detail: &str) -> Refusal {
    let title = status.canonical_reason().unwrap();
    (status, Json(json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail})))
}

async fn pipeline(headers: HeaderMap, Path(id): Path<String>) -> Result<Json<PipelineView>, Refusal> {
    match (headers.get("authorization").map(|value| value.as_bytes()), id.as_str()) {
        (Some(b"Bearer t0ken"), "abc-def") => Ok(Json(sample::failed_pipeline())),
        (Some(b"Bearer t0ken"), "run-ing") => Ok(Json(sample::running_pipeline())),
        (Some(b"Bearer t0ken"), _) => Err(problem(StatusCode::NOT_FOUND, "pipeline `zzz-zzz` never existed")),
        _ => Err(problem(StatusCode::UNAUTHORIZED, "a valid API token is needed")),
    }
}

async fn node(Path((_, rest)): Path<(String, String)>, RawQuery(query): RawQuery) -> String {
    format!("\u{1b}[31mlog of {rest}\u{1b}[0m\nasked with {}\n", query.unwrap_or_default())
}

/// Answers what can be done with what it was asked; a node `/done` refuses.
async fn act(
    headers: HeaderMap,
    Path((_, rest)): Path<(String, String)>,
    body: String,
) -> Result<Json<Value>, Refusal> {
    if rest.starts_with("done/") {
        return Err(problem(StatusCode::CONFLICT, "nothing to kill: nothing below runs or is queued"));
    }
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let stops = u32::from(rest.ends_with("/kill"));
    let has_key = headers.contains_key("idempotency-key");
    Ok(Json(
        json!({"seq": 7, "repeated": false, "reruns": 3, "stops": stops, "rest": rest, "has_key": has_key, "body": body}),
    ))
}

/// Serves on a port of the system's choice for as long as the test lives.
async fn server() -> String {
    let delivery = json!([{
        "seq": 1, "guid": "72d3162e", "event": "push", "repository": "acme/api", "state": "failed",
        "verdict": "conducto.cfg:3:1 unknown key `filtre`", "diagnostics": "error[cfg::unknown-key]: …\n --> conducto.cfg:3:1",
        "pipelines": [], "deliveries": 1, "received_at": "2026-09-21T14:13:20Z"
    }]);
    let list = json!([sample::running_pipeline().summary, sample::failed_pipeline().summary]);
    let app = Router::new()
        .route("/api/v1/pipelines", get(async move || Json(list)))
        .route("/api/v1/pipelines/{id}", get(pipeline))
        .route("/api/v1/pipelines/{id}/{verb}", post(act))
        .route("/api/v1/pipelines/{id}/nodes/{*rest}", get(node).post(act))
        .route("/api/v1/deliveries", get(async move || Json(delivery)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

/// Runs what was typed; returns what was printed, without the port.
async fn typed(words: &[&str]) -> (Result<(), Failure>, String) {
    use clap::Parser as _;
    let url = server().await;
    let base = tempfile::tempdir().unwrap();
    let config = base.path().join("conducto.toml");
    std::fs::write(&config, format!("base_dir = \"{}\"\n", base.path().display())).unwrap();
    let config = config.display().to_string();
    let all = [&["conducto"], words, &["--server", &url, "--config", &config]].concat();
    let arguments = super::args::Arguments::try_parse_from(all).unwrap();
    let (out, err) = (Memory::default(), Memory::default());
    let is_coloured = words.contains(&"--color=always");
    let mut printer = Printer::into_memory(Box::new(out.clone()), Box::new(err.clone()), is_coloured);
    let outcome = client(arguments.verb, &mut printer).await;
    (outcome, (out.text() + &err.text()).replace(&url, "http://server"))
}

#[tokio::test]
async fn show_draws_the_tree_and_the_end_of_the_log_of_what_failed() {
    let (outcome, printed) = typed(&["show", "abc-def", "--token", "t0ken"]).await;
    outcome.unwrap();
    insta::assert_snapshot!(printed);
    let (_, coloured) = typed(&["show", "abc-def", "--token", "t0ken", "--color=always"]).await;
    assert!(coloured.contains("\u{1b}[31m✗\u{1b}[0m") && coloured.contains("\u{1b}[33m■\u{1b}[0m"), "{coloured}");
}

#[tokio::test]
async fn show_says_where_nodes_run_without_isolation() {
    let (_, printed) = typed(&["show", "run-ing", "--token", "t0ken"]).await;
    assert!(printed.contains("no isolation") && printed.contains("waits for /test"), "{printed}");
}

#[tokio::test]
async fn json_is_the_answer_itself() {
    let (_, printed) = typed(&["show", "abc-def", "--token", "t0ken", "--json"]).await;
    assert_eq!(serde_json::from_str::<PipelineView>(&printed).unwrap(), sample::failed_pipeline());
}

#[tokio::test]
async fn lists_are_one_line_each() {
    let ages = [(r" +\d+[smhd] ago", " [age]")];
    let (_, pipelines) = typed(&["list"]).await;
    let (_, deliveries) = typed(&["deliveries"]).await;
    insta::with_settings!({filters => ages}, {
        insta::assert_snapshot!(pipelines + "---\n" + &deliveries);
    });
}

#[tokio::test]
async fn logs_are_printed_as_they_come() {
    let (_, printed) =
        typed(&["logs", "-f", "abc-def", "/checks/lint & style", "--stream", "stderr", "--attempt", "2"]).await;
    let expected =
        "\u{1b}[31mlog of checks/lint & style/log\u{1b}[0m\nasked with follow=true&stream=stderr&attempt=2\n";
    assert_eq!(printed, expected);
}

#[tokio::test]
async fn actions_carry_a_key_so_that_a_repetition_does_no_harm() {
    let (_, printed) = typed(&["reset", "abc-def", "/checks/unit", "--json"]).await;
    let answer: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&answer["rest"], &answer["has_key"]), (&"checks/unit/reset".into(), &true.into()));
}

#[rstest]
#[case("start abc-def", "abc-def may begin")]
#[case("cancel abc-def", "abc-def is being cancelled")]
#[case("sleep abc-def", "abc-def sleeps")]
#[case("wake abc-def", "abc-def is awake and goes on")]
#[case("reset abc-def /", "/ of abc-def is reset: 3 nodes run again; earlier attempts are kept")]
#[case("rerun --failed abc-def", "/ of abc-def: 3 nodes run again; earlier attempts are kept")]
#[case("rerun --failed abc-def checks", "/checks of abc-def: 3 nodes run again; earlier attempts are kept")]
#[case("skip abc-def /a/b", "/a/b of abc-def is skipped")]
#[case("unskip abc-def /a", "/a of abc-def is not skipped any more; what has not run there can run")]
#[case("kill abc-def /a", "/a of abc-def is killed, 1 running node is being ended")]
#[case("edit abc-def /a --mem 4 --rerun", "/a of abc-def is changed: 3 nodes run again")]
#[tokio::test]
async fn each_verb_says_in_one_line_what_came_of_it(#[case] line: &str, #[case] said: &str) {
    let (outcome, printed) = typed(&line.split(' ').collect::<Vec<_>>()).await;
    outcome.unwrap();
    assert_eq!(printed, format!("{said}\n"));
}

#[tokio::test]
async fn an_edit_names_what_changes_and_nothing_else() {
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(script.path(), "make it\n").unwrap();
    let file = script.path().display().to_string();
    let words = ["edit", "abc-def", "/a", "--env", "A=1=2", "--env", "B=", "--unset", "C", "--command-file", &file];
    let (_, printed) = typed(&[&words[..], &["--json"]].concat()).await;
    let answer: Value = serde_json::from_str(&printed).unwrap();
    let expected = json!({
        "command": "make it\n", "env": {"A": "1=2", "B": "", "C": null},
        "cpu": null, "mem": null, "image": null, "rerun": false,
    });
    assert_eq!(answer["body"], expected);
    let (outcome, _) = typed(&["edit", "abc-def", "/a", "--env", "A=1", "--unset", "A"]).await;
    assert_eq!(outcome.unwrap_err().code, 2);
}

#[tokio::test]
async fn a_refusal_says_why_and_where_to_look() {
    let (outcome, printed) = typed(&["kill", "abc-def", "/done"]).await;
    let failure = outcome.unwrap_err();
    assert_eq!((failure.code, printed.as_str()), (1, ""));
    assert_eq!(failure.error.to_string(), "Conflict: nothing to kill: nothing below runs or is queued");
    assert!(failure.help.unwrap().contains("conducto show"));
    let (outcome, _) = typed(&["rerun", "abc-def"]).await;
    let failure = outcome.unwrap_err();
    assert_eq!((failure.code, failure.help.as_deref()), (2, Some("to run everything again: conducto reset abc-def /")));
}

#[tokio::test]
async fn what_the_server_refuses_is_said_in_its_words() {
    let (outcome, _) = typed(&["show", "zzz-zzz", "--token", "t0ken"]).await;
    let failure = outcome.unwrap_err();
    assert_eq!((failure.code, failure.error.to_string().as_str()), (1, "Not Found: pipeline `zzz-zzz` never existed"));
    let (outcome, _) = typed(&["show", "abc-def"]).await;
    let failure = outcome.unwrap_err();
    assert_eq!((failure.code, failure.help.as_deref()), (2, Some("give a token with --token or CONDUCTO_TOKEN")));
}
