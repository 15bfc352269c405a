//! `conducto demo` as people run it: the real binary, with plain processes and with a true Docker engine.

use std::{
    path::Path,
    process::{Command, Output},
};

fn demo(arguments: &[&str], temporary: &Path) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_conducto"))
        .arg("demo")
        .args(arguments)
        .env("TMPDIR", temporary)
        .env("NO_COLOR", "1")
        .output()
        .expect("the binary starts");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    output
}

fn assert_all_is_told(output: &Output) {
    let text = String::from_utf8(output.stdout.clone()).expect("output is text");
    for words in [
        "202 in",
        "▶ running  /checks/unit",
        "✓ done     /launch/count-down",
        "done: 7 of 7 nodes",
        "◷ pending",
        "✓ success",
        "edited in place",
        "✅ Passed",
        "nothing is left behind",
    ] {
        assert!(text.contains(words), "`{words}` is missing in:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "a pipe gets no escape sequences:\n{text}");
    let longest = text.lines().map(|line| line.chars().count()).max();
    assert!(longest.is_some_and(|longest| longest <= 80), "a line is too long:\n{text}");
}

fn assert_empty(directory: &Path) {
    let left: Vec<_> = std::fs::read_dir(directory).expect("the folder can be read").flatten().collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn the_demo_ends_green_with_plain_processes_and_leaves_nothing() {
    let temporary = tempfile::tempdir().expect("a folder can be made");
    let output = demo(&["--executor", "process"], temporary.path());
    assert_all_is_told(&output);
    assert!(String::from_utf8_lossy(&output.stdout).contains("no isolation"));
    assert_empty(temporary.path());
}

#[test]
fn the_demo_ends_green_in_containers_and_leaves_nothing() {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images/busybox.sh");
    assert!(Command::new(images).status().expect("the script starts").success(), "this test needs a Docker engine");
    let temporary = tempfile::tempdir().expect("a folder can be made");
    let output = demo(&["--executor", "docker", "--image", "conducto-test/busybox:2"], temporary.path());
    assert_all_is_told(&output);
    assert_empty(temporary.path());

    let text = String::from_utf8_lossy(&output.stdout);
    let id = text.lines().find_map(|line| Some(line.split_once("/app/p/")?.1.to_owned())).expect("the page is named");
    for what in [&["ps", "--all"][..], &["network", "ls"]] {
        let label = format!("label=com.conducto.pipeline={id}");
        let found = Command::new("docker").args(what).args(["--quiet", "--filter", &label]).output();
        assert_eq!(found.expect("docker answers").stdout, b"", "left behind: {what:?}");
    }
}
