//! What is made for repositories of all kinds.

use std::{fs, path::Path};

use rstest::rstest;

use super::Starter;
use crate::definition;

fn sample(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn checked(root: &Path) -> String {
    let starter = Starter::of(root);
    let files: Vec<(&str, &str)> = starter.files().collect();
    let named = |path: &str| {
        let (name, text) = files.iter().find(|(name, _)| *name == path)?;
        Some(((*name).to_owned(), text.as_bytes().to_vec()))
    };
    let found = definition::check("conducto.cfg", starter.cfg.as_bytes(), named).diagnostics;
    assert!(found.is_empty(), "{}", definition::text(&found, false));
    files.iter().find(|(name, _)| *name == "ci/pipeline.toml").unwrap().1.to_owned()
}

const PACKAGE: &str = r#"{"scripts": {"test": "node test.js", "build": "node build.js"}, "dependencies": {"a": "1"}}"#;

#[rstest]
#[case::cargo(&[("Cargo.toml", "[package]"), ("Cargo.lock", "")])]
#[case::npm(&[("package.json", PACKAGE)])]
#[case::python(&[("pyproject.toml", "[tool.pytest]"), ("requirements.txt", "six")])]
#[case::python_plain(&[("requirements.txt", ""), ("tests/__init__.py", ""), ("tests/test_a.py", "")])]
#[case::go(&[("go.mod", "module a")])]
#[case::docker(&[("Dockerfile", "FROM scratch")])]
#[case::several(&[("Cargo.toml", "[package]"), ("package.json", "{"), ("Dockerfile", "")])]
#[case::nothing(&[])]
fn the_files_hold_no_mistake(#[case] files: &[(&str, &str)]) {
    let root = sample(files);
    let name: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let name = if name.is_empty() { "nothing".to_owned() } else { name.join("_").replace(['/', '.'], "_") };
    insta::assert_snapshot!(format!("starter_{name}"), checked(root.path()));
}

#[test]
fn what_was_recognised_is_said() {
    let root = sample(&[("Cargo.toml", ""), ("package.json", "{}"), ("go.mod", "")]);
    assert_eq!(Starter::of(root.path()).found(), "Cargo, npm and Go");
    assert_eq!(Starter::of(sample(&[]).path()).found(), "a repository of no kind it knows");
}
