//! What happens around a server: it is stopped, its workers are killed, Docker goes away. `kills` kills the server itself.

use crate::house::{House, Plan};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";

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
