//! Workers in true containers of a true Docker engine. Without one these tests fail, saying so.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    sync::OnceLock,
};

use conducto::{
    clock,
    dispatch::hub::Report,
    executor::{
        Error, Executor, WorkerSpec, WorkerStatus,
        docker::{Access, Docker, Options, Range},
    },
    layout::SOURCE,
    model::{Isolation, Outcome, PipelineId, Trust},
    worker::protocol::ToWorker,
};
use rstest::rstest;
use tempfile::TempDir;

use rig::{Rig, numbers};

mod images;
mod networks;
mod pristine;
mod registry;
#[expect(dead_code, reason = "the tests of the worker use the rest")]
#[path = "../support/rig.rs"]
mod rig;
mod trouble;

const BUSYBOX: &str = "conducto-test/busybox:2";
const SOCKET: &str = "/var/run/docker.sock";

fn docker(arguments: &[&str]) -> Output {
    let output = Command::new("docker").args(arguments).output();
    output.expect("these tests need the `docker` command: install Docker")
}

fn lines(arguments: &[&str]) -> Vec<String> {
    let output = docker(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Makes the images, once.
fn images() {
    static IMAGES: OnceLock<()> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let version = docker(&["version", "--format", "{{.Server.Version}}"]);
        let problem = String::from_utf8_lossy(&version.stderr);
        assert!(version.status.success(), "these tests need a running Docker engine: {problem}");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images/busybox.sh");
        assert!(Command::new(script).status().unwrap().success(), "the images of the tests cannot be made");
    });
}

/// One server with one pipeline and one worker.
struct Place {
    root: TempDir,
    rig: Rig,
    server: String,
    executor: Docker,
    spec: WorkerSpec,
}

impl Place {
    fn new(image: &str) -> Self {
        images();
        let root = tempfile::tempdir().unwrap();
        let rig = Rig::new(root.path());
        let folder = |name: &str| {
            fs::create_dir_all(root.path().join(name)).unwrap();
            root.path().join(name)
        };
        let spec = WorkerSpec {
            worker: rig.worker.clone(),
            pipeline: clock::new_pipeline_id(),
            image: image.into(),
            trust: Trust::Trusted,
            keeps_workdir: false,
            cpu: 1.0,
            mem: 256 << 20,
            isolation: Isolation::Shared,
            gpu: 0,
            requires_docker: false,
            docker_args: Vec::new(),
            directory: rig.run.clone(),
            folder: String::new(),
            source: folder("source"),
            pipeline_data: folder("pipeline"),
            mounts_data: true,
            user_data: folder("user"),
        };
        fs::create_dir(spec.source.join(SOURCE)).unwrap();
        fs::write(spec.source.join(SOURCE).join("file"), "pristine\n").unwrap();
        let server = clock::new_uuid().to_string();
        let executor = Self::executor(&server);
        Self { root, rig, server, executor, spec }
    }

    async fn started(image: &str) -> Self {
        let place = Self::new(image);
        place.start().await.unwrap();
        place
    }

    fn executor(server: &str) -> Docker {
        let (server, binary, socket) = (server.to_owned(), env!("CARGO_BIN_EXE_conducto").into(), SOCKET.into());
        Docker::new(Options { server, binary, socket, networks: Range::default(), access: Access::default() })
    }

    async fn start(&self) -> Result<(), Error> {
        self.executor.start(&self.spec, &|_| ()).await
    }

    async fn status(&self) -> WorkerStatus {
        self.executor.status(&self.spec.pipeline, &self.spec.worker).await.unwrap()
    }

    fn label(&self) -> String {
        format!("label=com.conducto.server={}", self.server)
    }

    async fn remove(&self) {
        self.executor.remove(&self.spec.pipeline, &self.spec.worker).await.unwrap();
        self.executor.release(&self.spec.pipeline).await.unwrap();
        assert!(lines(&["ps", "-aq", "--filter", &self.label()]).is_empty());
        assert!(lines(&["network", "ls", "-q", "--filter", &self.label()]).is_empty());
    }
}

/// Removes what a failed test leaves.
impl Drop for Place {
    fn drop(&mut self) {
        for container in lines(&["ps", "-aq", "--filter", &self.label()]) {
            docker(&["rm", "-fv", &container]);
        }
        for network in lines(&["network", "ls", "-q", "--filter", &self.label()]) {
            docker(&["network", "rm", &network]);
        }
    }
}

#[tokio::test]
async fn a_worker_in_a_container_runs_nodes_and_leaves_nothing() {
    let mut place = Place::started(BUSYBOX).await;
    let seen =
        place.rig.run(1, "echo $GREETING $FROM_IMAGE; echo oh >&2; pwd; cat file; cat $0 | head -1; exit 3").await;
    let shell = "#!/bin/ash";
    assert_eq!(seen.out(), format!("hello yes\n/mnt/conducto\npristine\n{shell}\n"));
    assert_eq!((seen.err().as_str(), &seen.outcome), ("oh\n", &Some(Outcome::Exited { code: 3 })));
    let data = "echo $0; echo p > /conducto/data/pipeline/p; echo u > /conducto/data/user/u; echo spoilt > file";
    assert_eq!(place.rig.run(2, data).await.out(), "/conducto/cmd.sh\n");
    assert_eq!(fs::read_to_string(place.root.path().join("pipeline/p")).unwrap(), "p\n");
    assert_eq!(fs::read_to_string(place.root.path().join("user/u")).unwrap(), "u\n");
    assert_eq!(place.rig.run(3, "cat file").await.out(), "pristine\n");

    assert_eq!(place.status().await, WorkerStatus::Running);
    place.start().await.unwrap();
    place.rig.hub.send(&place.rig.worker, ToWorker::Bye);
    while !matches!(place.rig.next().await, Report::Disconnected) {}
    while place.status().await == WorkerStatus::Running {
        tokio::task::yield_now().await;
    }
    assert_eq!(place.status().await, WorkerStatus::Exited { code: Some(0), out_of_memory: false });
    place.remove().await;
    assert_eq!(place.status().await, WorkerStatus::Gone);
    assert_eq!(place.rig.connections, 1);
    place.remove().await;
}

#[tokio::test]
async fn ten_megabytes_arrive_from_a_container_though_the_server_restarts() {
    let mut place = Place::started(BUSYBOX).await;
    place.rig.start(1, "seq 1 1300000");
    place.rig.until(1, |seen| seen.received > 1_000_000).await;
    place.rig.crash().await;
    place.rig.restart();
    place.executor = Place::executor(&place.server);
    assert_eq!(place.status().await, WorkerStatus::Running);
    assert!(place.rig.ended(1).await.stdout == numbers(1_300_000).into_bytes());
    place.remove().await;
}

#[tokio::test]
async fn an_image_with_a_user_of_its_own_works_like_any_other() {
    let mut place = Place::started("conducto-test/busybox-user:1").await;
    for fence in 1..3 {
        let seen = place
            .rig
            .run(fence, "id -un; cat file; echo spoilt > file; chmod 0 file; touch $HOME/x $TMPDIR/y new")
            .await;
        assert_eq!((seen.out().as_str(), seen.err().as_str()), ("node\npristine\n", ""));
        assert_eq!(seen.outcome, Some(Outcome::Exited { code: 0 }));
    }
    place.remove().await;
}

#[rstest]
#[case::holding_the_pipe("sleep 1000 & echo $!")]
#[case::in_its_own_session("setsid sleep 1000 >/dev/null 2>&1 & sleep 0.2")]
#[case::deaf("sh -c 'trap \"\" TERM HUP INT; while :; do sleep 1; done' & true")]
#[tokio::test]
async fn nothing_of_a_node_is_seen_by_the_next(#[case] command: &str) {
    let mut place = Place::started(BUSYBOX).await;
    assert_eq!(place.rig.run(1, command).await.outcome, Some(Outcome::Exited { code: 0 }));
    let processes = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline | head -c 30; echo; done | grep -v 'ash\\|tr\\|head\\|grep'";
    let seen = place.rig.run(2, processes).await.out();
    let others: Vec<&str> = seen.lines().filter(|line| !line.is_empty() && !line.contains("conducto worker")).collect();
    assert!(others.is_empty(), "{others:?}");
    place.remove().await;
}

#[tokio::test]
async fn a_node_gets_nothing_from_the_worker_or_its_socket() {
    let mut place = Place::started(BUSYBOX).await;
    let attack =
        "timeout -s KILL 1 /conducto/bin/conducto worker --socket /conducto/run/worker.sock --work /tmp/w --private /tmp/p
echo $?
for file in mem environ maps; do cat /proc/1/$file >/dev/null 2>&1 && echo can read $file; done
rm /conducto/run/worker.sock 2>/dev/null && echo can remove
ls /conducto/run";
    assert_eq!(place.rig.run(1, attack).await.out(), "137\nworker.sock\n");
    assert_eq!(place.rig.run(2, "echo undisturbed").await.out(), "undisturbed\n");
    assert_eq!(place.rig.connections, 1);
    place.remove().await;
}

#[tokio::test]
async fn an_image_without_a_shell_is_an_error_a_person_understands() {
    let mut place = Place::started("conducto-test/no-shell:1").await;
    match &place.rig.run(1, "true").await.outcome {
        Some(Outcome::Infrastructure { message }) => assert!(message.starts_with("no shell was found"), "{message}"),
        other => panic!("{other:?}"),
    }
    place.remove().await;
}

#[rstest]
#[case("127.0.0.1:1/nobody/nothing:1", "its registry cannot be reached")]
#[case("Not An Image", "that is not the name of an image")]
#[tokio::test]
async fn an_image_that_cannot_be_had_is_an_error_a_person_understands(#[case] image: &str, #[case] words: &str) {
    let place = Place::new(image);
    let error = place.start().await.unwrap_err();
    assert!(matches!(&error, Error::Image { image: named, .. } if named == image), "{error:?}");
    assert!(error.to_string().contains(words), "{error}");
    place.remove().await;
}

#[tokio::test]
async fn what_a_server_left_half_made_is_made_whole() {
    let mut place = Place::started(BUSYBOX).await;
    let name = format!("conducto_worker_{}_{}", place.spec.pipeline, place.spec.worker);
    place.executor.remove(&place.spec.pipeline, &place.spec.worker).await.unwrap();
    place.rig.hub.forget(&place.rig.worker).await;
    place.rig.restart();
    assert!(docker(&["create", "--name", &name, "--label", &place.label()[6..], BUSYBOX, "true"]).status.success());
    place.start().await.unwrap();
    assert_eq!(place.rig.run(1, "echo whole").await.out(), "whole\n");
    place.remove().await;
}

#[tokio::test]
async fn a_worker_keeps_its_binary_though_an_upgrade_removes_the_file() {
    let mut place = Place::new(BUSYBOX);
    let folder = place.root.path().join("bin");
    fs::create_dir(&folder).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_conducto"), folder.join("conducto")).unwrap();
    let (server, binary, socket) = (place.server.clone(), folder.join("conducto"), SOCKET.into());
    place.executor =
        Docker::new(Options { server, binary, socket, networks: Range::default(), access: Access::default() });
    place.start().await.unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(place.rig.run(1, "/conducto/bin/conducto --version").await.outcome, Some(Outcome::Exited { code: 0 }));
    place.remove().await;
}

#[tokio::test]
async fn a_server_knows_its_own_and_touches_nothing_else() {
    let (mine, other) = (Place::started(BUSYBOX).await, Place::started(BUSYBOX).await);
    let owned = |place: &Place| (place.spec.pipeline.clone(), place.spec.worker.clone());
    assert_eq!(mine.executor.owned().await.unwrap(), [owned(&mine)]);
    assert_eq!(mine.executor.owned_pipelines().await.unwrap(), std::slice::from_ref(&mine.spec.pipeline));
    let networks = lines(&["network", "ls", "--format", "{{.Name}}", "--filter", &mine.label()]);
    assert_eq!(networks, [format!("conducto_network_{}", mine.spec.pipeline)]);
    mine.executor.release(&other.spec.pipeline).await.unwrap();
    assert_eq!(other.executor.owned_pipelines().await.unwrap(), std::slice::from_ref(&other.spec.pipeline));
    mine.remove().await;
    other.remove().await;
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_said_to_be_unavailable() {
    let (server, binary, socket) = ("server".into(), "/conducto".into(), "/nonexistent/docker.sock".into());
    let executor =
        Docker::new(Options { server, binary, socket, networks: Range::default(), access: Access::default() });
    let error = executor.owned().await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable { message } if message.contains("/nonexistent")), "{error}");
    let pipeline = PipelineId::parse("abc-def").unwrap();
    assert!(matches!(executor.release(&pipeline).await, Err(Error::Unavailable { .. })));
}
