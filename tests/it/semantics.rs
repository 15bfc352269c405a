//! The semantics, line by line: each file of `tests/fixtures/semantics` is a pipeline whose head says how it ends, run on
//! real Docker. All of them run at once, on one server.

use std::{fmt::Write, path::Path};

use conducto::dispatch::view::{NodeView, PipelineView};

use crate::house::{House, PATIENCE, Plan};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";

/// One pipeline and what must come of it.
struct Fixture {
    name: String,
    text: String,
    nodes: Vec<Expected>,
}

/// How one node must end, as the head of the file says it: `# /path state skipped attempts=2 prints "…"`.
#[derive(Default)]
struct Expected {
    path: String,
    state: String,
    is_skipped: bool,
    attempts: Option<usize>,
    /// The whole standard output of its last attempt.
    prints: Option<String>,
    /// The whole standard error of its last attempt.
    complains: Option<String>,
    /// A part of the words that say why it failed.
    because: Option<String>,
}

impl Expected {
    fn parse(line: &str) -> Self {
        let mut expected = Self::default();
        let (path, rest) = line.split_once(' ').unwrap();
        expected.path = path.to_owned();
        let mut rest = rest.trim_start();
        while !rest.is_empty() {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = after.trim_start();
            let mut quoted = || {
                let mut texts = serde_json::Deserializer::from_str(rest).into_iter::<String>();
                let text = texts.next().unwrap().unwrap();
                rest = rest[texts.byte_offset()..].trim_start();
                Some(text)
            };
            match word {
                "pending" | "done" | "error" | "killed" => expected.state = word.to_owned(),
                "skipped" => expected.is_skipped = true,
                "prints" => expected.prints = quoted(),
                "complains" => expected.complains = quoted(),
                "because" => expected.because = quoted(),
                _ => expected.attempts = Some(word.strip_prefix("attempts=").unwrap().parse().unwrap()),
            }
        }
        assert!(!expected.state.is_empty(), "no state: {line}");
        expected
    }
}

fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/semantics");
    let mut fixtures: Vec<Fixture> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let nodes = text.lines().filter_map(|line| line.strip_prefix("# ").filter(|line| line.starts_with('/')));
            let nodes = nodes.map(Expected::parse).collect();
            Fixture { name: path.file_stem().unwrap().to_str().unwrap().to_owned(), nodes, text }
        })
        .collect();
    fixtures.sort_by(|left, right| left.name.cmp(&right.name));
    fixtures
}

/// Writes down everything about a node that is not as expected.
async fn compare(house: &House, id: &str, expected: &Expected, node: &NodeView, wrong: &mut String) {
    let Expected { path, state, is_skipped, .. } = expected;
    if (node.state.word(), node.skipped_by.is_some()) != (state, *is_skipped) {
        let skipped = if node.skipped_by.is_some() { " skipped" } else { "" };
        writeln!(wrong, "  {path} is {}{skipped} ({:?})", node.state.word(), node.cause).unwrap();
    }
    if let Some(attempts) = expected.attempts.filter(|attempts| *attempts != node.attempts.len()) {
        writeln!(wrong, "  {path} has {} attempts, not {attempts}", node.attempts.len()).unwrap();
    }
    let cause = node.cause.clone().unwrap_or_default();
    if let Some(because) = expected.because.as_ref().filter(|because| !cause.contains(because.as_str())) {
        writeln!(wrong, "  {path} does not say {because:?} but {cause:?}").unwrap();
    }
    for (stream, text) in [("stdout", &expected.prints), ("stderr", &expected.complains)] {
        let Some(text) = text else { continue };
        if node.attempts.is_empty() {
            writeln!(wrong, "  {path} has not run").unwrap();
            continue;
        }
        let log = house.log(id, path, &format!("stream={stream}")).await;
        if log != *text {
            writeln!(wrong, "  {path} has on {stream} {log:?}, not {text:?}").unwrap();
        }
    }
}

/// Returns everything about a pipeline that is not as its file says.
async fn disagreements(house: &House, fixture: &Fixture, ended: &PipelineView) -> String {
    let mut wrong = String::new();
    for expected in &fixture.nodes {
        match ended.nodes.iter().find(|node| node.path == expected.path) {
            Some(node) => compare(house, &ended.summary.id, expected, node, &mut wrong).await,
            None => writeln!(wrong, "  {} does not exist", expected.path).unwrap(),
        }
    }
    for node in &ended.nodes {
        if fixture.nodes.iter().all(|expected| expected.path != node.path) {
            writeln!(wrong, "  {} exists", node.path).unwrap();
        }
    }
    wrong
}

#[tokio::test]
async fn every_line_of_the_semantics_holds_on_real_docker() {
    let fixtures = fixtures();
    let house = House::build(Plan { slots: 8, more: "pristine = true\n", ..Plan::docker() }).await;
    let mut runs = Vec::new();
    for fixture in &fixtures {
        let (_, ids) = house.push(&fixture.name, &[("conducto.cfg", CFG), ("ci.toml", &fixture.text)]).await;
        runs.push((fixture, ids.first().unwrap_or_else(|| panic!("{} is refused", fixture.name)).clone()));
    }
    let (mut wrong, mut patience) = (String::new(), PATIENCE / 2);
    for (fixture, id) in &runs {
        // One that hangs is reported with the others, not instead of them; they have all had their time by then.
        let ended = tokio::time::timeout(patience, house.ended(id)).await;
        let mut found = String::new();
        let seen = match ended {
            Ok(ended) => ended,
            Err(_) => {
                patience = PATIENCE / 60;
                found.push_str("  it has not ended\n");
                house.pipeline(id).await
            }
        };
        found += &disagreements(&house, fixture, &seen).await;
        if !found.is_empty() {
            write!(wrong, "{}:\n{found}", fixture.name).unwrap();
        }
    }
    assert!(wrong.is_empty(), "not as the files say:\n{wrong}");
    house.nothing_is_left().await;
}
