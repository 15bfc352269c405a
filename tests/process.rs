//! The process executor with true workers: they outlive the server, are found again, and leave nothing behind.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{fs, path::Path};

use conducto::{
    clock,
    executor::{
        Executor, WorkerSpec, WorkerStatus,
        process::{Options, Process},
    },
    model::{Fence, Outcome, PipelineId, Trust},
    worker::protocol::ToWorker,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use rig::{Rig, eventually};

#[expect(dead_code, reason = "the tests of the worker use the rest")]
#[path = "support/rig.rs"]
mod rig;

fn executor(root: &Path) -> Process {
    let environment = vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())];
    Process::new(Options { binary: env!("CARGO_BIN_EXE_conducto").into(), state: root.join("state"), environment })
}

fn spec(root: &Path, rig: &Rig) -> WorkerSpec {
    let folder = |name: &str| {
        fs::create_dir_all(root.join(name)).unwrap();
        root.join(name)
    };
    folder("source/files");
    WorkerSpec {
        trust: Trust::Trusted,
        keeps_workdir: false,
        worker: rig.worker.clone(),
        pipeline: clock::new_pipeline_id(),
        image: "ignored".into(),
        cpu: 1.0,
        mem: 1 << 30,
        isolation: conducto::model::Isolation::Shared,
        gpu: 0,
        requires_docker: false,
        docker_args: Vec::new(),
        directory: rig.run.clone(),
        folder: String::new(),
        source: folder("source"),
        pipeline_data: folder("pipeline"),
        mounts_data: true,
        user_data: folder("user"),
    }
}

async fn set_up() -> (TempDir, Rig, Process, WorkerSpec) {
    let root = tempfile::tempdir().unwrap();
    let rig = Rig::new(root.path());
    let (executor, spec) = (executor(root.path()), spec(root.path(), &rig));
    executor.start(&spec, &|_| ()).await.unwrap();
    (root, rig, executor, spec)
}

async fn status(executor: &Process, spec: &WorkerSpec) -> WorkerStatus {
    executor.status(&spec.pipeline, &spec.worker).await.unwrap()
}

fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// A node that leaves its group and its session, and says its number.
const ESCAPE: &str = "setsid sh -c 'echo $$; exec sleep 1000' & sleep 1000";

#[tokio::test]
async fn a_worker_runs_nodes_with_nothing_of_the_servers_environment() {
    let (_root, mut rig, executor, spec) = set_up().await;
    executor.start(&spec, &|_| ()).await.unwrap();
    let seen = rig.run(1, "env | cut -d= -f1 | sort | tr '\\n' ' '").await;
    assert_eq!(seen.outcome, Some(Outcome::Exited { code: 0 }));
    let names: Vec<String> = seen.out().split_whitespace().map(str::to_owned).collect();
    assert!(names.iter().all(|name| !name.starts_with("CARGO")), "{names:?}");
    assert!(["PATH", "HOME", "TMPDIR", "GREETING"].iter().all(|name| names.contains(&(*name).to_owned())));
    assert_eq!(status(&executor, &spec).await, WorkerStatus::Running);
    assert_eq!(executor.owned().await.unwrap(), [(spec.pipeline.clone(), spec.worker.clone())]);
    assert_eq!(rig.connections, 1, "a second start changes nothing");

    rig.hub.send(&rig.worker, ToWorker::Bye);
    while !matches!(rig.next().await, conducto::dispatch::hub::Report::Disconnected) {}
    let code = Some(0);
    while status(&executor, &spec).await == WorkerStatus::Running {
        tokio::task::yield_now().await;
    }
    assert_eq!(status(&executor, &spec).await, WorkerStatus::Exited { code, out_of_memory: false });
    executor.remove(&spec.pipeline, &spec.worker).await.unwrap();
    assert_eq!(status(&executor, &spec).await, WorkerStatus::Gone);
}

#[tokio::test]
async fn a_worker_is_recognised_by_the_next_server_and_removed_with_all_its_processes() {
    let (root, mut rig, first, spec) = set_up().await;
    rig.start(1, ESCAPE);
    let pid = rig.until(1, |seen| !seen.stdout.is_empty()).await.out();
    drop(first);
    let second = executor(root.path());
    assert_eq!(status(&second, &spec).await, WorkerStatus::Running);
    second.remove(&spec.pipeline, &spec.worker).await.unwrap();
    assert!(!is_alive(&pid));
    assert_eq!(status(&second, &spec).await, WorkerStatus::Gone);
    assert!(second.owned().await.unwrap().is_empty());
    assert!(!rig.run.join("node").exists());
    second.remove(&spec.pipeline, &spec.worker).await.unwrap();
}

#[tokio::test]
async fn what_a_killed_worker_leaves_is_found_by_its_mark() {
    let (root, mut rig, executor, spec) = set_up().await;
    rig.start(1, ESCAPE);
    let pid = rig.until(1, |seen| !seen.stdout.is_empty()).await.out();
    let record = fs::read_to_string(root.path().join("state").join(format!("{}.json", spec.worker))).unwrap();
    let worker = serde_json::from_str::<serde_json::Value>(&record).unwrap()["process"]["pid"].as_i64().unwrap();
    kill(Pid::from_raw(i32::try_from(worker).unwrap()), Signal::SIGKILL).unwrap();
    eventually("the worker is dead", || !is_alive(&worker.to_string())).await;
    assert!(is_alive(&pid));
    // Its first thread may be gone before the others are.
    while status(&executor, &spec).await == WorkerStatus::Running {
        tokio::task::yield_now().await;
    }
    assert_eq!(status(&executor, &spec).await, WorkerStatus::Exited { code: None, out_of_memory: false });
    executor.remove(&spec.pipeline, &spec.worker).await.unwrap();
    assert!(!is_alive(&pid));
}

#[tokio::test]
async fn a_node_sent_ahead_can_be_called_back_until_it_begins() {
    let (root, mut rig, executor, spec) = set_up().await;
    let go = root.path().join("go");
    rig.start(1, &format!("echo on; while [ ! -e {} ]; do sleep 0.01; done; echo off", go.display()));
    rig.start(2, "echo never");
    rig.start(3, "echo third");
    rig.until(1, |seen| seen.out() == "on\n").await;
    for fence in [1, 2] {
        rig.hub.send(&rig.worker, ToWorker::Recall { fence: Fence(fence) });
    }
    assert_eq!(rig.until(2, |seen| seen.is_returned).await.pid, None);
    fs::write(go, "").unwrap();
    assert_eq!(rig.ended(1).await.out(), "on\noff\n", "what has begun goes on");
    assert_eq!(rig.ended(3).await.out(), "third\n");
    executor.remove(&spec.pipeline, &spec.worker).await.unwrap();
}

#[tokio::test]
async fn nothing_is_known_of_a_worker_that_never_was() {
    let root = tempfile::tempdir().unwrap();
    let executor = executor(root.path());
    let (pipeline, worker) = (PipelineId::parse("abc-def").unwrap(), clock::new_worker_id());
    assert_eq!(executor.status(&pipeline, &worker).await.unwrap(), WorkerStatus::Gone);
    executor.remove(&pipeline, &worker).await.unwrap();
    assert!(executor.owned().await.unwrap().is_empty());
}
