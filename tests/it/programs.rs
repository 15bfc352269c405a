//! Programs of the corpus, launched by a push and run in containers to the ends that the corpus states (`command = …`).

use std::{collections::BTreeMap, fmt::Write as _, path::Path, process::Command, time::Duration};

use conducto::{dispatch::view::PipelineView, standin::SampleFile};
use serde::Deserialize;

use crate::house::{House, Plan};

/// All of them at once take a while on a small machine.
const PATIENCE: Duration = Duration::from_secs(420);

#[derive(Deserialize)]
struct Corpus {
    pipelines: Vec<Program>,
}

#[derive(Deserialize)]
struct Program {
    file: String,
    arguments: Vec<String>,
    state: String,
    network: bool,
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pipelines"))
}

/// Makes stand-ins for the images that the programs name.
pub(crate) fn ensure_images() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images/python.sh");
    let made = Command::new("sh").arg(script).output().unwrap();
    assert!(made.status.success(), "no image with Python could be made: {made:?}");
    let is_there = Command::new("docker").args(["image", "inspect", "busybox"]).output().unwrap().status.success();
    if !is_there {
        let tagged = Command::new("docker").args(["tag", crate::house::IMAGE, "busybox:latest"]).output().unwrap();
        assert!(tagged.status.success(), "{tagged:?}");
    }
}

/// The files of a folder and of those below it, by their paths in the repository.
fn files(folder: &Path, below: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), &format!("{name}/"), found);
        } else {
            found.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
}

#[tokio::test]
async fn the_programs_of_the_corpus_run_to_their_ends() {
    let plan = Plan { slots: 6, more: "privileged_repositories = [\"acme/api\"]\n", ..Plan::docker() };
    ensure_images();
    let house = House::build(plan).await;
    let corpus: Corpus = serde_json::from_slice(&std::fs::read(folder().join("corpus.json")).unwrap()).unwrap();
    let programs: Vec<&Program> = corpus.pipelines.iter().filter(|program| !program.network).collect();
    assert!(programs.len() >= 42, "{}", programs.len());
    let mut cfg = String::new();
    for (at, program) in programs.iter().enumerate() {
        let arguments: String =
            program.arguments.iter().map(|word| format!(" {}", shlex::try_quote(word).unwrap())).collect();
        let command = format!("python {}{arguments}", program.file).replace('{', "{{").replace('}', "}}");
        write!(cfg, "[push.n{at}]\nimage = \"python:3.11-slim\"\ncommand = {}\n", toml::Value::String(command))
            .unwrap();
    }
    let mut contents = BTreeMap::new();
    files(folder(), "", &mut contents);
    contents.insert("conducto.cfg".to_owned(), cfg.into_bytes());
    let contents: Vec<(&String, String)> =
        contents.iter().map(|(path, bytes)| (path, String::from_utf8(bytes.clone()).unwrap())).collect();
    let samples: Vec<SampleFile<'_>> = contents.iter().map(|(path, text)| SampleFile::plain(path, text)).collect();
    let sha = house.repository.commit("main", "The corpus", &samples).unwrap();
    let delivery = house.push_of("main", None, &sha);
    assert_eq!(house.send(&delivery).await, 202);
    let launched = house.concluded(&delivery.guid).await;
    assert_eq!(launched.pipelines.len(), programs.len(), "{:?}", launched.verdict);
    let mut ends = BTreeMap::new();
    for id in &launched.pipelines {
        let view = house.ended_in(id, PATIENCE).await;
        ends.insert(view.summary.section.clone(), view);
    }
    let mut wrong = String::new();
    for (at, program) in programs.iter().enumerate() {
        let view = &ends[&format!("push.n{at}")];
        let state = view.summary.state.word();
        if state != program.state {
            let told = failures(&house, view).await;
            writeln!(
                wrong,
                "{} {:?} should be {} and is {state}:\n{told}",
                program.file, program.arguments, program.state
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Says what failed, and what it printed last.
async fn failures(house: &House, view: &PipelineView) -> String {
    let mut told = String::new();
    for node in view.nodes.iter().filter(|node| node.state.is_failed()) {
        writeln!(told, "  {}: {:?}", node.path, node.attempts.last().map(|attempt| &attempt.outcome)).unwrap();
        if !node.attempts.is_empty() {
            let log = house.log(view.summary.id.as_str(), &node.path, "").await;
            let lines: Vec<&str> = log.lines().collect();
            for line in &lines[lines.len().saturating_sub(6)..] {
                writeln!(told, "    {line}").unwrap();
            }
        }
    }
    told
}
