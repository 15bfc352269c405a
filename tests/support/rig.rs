//! A hub and somebody who listens to it, for tests with true workers. Knows nothing of how the worker was started.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use conducto::{
    clock,
    dispatch::hub::{Hub, Incoming, Options, Report},
    model::{Fence, Isolation, Outcome, WorkerId},
    worker::protocol::{Start, Stream, ToWorker},
};
use tokio::{sync::mpsc, time::timeout};

/// Nothing here takes that long, unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a node printed and how it ended.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) received: u64,
    pub(crate) pid: Option<u32>,
    pub(crate) is_returned: bool,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) log_bytes: u64,
}

impl Seen {
    /// Output as text.
    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Errors as text.
    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    fn take(&mut self, report: Report) {
        match report {
            Report::Started { pid, .. } => self.pid = Some(pid),
            Report::Output { stream, offset, data, .. } => {
                assert!(offset <= self.received, "a hole in the log before byte {offset}");
                if offset < self.received {
                    return;
                }
                self.received += data.len() as u64;
                match stream {
                    Stream::Stderr => self.stderr.extend(data),
                    Stream::Stdout | Stream::Notice => self.stdout.extend(data),
                }
            }
            Report::Returned { .. } => self.is_returned = true,
            Report::Finished { outcome, log_bytes, .. } => {
                assert_eq!(log_bytes, self.received, "all output comes before the end");
                self.outcome = Some(outcome);
                self.log_bytes = log_bytes;
            }
            Report::Connected { .. } | Report::Disconnected | Report::Wants { .. } => {}
        }
    }
}

/// A hub with one worker.
pub(crate) struct Rig {
    pub(crate) hub: Hub,
    pub(crate) reports: mpsc::Receiver<Incoming>,
    pub(crate) worker: WorkerId,
    pub(crate) run: PathBuf,
    pub(crate) connections: u32,
    keys: PathBuf,
    orphan: Duration,
    refusing: bool,
    seen: BTreeMap<Fence, Seen>,
}

impl Rig {
    /// Listens for one worker; sockets and keys lie below the root.
    pub(crate) fn new(root: &Path) -> Self {
        Self::with_orphan(root, PATIENCE)
    }

    /// The same, with a time after which the worker gives up.
    pub(crate) fn with_orphan(root: &Path, orphan: Duration) -> Self {
        let (keys, run, worker) = (root.join("keys"), root.join("run"), clock::new_worker_id());
        let (hub, reports) = listen(&keys, &run, &worker, orphan);
        Self { hub, reports, worker, run, connections: 0, keys, orphan, refusing: false, seen: BTreeMap::new() }
    }

    /// Ends the hub in the middle of whatever it does.
    pub(crate) async fn crash(&mut self) {
        self.hub.close().await;
        self.reports.close();
        while self.reports.recv().await.is_some() {}
    }

    /// Makes a new hub on the same keys. Attempts known before are leased again.
    pub(crate) fn restart(&mut self) {
        (self.hub, self.reports) = listen(&self.keys, &self.run, &self.worker, self.orphan);
        for fence in self.seen.keys() {
            self.hub.lease(&self.worker, *fence);
        }
    }

    /// Starts a script.
    pub(crate) fn start(&mut self, fence: u64, command: &str) {
        self.start_with(fence, command, PATIENCE, Duration::from_secs(10));
    }

    /// Starts a script that may run for so long, and then has the grace time.
    pub(crate) fn start_with(&mut self, fence: u64, command: &str, longest: Duration, grace: Duration) {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap();
        let (max_time_ms, grace_ms) = (millis(longest), millis(grace));
        self.order(Start { max_time_ms, grace_ms, ..order(fence, command) });
    }

    /// Starts a node.
    pub(crate) fn order(&mut self, start: Start) {
        let fence = start.fence;
        self.hub.lease(&self.worker, fence);
        self.seen.entry(fence).or_default();
        self.hub.send(&self.worker, ToWorker::Start(Box::new(start)));
    }

    /// Refuses the next report, and with it all that was sent behind it.
    pub(crate) async fn refuse(&mut self) {
        drop(self.receive().await);
        self.refusing = true;
    }

    async fn receive(&mut self) -> Incoming {
        let incoming = timeout(PATIENCE, self.reports.recv()).await.expect("the worker says something in time");
        incoming.expect("the hub lives")
    }

    /// Takes the next report.
    pub(crate) async fn next(&mut self) -> Report {
        let Incoming { worker, report, done } = loop {
            let incoming = self.receive().await;
            self.refusing &= !matches!(incoming.report, Report::Connected { .. });
            if !self.refusing {
                break incoming;
            }
        };
        assert_eq!(worker, self.worker);
        if matches!(report, Report::Connected { .. }) {
            self.connections += 1;
        }
        let fence = match &report {
            Report::Started { fence, .. }
            | Report::Returned { fence }
            | Report::Output { fence, .. }
            | Report::Finished { fence, .. } => Some(*fence),
            Report::Connected { .. } | Report::Disconnected | Report::Wants { .. } => None,
        };
        if let Some(fence) = fence {
            self.seen.get_mut(&fence).expect("only leased attempts are spoken of").take(report.clone());
        }
        done.send(()).ok();
        report
    }

    /// Takes reports until the attempt looks as wanted.
    pub(crate) async fn until(&mut self, fence: u64, wanted: impl Fn(&Seen) -> bool) -> &Seen {
        while !self.seen.get(&Fence(fence)).is_some_and(&wanted) {
            self.next().await;
        }
        &self.seen[&Fence(fence)]
    }

    /// Takes reports until the attempt has ended.
    pub(crate) async fn ended(&mut self, fence: u64) -> &Seen {
        self.until(fence, |seen| seen.outcome.is_some()).await
    }

    /// Runs a script to its end.
    pub(crate) async fn run(&mut self, fence: u64, command: &str) -> &Seen {
        self.start(fence, command);
        self.ended(fence).await
    }

    /// Forgets what was heard of an attempt, so that it can be heard again.
    pub(crate) fn forget(&mut self, fence: u64) {
        self.seen.insert(Fence(fence), Seen::default());
    }
}

/// An order with much time, in a container that is shared like any other.
pub(crate) fn order(fence: u64, command: &str) -> Start {
    let env = [("GREETING".to_owned(), "hello".to_owned())].into();
    let (fence, command, isolation) = (Fence(fence), command.to_owned(), Isolation::Shared);
    Start {
        fence,
        command,
        env,
        max_time_ms: 60_000,
        grace_ms: 10_000,
        keep: false,
        isolation,
        shell: None,
        secrets: false,
    }
}

fn listen(keys: &Path, run: &Path, worker: &WorkerId, orphan: Duration) -> (Hub, mpsc::Receiver<Incoming>) {
    let (sink, reports) = mpsc::channel(16);
    let heartbeat = Duration::from_secs(2);
    let hub = Hub::new(Options { keys_directory: keys.to_owned(), heartbeat, orphan, window: 8 }, sink);
    hub.listen(worker, run).unwrap();
    (hub, reports)
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let waited = timeout(PATIENCE, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("still not true: {what}"));
}

/// The lines of `seq 1 last`.
pub(crate) fn numbers(last: u32) -> String {
    (1..=last).map(|number| format!("{number}\n")).collect()
}
