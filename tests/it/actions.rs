//! Everything people do to a run, from the command line, while it goes on and after.

use std::{path::PathBuf, process::Output};

use conducto::{
    dispatch::view::{NodeView, PipelineView},
    model::{Ending, State},
};
use serde_json::Value;

use crate::house::{House, Plan};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";

/// A run on a house, with a folder that its nodes and the test share.
struct Run {
    house: House,
    sha: String,
    id: String,
    flags: PathBuf,
}

impl Run {
    /// Starts a pipeline. `FLAGS` in it stands for the shared folder.
    async fn start(plan: Plan, definition: &str) -> Self {
        let house = House::build(plan).await;
        let flags = house.root().join("flags");
        std::fs::create_dir(&flags).unwrap();
        let text = definition.replace("FLAGS", &flags.display().to_string());
        let (sha, ids) = house.push("main", &[("conducto.cfg", CFG), ("ci.toml", &text)]).await;
        let id = ids.into_iter().next().unwrap();
        Self { house, sha, id, flags }
    }

    fn type_in(&self, verb: &str, rest: &[&str]) -> Output {
        self.house.command().args([verb, &self.id]).args(rest).output().unwrap()
    }

    /// Types a verb that is carried out; returns the line it prints.
    fn does(&self, verb: &str, rest: &[&str]) -> String {
        let output = self.type_in(verb, rest);
        assert!(output.status.success(), "{verb} {rest:?}: {output:?}\n{}", self.house.server_log());
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Types a verb that is refused; returns the reason.
    fn refuses(&self, verb: &str, rest: &[&str], code: i32) -> String {
        let output = self.type_in(verb, rest);
        assert_eq!(output.status.code(), Some(code), "{verb} {rest:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    async fn reaches(&self, path: &str, state: &str) -> PipelineView {
        self.house.reaches(&self.id, path, state).await
    }

    async fn ended(&self) -> PipelineView {
        self.house.ended(&self.id).await
    }

    /// Waits until something holds of the run.
    async fn until(&self, what: &str, holds: impl Fn(&PipelineView) -> bool) -> PipelineView {
        self.house
            .until(what, async || {
                let view = self.house.pipeline(&self.id).await;
                holds(&view).then_some(view)
            })
            .await
    }

    /// Lets nodes go on that wait for this flag.
    fn raise(&self, flag: &str) {
        std::fs::write(self.flags.join(flag), "").unwrap();
    }
}

fn node<'a>(view: &'a PipelineView, path: &str) -> &'a NodeView {
    view.nodes.iter().find(|node| node.path == path).unwrap_or_else(|| panic!("no {path} in {view:?}"))
}

fn states<'a>(view: &'a PipelineView, paths: &[&str]) -> Vec<&'a str> {
    paths.iter().map(|path| node(view, path).state.word()).collect()
}

/// `/checks/unit` fails until a flag is up; `/checks/slow` waits for one; `/deploy` comes after both.
const CHECKS: &str = "
[\"/\"]
type = \"serial\"
[\"/checks\"]
type = \"parallel\"
[\"/checks/unit\"]
exec = \"test -e FLAGS/fixed\"
[\"/checks/slow\"]
exec = \"echo slow; until test -e FLAGS/go; do sleep 0.05; done\"
[\"/deploy\"]
exec = \"echo deployed\"
";

#[tokio::test]
async fn a_failed_leaf_is_reset_while_its_siblings_run() {
    let run = Run::start(Plan::default(), CHECKS).await;
    run.reaches("/checks/slow", "running").await;
    run.reaches("/checks/unit", "error").await;
    run.raise("fixed");
    let said = run.does("reset", &["/checks/unit"]);
    assert_eq!(said, format!("/checks/unit of {} is reset: 1 node runs again; earlier attempts are kept", run.id));
    let view = run.reaches("/checks/unit", "done").await;
    assert_eq!(states(&view, &["/", "/checks", "/checks/slow"]), ["running"; 3]);
    let unit = node(&view, "/checks/unit");
    assert_eq!(unit.attempts.len(), 2);
    assert_eq!((unit.attempts[0].state, unit.attempts[1].asked_by.as_str()), (State::Error, "token `admin`"));
    run.raise("go");
    let view = run.ended().await;
    assert_eq!(view.summary.ending, Some(Ending::Done));
    assert_eq!(node(&view, "/checks/slow").attempts.len(), 1, "siblings are left alone");
    let status = run.house.statuses(&run.sha, "conducto/push").await.pop().unwrap();
    assert_eq!(status.state, "success");
}

#[tokio::test]
async fn skipping_a_failed_node_lets_the_serial_go_on_and_unskipping_takes_that_back() {
    let run = Run::start(Plan::default(), CHECKS).await;
    run.raise("go");
    let view = run.ended().await;
    assert_eq!(view.summary.ending, Some(Ending::Failed));
    assert_eq!(states(&view, &["/", "/checks/unit", "/deploy"]), ["error", "error", "pending"]);
    assert!(node(&view, "/deploy").waits_for.as_ref().unwrap().contains("/checks"), "{view:?}");
    run.house.statuses(&run.sha, "conducto/push").await;

    assert_eq!(run.does("skip", &["/checks/unit"]), format!("/checks/unit of {} is skipped", run.id));
    let view = run.until("the pipeline is done", |view| view.summary.ending == Some(Ending::Done)).await;
    assert_eq!(states(&view, &["/", "/checks", "/checks/unit", "/deploy"]), ["done", "done", "error", "done"]);
    assert_eq!(node(&view, "/checks/unit").skipped_by.as_deref(), Some("/checks/unit"));
    run.house
        .until("the commit is green", async || {
            let last = run.house.github.statuses(&run.sha, "conducto/push").pop()?;
            (last.state == "success").then_some(())
        })
        .await;
    assert!(run.does("show", &[]).contains("skipped"));
    let listed: Value = run.house.get("/pipelines").await.unwrap();
    assert_eq!((&listed[0]["state"], &listed[0]["ending"]), (&"done".into(), &"done".into()));

    assert!(run.refuses("skip", &["/checks/unit"], 1).contains("the node is skipped already"));
    run.does("unskip", &["/checks/unit"]);
    let view = run.until("it has failed again", |view| view.summary.ending == Some(Ending::Failed)).await;
    assert_eq!((node(&view, "/checks/unit").skipped_by.as_ref(), view.summary.state), (None, State::Error));
    assert!(run.refuses("unskip", &["/checks/unit"], 1).contains("the node is not skipped"));
}

#[tokio::test]
async fn what_is_skipped_before_its_turn_runs_once_that_is_taken_back() {
    let run = Run::start(Plan::default(), CHECKS).await;
    run.raise("fixed");
    run.reaches("/checks/slow", "running").await;
    run.does("skip", &["/deploy"]);
    let said = run.does("skip", &["/checks/slow"]);
    assert_eq!(said, format!("/checks/slow of {} is skipped, 1 running node is being ended", run.id));
    let view = run.ended().await;
    assert_eq!((view.summary.ending, node(&view, "/deploy").state), (Some(Ending::Done), State::Pending));
    assert!(node(&view, "/deploy").attempts.is_empty());

    run.does("unskip", &["/checks/slow"]);
    run.reaches("/checks/slow", "running").await;
    let listed = run.house.pipelines().await;
    assert_eq!((listed[0].finished_at, listed[0].ending), (None, None), "the list knows that it runs again");
    run.does("unskip", &["/deploy"]);
    run.raise("go");
    let view = run.ended().await;
    assert_eq!(states(&view, &["/", "/checks/slow", "/deploy"]), ["done"; 3]);
    assert_eq!(node(&view, "/checks/slow").attempts.len(), 2);
    assert_eq!(run.house.pipelines().await[0].ending, Some(Ending::Done));
}

#[tokio::test]
async fn a_group_is_killed_and_what_failed_there_is_run_again() {
    let run = Run::start(Plan::default(), CHECKS).await;
    run.reaches("/checks/unit", "error").await;
    run.reaches("/checks/slow", "running").await;
    let said = run.does("kill", &["/checks"]);
    assert_eq!(said, format!("/checks of {} is killed, 1 running node is being ended", run.id));
    let view = run.ended().await;
    assert_eq!(states(&view, &["/checks/unit", "/checks/slow", "/deploy"]), ["error", "killed", "pending"]);
    assert_eq!(node(&view, "/checks/slow").cause.as_deref(), Some("stopped on request"));
    let why = run.refuses("kill", &["/checks"], 1);
    assert!(why.contains("nothing to kill") && why.contains("help: "), "{why}");

    run.raise("fixed");
    run.raise("go");
    let said = run.does("rerun", &["--failed"]);
    assert_eq!(said, format!("/ of {}: 2 nodes run again; earlier attempts are kept", run.id));
    let view = run.until("it is done", |view| view.summary.ending == Some(Ending::Done)).await;
    assert_eq!(states(&view, &["/", "/checks/unit", "/checks/slow", "/deploy"]), ["done"; 4]);
    assert_eq!(node(&view, "/deploy").attempts.len(), 1);
    assert!(run.refuses("rerun", &["/checks", "--failed"], 1).contains("nothing below has failed"));
}

#[tokio::test]
async fn a_node_is_edited_and_run_again() {
    let definition = "[\"/\"]\ntype = \"serial\"\nenv = { COLOUR = \"red\" }\n\
                      [\"/paint\"]\nexec = \"echo $COLOUR; exit 3\"\n[\"/dry\"]\nexec = \"true\"\n";
    let run = Run::start(Plan::default(), definition).await;
    run.ended().await;
    let script = run.house.root().join("script.sh");
    std::fs::write(&script, "echo painted $COLOUR\necho \"it's dry\"\n").unwrap();
    let script = script.display().to_string();
    let said = run.does("edit", &["/paint", "--command-file", &script, "--env", "COLOUR=deep blue", "--rerun"]);
    assert_eq!(said, format!("/paint of {} is changed: 1 node runs again", run.id));
    let view = run.until("it is done", |view| view.summary.ending == Some(Ending::Done)).await;
    let paint = node(&view, "/paint");
    assert_eq!(
        (paint.attempts.len(), paint.command.as_deref()),
        (2, Some("echo painted $COLOUR\necho \"it's dry\"\n"))
    );
    assert_eq!(run.house.log(&run.id, "/paint", "stream=stdout").await, "painted deep blue\nit's dry\n");
    assert_eq!(run.house.log(&run.id, "/paint", "stream=stdout&attempt=1").await, "red\n", "the first is as it was");

    // Without --rerun nothing runs; the change waits for the next attempt.
    let said = run.does("edit", &["/paint", "--unset", "COLOUR", "--mem", "0.5"]);
    assert_eq!(said, format!("/paint of {} is changed; its next attempt sees it", run.id));
    assert_eq!(node(&run.ended().await, "/paint").attempts.len(), 2);
    run.does("reset", &["paint"]);
    let view = run.until("a third attempt has ended", |view| {
        node(view, "/paint").attempts.len() == 3 && view.summary.finished_at.is_some()
    });
    let view = view.await;
    assert_eq!(run.house.log(&run.id, "/paint", "stream=stdout").await, "painted red\nit's dry\n");
    let mems: Vec<f64> = node(&view, "/paint").attempts.iter().map(|attempt| attempt.mem).collect();
    assert_eq!(mems, [2.0, 2.0, 0.5]);

    assert!(run.refuses("edit", &["/", "--command", "true"], 2).contains("only an Exec node has a command"));
    assert!(run.refuses("edit", &["/paint", "--cpu", "0"], 2).contains("`cpu` must be above 0"));
    assert!(run.refuses("edit", &["/paint"], 2).contains("--command"));
    assert!(run.refuses("edit", &["/piant", "--cpu", "1"], 1).contains("did you mean `/paint`?"));
}

async fn sleeps_and_wakes(plan: Plan, definition: &str) {
    let is_docker = plan.executor == "docker";
    let run = Run::start(plan, definition).await;
    // Its sibling may still run, and would be counted.
    run.reaches("/checks/unit", "done").await;
    run.reaches("/checks/slow", "running").await;
    let said = run.does("sleep", &[]);
    assert_eq!(said, format!("{} sleeps, 1 running node is being ended", run.id));
    let view = run
        .until("nothing runs", |view| {
            view.asleep && view.summary.counts.running == 0 && view.summary.counts.queued == 0
        })
        .await;
    assert_eq!(view.summary.finished_at, None, "it is not over");
    assert!(run.refuses("sleep", &[], 1).contains("sleeps already"));
    assert!(run.does("show", &[]).contains("`conducto wake"), "the way on is shown");
    if is_docker {
        run.house.nothing_is_left().await;
    }
    assert_eq!(run.does("wake", &[]), format!("{} is awake and goes on", run.id));
    run.until("it runs again", |view| node(view, "/checks/slow").attempts.len() == 2).await;
    assert!(run.refuses("wake", &[], 1).contains("does not sleep"));
    run.reaches("/checks/slow", "running").await;
    if !is_docker {
        run.raise("go");
    }
    let view = run.ended().await;
    assert_eq!(view.summary.ending, Some(Ending::Done));
    assert_eq!(node(&view, "/deploy").state, State::Done);
}

#[tokio::test]
async fn a_pipeline_that_slept_goes_on_where_it_left_off() {
    sleeps_and_wakes(Plan::default(), &CHECKS.replace("test -e FLAGS/fixed", "true")).await;
}

#[tokio::test]
async fn a_pipeline_that_slept_goes_on_in_new_containers() {
    // The first attempt leaves a mark in the data of the pipeline and waits for ever; the second sees it and ends.
    let definition = "
[\"/\"]
type = \"serial\"
[\"/checks\"]
type = \"parallel\"
[\"/checks/unit\"]
exec = \"true\"
[\"/checks/slow\"]
exec = \"cd /conducto/data/pipeline; test -e mark && sleep 1 && exit 0; touch mark; sleep 600\"
[\"/deploy\"]
exec = \"true\"
";
    sleeps_and_wakes(Plan::docker(), definition).await;
}

#[tokio::test]
async fn a_key_that_is_repeated_gets_the_same_answer() {
    let run = Run::start(Plan::default(), CHECKS).await;
    run.raise("go");
    run.ended().await;
    let client = reqwest::Client::new();
    let reset = || {
        let url = format!("{}/api/v1/pipelines/{}/nodes/checks/unit/reset", run.house.url(), run.id);
        let request = client.post(url).bearer_auth(run.house.token()).header("idempotency-key", "once");
        async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let (first, second) = (reset().await, reset().await);
    assert_eq!((&first["seq"], &first["repeated"]), (&second["seq"], &false.into()));
    assert_eq!(second["repeated"], true);
    let view = run
        .until("the second attempt has ended", |view| {
            node(view, "/checks/unit").attempts.len() == 2 && view.summary.finished_at.is_some()
        })
        .await;
    assert_eq!(reset().await["seq"], first["seq"]);
    assert_eq!(node(&view, "/checks/unit").attempts.len(), 2, "it ran again once");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_the_reason() {
    let run = Run::start(Plan::default(), CHECKS).await;
    run.raise("go");
    run.raise("fixed");
    run.ended().await;
    assert!(run.refuses("start", &[], 1).contains("does not wait to be started"));
    assert!(run.refuses("cancel", &[], 1).contains("the pipeline has ended already"));
    assert!(run.refuses("sleep", &[], 1).contains("the pipeline has ended already"));
    assert!(run.refuses("reset", &["/checks/unti"], 1).contains("did you mean `/checks/unit`?"));
    assert!(run.refuses("skip", &["/unit"], 1).contains("did you mean `/checks/unit`?"));
    let run_of_nobody = run.house.command().args(["reset", "zzz-zzz", "/"]).output().unwrap();
    assert_eq!(run_of_nobody.status.code(), Some(1));
    run.does("skip", &["/checks"]);
    let why = run.refuses("unskip", &["/checks/unit"], 1);
    assert!(why.contains("`/checks` is skipped as a whole; unskip that"), "{why}");
}

#[tokio::test]
async fn one_failed_leaf_among_ten_thousand_runs_again_alone() {
    let mut definition = "[\"/\"]\ntype = \"parallel\"\n[\"/broken\"]\nexec = \"test -e FLAGS/fixed\"\n".to_owned();
    definition.extend((0..10_000).map(|number| format!("[\"/n{number}\"]\nexec = \"true\"\n")));
    let run = Run::start(Plan::default(), &definition).await;
    run.reaches("/broken", "error").await;
    run.raise("fixed");
    let said = run.does("reset", &["/broken"]);
    assert_eq!(said, format!("/broken of {} is reset: 1 node runs again; earlier attempts are kept", run.id));
    // So many leaves take their time on a busy machine: patience begins anew whenever one is done. The list costs the
    // server less than the whole tree, again and again.
    let mut done = 0;
    loop {
        let more = async || {
            let summary = run.house.pipelines().await.remove(0);
            (summary.finished_at.is_some() || summary.counts.done > done).then_some(summary)
        };
        let summary = run.house.until("the run goes on", more).await;
        if summary.finished_at.is_some() {
            break;
        }
        done = summary.counts.done;
    }
    let view = run.house.pipeline(&run.id).await;
    assert_eq!((view.summary.ending, view.summary.counts.done), (Some(Ending::Done), 10_001));
    let attempts = |node: &NodeView| node.attempts.len();
    assert_eq!(attempts(node(&view, "/broken")), 2);
    let others: Vec<&NodeView> =
        view.nodes.iter().filter(|node| node.kind == "exec" && node.path != "/broken").collect();
    assert!(others.len() == 10_000 && others.iter().all(|node| attempts(node) == 1), "the others ran once");
}
