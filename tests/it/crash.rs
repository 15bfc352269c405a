//! `kill -9` of the server at random moments: nothing is lost, nothing runs twice, no log has a hole.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use crate::house::{House, Plan};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";

/// Lines a leaf prints, one every hundredth of a second.
const LINES: usize = 900;

/// Three leaves at a time, so many times over: about three minutes.
const ROUNDS: usize = 18;

const KILLS: usize = 10;

fn long_pipeline() -> String {
    let mut text = "[\"/\"]\ntype = \"serial\"\n".to_owned();
    for round in 0..ROUNDS {
        writeln!(text, "[\"/round-{round}\"]\ntype = \"parallel\"").unwrap();
        for leaf in ["a", "b", "c"] {
            writeln!(
                text,
                "[\"/round-{round}/{leaf}\"]\nexec = '''\n\
                 echo \"$CONDUCTO_FENCE $CONDUCTO_NODE\" >> $CONDUCTO_DATA_USER/ran\n\
                 i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo \"$CONDUCTO_NODE $i\"; \
                 [ $((i % 10)) -ne 0 ] || sleep 0.1; done\n'''"
            )
            .unwrap();
        }
    }
    text
}

/// Random moments, from a seed that is printed: a failure can be had again.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = u64::from_le_bytes(conducto::clock::random());
        println!("seed {seed}");
        Self(seed)
    }

    fn millis(&mut self, below: u64) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis((self.0 >> 33) % below)
    }
}

async fn survives(plan: Plan) {
    let is_docker = plan.executor == "docker";
    let mut house = House::build(plan).await;
    let mut dice = Dice::new();
    let (sha, pipelines) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", &long_pipeline())]).await;
    let id = pipelines[0].clone();

    let mut small = Vec::new();
    for kill in 0..KILLS {
        // The moment itself is what is tested; nothing could be waited for instead.
        tokio::time::sleep(dice.millis(20_000)).await;
        let branch = format!("small-{kill}");
        let commit = house.commit(&branch, &[("conducto.cfg", CFG), ("ci.toml", "[\"/only\"]\nexec = \"echo hi\"\n")]);
        let delivery = house.push_of(&branch, None, &commit);
        assert_eq!(house.send(&delivery).await, 202);
        tokio::time::sleep(dice.millis(30)).await;
        house.kill();
        tokio::time::sleep(dice.millis(3_000)).await;
        house.start().await;
        small.push((commit, delivery.guid));
    }

    // What was answered 202 just before a kill has run.
    for (commit, guid) in &small {
        let verdict = house.concluded(guid).await;
        assert_eq!(verdict.pipelines.len(), 1, "{verdict:?}");
        assert_eq!(house.ended(&verdict.pipelines[0]).await.summary.state.word(), "done");
        assert_eq!(house.statuses(commit, "conducto/push").await.last().unwrap().state, "success");
    }

    let deadline = tokio::time::Instant::now() + Duration::from_secs(400);
    let ended = loop {
        let pipeline = house.pipeline(&id).await;
        if pipeline.summary.finished_at.is_some() {
            break pipeline;
        }
        assert!(tokio::time::Instant::now() < deadline, "the pipeline does not end: {:?}", pipeline.summary);
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    assert_eq!(ended.summary.state.word(), "done", "{:?}", ended.summary);
    assert_eq!(house.statuses(&sha, "conducto/push").await.last().unwrap().state, "success");

    // Every attempt that began has written itself down once, and no node began twice.
    let profile = std::fs::read_dir(house.base()).unwrap().flatten();
    let data = profile.map(|entry| entry.path().join("data/ran")).find(|file| file.exists()).unwrap();
    let mut ran: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for line in std::fs::read_to_string(data).unwrap().lines() {
        let (fence, node) = line.split_once(' ').unwrap();
        ran.entry(node.to_owned()).or_default().push(fence.parse().unwrap());
    }
    for node in ended.nodes.iter().filter(|node| node.kind == "exec") {
        let began: Vec<u64> =
            node.attempts.iter().filter(|attempt| attempt.started_at.is_some()).map(|attempt| attempt.fence).collect();
        assert_eq!(began.len(), 1, "{} began more than once: {:?}", node.path, node.attempts);
        assert_eq!(ran.get(&node.path), Some(&began), "{}", node.path);
        let expected: String = (1..=LINES).map(|line| format!("{} {line}\n", node.path)).collect();
        assert_eq!(house.log(&id, &node.path, "stream=stdout").await, expected, "the log of {} has a hole", node.path);
    }
    assert_eq!(ran.len(), ROUNDS * 3);
    if is_docker {
        house.nothing_is_left().await;
    }
}

#[tokio::test]
async fn a_server_killed_again_and_again_loses_nothing_in_containers() {
    survives(Plan { slots: 4, ..Plan::docker() }).await;
}

#[tokio::test]
async fn a_server_killed_again_and_again_loses_nothing_with_processes() {
    survives(Plan { slots: 4, ..Plan::default() }).await;
}

#[tokio::test]
async fn a_stopped_server_leaves_its_workers_running_and_a_start_resumes_them() {
    let mut house = House::build(Plan::default()).await;
    let pipeline = "[\"/long\"]\nexec = \"echo begun; sleep 3; echo over\"\n[\"/next\"]\nexec = \"echo next\"\n";
    let (_, pipelines) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", pipeline)]).await;
    house.reaches(&pipelines[0], "/long", "running").await;
    assert!(house.stop().success(), "a graceful stop is no failure");
    house.start().await;
    let ended = house.ended(&pipelines[0]).await;
    assert_eq!(ended.summary.state.word(), "done");
    assert_eq!(ended.nodes[1].attempts.len(), 1);
    assert_eq!(house.log(&pipelines[0], "/long", "stream=stdout").await, "begun\nover\n");
}

#[tokio::test]
async fn a_killed_container_ends_its_node_with_evidence_and_a_reset_runs_it_again() {
    let house = House::build(Plan::docker()).await;
    let pipeline = "[\"/long\"]\nexec = \"echo begun; test $CONDUCTO_ATTEMPT = 2 || sleep 600\"\n";
    let (sha, pipelines) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", pipeline)]).await;
    let id = pipelines[0].as_str();
    house.reaches(id, "/long", "running").await;
    let filter = format!("label=com.conducto.pipeline={id}");
    let listed = std::process::Command::new("docker").args(["ps", "-q", "--filter", &filter]).output().unwrap();
    let container = String::from_utf8(listed.stdout).unwrap();
    let killed = std::process::Command::new("docker").args(["kill", container.trim()]).output().unwrap();
    assert!(killed.status.success(), "{killed:?}");

    let ended = house.ended(id).await;
    assert_eq!(ended.nodes[1].state.word(), "killed");
    assert_eq!(ended.summary.cause.as_deref(), Some("/long: its worker ended with code 137"));
    assert_eq!(house.statuses(&sha, "conducto/push").await.last().unwrap().state, "error");
    let log = house.log(id, "/long", "").await;
    assert_eq!(log, "begun\nconducto: its worker ended with code 137\n");

    house.post(&format!("/pipelines/{id}/nodes/long/reset")).await;
    let done = house.reaches(id, "/", "done").await;
    assert_eq!(done.nodes[1].attempts.len(), 2);
    house.nothing_is_left().await;
}

#[tokio::test]
async fn nodes_wait_while_docker_does_not_answer_and_run_when_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let house = House::build(Plan { docker_socket: socket.display().to_string(), ..Plan::docker() }).await;
    let files = [("conducto.cfg", CFG), ("ci.toml", "[\"/only\"]\nexec = \"true\"\n")];
    let (_, pipelines) = house.push("main", &files).await;
    let id = pipelines[0].as_str();
    let health = format!("{}/healthz", house.url());
    house
        .until("the health page says so", async || {
            let health: serde_json::Value = reqwest::get(&health).await.ok()?.json().await.ok()?;
            health["problems"].to_string().contains("does not answer").then_some(())
        })
        .await;
    let waiting = house.pipeline(id).await;
    assert_eq!(waiting.nodes[1].state.word(), "queued");
    let words = waiting.nodes[1].waits_for.clone().unwrap();
    assert!(words.contains("the container runtime does not answer"), "{words}");
    std::os::unix::fs::symlink("/var/run/docker.sock", &socket).unwrap();
    let ended = house.ended(id).await;
    assert_eq!(ended.summary.state.word(), "done");
    assert!(ended.nodes[1].attempts.len() <= 2, "waiting leaves no trail of tries: {:?}", ended.nodes[1].attempts);
    house.nothing_is_left().await;
}
