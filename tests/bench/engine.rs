//! The engine alone, driven by a scripted executor: what a transition costs, and a node weighs, in trees of any size.

use std::{
    collections::VecDeque,
    io::{self, Write as _},
    time::Instant,
};

use anyhow::{Context as _, ensure};
use conducto::{
    engine::{self, Pipeline},
    model::{
        Actor, Command, Definition, Effect, Exec, Fence, Launch, NodeDefinition, NodeIndex, NodeKind, NodeSettings,
        Outcome, PipelineId, Recorded, Repository, Trigger, TriggerKind, Trust, WorkerId,
    },
};
use jiff::Timestamp;

use crate::{
    memory::resident,
    table::{Row, Target},
};

const SMALL: u32 = 1_000;
const LARGE: u32 = 1_000_000;
const ROUNDS: usize = 3;

/// Transitions of a leaf from birth to end: leased, started, finished.
const STEPS: f64 = 3.0;

/// Measures both sizes, each in a process of its own: memory that others have used would blur the figures.
pub(crate) async fn rows() -> anyhow::Result<Vec<Row>> {
    let (mut seconds, mut bytes, mut large, mut small) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let one = Measured::of(LARGE).await?;
        seconds.push(one.seconds);
        bytes.push(one.bytes_a_node);
        large.push(one.seconds * 1e9 / (f64::from(LARGE) * STEPS));
        // A small tree is over before a clock has moved much: many of them, one after the other.
        small.push(Measured::of(SMALL).await?.seconds * 1e9 / (f64::from(SMALL) * STEPS));
    }
    let row = |name, unit, ours, reference, target, command: &str| Row {
        name,
        unit,
        ours,
        reference,
        target,
        command: command.into(),
    };
    Ok(vec![
        row(
            "a tree of 1,000,000 leaves, each run once",
            "s",
            seconds,
            vec![],
            Target::Below(10.0),
            "engine alone, scripted executor, one core",
        ),
        row(
            "what a node of that tree weighs",
            "bytes",
            bytes,
            vec![],
            Target::Below(500.0),
            "growth of VmRSS over all leaves, definition and one attempt each included",
        ),
        row(
            "one transition in that tree",
            "ns",
            large,
            small,
            Target::TimesAtMost(1.5),
            "the same in a tree of 1,000 leaves",
        ),
    ])
}

struct Measured {
    seconds: f64,
    bytes_a_node: f64,
}

impl Measured {
    async fn of(leaves: u32) -> anyhow::Result<Self> {
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        let output = command.args(["engine-tree", &leaves.to_string()]).kill_on_drop(true).output().await?;
        ensure!(output.status.success(), "engine-tree: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout)?;
        let mut numbers = text.split_whitespace().map(str::parse::<f64>);
        let mut next = || numbers.next().context("a number is missing")?.context("not a number");
        Ok(Self { seconds: next()?, bytes_a_node: next()? })
    }
}

/// Runs every leaf of such a tree once and prints seconds and bytes a node.
pub(crate) fn tree(leaves: u32) -> anyhow::Result<()> {
    let repeats = (100_000 / leaves).max(1);
    let before = resident(std::process::id())?;
    let mut seconds = f64::MAX;
    let mut pipeline = None;
    for _ in 0..repeats {
        drop(pipeline.take());
        let launch = launch(leaves)?;
        let begin = Instant::now();
        pipeline = Some(run(launch)?);
        seconds = seconds.min(begin.elapsed().as_secs_f64());
    }
    let after = resident(std::process::id())?;
    let pipeline = pipeline.context("at least one round")?;
    ensure!(pipeline.finished().is_some(), "the tree did not end");
    writeln!(io::stdout(), "{seconds} {}", (after - before) * 1e6 / f64::from(leaves))?;
    Ok(())
}

fn run(launch: Launch) -> anyhow::Result<Pipeline> {
    let now = Timestamp::UNIX_EPOCH;
    let worker = WorkerId::from_random([7; 6]);
    let (mut pipeline, events) = engine::launch(launch, now, Actor::Server);
    let mut queue: VecDeque<NodeIndex> = VecDeque::new();
    let mut fence = 0;
    let offers = |pipeline: &Pipeline, events: &[Recorded], queue: &mut VecDeque<NodeIndex>| {
        for effect in events.iter().flat_map(|recorded| engine::effects(pipeline, recorded)) {
            if let Effect::Offer { node } = effect {
                queue.push_back(node);
            }
        }
    };
    offers(&pipeline, &events, &mut queue);
    drop(events);
    while let Some(node) = queue.pop_front() {
        fence += 1;
        let fence = Fence(fence);
        let outcome = Outcome::Exited { code: 0 };
        for command in [
            Command::Lease { node, fence, worker: worker.clone() },
            Command::AttemptStarted { fence },
            Command::AttemptFinished { fence, outcome, log_bytes: 0, grown: None },
        ] {
            let events = engine::execute(&mut pipeline, now, &command.by(Actor::Worker))?;
            offers(&pipeline, &events, &mut queue);
        }
    }
    Ok(pipeline)
}

/// A tree of four levels: a thousand groups at once, in each ten in a row, in each the leaves at once.
fn launch(leaves: u32) -> anyhow::Result<Launch> {
    let wide = leaves.div_ceil(1_000).clamp(1, 1_000);
    let (rows, each) = (10, (leaves / wide / 10).max(1));
    let node = |name: String, parent: Option<u32>, kind| NodeDefinition {
        name: name.into(),
        parent: parent.map(NodeIndex),
        kind,
        settings: NodeSettings::default(),
    };
    let mut nodes = vec![node("/".into(), None, NodeKind::Parallel)];
    let index = |nodes: &Vec<NodeDefinition>| u32::try_from(nodes.len());
    for group in 0..wide {
        let serial = index(&nodes)?;
        nodes.push(node(format!("group {group}"), Some(0), NodeKind::Serial { stop_on_error: true }));
        for row in 0..rows {
            let parallel = index(&nodes)?;
            nodes.push(node(format!("row {row}"), Some(serial), NodeKind::Parallel));
            for leaf in 0..each {
                let exec = Exec { command: format!("./run {leaf}") };
                nodes.push(node(format!("leaf {leaf}"), Some(parallel), NodeKind::Exec(exec)));
            }
        }
    }
    Ok(Launch {
        pipeline: PipelineId::parse("abc-def")?,
        definition: Definition::new(nodes)?,
        title: "bench".into(),
        section: "push".into(),
        trigger: Trigger {
            host: "github.com".into(),
            repository: Repository { id: 1, full_name: "acme/api".into(), default_branch: None },
            sha: "0".repeat(40),
            kind: TriggerKind::Push { branch: "main".into(), before: None },
            title: String::new(),
            sender: "kim".into(),
        },
        slack_channel: None,
        trust: Trust::Trusted,
        hold: None,
        most_mem: None,
        turn: None,
        secrets: None,
    })
}
