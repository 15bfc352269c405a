//! What a node's log can do to a server: fill its disk, or be very long. `docs/troubles.md` says what becomes of it.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use crate::house::{House, Plan};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";

/// Lines of the node that finds no room: about 30 MB.
const LINES: usize = 4_000_000;

const GIGABYTE: u64 = 1_000_000_000;

/// A server that sees mounts which nobody else sees, whoever runs the tests.
fn in_a_world_of_its_own(house: &House) -> Command {
    let call = house.command();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user"]).arg(call.get_program());
    command.env_clear().envs(call.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

struct Disk {
    server: String,
    folder: PathBuf,
}

impl Disk {
    /// Puts the server's pipelines, with their logs, on a small disk.
    fn below(house: &House) -> Self {
        let mut profiles = std::fs::read_dir(house.base()).unwrap().flatten();
        let folder = profiles.find_map(|entry| Some(entry.path().join("pipelines")).filter(|path| path.is_dir()));
        let folder = folder.expect("a server that serves has a folder for pipelines");
        let disk = Self { server: house.server_pid().to_string(), folder };
        disk.enter(&["mount", "-t", "tmpfs", "-o", "size=16m", "small"]);
        disk
    }

    fn grow(&self) {
        self.enter(&["mount", "-o", "remount,size=200m"]);
    }

    fn enter(&self, command: &[&str]) {
        let mut entered = Command::new("nsenter");
        entered.args(["--user", "--preserve-credentials", "--mount", "--target", &self.server]).args(command);
        let output: Output = entered.arg(&self.folder).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

async fn problems(house: &House) -> (u16, String) {
    let answer = reqwest::get(format!("{}/healthz", house.url())).await.unwrap();
    let status = answer.status().as_u16();
    let health: serde_json::Value = answer.json().await.unwrap();
    (status, health["problems"].to_string())
}

/// Starts a node that prints more than the disk holds, and waits until the server says that it does.
async fn flooded(house: &House, exec: &str) -> (Disk, String) {
    let disk = Disk::below(house);
    let pipeline = format!("[\"/flood\"]\nexec = \"{exec}\"\n");
    let (_, pipelines) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", &pipeline)]).await;
    house
        .until("the server says that there is no room", async || {
            problems(house).await.1.contains("No space left").then_some(())
        })
        .await;
    (disk, pipelines[0].clone())
}

#[tokio::test]
async fn a_log_that_fills_the_disk_makes_its_node_wait_and_is_whole_once_there_is_room() {
    let house = House::build(Plan { server: Box::new(in_a_world_of_its_own), ..Plan::default() }).await;
    let (disk, id) = flooded(&house, &format!("seq 1 {LINES}")).await;
    assert_eq!(house.pipeline(&id).await.nodes[1].state.word(), "running");
    disk.grow();
    let ended = house.ended(&id).await;
    assert_eq!(ended.summary.state.word(), "done", "{:?}", ended.summary);
    let log = house.log(&id, "/flood", "stream=stdout").await;
    let expected: String = (1..=LINES).map(|line| format!("{line}\n")).collect();
    assert!(log == expected, "the log has a hole: {} of {} bytes", log.len(), expected.len());
    assert_eq!(problems(&house).await, (200, "[]".to_owned()));
}

#[tokio::test]
async fn a_node_whose_log_has_no_room_can_be_stopped() {
    let house = House::build(Plan { server: Box::new(in_a_world_of_its_own), ..Plan::default() }).await;
    let (_disk, id) = flooded(&house, "yes").await;
    assert_eq!(house.post(&format!("/pipelines/{id}/cancel")).await.0, 200);
    let ended = house.ended(&id).await;
    assert_eq!(ended.nodes[1].state.word(), "killed");
    assert_eq!(ended.nodes[1].cause.as_deref(), Some("stopped on request"));
}

/// The most memory that a process ever had, as its `status` file tells it.
fn most_memory(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn a_node_that_prints_a_gigabyte_costs_neither_worker_nor_server_any_memory() {
    let house = House::build(Plan { slots: 1, ..Plan::docker() }).await;
    let pipeline = format!(
        "[\"/\"]\ntype = \"serial\"\n[\"/print\"]\nexec = \"head -c {GIGABYTE} /dev/zero\"\n\
         [\"/worker\"]\nexec = \"cat /proc/1/status\"\n"
    );
    let (_, pipelines) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", &pipeline)]).await;
    let ended = house.ended(&pipelines[0]).await;
    assert_eq!(ended.summary.state.word(), "done", "{:?}", ended.summary);
    assert_eq!(ended.nodes[1].attempts[0].log_bytes, Some(GIGABYTE));
    assert_eq!(ended.nodes[1].attempts[0].worker, ended.nodes[2].attempts[0].worker, "both had the same worker");
    let worker = most_memory(&house.log(&pipelines[0], "/worker", "stream=stdout").await);
    let server = most_memory(&std::fs::read_to_string(format!("/proc/{}/status", house.server_pid())).unwrap());
    // A twentieth of what went through them, and several times what each has at rest.
    let bound = 150 << 20;
    assert!(worker < bound && server < bound, "worker {worker}, server {server} bytes");
    house.nothing_is_left().await;
}
