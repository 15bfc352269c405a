//! What `conducto init` writes runs.

use std::process::Command;

use crate::place::Place;

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
        || Command::new(program).arg("version").output().is_ok_and(|output| output.status.success())
}

fn begins(files: &[(&str, &str)]) {
    let place = Place::with(files);
    let ran = place.run(&["init"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let checked = place.run(&["check"]);
    assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);
    let ran = place.run(&["run", "--process"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn a_repository_of_no_kind_runs() {
    begins(&[("README", "hello\n")]);
}

#[test]
fn a_repository_with_python_runs() {
    if has("python3") {
        let test =
            "import unittest\nclass T(unittest.TestCase):\n    def test_one(self):\n        self.assertEqual(1, 1)\n";
        begins(&[("requirements.txt", ""), ("tests/__init__.py", ""), ("tests/test_one.py", test)]);
    }
}

#[test]
fn a_repository_with_cargo_runs() {
    let manifest = "[package]\nname = \"sample\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n";
    begins(&[("Cargo.toml", manifest), ("lib.rs", "#[test]\nfn one() {}\n"), (".gitignore", "target\n")]);
}

#[test]
fn a_repository_with_npm_or_go_runs() {
    if has("npm") {
        begins(&[("package.json", r#"{"name": "sample", "scripts": {"test": "node -e 0", "build": "node -e 1"}}"#)]);
    }
    if has("go") {
        begins(&[
            ("go.mod", "module sample\n\ngo 1.20\n"),
            ("a.go", "package sample\n"),
            ("a_test.go", "package sample\n"),
        ]);
    }
}

#[test]
fn nothing_is_written_over_without_a_word() {
    let place = Place::with(&[("conducto.cfg", "# mine\n")]);
    let ran = place.run(&["init"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("conducto.cfg is there already"), "{}", ran.stderr);
    assert_eq!(place.read("work/conducto.cfg"), "# mine\n");
    assert!(!place.path("work/ci").exists());
    assert_eq!(place.run(&["init", "--force"]).code, Some(0));
    assert!(place.read("work/conducto.cfg").contains("[push]"));
}

#[test]
fn without_a_conducto_cfg_a_run_does_what_init_would_write() {
    let place = Place::with(&[("README", "hello\n")]);
    let ran = place.run(&["run", "--process"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("there is no conducto.cfg here; this is what `conducto init` would write"),
        "{}",
        ran.stderr
    );
    assert!(!place.path("work/conducto.cfg").exists() && !place.path("work/ci").exists());
}
