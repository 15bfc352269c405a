//! A Docker engine that is stopped and started again under a server: what ran there is over, and nothing else is.

use std::{
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use conducto::dispatch::view::{NodeView, PipelineView};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::house::{House, IMAGE, PATIENCE, Plan, ensure_image};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";

/// After so long everybody knows what became of the containers of an engine that is back.
const KNOWN_WITHIN: Duration = Duration::from_secs(30);

/// An engine of the test's own, which has nothing in common with the machine's: not even a network. An engine that starts
/// without a bridge removes the one it finds, and that would be the machine's.
struct Engine {
    folder: TempDir,
    daemon: Option<Child>,
}

impl Engine {
    /// Starts one that has the image of the tests.
    async fn start() -> Self {
        ensure_image();
        let mut engine = Self { folder: tempfile::tempdir().unwrap(), daemon: None };
        std::fs::write(engine.network(), "").unwrap();
        let made = Command::new("unshare").arg(format!("--net={}", engine.network().display())).arg("true").status();
        assert!(made.unwrap().success(), "no network of its own can be made");
        engine.resume().await;
        let mut saved = Command::new("docker").args(["save", IMAGE]).stdout(Stdio::piped()).spawn().unwrap();
        let image = saved.stdout.take().unwrap();
        let loaded = engine.command(&["load"]).stdin(image).output().unwrap();
        assert!(saved.wait().unwrap().success() && loaded.status.success(), "{loaded:?}");
        engine
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// The network in which it lives; it outlasts the daemon.
    fn network(&self) -> PathBuf {
        self.folder.path().join("network")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.arg("-H").arg(format!("unix://{}", self.socket().display())).args(arguments);
        command
    }

    fn docker(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts the daemon, on what it had, and waits until it answers.
    async fn resume(&mut self) {
        let at = |name: &str| self.folder.path().join(name);
        let log = std::fs::File::options().create(true).append(true).open(at("dockerd.log")).unwrap();
        let daemon = Command::new("nsenter")
            .arg(format!("--net={}", self.network().display()))
            .arg("dockerd")
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .arg("-H")
            .arg(format!("unix://{}", self.socket().display()))
            .args(["--bridge=none", "--iptables=false", "--ip6tables=false"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
        let answers = tokio::time::timeout(PATIENCE, async {
            while !self.docker(&["version"]).status.success() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        assert!(answers.await.is_ok(), "no second engine comes up:\n{}", self.log());
    }

    /// SIGTERM: without live restore, the containers end with their engine.
    fn stop(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        kill(Pid::from_raw(i32::try_from(daemon.id()).unwrap()), Signal::SIGTERM).unwrap();
        daemon.wait().unwrap();
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("dockerd.log")).unwrap_or_default()
    }

    /// What is there of containers, and of networks that somebody made.
    fn left(&self) -> Vec<String> {
        let lists: [&[&str]; 2] = [&["ps", "-a", "-q"], &["network", "ls", "-q", "--filter", "type=custom"]];
        let outputs = lists.map(|arguments| self.docker(arguments).stdout);
        outputs
            .iter()
            .flat_map(|text| String::from_utf8_lossy(text).lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for id in self.left() {
            self.docker(&["rm", "-f", &id]);
            self.docker(&["network", "rm", &id]);
        }
        self.stop();
        Command::new("umount").arg(self.network()).status().ok();
    }
}

fn node<'a>(view: &'a PipelineView, path: &str) -> &'a NodeView {
    view.nodes.iter().find(|node| node.path == path).unwrap()
}

async fn problems(house: &House) -> String {
    let answer = reqwest::get(format!("{}/healthz", house.url())).await.unwrap();
    let health: serde_json::Value = answer.json().await.unwrap();
    health["problems"].to_string()
}

/// A server whose nodes live on that engine.
async fn house_on(engine: &Engine) -> House {
    let server = |house: &House| -> Command {
        let mut command = house.command();
        // The machine's own engine knows nothing of these networks.
        command.env("CONDUCTO_CONTAINERS_NETWORK_RANGE", "10.218.0.0/24").env("CONDUCTO_CONTAINERS_CPU", "1");
        command
    };
    let docker_socket = engine.socket().display().to_string();
    House::build(Plan { docker_socket, server: Box::new(server), ..Plan::docker() }).await
}

/// Two nodes take what there is, so that `/waits` has to wait; run again, they do not stay. One ignores SIGTERM.
const FULL: &str = r#"
["/"]
type = "parallel"
cpu = 0.5
mem = 0.25
["/runs"]
exec = "echo begun; test $CONDUCTO_ATTEMPT = 2 || sleep 600"
["/stubborn"]
exec = "trap '' TERM; echo begun; until test $CONDUCTO_ATTEMPT = 2; do sleep 0.1; done"
["/waits"]
exec = "echo waited"
"#;

/// What runs when the engine stops.
const RUNNING: [&str; 2] = ["/runs", "/stubborn"];

const LATE: &str = "[\"/late\"]\nexec = \"echo late\"\ncpu = 0.1\nmem = 0.25\n";

#[tokio::test]
async fn an_engine_that_is_stopped_ends_what_runs_and_what_waits_runs_when_it_is_back() {
    let mut engine = Engine::start().await;
    let house = house_on(&engine).await;
    let (_, ids) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", FULL)]).await;
    for path in RUNNING {
        house.reaches(&ids[0], path, "running").await;
    }
    house.reaches(&ids[0], "/waits", "queued").await;

    engine.stop();
    house
        .until("the server says that Docker is away", async || {
            problems(&house).await.contains("does not answer").then_some(())
        })
        .await;
    let (_, late) = house.push("late", &[("conducto.cfg", CFG), ("ci.toml", LATE)]).await;
    for (id, path) in [(&ids[0], "/waits"), (&late[0], "/late")] {
        let view = house.reaches(id, path, "queued").await;
        let words = node(&view, path).waits_for.clone().unwrap();
        assert!(words.starts_with("waits: "), "{path} {words}");
    }

    engine.resume().await;
    let back = Instant::now();
    for path in RUNNING {
        let view = house.reaches(&ids[0], path, "killed").await;
        let cause = node(&view, path).cause.clone().unwrap();
        // A worker whose node goes in time can still tell, before the engine kills it.
        let known = ["its worker was stopped from outside", "its worker ended with code "];
        assert!(known.iter().any(|words| cause.starts_with(words)), "{path}: {cause}");
        let log = house.log(&ids[0], path, "").await;
        assert!(log.starts_with("begun\n") && log.trim_end().ends_with(&cause), "{path}: {log}");
    }
    assert!(back.elapsed() < KNOWN_WITHIN, "{:?}", back.elapsed());
    let ended = house.ended(&ids[0]).await;
    assert_eq!((ended.summary.counts.done, ended.summary.counts.killed), (1, 2), "{ended:?}");
    assert_eq!(house.log(&ids[0], "/waits", "stream=stdout").await, "waited\n");
    assert_eq!(house.ended(&late[0]).await.summary.state.word(), "done");
    assert_eq!(problems(&house).await, "[]");

    for path in RUNNING {
        assert_eq!(house.post(&format!("/pipelines/{}/nodes{path}/reset", ids[0])).await.0, 200);
    }
    let again = house.reaches(&ids[0], "/", "done").await;
    assert!(RUNNING.iter().all(|path| node(&again, path).attempts.len() == 2), "{again:?}");
    house.until("nothing is left in that engine", async || engine.left().is_empty().then_some(())).await;
}
