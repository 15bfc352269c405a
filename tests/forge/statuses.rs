//! The commit status client against the stand-in.

use std::time::Duration;

use conducto::{
    forge::{CommitState, CommitStatus, Credentials, GitHub},
    model::SendError,
    standin::{self, Fault},
};
use secrecy::SecretString;

use crate::{SOON, listener};

const SHA: &str = "6113728f27ae82c7b1a177c8d03f9e96e0adf246";

fn status(state: CommitState) -> CommitStatus {
    CommitStatus {
        repository_id: 7,
        sha: SHA.into(),
        context: "conducto/push".into(),
        state,
        description: "2 of 3 nodes done".into(),
        target_url: Some("https://ci.example.com/app/p/abc-def".into()),
    }
}

fn credentials(token: Option<&str>) -> Credentials {
    token.map_or(Credentials::None, |token| Credentials::Token(SecretString::from(token)))
}

async fn setup(token: Option<&str>) -> (standin::GitHub, GitHub) {
    let github = standin::GitHub::start(listener().await, "ghp_right").unwrap();
    github.add_repository(7, "acme/rocket");
    let statuses = GitHub::build(&github.url(), credentials(token)).unwrap();
    (github, statuses)
}

#[tokio::test]
async fn statuses_arrive_in_order_with_the_pinned_version() {
    let (github, statuses) = setup(Some("ghp_right")).await;
    let waiting = github.clone();
    let waiter =
        tokio::spawn(
            async move { waiting.wait_for(SOON, |github| github.statuses(SHA, "Conducto/Push").len() == 2).await },
        );
    statuses.post_status(&status(CommitState::Pending)).await.unwrap();
    let long = CommitStatus { description: "x".repeat(500), ..status(CommitState::Success) };
    statuses.post_status(&long).await.unwrap();
    assert!(waiter.await.unwrap());
    let received = github.statuses(SHA, "conducto/push");
    assert_eq!(received.iter().map(|one| one.state.as_str()).collect::<Vec<_>>(), ["pending", "success"]);
    assert_eq!(received[1].description.len(), 140);
    let request = &github.requests()[0];
    assert_eq!(request.header("x-github-api-version"), Some("2022-11-28"));
    assert_eq!(request.path, format!("/repositories/7/statuses/{SHA}"));
}

#[tokio::test]
async fn trouble_is_classified_and_never_repeated_by_the_client() {
    let (github, statuses) = setup(Some("ghp_right")).await;
    github.fail_next(1, Fault::RateLimited { seconds: 17 });
    let limited = statuses.post_status(&status(CommitState::Pending)).await;
    assert!(
        matches!(limited, Err(SendError::RateLimited { after, .. }) if after == Duration::from_secs(17)),
        "{limited:?}"
    );
    github.fail_next(1, Fault::QuotaSpent { seconds: 600 });
    let spent = statuses.post_status(&status(CommitState::Pending)).await;
    assert!(
        matches!(spent, Err(SendError::RateLimited { after, .. }) if after > Duration::from_secs(500)),
        "{spent:?}"
    );
    for fault in [Fault::ServerError, Fault::Close, Fault::CloseAfterwards] {
        github.fail_next(1, fault);
        let failed = statuses.post_status(&status(CommitState::Pending)).await;
        assert!(matches!(failed, Err(SendError::Transient { .. })), "{fault:?}: {failed:?}");
    }
    assert_eq!(github.requests().len(), 5);
    assert_eq!(github.all_statuses().len(), 1, "what was cut off afterwards was done");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let (github, statuses) = setup(Some("ghp_right")).await;
    github.fail_next(1, Fault::Hang);
    let outcome = statuses.with_deadline(Duration::from_millis(100)).post_status(&status(CommitState::Pending)).await;
    assert!(matches!(outcome, Err(SendError::Transient { .. })), "{outcome:?}");
}

#[tokio::test]
async fn final_answers_say_what_a_person_can_do() {
    let said = async |token, change: fn(&mut CommitStatus)| {
        let (_github, statuses) = setup(token).await;
        let mut status = status(CommitState::Error);
        change(&mut status);
        let error = statuses.post_status(&status).await.unwrap_err();
        let is_for_a_person =
            matches!(error, SendError::Permanent { .. } | SendError::NoAccess { .. } | SendError::Unauthorized { .. });
        assert!(is_for_a_person, "{error:?}");
        error.to_string()
    };
    let all = [
        said(Some("wrong"), |_| {}).await,
        said(None, |_| {}).await,
        said(Some("ghp_right"), |status| status.repository_id = 8).await,
        said(Some("ghp_right"), |status| status.sha = "main".into()).await,
        said(Some("ghp_right"), |status| status.target_url = Some("ftp://x".into())).await,
    ];
    insta::assert_snapshot!(all.join("\n"), @"
    GitHub answered 401: Bad credentials (the token is missing, wrong or expired)
    GitHub answered 401: Requires authentication (the token is missing, wrong or expired)
    GitHub answered 404: Not Found (no such repository, or the token may not see it)
    GitHub answered 422: Validation Failed; No commit found for SHA: main (is the commit in that repository, and has the context had fewer than 1,000 statuses on it?)
    GitHub answered 422: Validation Failed; target_url must use http(s) scheme (is the commit in that repository, and has the context had fewer than 1,000 statuses on it?)
    ");
}

#[tokio::test]
async fn the_thousand_and_first_status_is_refused() {
    let (github, statuses) = setup(Some("ghp_right")).await;
    for _ in 0..1_000 {
        statuses.post_status(&status(CommitState::Pending)).await.unwrap();
    }
    assert!(matches!(statuses.post_status(&status(CommitState::Pending)).await, Err(SendError::Permanent { .. })));
    let other = CommitStatus { context: "conducto/pr".into(), ..status(CommitState::Pending) };
    statuses.post_status(&other).await.unwrap();
    assert_eq!(github.all_statuses().len(), 1_001);
}

#[tokio::test]
async fn only_web_addresses_make_a_client() {
    assert!(GitHub::build("github.com", Credentials::None).is_err());
    assert!(GitHub::build("http://", Credentials::None).is_err());
}
