//! How many containers a queue gets, in what order each node goes, and that the containers go with the queue.

use std::collections::{BTreeMap, BTreeSet};

use conducto::dispatch::view::PipelineView;
use serde_json::Value;

use crate::house::{House, Plan};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";

fn plan() -> Plan {
    Plan { slots: 16, ..Plan::docker() }
}

/// Nodes of which eight fit into two processors.
fn parallel(count: usize, exec: &str) -> String {
    let node = |number| format!("[\"/n{number}\"]\nexec = '{exec}'\n");
    let nodes: String = (0..count).map(node).collect();
    format!("[\"/\"]\ntype = \"parallel\"\ncpu = 0.25\nmem = 0.25\n{nodes}")
}

fn workers(view: &PipelineView) -> BTreeSet<&str> {
    view.nodes.iter().flat_map(|node| &node.attempts).map(|attempt| attempt.worker.as_str()).collect()
}

/// Says for every node in which order the log of the only pipeline tells of it.
fn courses(house: &House) -> BTreeMap<u64, Vec<&'static str>> {
    let store = rusqlite::Connection::open(house.base().join("server/conducto.db")).unwrap();
    let mut statement = store.prepare("SELECT body FROM event ORDER BY seq").unwrap();
    let bodies = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let (mut nodes, mut courses) = (BTreeMap::new(), BTreeMap::<u64, Vec<&str>>::new());
    for body in bodies {
        let event: Value = serde_json::from_str(&body.unwrap()).unwrap();
        let (node, fence) = (event["node"].as_u64(), event["fence"].as_u64());
        let of_fence = fence.and_then(|fence| nodes.get(&fence).copied());
        match event["event"].as_str().unwrap() {
            "node_queued" => courses.entry(node.unwrap()).or_default().push("queued"),
            "attempt_leased" => drop(nodes.insert(fence.unwrap(), node.unwrap())),
            "attempt_started" => courses.entry(of_fence.unwrap()).or_default().push("running"),
            "attempt_finished" => courses.entry(of_fence.unwrap()).or_default().push("ended"),
            _ => {}
        }
    }
    courses
}

#[tokio::test]
async fn a_thousand_short_nodes_use_at_most_three_containers() {
    let house = House::build(plan()).await;
    let (_, ids) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", &parallel(1_000, "true"))]).await;
    let ended = house.ended(&ids[0]).await;
    assert_eq!(ended.summary.counts.done, 1_000);
    let used = workers(&ended).len();
    assert!(used <= 3, "{used} containers");
    let courses = courses(&house);
    assert_eq!(courses.len(), 1_000);
    assert!(courses.values().all(|course| *course == ["queued", "running", "ended"]), "{courses:?}");
    house.nothing_is_left().await;
}

#[tokio::test]
async fn eight_long_nodes_run_at_once_where_the_budget_allows() {
    let house = House::build(plan()).await;
    // Each waits until all eight have begun.
    let meet = "cd $CONDUCTO_DATA_PIPELINE; touch $CONDUCTO_FENCE; until [ $(ls | wc -l) = 8 ]; do sleep 0.1; done";
    let (_, ids) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", &parallel(8, meet))]).await;
    let ended = house.ended(&ids[0]).await;
    assert_eq!((ended.summary.counts.done, workers(&ended).len()), (8, 8));
    house.nothing_is_left().await;
}

#[tokio::test]
async fn a_node_that_waits_says_for_what_and_one_that_asks_for_too_much_ends_at_once() {
    let house = House::build(plan()).await;
    let definition = "[\"/\"]\ntype = \"parallel\"\n\
                      [\"/most\"]\nexec = \"until [ -e $CONDUCTO_DATA_PIPELINE/go ]; do sleep 0.1; done\"\nmem = 0.25\n\
                      cpu = 2\n[\"/waits\"]\nexec = \"true\"\ncpu = 1.5\nmem = 0.25\n\
                      [\"/never\"]\nexec = \"true\"\ncpu = 64\n";
    let definition = definition.replace("cpu = 2\n", &format!("cpu = {}\n", processors()));
    let (_, ids) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", &definition)]).await;
    house.reaches(&ids[0], "/most", "running").await;
    let waits = house
        .until("it says what it waits for", async || {
            let view = house.pipeline(&ids[0]).await;
            let node = view.nodes.into_iter().find(|node| node.path == "/waits").unwrap();
            node.waits_for.filter(|words| words.starts_with("waits for 1"))
        })
        .await;
    assert_eq!(waits, "waits for 1.5 cpu");
    let never = house.reaches(&ids[0], "/never", "killed").await;
    let cause = never.nodes.iter().find(|node| node.path == "/never").unwrap().cause.clone().unwrap();
    assert!(cause.starts_with("asks for 64 cpu; this machine gives a node at most "), "{cause}");
    house.post(&format!("/pipelines/{}/cancel", ids[0])).await;
    house.ended(&ids[0]).await;
}

fn processors() -> usize {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    text.lines().filter(|line| line.starts_with("processor")).count()
}
