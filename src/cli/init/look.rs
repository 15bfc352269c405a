//! What a repository is made with, by the files at its root, and the commands that check it. Knows no pipeline.

use std::{fs, path::Path};

/// One kind of thing that a repository holds, and the nodes that check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its name for people.
    pub(super) title: &'static str,
    /// Name of its node.
    pub(super) name: &'static str,
    pub(super) image: &'static str,
    /// Whether its nodes use one working copy, one after another.
    pub(super) in_turn: bool,
    /// Whether it needs the machine's own Docker.
    pub(super) needs_docker: bool,
    /// Names and commands of its leaves.
    pub(super) leaves: Vec<(String, String)>,
}

/// Recognises what lies at the root of a repository.
pub(super) fn look(root: &Path) -> Vec<Part> {
    [cargo, npm, python, go, docker].iter().filter_map(|recognise| recognise(root)).collect()
}

fn has(root: &Path, name: &str) -> bool {
    root.join(name).exists()
}

fn read(root: &Path, name: &str) -> String {
    fs::read_to_string(root.join(name)).unwrap_or_default()
}

fn leaf(name: &str, command: impl Into<String>) -> (String, String) {
    (name.to_owned(), command.into())
}

fn cargo(root: &Path) -> Option<Part> {
    if !has(root, "Cargo.toml") {
        return None;
    }
    let locked = if has(root, "Cargo.lock") { " --locked" } else { "" };
    // Nothing built is kept for the next pipeline: Cargo goes by the times of files, and those of a commit may be older than what
    // was built of another.
    let test = format!("cargo test{locked}");
    Some(Part {
        title: "Cargo",
        name: "rust",
        image: "rust:1-slim",
        in_turn: false,
        needs_docker: false,
        leaves: vec![leaf("test", test)],
    })
}

fn npm(root: &Path) -> Option<Part> {
    if !has(root, "package.json") {
        return None;
    }
    let package: serde_json::Value = serde_json::from_str(&read(root, "package.json")).unwrap_or_default();
    let mut leaves = Vec::new();
    if has(root, "package-lock.json") {
        leaves.push(leaf("install", "npm ci"));
    } else if ["dependencies", "devDependencies"].iter().any(|key| package.get(key).is_some()) {
        leaves.push(leaf("install", "npm install"));
    }
    for script in ["lint", "build", "test"] {
        let text = package.pointer(&format!("/scripts/{script}")).and_then(|text| text.as_str());
        // What `npm init` writes where nobody has a test always fails.
        if text.is_some_and(|text| !text.contains("no test specified")) {
            leaves.push(leaf(script, format!("npm run {script}")));
        }
    }
    if leaves.is_empty() {
        leaves.push(leaf("check", "node --version && npm pkg get name"));
    }
    Some(Part { title: "npm", name: "npm", image: "node:22-slim", in_turn: true, needs_docker: false, leaves })
}

fn python(root: &Path) -> Option<Part> {
    let files = ["pyproject.toml", "setup.py", "requirements.txt"];
    if !files.iter().any(|name| has(root, name)) {
        return None;
    }
    let said: String = ["pyproject.toml", "setup.cfg", "tox.ini", "requirements.txt", "requirements-dev.txt"]
        .iter()
        .map(|name| read(root, name))
        .collect();
    let mut steps: Vec<&str> = Vec::new();
    if has(root, "requirements.txt") {
        steps.push("pip install -q -r requirements.txt");
    }
    if read(root, "pyproject.toml").contains("[build-system]") || has(root, "setup.py") {
        steps.push("pip install -q .");
    }
    let has_pytest = said.contains("pytest");
    if has_pytest {
        steps.push("pip install -q pytest");
    }
    let test = match (has_pytest, has_tests(root)) {
        (true, _) => "python3 -m pytest",
        (false, Some("")) => "python3 -m unittest discover",
        (false, Some(_)) => "python3 -m unittest discover -s tests -t .",
        (false, None) => "python3 -m compileall -q .",
    };
    let mut command = String::new();
    if !steps.is_empty() {
        command.push_str("python3 -m venv \"$TMPDIR/venv\"\n. \"$TMPDIR/venv/bin/activate\"\n");
        command.extend(steps.iter().map(|step| format!("{step}\n")));
    }
    command.push_str(test);
    let (title, name, image) = ("Python", "python", "python:3.12-slim");
    Some(Part { title, name, image, in_turn: false, needs_docker: false, leaves: vec![leaf("test", command)] })
}

/// Finds the folder with tests as `unittest` looks for them: the root, `tests`, or none.
fn has_tests(root: &Path) -> Option<&'static str> {
    let is_test = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("test") && name.ends_with(".py")
    };
    ["", "tests"].into_iter().find(|folder| {
        // Python finds modules only in folders that it can import.
        let can_import = folder.is_empty() || has(root, "tests/__init__.py");
        can_import && fs::read_dir(root.join(folder)).into_iter().flatten().flatten().any(is_test)
    })
}

fn go(root: &Path) -> Option<Part> {
    if !has(root, "go.mod") {
        return None;
    }
    let cached = |command: &str| {
        format!(
            "export GOCACHE=\"$CONDUCTO_DATA_USER/cache/go-build\" GOMODCACHE=\"$CONDUCTO_DATA_USER/cache/go-mod\"\n{command}"
        )
    };
    let leaves = vec![leaf("vet", cached("go vet ./...")), leaf("test", cached("go test ./..."))];
    Some(Part { title: "Go", name: "go", image: "golang:1", in_turn: false, needs_docker: false, leaves })
}

fn docker(root: &Path) -> Option<Part> {
    if !has(root, "Dockerfile") {
        return None;
    }
    let leaves = vec![leaf("build", "docker build .")];
    Some(Part { title: "Docker", name: "docker", image: "docker:cli", in_turn: false, needs_docker: true, leaves })
}
