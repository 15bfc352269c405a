//! `kill -9` of the server at random moments while fifty pipelines run: nothing is lost, nothing runs twice, no log has a hole.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use conducto::dispatch::view::{NodeView, PipelineView};

use crate::house::{House, Plan};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";

/// Pipelines of one round.
const PIPELINES: usize = 50;

/// Lines a leaf prints, one every hundredth of a second.
const LINES: usize = 120;

/// What every leaf does: it writes down that it begins, prints numbered lines, and writes down that it ends.
const WORK: &str = "echo \"begin $CONDUCTO_FENCE $CONDUCTO_PIPELINE_ID$CONDUCTO_NODE\" >> $CONDUCTO_DATA_USER/ran
i=0; while [ $i -lt LINES ]; do i=$((i+1)); echo \"$CONDUCTO_NODE $i\"; [ $((i % 10)) -ne 0 ] || sleep 0.1; done
echo \"end $CONDUCTO_FENCE $CONDUCTO_PIPELINE_ID$CONDUCTO_NODE\" >> $CONDUCTO_DATA_USER/ran
";

/// The pipelines of a round: each kind another piece of the engine.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// One leaf after the other.
    Serial,
    /// All at once, two at a time.
    Limited,
    /// One leaf fails, and that ends it.
    Failing,
    /// One leaf fails the first time and is tried again by itself.
    Retried,
    /// Three leaves in one container, each finding what the one before has left.
    Shared,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Serial, Self::Limited, Self::Failing, Self::Retried, Self::Shared];

    fn definition(self) -> String {
        let work = WORK.replace("LINES", &LINES.to_string());
        let head = "cpu = 0.1\nmem = 0.05\n";
        let mut text = match self {
            Self::Serial | Self::Failing | Self::Retried => format!("{head}[\"/\"]\ntype = \"serial\"\n"),
            Self::Limited => format!("{head}[\"/\"]\ntype = \"parallel\"\nmax_concurrent = 2\n"),
            Self::Shared => format!("{head}[\"/\"]\ntype = \"serial\"\ncontainer_reuse_context = \"new\"\n"),
        };
        for leaf in 1..=3 {
            let (keys, last) = match (self, leaf) {
                (Self::Failing, 2) => ("", "exit 1\n"),
                // Not by the number of the attempt: one that was taken back before it began has a number too.
                (Self::Retried, 2) => (
                    "retry = 1\n",
                    "test $(grep -c \"^begin [0-9]* $CONDUCTO_PIPELINE_ID$CONDUCTO_NODE\\$\" $CONDUCTO_DATA_USER/ran) = 2\n",
                ),
                (Self::Shared, 1) => ("", "echo left > left-by-the-first\n"),
                (Self::Shared, _) => ("", "cat left-by-the-first > /dev/null || exit 9\n"),
                _ => ("", ""),
            };
            writeln!(text, "[\"/leaf-{leaf}\"]\n{keys}exec = '''\n{work}{last}'''").unwrap();
        }
        text
    }

    fn ends(self) -> &'static str {
        if matches!(self, Self::Failing) { "error" } else { "done" }
    }

    /// How often each leaf must have begun.
    fn begins(self, path: &str) -> usize {
        match (self, path) {
            (Self::Failing, "/leaf-3") => 0,
            (Self::Retried, "/leaf-2") => 2,
            _ => 1,
        }
    }
}

/// Random moments, from a seed that is printed: a failure can be had again.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        let seed = u64::from_le_bytes(conducto::clock::random());
        println!("seed {seed}");
        Self(seed)
    }

    pub(crate) fn millis(&mut self, below: u64) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis((self.0 >> 33) % below)
    }
}

struct Sent {
    kind: Kind,
    commit: String,
    guid: String,
}

/// Kills the server so often while the pipelines of each round run, and holds everything against what must be.
async fn survives(plan: Plan, rounds: usize, kills: usize) {
    let is_docker = plan.executor == "docker";
    let mut house = House::build(plan).await;
    let mut dice = Dice::new();
    for round in 0..rounds {
        let sent = send_while_killing(&mut house, &mut dice, round, kills).await;
        for one in &sent {
            check(&house, one).await;
        }
        check_outside(&house, &sent).await;
        println!("round {round}: {kills} kills, {} pipelines, all as they must be", sent.len());
    }
    if is_docker {
        house.nothing_is_left().await;
    }
}

async fn send_while_killing(house: &mut House, dice: &mut Dice, round: usize, kills: usize) -> Vec<Sent> {
    let mut sent = Vec::new();
    for kill in 0..kills {
        let share = (kill + 1) * PIPELINES / kills;
        while sent.len() < share {
            let kind = Kind::ALL[sent.len() % Kind::ALL.len()];
            let branch = format!("round-{round}-{}", sent.len());
            // Two of a kind within a second would be one commit, and share their statuses.
            let files = [("conducto.cfg", CFG), ("ci.toml", &kind.definition()), ("branch", &branch)];
            let commit = house.commit(&branch, &files);
            let delivery = house.push_of(&branch, None, &commit);
            assert_eq!(house.send(&delivery).await, 202);
            sent.push(Sent { kind, commit, guid: delivery.guid });
        }
        // The moment itself is what is tested; nothing could be waited for instead.
        let pause = if kill % 2 == 0 { dice.millis(50) } else { dice.millis(6_000) };
        tokio::time::sleep(pause).await;
        house.kill();
        tokio::time::sleep(dice.millis(2_000)).await;
        house.start().await;
    }
    sent
}

async fn check(house: &House, sent: &Sent) {
    let verdict = house.concluded(&sent.guid).await;
    assert_eq!(verdict.pipelines.len(), 1, "{verdict:?}");
    let id = &verdict.pipelines[0];
    let ended = house.ended_in(id, Duration::from_secs(300)).await;
    assert_eq!(ended.summary.state.word(), sent.kind.ends(), "{:?} {:?}", sent.kind, ended.summary);
    let statuses = house.statuses(&sent.commit, "conducto/push").await;
    let expected = if sent.kind.ends() == "done" { "success" } else { "failure" };
    assert_eq!(statuses.last().unwrap().state, expected, "{id} {:?} {statuses:#?}", sent.kind);
    for node in leaves(&ended) {
        let began = node.attempts.iter().filter(|attempt| attempt.started_at.is_some()).count();
        assert_eq!(began, sent.kind.begins(&node.path), "{:?} {} {:?}", sent.kind, node.path, node.attempts);
        for attempt in node.attempts.iter().filter(|attempt| attempt.started_at.is_some()) {
            let expected: String = (1..=LINES).map(|line| format!("{} {line}\n", node.path)).collect();
            let log = house.log(id, &node.path, &format!("stream=stdout&attempt={}", attempt.number)).await;
            assert_eq!(log, expected, "the log of {id} {} has a hole", node.path);
        }
    }
}

fn leaves(pipeline: &PipelineView) -> impl Iterator<Item = &NodeView> {
    pipeline.nodes.iter().filter(|node| node.kind == "exec")
}

/// What the leaves themselves wrote down, outside of everything that was killed: each attempt once, never two of one node
/// at the same time.
async fn check_outside(house: &House, sent: &[Sent]) {
    let profile = std::fs::read_dir(house.base()).unwrap().flatten();
    let data = profile.map(|entry| entry.path().join("data/ran")).find(|file| file.exists()).unwrap();
    let mut runs: BTreeMap<String, Vec<(bool, u64)>> = BTreeMap::new();
    for line in std::fs::read_to_string(data).unwrap().lines() {
        let [what, fence, node] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        runs.entry(node.to_owned()).or_default().push((what == "begin", fence.parse().unwrap()));
    }
    for one in sent {
        let verdict = house.concluded(&one.guid).await;
        let pipeline = house.pipeline(&verdict.pipelines[0]).await;
        for node in leaves(&pipeline) {
            let expected: Vec<(bool, u64)> = node
                .attempts
                .iter()
                .filter(|attempt| attempt.started_at.is_some())
                .flat_map(|attempt| [(true, attempt.fence), (false, attempt.fence)])
                .collect();
            let name = format!("{}{}", verdict.pipelines[0], node.path);
            assert_eq!(runs.remove(&name).unwrap_or_default(), expected, "{name}");
        }
    }
}

#[tokio::test]
async fn a_server_killed_again_and_again_loses_nothing_in_containers() {
    survives(Plan { slots: 20, ..Plan::docker() }, 1, 10).await;
}

#[tokio::test]
async fn a_server_killed_again_and_again_loses_nothing_with_processes() {
    survives(Plan { slots: 20, ..Plan::default() }, 1, 10).await;
}

/// `make soak`: a hundred kills, five hundred pipelines.
#[tokio::test]
#[ignore = "half an hour; `make soak` runs it"]
async fn a_hundred_kills() {
    survives(Plan { slots: 20, ..Plan::docker() }, 10, 10).await;
}
