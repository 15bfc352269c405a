//! A run without a server and without a terminal.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::place::{Place, ended, is_alive, send, settled};

const CFG: &str = "[push]\npipeline = \"ci/pipeline.toml\"\n[manual.greet]\npipeline = \"ci/greet.toml\"\n\
    [manual.greet.params]\nname = { type = \"text\" }\n[pr]\nfilter = \"{base} == main\"\npipeline = \"ci/greet.toml\"\n";
const TREE: &str = "[\"/list\"]\nexec = \"ls; cat dirty\"\n[\"/checks\"]\ntype = \"serial\"\nstop_on_error = false\n\
    [\"/checks/good\"]\nexec = \"true\"\n[\"/checks/bad\"]\nexec = \"seq 30; test -f mended\"\n";
const GREET: &str =
    "[\"/greet\"]\nexec = \"echo $CONDUCTO_PARAM_NAME on $CONDUCTO_GIT_BRANCH > $CONDUCTO_DATA_USER/greeting\"\n";

fn place() -> Place {
    let place = Place::with(&[
        ("conducto.cfg", CFG),
        ("ci/pipeline.toml", TREE),
        ("ci/greet.toml", GREET),
        (".gitignore", "target\n"),
        ("dirty", "clean\n"),
    ]);
    place.write("work/dirty", "changed and not committed\n");
    place.write("work/target/big", "ignored\n");
    place
}

/// The profile's folder, and everything of pipelines in it.
fn profile(place: &Place) -> std::path::PathBuf {
    let id = place.read(".conducto/config").trim().rsplit(' ').next().unwrap().to_owned();
    place.path(".conducto").join(id)
}

#[test]
fn an_empty_home_is_enough_and_changed_files_are_seen() {
    let place = place();
    let ran = place.run(&["run", "--process"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    // Whether somebody looks while such short nodes run is luck.
    let told: Vec<&str> = ran.stderr.lines().filter(|line| !line.ends_with(" started")).collect();
    insta::assert_snapshot!("a_run_without_a_terminal", settled(&told.join("\n")));
    assert!(profile(&place).join("data").is_dir());
    let pipelines: Vec<_> = fs::read_dir(profile(&place).join("pipelines")).unwrap().flatten().collect();
    assert_eq!(pipelines.len(), 1);
    assert!(pipelines[0].path().join("data").is_dir());
    assert!(!place.path(".conducto/server.json").exists(), "nobody serves any more");

    // What was done is passed over, and the new file is seen without a commit.
    place.write("work/mended", "");
    let ran = place.run(&["run", "--process", "--rerun-failed"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("/checks/bad #1 done") && !ran.stderr.contains("/list #1"), "{}", ran.stderr);
    let ran = place.run(&["run", "--process", "--rerun-failed"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("nothing failed in "), "{}", ran.stderr);
    let git =
        std::process::Command::new("git").args(["status", "--porcelain"]).current_dir(place.path("work")).output();
    assert_eq!(String::from_utf8(git.unwrap().stdout).unwrap(), " M dirty\n?? mended\n");
}

#[test]
fn logs_can_be_read_when_nobody_serves() {
    let place = place();
    assert_eq!(place.run(&["run", "--process", "--only", "/list", "--ui", "quiet"]).code, Some(0));
    let list = place.run(&["list", "--json"]);
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    let id = list[0]["id"].as_str().unwrap();
    let log = place.run(&["logs", id, "/list", "--stream", "stdout"]);
    assert_eq!((log.code, log.stdout.as_str()), (Some(0), "ci\nconducto.cfg\ndirty\nchanged and not committed\n"));
    assert_eq!(place.run(&["show", id]).code, Some(0));
}

#[test]
fn requests_get_their_parameters_and_other_events_their_branches() {
    let place = place();
    let ran = place.run(&["run", "--process", "manual.greet", "-p", "name=ada", "--branch", "topic"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(profile(&place).join("data/greeting")).unwrap(), "ada on topic\n");
    assert_eq!(place.run(&["run", "--process", "pr", "--base", "main"]).code, Some(0));
    let wrong = [
        (vec!["run", "--process", "pr", "--base", "other"], "filter `{base} == main` is false"),
        (vec!["run", "--process", "pr"], "a pull request needs --base"),
        (vec!["run", "--process", "manual.greet"], "`name` is missing"),
        (
            vec!["run", "--process", "manual.great"],
            "has no section `manual.great`; it has `push`, `manual.greet`, `pr`",
        ),
        (vec!["run", "--process", "psh"], "`psh` is no event"),
        (vec!["run", "--process", "--only", "/lst"], "did you mean `/list`?"),
        (vec!["run", "ci/gone.toml"], "cannot read ci/gone.toml"),
        (vec!["run", "push", "argument"], "`push` takes no arguments"),
    ];
    for (arguments, words) in wrong {
        let ran = place.run(&arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn a_definition_file_runs_by_itself_and_says_everything_as_json() {
    let place = place();
    let ran = place.run(&["run", "--process", "--json", "ci/pipeline.toml", "--from", "/checks"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""));
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"run.start"), Some(&"run.end")));
    assert!(lines.iter().enumerate().all(|(at, line)| line["v"] == 1 && line["seq"] == at + 1), "{}", ran.stdout);
    let last = lines.last().unwrap();
    assert_eq!((&last["exit_code"], &last["counts"]["error"]), (&1.into(), &1.into()));
    assert!(!ran.stdout.contains("\"/list\""), "what goes before is passed over: {}", ran.stdout);
    let failed = lines.iter().find(|line| line["state"] == "error" && line["type"] == "node.state").unwrap();
    assert_eq!((&failed["node"], &failed["exit_code"]), (&"/checks/bad".into(), &1.into()));
}

#[test]
fn mistakes_are_shown_with_their_lines_and_nothing_runs() {
    let place = place();
    place.write("work/ci/pipeline.toml", "[\"/a\"]\nexce = \"true\"\n");
    let ran = place.run(&["run", "--process"]);
    assert_eq!(ran.code, Some(2));
    insta::assert_snapshot!("a_run_of_files_with_a_mistake", ran.stderr);
}

#[test]
fn ctrl_c_cancels_and_leaves_no_process_behind() {
    let place = place();
    place
        .write("work/ci/pipeline.toml", "[\"/long\"]\nexec = \"echo $$ > $CONDUCTO_DATA_USER/pid; exec sleep 1000\"\n");
    let mut child = place.conducto("work", &["run", "--process"]).spawn().unwrap();
    let pid = crate::place::until("the node runs", || {
        let config = place.read(".conducto/config");
        let id = config.trim().rsplit(' ').next()?.to_owned();
        Some(place.read(&format!(".conducto/{id}/data/pid"))).filter(|pid| pid.ends_with('\n'))
    });
    assert!(is_alive(&pid));
    send(&child, Signal::SIGINT);
    assert_eq!(ended(&mut child).code(), Some(130));
    assert!(!is_alive(&pid), "the node goes with the run");
}

#[test]
fn outside_of_a_repository_the_way_in_is_said() {
    let place = place();
    fs::create_dir(place.path("empty")).unwrap();
    let output = place.conducto("empty", &["run"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("`git init` makes one"));
}

#[test]
fn every_change_of_a_file_begins_again() {
    let place = place();
    let copy = place.path("copy");
    let tree = format!("[\"/copy\"]\nexec = \"cp dirty {}\"\n", copy.display());
    place.write("work/ci/pipeline.toml", &tree);
    let mut child = place.conducto("work", &["run", "--process", "--watch"]).spawn().unwrap();
    assert_eq!(place.wait_for("copy"), "changed and not committed\n");
    place.write("work/dirty", "changed again\n");
    crate::place::until("the change has been run", || (place.read("copy") == "changed again\n").then_some(()));
    send(&child, Signal::SIGINT);
    assert_eq!(ended(&mut child).code(), Some(130));
}
