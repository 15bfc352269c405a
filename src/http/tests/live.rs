//! A tree as pages follow it: the whole of it, what changes, and what somebody is told who comes back.

use axum::body::BodyDataStream;
use futures_util::StreamExt as _;

use super::*;
use crate::dispatch::Action;
use crate::model::{Actor, NodePath};

const PATIENCE: Duration = Duration::from_secs(20);

/// Messages of a stream of server-sent events, beats left out.
struct Messages {
    body: BodyDataStream,
    text: String,
}

impl Messages {
    async fn open(service: &Service, address: &str, headers: &[(&str, &str)]) -> Self {
        let request = request(Request::get(address), &[headers, &[READER]].concat());
        let response = service.app(false).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// Returns name and data of the next.
    async fn next(&mut self) -> (String, Value) {
        loop {
            while let Some((message, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
                };
                let (name, data) = (field("event").unwrap(), field("data").unwrap());
                self.text = rest.to_owned();
                if name != "beat" {
                    return (name, serde_json::from_str(&data).unwrap());
                }
            }
            let piece = tokio::time::timeout(PATIENCE, self.body.next()).await.unwrap().unwrap().unwrap();
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
}

async fn skip(service: &Service, path: &str) {
    let actor = Actor::Token { name: "admin".into() };
    let action = Action::Skip(NodePath::parse(path).unwrap());
    service.dispatch.act(&PipelineId::parse("abc-def").unwrap(), action, actor, None).await.unwrap();
}

#[tokio::test]
async fn a_tree_comes_whole_and_then_as_what_has_changed() {
    let service = Service::start_with(&[actions::launch()]).await;
    let mut messages = Messages::open(&service, "/api/v1/pipelines/abc-def/live", &[]).await;
    let (name, tree) = messages.next().await;
    assert_eq!(name, "tree");
    assert_eq!(tree["name"], serde_json::json!(["/", "checks", "unit", "lint & style", "deploy"]));
    assert_eq!(tree["parent"], serde_json::json!([-1, 0, 1, 1, 0]));
    assert_eq!((&tree["kind"], &tree["pipeline"]["id"]), (&"SPXXX".into(), &"abc-def".into()));
    // Two groups, six numbers each.
    assert_eq!(tree["counts"].as_array().unwrap().len(), 12);
    assert_eq!(tree["state"].as_str().unwrap().len(), 5);

    skip(&service, "/deploy").await;
    let mut seq = tree["seq"].as_u64().unwrap();
    let deploy = loop {
        let (name, change) = messages.next().await;
        assert_eq!((name.as_str(), change["prev"].as_u64().unwrap()), ("change", seq));
        seq = change["seq"].as_u64().unwrap();
        if let Some(row) = change["rows"].as_array().unwrap().iter().find(|row| row[0] == 4) {
            break row.clone();
        }
    };
    assert_eq!((&deploy[1], &deploy[2], &deploy[6]), (&"P".into(), &1.into(), &Value::Null));
}

#[tokio::test]
async fn who_comes_back_is_told_what_happened_meanwhile_and_else_all_of_it() {
    let service = Service::start_with(&[actions::launch()]).await;
    let address = "/api/v1/pipelines/abc-def/live";
    let mut first = Messages::open(&service, address, &[]).await;
    let seq = first.next().await.1["seq"].as_u64().unwrap();
    drop(first);
    skip(&service, "/deploy").await;
    // The number may come in the address or, as browsers send it, in a header, which goes before it.
    for (query, headers) in
        [(format!("?after={seq}"), vec![]), ("?after=0".to_owned(), vec![("last-event-id", seq.to_string())])]
    {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut back = Messages::open(&service, &format!("{address}{query}"), &headers).await;
        let (mut known, mut is_told) = (seq, false);
        while !is_told {
            let (name, change) = back.next().await;
            assert_eq!((name.as_str(), change["prev"].as_u64().unwrap()), ("change", known));
            known = change["seq"].as_u64().unwrap();
            is_told = change["rows"].as_array().unwrap().iter().any(|row| row[0] == 4 && row[2] == 1);
        }
    }
    // From before anybody looked, and from a future that a lost disk took away.
    for after in [0, seq + 1_000] {
        let mut back = Messages::open(&service, &format!("{address}?after={after}"), &[]).await;
        assert_eq!(back.next().await.0, "tree", "{after}");
    }
}

#[tokio::test]
async fn the_list_is_told_which_pipelines_change() {
    let service = Service::start_with(&[actions::launch()]).await;
    let mut messages = Messages::open(&service, "/api/v1/live", &[]).await;
    skip(&service, "/deploy").await;
    assert_eq!(messages.next().await, ("changed".to_owned(), serde_json::json!(["abc-def"])));
}

#[tokio::test]
async fn a_tree_that_is_not_there_is_a_problem() {
    let answer = Service::start().await.get("/api/v1/pipelines/abc-def/live", &[READER]).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_node_alone_shows_its_environment_and_a_log_that_is_not_there_is_a_problem() {
    let service = Service::start_with(&[actions::launch()]).await;
    let nodes = "/api/v1/pipelines/abc-def/nodes";
    let answer = service.get(&format!("{nodes}/checks/unit/view"), &[READER]).await;
    let node: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!((&node["path"], &node["type"]), (&"/checks/unit".into(), &"exec".into()));
    for (address, status) in [
        ("deploy/lines", 404),
        ("deploy/search?text=x", 404),
        ("checks/unit/search?text=(&regex=true", 400),
        ("checks/unit/lines?count=many", 400),
        ("checks/unit/nothing", 404),
        ("view", 200),
    ] {
        let answer = service.get(&format!("{nodes}/{address}"), &[READER]).await;
        assert_eq!(answer.status.as_u16(), status, "{address}: {}", answer.text);
    }
}
