//! The outgoing statuses against GitHub's official API description, served by a validating mock.

use std::process::Stdio;

use conducto::{
    forge::{
        Annotation, Button, CheckRun, CheckStatus, CommitState, CommitStatus, Conclusion, Credentials, GitHub, Level,
    },
    standin,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{SOON, listener, oracles};

const SHA: &str = "6113728f27ae82c7b1a177c8d03f9e96e0adf246";

/// Starts the mock; it ends with the child.
async fn mock() -> (Child, String) {
    let folder = tokio::task::spawn_blocking(oracles::folder).await.unwrap();
    let mut child = Command::new("node")
        .args([
            "node_modules/@stoplight/prism-cli/dist/index.js",
            "mock",
            "-h",
            "127.0.0.1",
            "-p",
            "0",
            "out/github.json",
        ])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = tokio::time::timeout(3 * SOON, async {
        loop {
            let line = lines.next_line().await.unwrap().expect("the mock says where it listens");
            if let Some((_, url)) = line.split_once("listening on ") {
                return url.trim().to_owned();
            }
        }
    });
    let url = url.await.unwrap();
    // Whoever writes to a closed pipe ends.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, url)
}

async fn judge(url: &str, body: Value) -> u16 {
    let request = reqwest::Client::new().post(url).header("authorization", "Bearer ghp_right").json(&body);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn every_status_we_send_is_what_the_description_allows() {
    let (_mock, url) = mock().await;
    let github = standin::GitHub::start(listener().await, "ghp_right").unwrap();
    github.add_repository(7, "acme/rocket");
    github.judge_by(&url);
    let statuses = GitHub::build(&github.url(), Credentials::Token("ghp_right".into())).unwrap();
    let states = [CommitState::Pending, CommitState::Success, CommitState::Failure, CommitState::Error];
    for (number, state) in states.into_iter().enumerate() {
        let status = CommitStatus {
            repository_id: 7,
            sha: SHA.into(),
            context: "conducto/push.release".into(),
            state,
            description: "é".repeat(100 * number),
            target_url: (number % 2 == 0).then(|| "https://ci.example.com/app/p/abc-def".into()),
        };
        statuses.post_status(&status).await.unwrap();
    }
    assert_eq!(github.statuses(SHA, "conducto/push.release").len(), states.len());

    // The same judge says no to what is wrong: else its yes would prove nothing.
    let direct = format!("{url}/repos/acme/rocket/statuses/{SHA}");
    assert_eq!(judge(&direct, json!({"state": "success", "context": "conducto/push"})).await, 201);
    assert_eq!(judge(&direct, json!({"state": "great"})).await, 422);
    assert_eq!(judge(&direct, json!({"context": "conducto/push"})).await, 422);
    let through = format!("{}/repositories/7/statuses/{SHA}", github.url());
    assert_eq!(judge(&through, json!({"state": "success", "description": 5})).await, 422);
}

#[tokio::test]
async fn every_check_and_every_answer_we_send_is_what_the_description_allows() {
    let (_mock, url) = mock().await;
    let (github, client) = crate::app::setup().await;
    github.judge_by(&url);
    let at = jiff::Timestamp::from_second(1_790_000_000).unwrap();
    let annotation = |level| Annotation {
        path: "src/main.rs".into(),
        start_line: 3,
        end_line: 4,
        level,
        title: "E0308".into(),
        message: "mismatched types".into(),
    };
    let full = CheckRun {
        repository_id: 7,
        sha: SHA.into(),
        name: "conducto/push".into(),
        details_url: "https://ci.example.com/app/p/abc-def".into(),
        status: CheckStatus::Completed,
        conclusion: Some(Conclusion::Failure),
        started_at: Some(at),
        completed_at: Some(at),
        title: "1 of 2 done".into(),
        summary: "é".repeat(70_000),
        text: "more".into(),
        annotations: [Level::Notice, Level::Warning, Level::Failure].map(annotation).into(),
        buttons: vec![Button {
            label: "Re-run failed".into(),
            identifier: "rerun-failed".into(),
            description: "Again".into(),
        }],
    };
    let bare = CheckRun {
        status: CheckStatus::Queued,
        conclusion: None,
        started_at: None,
        completed_at: None,
        text: String::new(),
        annotations: Vec::new(),
        buttons: Vec::new(),
        ..full.clone()
    };
    let id = client.create_check(&bare, "cdt:abc-def:1").await.unwrap();
    client.update_check(id, &CheckRun { status: CheckStatus::InProgress, ..bare.clone() }).await.unwrap();
    client.update_check(id, &full).await.unwrap();
    let ends = [
        Conclusion::Success,
        Conclusion::Cancelled,
        Conclusion::Skipped,
        Conclusion::TimedOut,
        Conclusion::ActionRequired,
    ];
    for conclusion in ends {
        let run = CheckRun { conclusion: Some(conclusion), ..full.clone() };
        client.create_check(&run, "cdt:abc-def:2").await.unwrap();
    }
    client.react(7, 1, "+1").await.unwrap();
    client.react(7, 1, "confused").await.unwrap();
    client.comment(7, 5, "Conducto did nothing").await.unwrap();
    assert_eq!(client.find_check(&full, "cdt:abc-def:1").await.unwrap(), Some(id));

    let direct = format!("{url}/repos/acme/rocket/check-runs");
    assert_eq!(judge(&direct, json!({"name": "conducto/push"})).await, 422, "the judge says no to what is wrong");
}
