//! Answers as tests need them: a pipeline that failed, one that runs. Used by tests only.

use jiff::{Timestamp, ToSpan as _};

use crate::{
    dispatch::view::{AttemptView, NodeView, PipelineSummary, PipelineView},
    model::{Counts, Ending, KillReason, State, Trust},
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000).expect("a valid second") + seconds.seconds()
}

fn counts(of: &[(State, u32)]) -> Counts {
    let mut counts = Counts::default();
    for (state, number) in of {
        *counts.slot(*state) = *number;
    }
    counts
}

fn attempt(number: u32, state: State, outcome: Option<&str>, started: i64, ended: Option<i64>) -> AttemptView {
    AttemptView {
        number,
        fence: u64::from(number) + 40,
        worker: "wk_0123456789ab".into(),
        asked_by: "octocat".into(),
        state,
        outcome: outcome.map(Into::into),
        exit_code: None,
        kill_reason: (state == State::Killed).then_some(KillReason::Timeout),
        cpu: 1.0,
        mem: 2.0,
        leased_at: at(started),
        started_at: Some(at(started)),
        finished_at: ended.map(at),
        log_bytes: ended.map(|_| 1_234),
    }
}

fn node(path: &str, kind: &str, state: State, counts: Counts) -> NodeView {
    let name = path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("/");
    let depth = if path == "/" { 0 } else { path.matches('/').count() };
    NodeView {
        index: 0,
        path: path.into(),
        name: name.into(),
        depth,
        kind: kind.into(),
        state,
        skipped_by: None,
        waits_for: None,
        cause: None,
        command: None,
        image: None,
        resources: None,
        container_group: None,
        isolation: None,
        remark: None,
        suppress_errors: false,
        max_concurrent: None,
        callbacks: Vec::new(),
        doc: None,
        env: Vec::new(),
        counts,
        attempts: Vec::new(),
    }
}

fn leaf(path: &str, state: State, attempts: Vec<AttemptView>) -> NodeView {
    let mut node = node(path, "exec", state, counts(&[(state, 1)]));
    node.command = Some(format!("make {}", node.name));
    node.image = Some("debian:stable-slim".into());
    node.attempts = attempts;
    node
}

/// Makes a pipeline in which one leaf failed twice, one ran out of time and one was never reached.
pub(crate) fn failed_pipeline() -> PipelineView {
    use State::{Done, Error, Killed, Pending};
    let all = counts(&[(Pending, 1), (Done, 2), (Error, 1), (Killed, 1)]);
    let summary = PipelineSummary {
        id: "abc-def".into(),
        title: "Teach the API to forget <script>alert(1)</script>".into(),
        state: Error,
        ending: Some(Ending::Failed),
        cause: Some("failed: /checks/unit (exit 1) and 1 more".into()),
        counts: all,
        repository: "acme/api".into(),
        trigger: "push to main".into(),
        section: "push".into(),
        sha: "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334".into(),
        sender: "octocat".into(),
        trust: Trust::Trusted,
        created_at: at(0),
        finished_at: Some(at(95)),
    };
    let mut unit = leaf(
        "/checks/unit",
        Error,
        vec![attempt(1, Error, Some("exit 2"), 4, Some(20)), attempt(2, Error, Some("exit 1"), 30, Some(64))],
    );
    unit.cause = Some("exit 1".into());
    let mut slow = leaf("/checks/slow", Killed, vec![attempt(1, Killed, Some("max_time exceeded"), 4, Some(94))]);
    slow.cause = Some("max_time exceeded".into());
    let mut deploy = leaf("/deploy", Pending, vec![]);
    deploy.waits_for = Some("stopped by the error of /checks".into());
    let checks = counts(&[(Done, 1), (Error, 1), (Killed, 1)]);
    let nodes = vec![
        node("/", "serial", Error, all),
        leaf("/install", Done, vec![attempt(1, Done, Some("exit 0"), 1, Some(3))]),
        node("/checks", "parallel", Error, checks),
        leaf("/checks/lint & style", Done, vec![attempt(1, Done, Some("exit 0"), 4, Some(5))]),
        unit,
        slow,
        deploy,
    ];
    PipelineView {
        summary,
        seq: 31,
        executor: "docker".into(),
        isolated: true,
        hold: None,
        asleep: false,
        waits_for: None,
        nodes,
    }
}

/// Makes a pipeline that is on its way.
pub(crate) fn running_pipeline() -> PipelineView {
    use State::{Done, Pending, Running};
    let all = counts(&[(Pending, 1), (Running, 1), (Done, 1)]);
    let mut pipeline = failed_pipeline();
    pipeline.summary.title = "Make it faster".into();
    pipeline.summary.state = Running;
    pipeline.summary.ending = None;
    pipeline.summary.cause = None;
    pipeline.summary.counts = all;
    pipeline.summary.finished_at = None;
    pipeline.executor = "process".into();
    pipeline.isolated = false;
    let mut deploy = leaf("/deploy", Pending, vec![]);
    deploy.waits_for = Some("waits for /test".into());
    pipeline.nodes = vec![
        node("/", "serial", Running, all),
        leaf("/build", Done, vec![attempt(1, Done, Some("exit 0"), 1, Some(3))]),
        leaf("/test", Running, vec![attempt(1, Running, None, 4, None)]),
        deploy,
    ];
    pipeline
}

/// Makes a pipeline of so many leaves in groups of fifty, of which one leaf failed, some run and most are done.
pub(crate) fn large_pipeline(leaves: usize) -> PipelineView {
    let mut pipeline = running_pipeline();
    let (mut nodes, mut all) = (Vec::new(), Counts::default());
    for group in 0..leaves / 50 {
        let (mut below, mut counted) = (Vec::new(), Counts::default());
        for number in 0..50 {
            let path = format!("/shard {group:03}/test {number:02}");
            let state = match (group, number) {
                (7, 3) => State::Error,
                (_, 49) if group < 12 => State::Running,
                (group, _) if group < 12 => State::Done,
                _ => State::Pending,
            };
            let started = i64::try_from(group).unwrap_or(0) + 1;
            let attempts = match state {
                State::Pending => vec![],
                State::Running => vec![attempt(1, state, None, started, None)],
                State::Error => vec![attempt(1, state, Some("exit 3"), started, Some(started + 2))],
                state => vec![attempt(1, state, Some("exit 0"), started, Some(started + 2))],
            };
            let mut leaf = leaf(&path, state, attempts);
            leaf.cause = (state == State::Error).then(|| "exit 3".to_owned());
            *counted.slot(state) += 1;
            *all.slot(state) += 1;
            below.push(leaf);
        }
        let state = if counted.running > 0 { State::Running } else { State::Pending };
        nodes.push(node(&format!("/shard {group:03}"), "parallel", state, counted));
        nodes.append(&mut below);
    }
    nodes.insert(0, node("/", "parallel", State::Running, all));
    pipeline.summary.counts = all;
    pipeline.nodes = nodes;
    pipeline
}
