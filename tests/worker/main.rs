//! True worker processes against a true hub over a true socket, without any container.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    time::Duration,
};

use conducto::{
    dispatch::hub::Report,
    model::{Fence, KillReason, Outcome},
    worker::{
        protocol::{FromWorker, Hello, ToWorker, VERSION},
        wire,
    },
};
use futures_util::{SinkExt, StreamExt};
use rstest::rstest;
use tempfile::TempDir;
use tokio::{net::UnixStream, time::timeout};

use rig::{PATIENCE, Rig, eventually, numbers};

mod groups;
#[path = "../support/rig.rs"]
mod rig;
mod secrets;

const BINARY: &str = env!("CARGO_BIN_EXE_conducto");

/// A worker process, killed when the test is over.
struct Worker(Child);

impl Worker {
    fn spawn(root: &Path) -> Self {
        let source = root.join("source");
        fs::create_dir_all(&source).unwrap();
        fs::write(source.join("file"), "pristine").unwrap();
        let mut command = Command::new(BINARY);
        command.arg("worker").arg("--socket").arg(root.join("run/worker.sock")).arg("--source").arg(source);
        command.arg("--work").arg(root.join("work")).arg("--private").arg(root.join("private"));
        Self(command.spawn().unwrap())
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.0.id().cast_signed()), signal).unwrap();
    }

    async fn ended(&mut self) -> ExitStatus {
        let ended = timeout(PATIENCE, async {
            loop {
                if let Some(status) = self.0.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        ended.await.expect("the worker ends in time")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn set_up() -> (TempDir, Rig, Worker) {
    let root = tempfile::tempdir().unwrap();
    let rig = Rig::new(root.path());
    let worker = Worker::spawn(root.path());
    (root, rig, worker)
}

fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[tokio::test]
async fn a_node_speaks_on_both_streams_and_says_how_it_ended() {
    let (_root, mut rig, _worker) = set_up();
    let seen = rig.run(1, "echo $GREETING\necho oh >&2\nexit 3").await;
    assert_eq!((seen.out().as_str(), seen.err().as_str()), ("hello\n", "oh\n"));
    assert_eq!(seen.outcome, Some(Outcome::Exited { code: 3 }));
}

#[rstest]
#[case("true", Outcome::Exited { code: 0 })]
#[case("no-such-command-anywhere", Outcome::Exited { code: 127 })]
#[case("kill -9 $$", Outcome::Signaled { signal: 9 })]
#[case("exec >&- 2>&-; sleep 0.1; exit 7", Outcome::Exited { code: 7 })]
#[tokio::test]
async fn a_node_ends_as_its_shell_does(#[case] command: &str, #[case] outcome: Outcome) {
    let (_root, mut rig, _worker) = set_up();
    assert_eq!(rig.run(1, command).await.outcome, Some(outcome));
}

#[tokio::test]
async fn ten_megabytes_arrive_byte_for_byte() {
    let (_root, mut rig, _worker) = set_up();
    let seen = rig.run(1, "seq 1 1300000").await;
    assert!(seen.stdout == numbers(1_300_000).into_bytes());
}

#[tokio::test]
async fn each_node_finds_everything_as_the_first_one_did() {
    let (root, mut rig, _worker) = set_up();
    let script =
        "cat file; ls -A $HOME $TMPDIR | grep -v : ; echo spoilt > file; touch new $HOME/x $TMPDIR/y; pwd; echo $0";
    let private = root.path().join("private");
    let expected = format!("pristine\n{}\n{}\n", root.path().join("work").display(), private.join("cmd.sh").display());
    for fence in 1..4 {
        assert_eq!(rig.run(fence, script).await.out().replace("pristine\n\n", "pristine\n"), expected);
    }
}

#[tokio::test]
async fn a_node_that_ignores_sigterm_is_ended_when_its_time_is_up() {
    let (_root, mut rig, _worker) = set_up();
    let short = Duration::from_millis(200);
    rig.start_with(1, "trap '' TERM; echo on; while :; do sleep 0.01; done", short, short);
    let seen = rig.ended(1).await;
    assert_eq!(seen.outcome, Some(Outcome::Stopped { reason: KillReason::Timeout }));
}

#[tokio::test]
async fn a_stopped_node_may_use_its_grace_time() {
    let (_root, mut rig, _worker) = set_up();
    rig.start(1, "trap 'echo bye; exit 0' TERM; echo on; while :; do sleep 0.01; done");
    rig.until(1, |seen| seen.out() == "on\n").await;
    rig.hub.send(&rig.worker, ToWorker::Stop { fence: Fence(1), reason: KillReason::User });
    let seen = rig.ended(1).await;
    assert_eq!(seen.out(), "on\nbye\n");
    assert_eq!(seen.outcome, Some(Outcome::Stopped { reason: KillReason::User }));
}

#[rstest]
#[case::holding_the_pipe("sleep 1000 & echo $!")]
#[case::silent("sleep 1000 >/dev/null 2>&1 & echo $!")]
#[case::in_its_own_session("setsid sleep 1000 >/dev/null 2>&1 & sleep 0.1; pidof -s sleep >/dev/null; echo $!")]
#[case::twice_removed("(setsid sh -c 'echo $$; exec sleep 1000' &) ; sleep 0.1")]
#[case::deaf("sh -c 'trap \"\" TERM HUP INT; while :; do sleep 1; done' & echo $!")]
#[tokio::test]
async fn nothing_of_a_node_lives_on_after_its_end(#[case] command: &str) {
    let (_root, mut rig, _worker) = set_up();
    let seen = rig.run(1, command).await;
    assert_eq!(seen.outcome, Some(Outcome::Exited { code: 0 }));
    assert!(!seen.out().is_empty() && !is_alive(&seen.out()), "{} lives", seen.out());
}

#[tokio::test]
async fn nothing_is_lost_or_said_twice_when_the_server_dies_again_and_again() {
    let (root, mut rig, _worker) = set_up();
    let runs = root.path().join("runs");
    let command =
        format!("echo x >> {}; i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo $i; sleep 0.005; done", runs.display());
    rig.start(1, &command);
    for count in [10, 60, 110, 160, 210] {
        rig.until(1, |seen| seen.out().lines().count() >= count).await;
        rig.crash().await;
        rig.restart();
        rig.start(1, &command);
    }
    let seen = rig.ended(1).await;
    assert_eq!(seen.out(), numbers(300));
    assert_eq!(fs::read_to_string(runs).unwrap(), "x\n");
    assert!(rig.connections >= 6);
}

#[tokio::test]
async fn what_does_not_fit_into_memory_waits_in_a_file_for_the_server() {
    let (root, mut rig, _worker) = set_up();
    let (go, done) = (root.path().join("go"), root.path().join("done"));
    let wait = format!("echo on; while [ ! -e {} ]; do sleep 0.01; done", go.display());
    rig.start(1, &format!("{wait}; seq 1 700000; touch {}", done.display()));
    rig.until(1, |seen| seen.out() == "on\n").await;
    rig.crash().await;
    fs::write(&go, "").unwrap();
    eventually("the node ends though nobody listens", || done.exists()).await;
    rig.restart();
    let seen = rig.ended(1).await;
    assert!(seen.stdout == format!("on\n{}", numbers(700_000)).into_bytes());
    assert_eq!(seen.outcome, Some(Outcome::Exited { code: 0 }));
}

#[tokio::test]
async fn a_report_that_was_not_taken_is_said_again() {
    let (_root, mut rig, _worker) = set_up();
    rig.start(1, "echo one; echo two >&2");
    rig.until(1, |seen| seen.pid.is_some()).await;
    rig.refuse().await;
    let seen = rig.ended(1).await;
    assert_eq!((seen.out().as_str(), seen.err().as_str()), ("one\n", "two\n"));
    assert_eq!(rig.connections, 2);
}

#[tokio::test]
async fn a_repeated_start_runs_nothing_and_is_answered_as_before() {
    let (root, mut rig, _worker) = set_up();
    let runs = root.path().join("runs");
    let command = format!("echo x >> {}; exit 5", runs.display());
    rig.run(1, &command).await;
    rig.forget(1);
    rig.start(1, &command);
    let seen = rig.until(1, |seen| seen.outcome.is_some()).await;
    assert_eq!(seen.outcome, Some(Outcome::Exited { code: 5 }));
    assert_eq!(fs::read_to_string(runs).unwrap(), "x\n");
}

#[tokio::test]
async fn nodes_sent_ahead_run_one_after_the_other_and_can_be_recalled() {
    let (root, mut rig, _worker) = set_up();
    let go = root.path().join("go");
    rig.start(1, &format!("echo on; while [ ! -e {} ]; do sleep 0.01; done", go.display()));
    rig.start(2, "echo never");
    rig.start(3, "echo third");
    rig.until(1, |seen| seen.out() == "on\n").await;
    rig.hub.send(&rig.worker, ToWorker::Stop { fence: Fence(2), reason: KillReason::User });
    let recalled = rig.ended(2).await;
    assert_eq!(recalled.outcome, Some(Outcome::Stopped { reason: KillReason::User }));
    assert_eq!((recalled.pid, recalled.out()), (None, String::new()));
    fs::write(go, "").unwrap();
    assert_eq!(rig.ended(1).await.outcome, Some(Outcome::Exited { code: 0 }));
    assert_eq!(rig.ended(3).await.out(), "third\n");
}

#[tokio::test]
async fn an_order_given_while_the_worker_is_away_reaches_it_later() {
    let (_root, mut rig, _worker) = set_up();
    rig.start(1, "echo on; sleep 1000");
    rig.until(1, |seen| seen.out() == "on\n").await;
    rig.crash().await;
    rig.restart();
    rig.hub.send(&rig.worker, ToWorker::Stop { fence: Fence(1), reason: KillReason::User });
    assert_eq!(rig.ended(1).await.outcome, Some(Outcome::Stopped { reason: KillReason::User }));
}

#[tokio::test]
async fn what_a_worker_says_of_attempts_that_are_not_its_own_is_dropped() {
    let (_root, mut rig, mut worker) = set_up();
    rig.hub.send(&rig.worker, ToWorker::Start(Box::new(rig::order(1, "echo stolen"))));
    assert_eq!(rig.run(2, "echo mine").await.out(), "mine\n");
    rig.hub.send(&rig.worker, ToWorker::Bye);
    assert!(worker.ended().await.success(), "the dropped reports are acknowledged too");
}

/// Dials as a node would, and returns what it gets to hear.
async fn dial(socket: PathBuf, key: Option<&str>) -> Vec<String> {
    let stream = UnixStream::connect(socket).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async("ws://worker.invalid/", stream).await.unwrap();
    let resume_key = key.map(str::to_owned);
    let hello = Hello { version: VERSION, resume_key, running: None, last_fence: None };
    socket.send(wire::encode_from_worker(&FromWorker::Hello(hello))).await.unwrap();
    let heard = socket.filter_map(async |frame| frame.ok().map(|frame| frame.to_string())).collect();
    timeout(PATIENCE, heard).await.expect("the door is shut in time")
}

#[tokio::test]
async fn a_node_that_dials_the_socket_gets_nothing() {
    let (_root, mut rig, worker) = set_up();
    let socket = rig.run.join("worker.sock");
    let attack = format!("timeout 1 {BINARY} worker --socket {} --work w --private p; echo $?", socket.display());
    assert_eq!(rig.run(1, &attack).await.out(), "124\n");
    for key in [None, Some("guess"), Some("")] {
        assert!(dial(socket.clone(), key).await.is_empty());
    }
    assert_eq!(rig.run(2, "echo undisturbed").await.out(), "undisturbed\n");
    assert_eq!(rig.connections, 1);

    worker.signal(nix::sys::signal::Signal::SIGSTOP);
    rig.crash().await;
    rig.restart();
    for key in [None, Some("guess"), Some("")] {
        assert!(dial(socket.clone(), key).await.is_empty(), "after a restart, before the worker is back");
    }
    worker.signal(nix::sys::signal::Signal::SIGCONT);
    assert_eq!(rig.run(3, "echo back").await.out(), "back\n");
    assert_eq!(rig.connections, 2);
}

#[tokio::test]
async fn a_dismissed_worker_ends_and_leaves_nothing() {
    let (root, mut rig, mut worker) = set_up();
    rig.run(1, "echo x > $HOME/x").await;
    rig.hub.send(&rig.worker, ToWorker::Bye);
    assert!(worker.ended().await.success());
    while !matches!(rig.next().await, Report::Disconnected) {}
    rig.hub.forget(&rig.worker).await;
    assert_eq!(fs::read_dir(&rig.run).unwrap().count(), 0);
    assert_eq!(fs::read_dir(root.path().join("keys")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(root.path().join("private")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_worker_told_to_end_ends_its_node_and_gives_back_the_next() {
    let (_root, mut rig, mut worker) = set_up();
    rig.start(1, "echo $$; sleep 1000");
    let pid = rig.until(1, |seen| !seen.stdout.is_empty()).await.out();
    rig.start(2, "echo never");
    worker.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(rig.ended(1).await.outcome, Some(Outcome::Stopped { reason: KillReason::Infrastructure }));
    let next = rig.until(2, |seen| seen.is_returned).await;
    assert_eq!((next.outcome.as_ref(), next.stdout.len()), (None, 0));
    let status = worker.ended().await;
    assert_eq!((status.code(), status.signal(), is_alive(&pid)), (Some(0), None, false));
}

#[tokio::test]
async fn a_worker_without_a_server_gives_up_in_the_end() {
    let root = tempfile::tempdir().unwrap();
    let mut rig = Rig::with_orphan(root.path(), Duration::from_secs(3));
    let mut worker = Worker::spawn(root.path());
    rig.start(1, "echo $$; sleep 1000");
    let pid = rig.until(1, |seen| !seen.stdout.is_empty()).await.out();
    rig.crash().await;
    assert_eq!(worker.ended().await.code(), Some(4));
    assert!(!is_alive(&pid));
}
