//! What is old goes, what people ask about stays: states, attempts and definitions, and all that a live pipeline needs.

use std::process::{Command, Output};

use serde_json::Value;

use crate::house::{House, Plan};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";

const LEAF: &str = "[\"/a\"]\nexec = \"echo printed; echo kept > $CONDUCTO_DATA_PIPELINE/kept\"\n";

/// A leaf that has printed and kept something, and goes on.
const LIVE: &str = "[\"/a\"]\nexec = \"echo printed; echo kept > $CONDUCTO_DATA_PIPELINE/kept; touch $CONDUCTO_DATA_USER/on; sleep 600\"\n";

/// A server that keeps nothing beyond a pipeline's end.
fn forgetful() -> Plan {
    let server = |house: &House| -> Command {
        let mut command = house.command();
        command.env("CONDUCTO_RETENTION_LOGS", "1ms").env("CONDUCTO_RETENTION_DATA", "1ms");
        command
    };
    Plan { server: Box::new(server), ..Plan::default() }
}

fn run(house: &House, arguments: &[&str]) -> Output {
    house.command().args(arguments).output().unwrap()
}

/// What a report says of one kind: how many, and how many files.
fn freed(report: &Value, kind: &str) -> (u64, u64) {
    let found = report["freed"].as_array().unwrap().iter().find(|freed| freed["kind"] == kind).unwrap();
    (found["count"].as_u64().unwrap(), found["files"].as_u64().unwrap())
}

fn prune(house: &House, flags: &[&str]) -> Value {
    let output = run(house, &[&["prune", "--json"], flags].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn logs_and_data_of_what_has_ended_go_and_the_pipeline_stays() {
    let house = House::build(forgetful()).await;
    let (_, over) = house.push("over", &[("conducto.cfg", CFG), ("ci.toml", LEAF)]).await;
    let before = house.ended(&over[0]).await;
    let (_, live) = house.push("live", &[("conducto.cfg", CFG), ("ci.toml", LIVE)]).await;
    let on = || std::fs::read_dir(house.base()).unwrap().flatten().any(|entry| entry.path().join("data/on").exists());
    house.until("the live leaf has kept its file", async || on().then_some(())).await;
    // Only what is released may go, and that follows the end.
    let report = house
        .until("there is something to remove", async || {
            let report = prune(&house, &["--dry-run"]);
            (freed(&report, "logs").0 == 1).then_some(report)
        })
        .await;
    assert_eq!((freed(&report, "logs"), freed(&report, "data")), ((1, 1), (1, 1)));
    assert!(house.log(&over[0], "/a", "").await.ends_with("printed\n"), "a rehearsal removes nothing");

    let report = prune(&house, &[]);
    assert_eq!((freed(&report, "logs"), freed(&report, "data")), ((1, 1), (1, 1)));
    let gone = run(&house, &["logs", &over[0], "/a"]);
    let said = String::from_utf8_lossy(&gone.stderr);
    assert!(!gone.status.success() && said.contains("the log was removed by retention on 20"), "{said}");
    let page =
        reqwest::Client::new().get(format!("{}/app/p/{}/n/a?plain", house.url(), over[0])).bearer_auth(house.token());
    assert!(page.send().await.unwrap().text().await.unwrap().contains("removed by retention"));
    assert_eq!(house.pipeline(&over[0]).await, before);
    assert_eq!(freed(&prune(&house, &[]), "logs"), (0, 0), "once is enough");

    // What is live keeps what it has; what is reset prints anew.
    assert!(house.log(&live[0], "/a", "").await.ends_with("printed\n"));
    let data = |id: &str| {
        let profiles = std::fs::read_dir(house.base()).unwrap().flatten();
        profiles.map(|entry| entry.path().join(format!("pipelines/{id}/data/kept"))).any(|path| path.exists())
    };
    assert!(data(&live[0]) && !data(&over[0]));
    house.post(&format!("/pipelines/{}/nodes/a/reset", over[0])).await;
    let again = house.reaches(&over[0], "/", "done").await;
    assert_eq!(again.nodes[1].attempts.len(), 2);
    assert_eq!(house.log(&over[0], "/a", "stream=stdout").await, "printed\n");
    let first = run(&house, &["logs", &over[0], "/a", "--attempt", "1"]);
    assert!(String::from_utf8_lossy(&first.stderr).contains("removed by retention"));
    assert!(data(&over[0]));
    house.post(&format!("/pipelines/{}/cancel", live[0])).await;
    house.ended(&live[0]).await;
}
