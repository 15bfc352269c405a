//! The GitHub App against the stand-in: its signature, its tokens, and what each of them is good for.

use std::time::Duration;

use conducto::{
    forge::{CommitState, CommitStatus, Credentials, GitHub},
    model::SendError,
    standin,
};
use secrecy::ExposeSecret as _;

use crate::listener;

const SHA: &str = "6113728f27ae82c7b1a177c8d03f9e96e0adf246";
const APP: u64 = 123_456;

pub(crate) fn credentials() -> Credentials {
    Credentials::App { id: APP, key: include_str!("../fixtures/github/app.pem").into() }
}

pub(crate) async fn setup() -> (standin::GitHub, GitHub) {
    let public_key = include_str!("../fixtures/github/app.pub.pem");
    let github = standin::GitHub::start_for_app(listener().await, APP, public_key).unwrap();
    github.add_repository(7, "acme/rocket");
    let client = GitHub::build(&github.url(), credentials()).unwrap();
    (github, client)
}

fn status() -> CommitStatus {
    CommitStatus {
        repository_id: 7,
        sha: SHA.into(),
        context: "conducto/push".into(),
        state: CommitState::Success,
        description: String::new(),
        target_url: None,
    }
}

fn asked(github: &standin::GitHub, what: &str) -> usize {
    github.requests().iter().filter(|request| request.path.contains(what)).count()
}

#[tokio::test]
async fn whoever_comes_at_once_shares_one_token() {
    let (github, client) = setup().await;
    let senders = (0..10).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.post_status(&status()).await })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap().unwrap();
    }
    assert_eq!(github.all_statuses().len(), 10);
    assert_eq!(asked(&github, "access_tokens"), 1);
}

#[tokio::test]
async fn what_git_gets_reads_one_repository_and_nothing_else() {
    let (github, client) = setup().await;
    let token = client.clone_token(7).await.unwrap().unwrap();
    assert_eq!(github.token_scope(token.expose_secret()), Some((Some(vec![7]), true)));
    assert_eq!(client.clone_token(7).await.unwrap().unwrap().expose_secret(), token.expose_secret());
    let as_token = GitHub::build(&github.url(), Credentials::Token(token)).unwrap();
    assert!(matches!(as_token.post_status(&status()).await, Err(SendError::NoAccess { .. })));
    assert!(!format!("{client:?}").contains("ghs_"), "it does not show itself");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_runs_out_and_after_it_was_revoked() {
    let (github, client) = setup().await;
    github.shorten_tokens(9 * 60);
    client.post_status(&status()).await.unwrap();
    client.post_status(&status()).await.unwrap();
    assert_eq!(asked(&github, "access_tokens"), 2, "nine minutes are too short for a fetch");
    github.shorten_tokens(3_600);
    client.post_status(&status()).await.unwrap();
    github.revoke_tokens();
    client.post_status(&status()).await.unwrap();
    assert_eq!((asked(&github, "access_tokens"), github.all_statuses().len()), (4, 4));
}

#[tokio::test]
async fn a_transfer_leads_to_the_new_installation() {
    let (github, client) = setup().await;
    client.note_installation(7, 42);
    client.post_status(&status()).await.unwrap();
    assert_eq!(
        asked(&github, "/installation"),
        1,
        "the webhook has named the installation: only the token is asked for"
    );
    github.move_installation(43);
    let lost = client.post_status(&status()).await;
    assert!(matches!(lost, Err(SendError::NoAccess { .. })), "{lost:?}");
    client.post_status(&status()).await.unwrap();
    assert_eq!(client.budget(7).await.unwrap(), "installation 43");
}

#[tokio::test]
async fn another_apps_key_and_no_key_are_told_apart() {
    let (github, _) = setup().await;
    let Credentials::App { key, .. } = credentials() else { unreachable!() };
    let stranger = GitHub::build(&github.url(), Credentials::App { id: 1, key }).unwrap();
    let refused = stranger.with_deadline(Duration::from_secs(5)).post_status(&status()).await.unwrap_err();
    insta::assert_snapshot!(refused, @"GitHub answered 401: Bad credentials (are `github.app_id` and `github.app_key_file` of one App, and is this machine's clock right?)");
    let nonsense = GitHub::build(&github.url(), Credentials::App { id: 1, key: "not a key".into() }).unwrap_err();
    assert!(nonsense.to_string().starts_with("the App's private key is no RSA key in PEM form"), "{nonsense}");
}
