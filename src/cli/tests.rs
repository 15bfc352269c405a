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
use serde_json::{Value, json};

use super::{args::Verb, cancel, deliveries, failure::Failure, list, logs, printer::Printer, reset, show};
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

async fn pipeline(headers: HeaderMap, Path(id): Path<String>) -> Result<Json<PipelineView>, (StatusCode, Json<Value>)> {
    let problem = |status: StatusCode, detail: &str| {
        let title = status.canonical_reason().unwrap();
        (status, Json(json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail})))
    };
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

async fn act(headers: HeaderMap, Path((_, rest)): Path<(String, String)>) -> Json<Value> {
    Json(json!({"seq": 7, "repeated": false, "rest": rest, "has_key": headers.contains_key("idempotency-key")}))
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
        .route("/api/v1/pipelines/{id}/cancel", post(async || Json(json!({"seq": 7, "repeated": false}))))
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
    let printer = &mut printer;
    let outcome = match arguments.verb {
        Verb::List(verb) => list::run(verb, printer).await,
        Verb::Show(verb) => show::run(verb, printer).await,
        Verb::Logs(verb) => logs::run(verb, printer).await,
        Verb::Cancel(verb) => cancel::run(verb, printer).await,
        Verb::Reset(verb) => reset::run(verb, printer).await,
        Verb::Deliveries(verb) => deliveries::run(verb, printer).await,
        other => panic!("{other:?} is not tested here"),
    };
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
    let (_, printed) = typed(&["reset", "abc-def", "/"]).await;
    assert_eq!(printed, "/ of abc-def runs again; its earlier attempts are kept\n");
    let (_, printed) = typed(&["cancel", "abc-def"]).await;
    assert_eq!(printed, "abc-def is being cancelled\n");
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
