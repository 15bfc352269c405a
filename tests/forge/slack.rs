//! The Slack client against the stand-in.

use std::time::Duration;

use conducto::{
    model::SendError,
    notify::{Access, Posted, Slack, SlackMessage, Updated},
    standin::{self, Fault},
};
use serde_json::json;

use crate::listener;

fn message(text: &str) -> SlackMessage {
    let section = json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
    SlackMessage { text: text.into(), blocks: vec![section] }
}

async fn setup(token: &str) -> (standin::Slack, Slack) {
    let server = standin::Slack::start(listener().await, "xoxb-right").unwrap();
    let access = Access::Bot { base_url: server.url(), token: token.into() };
    (server, Slack::build(access).unwrap())
}

async fn posted(slack: &Slack, text: &str) -> conducto::notify::Address {
    match slack.post("#ci", &message(text)).await.unwrap() {
        Posted::At(address) => address,
        Posted::Unaddressed => panic!("a bot knows where its message is"),
    }
}

#[tokio::test]
async fn a_message_is_posted_and_then_edited_in_place() {
    let (server, slack) = setup("xoxb-right").await;
    let address = posted(&slack, "running").await;
    assert_eq!(slack.update(&address, &message("done")).await, Ok(Updated::Edited));
    let messages = server.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].channel.as_str(), messages[0].texts.join(" ")), ("#ci", "running done".into()));
    assert_ne!(address.channel, "#ci", "edits want the id");
}

#[tokio::test]
async fn a_message_that_was_deleted_is_to_be_posted_anew() {
    let (server, slack) = setup("xoxb-right").await;
    let address = posted(&slack, "running").await;
    server.delete_messages();
    assert_eq!(slack.update(&address, &message("done")).await, Ok(Updated::Gone));
}

#[tokio::test]
async fn refusals_with_status_200_are_refusals() {
    let (_server, slack) = setup("xoxb-wrong").await;
    let error = slack.post("#ci", &message("x")).await.unwrap_err();
    insta::assert_snapshot!(error, @"Slack says `invalid_auth` (the token is missing, wrong or revoked)");
    assert!(matches!(error, SendError::Permanent { .. }));

    let (server, slack) = setup("xoxb-right").await;
    server.close_channel("#secret");
    let error = slack.post("#secret", &message("x")).await.unwrap_err();
    insta::assert_snapshot!(error, @"Slack says `channel_not_found` (is the channel's name right, and is the bot invited to it?)");
}

#[tokio::test]
async fn limits_and_trouble_are_told_apart() {
    let (server, slack) = setup("xoxb-right").await;
    server.fail_next(1, Fault::RateLimited { seconds: 17 });
    let limited = slack.post("#ci", &message("x")).await;
    assert!(
        matches!(limited, Err(SendError::RateLimited { after, .. }) if after == Duration::from_secs(17)),
        "{limited:?}"
    );
    for fault in [Fault::ServerError, Fault::Close] {
        server.fail_next(1, fault);
        let failed = slack.post("#ci", &message("x")).await;
        assert!(matches!(failed, Err(SendError::Transient { .. })), "{failed:?}");
    }
    assert_eq!(server.requests().len(), 3, "nothing is repeated by the client");
}

#[tokio::test]
async fn blocks_that_slack_refuses_are_left_out() {
    let (server, slack) = setup("xoxb-right").await;
    let odd = SlackMessage {
        text: "words".into(),
        blocks: vec![json!({"type": "section", "text": {"type": "mrkdwn", "text": ""}})],
    };
    slack.post("#ci", &odd).await.unwrap();
    assert_eq!((server.messages()[0].text.as_str(), &server.messages()[0].blocks), ("words", &json!([])));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn an_incoming_webhook_posts_and_cannot_edit() {
    let server = standin::Slack::start(listener().await, "unused").unwrap();
    let by = |url: String| Slack::build(Access::IncomingWebhook { url: url.into() }).unwrap();
    let slack = by(server.webhook_url());
    assert_eq!(slack.post("#ignored", &message("x")).await, Ok(Posted::Unaddressed));
    assert!(!slack.can_update());
    assert_eq!(server.messages().len(), 1);

    let nobody = listener().await.local_addr().unwrap();
    let error = by(format!("http://{nobody}/services/secret")).post("", &message("x")).await.unwrap_err();
    assert!(matches!(error, SendError::Transient { .. }) && !error.to_string().contains("secret"), "{error}");
}
