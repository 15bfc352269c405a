//! Ten pipelines at once, each with its own fate.

use conducto::model::Ending;

use crate::house::{House, Plan};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";

fn pipeline(number: usize) -> String {
    let body = match number {
        // Cancelled while it runs.
        0 => "[\"/slow\"]\nexec = \"echo begun; sleep 600\"\n[\"/never\"]\nexec = \"true\"\n".to_owned(),
        // Out of time, and deaf to SIGTERM.
        1 => "[\"/late\"]\nexec = \"trap '' TERM; echo begun; while :; do sleep 1; done\"\nmax_time = \"2s\"\n".to_owned(),
        // Fails in a Serial.
        2 => "[\"/first\"]\nexec = \"true\"\n[\"/fails\"]\nexec = \"echo why >&2; exit 7\"\n[\"/after\"]\nexec = \"true\"\n"
            .to_owned(),
        _ => format!(
            "[\"/lines\"]\nexec = \"seq 1 {0}\"\n[\"/more\"]\ntype = \"parallel\"\n\
             [\"/more/a\"]\nexec = \"sleep 0.2; seq 1 {0}\"\n[\"/more/b\"]\nexec = \"seq 1 {0} >&2\"\n",
            number * 100
        ),
    };
    format!("[\"/\"]\ntype = \"serial\"\n{body}")
}

async fn ten_at_once(plan: Plan) {
    let is_docker = plan.executor == "docker";
    let house = House::build(plan).await;
    let mut runs = Vec::new();
    for number in 0..10 {
        let text = pipeline(number);
        let (sha, ids) = house.push(&format!("branch-{number}"), &[("conducto.cfg", CFG), ("ci.toml", &text)]).await;
        runs.push((sha, ids[0].clone()));
    }
    house.reaches(&runs[0].1, "/slow", "running").await;
    let (code, _) = house.post(&format!("/pipelines/{}/cancel", runs[0].1)).await;
    assert_eq!(code, 200);

    for (number, (sha, id)) in runs.iter().enumerate() {
        let ended = house.ended(id).await;
        let states: Vec<&str> = ended.nodes.iter().map(|node| node.state.word()).collect();
        let status = house.statuses(sha, "conducto/push").await.pop().unwrap();
        let fate = (ended.summary.ending.unwrap(), status.state.as_str());
        match number {
            0 => {
                assert_eq!(states, ["error", "killed", "pending"]);
                assert_eq!(fate, (Ending::Cancelled, "error"));
                assert!(status.description.starts_with("cancelled by token `admin`"), "{}", status.description);
            }
            1 => {
                assert_eq!(states, ["error", "killed"]);
                assert_eq!(fate, (Ending::Failed, "failure"));
                assert!(status.description.starts_with("/late: max_time exceeded"), "{}", status.description);
            }
            2 => {
                assert_eq!(states, ["error", "done", "error", "pending"]);
                assert_eq!(fate, (Ending::Failed, "failure"));
                assert!(status.description.starts_with("/fails: exit 7"), "{}", status.description);
                assert_eq!(house.log(id, "/fails", "stream=stderr").await, "why\n");
            }
            _ => {
                assert_eq!(states, ["done"; 5]);
                assert_eq!(fate, (Ending::Done, "success"));
                let lines: String = (1..=number * 100).map(|line| format!("{line}\n")).collect();
                assert_eq!(house.log(id, "/lines", "stream=stdout").await, lines);
                assert_eq!(house.log(id, "/more/a", "stream=stdout").await, lines);
                assert_eq!(house.log(id, "/more/b", "stream=stderr").await, lines);
            }
        }
    }
    if is_docker {
        house.nothing_is_left().await;
    }
}

#[tokio::test]
async fn ten_pipelines_at_once_each_meet_their_fate_in_containers() {
    ten_at_once(Plan { slots: 6, ..Plan::docker() }).await;
}

#[tokio::test]
async fn ten_pipelines_at_once_each_meet_their_fate_as_processes() {
    ten_at_once(Plan { slots: 6, ..Plan::default() }).await;
}
