//! What happens when the forge and the chat do not answer as they should: nothing is lost, and what is dead is seen.

use conducto::standin::{Fault, GitHub};
use serde_json::Value;

use crate::house::{House, PATIENCE, Plan};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\nslack_channel = \"#builds\"\n";
const FILES: [(&str, &str); 2] = [("conducto.cfg", CFG), ("ci.toml", "[\"/only\"]\nexec = \"true\"\n")];

#[tokio::test]
async fn the_mark_arrives_when_github_answers_again() {
    for fault in [Fault::ServerError, Fault::RateLimited { seconds: 1 }, Fault::Close, Fault::CloseAfterwards] {
        let house = House::build(Plan::default()).await;
        house.github.fail_next(2, fault);
        let (sha, _) = house.push("main", &FILES).await;
        assert_eq!(house.statuses(&sha, "conducto/push").await.last().unwrap().state, "success");
    }
}

#[tokio::test]
async fn what_can_never_arrive_is_seen_and_can_be_sent_again() {
    let house = House::build(Plan::default()).await;
    house.slack.close_channel("#builds");
    let (sha, pipelines) = house.push("main", &FILES).await;
    house.ended(&pipelines[0]).await;
    assert_eq!(
        house.statuses(&sha, "conducto/push").await.last().unwrap().state,
        "success",
        "one does not hold up the other"
    );
    let dead = house
        .until("a message is given up", async || {
            let rows: Vec<Value> = house.get("/outbox?state=dead").await?;
            rows.into_iter().find(|row| row["kind"] == "slack")
        })
        .await;
    assert!(dead["error"].as_str().unwrap().contains("channel_not_found"), "{dead}");
    let health: Value = reqwest::get(format!("{}/healthz", house.url())).await.unwrap().json().await.unwrap();
    assert!(health["problems"].to_string().contains("could not be delivered"), "{health}");
    let (code, _) = house.post(&format!("/outbox/{}/retry", dead["id"])).await;
    assert!((200..300).contains(&code));
}

#[tokio::test]
async fn no_late_word_follows_the_final_one() {
    let house = House::build(Plan::default()).await;
    let steps: String = (0..6).map(|step| format!("[\"/step-{step}\"]\nexec = \"sleep 0.1\"\n")).collect();
    let (sha, pipelines) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", &steps)]).await;
    house.ended(&pipelines[0]).await;
    house.statuses(&sha, "conducto/push").await;
    let is_quiet = async || {
        let rows: Vec<Value> = house.get("/outbox").await?;
        rows.iter().all(|row| row["state"] != "ready" && row["state"] != "sending").then_some(())
    };
    house.until("everything is said", is_quiet).await;
    let is_last = |github: &GitHub| github.statuses(&sha, "conducto/push").last().unwrap().state == "success";
    assert!(house.github.wait_for(PATIENCE, is_last).await);
    assert_eq!(house.slack.messages().len(), 1);
    assert!(house.slack.messages()[0].text.contains("Passed"));
}
