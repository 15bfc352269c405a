//! The command line as people meet it: help, errors, exit codes, each with standard output and standard error.

#[path = "support/json_schema.rs"]
mod json_schema;

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use rstest::rstest;

struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn conducto(home: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_conducto"))
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("USER", "ada")
        .envs(environment.iter().copied())
        .current_dir(home)
        .output()
        .expect("the binary starts");
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("output is text"),
        stderr: String::from_utf8(output.stderr).expect("output is text"),
    }
}

impl Run {
    fn shown(&self) -> String {
        let Self { code, stdout, stderr } = self;
        format!("exit code: {}\n--- stdout\n{stdout}--- stderr\n{stderr}", code.unwrap_or(-1))
    }
}

#[rstest]
#[case::conducto(&[])]
#[case::run(&["run"])]
#[case::init(&["init"])]
#[case::serve(&["serve"])]
#[case::demo(&["demo"])]
#[case::check(&["check"])]
#[case::launch(&["launch"])]
#[case::list(&["list"])]
#[case::show(&["show"])]
#[case::logs(&["logs"])]
#[case::data(&["data"])]
#[case::debug(&["debug"])]
#[case::livedebug(&["livedebug"])]
#[case::cancel(&["cancel"])]
#[case::start(&["start"])]
#[case::reset(&["reset"])]
#[case::rerun(&["rerun"])]
#[case::skip(&["skip"])]
#[case::unskip(&["unskip"])]
#[case::kill(&["kill"])]
#[case::edit(&["edit"])]
#[case::sleep(&["sleep"])]
#[case::wake(&["wake"])]
#[case::deliveries(&["deliveries"])]
#[case::health(&["health"])]
#[case::profile(&["profile"])]
#[case::completions(&["completions"])]
#[case::man(&["man"])]
#[case::prune(&["prune"])]
#[case::backup(&["backup"])]
#[case::restore(&["restore"])]
fn help_fits_a_screen(#[case] verb: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let run = conducto(home.path(), &[verb, &["--help"]].concat(), &[]);
    assert_eq!(run.code, Some(0));
    assert!(run.stdout.lines().count() <= 40, "{}", run.stdout);
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 100), "{}", run.stdout);
    insta::assert_snapshot!(format!("help_{}", verb.first().unwrap_or(&"conducto")), run.stdout);
}

#[test]
fn profiles_are_listed_as_the_old_product_did() {
    let home = tempfile::tempdir().unwrap();
    let run = conducto(home.path(), &["profile", "list"], &[]);
    let id = conducto_id("local|conducto|ada");
    let local =
        |default: &str| format!("Profile {id}{default}\n\tURL:  local\n\tOrganization:  conducto\n\te-mail:  ada\n\n");
    assert_eq!((run.code, run.stdout), (Some(0), local(" default")));
    let add = ["profile", "add", "https://ci.example.org/", "--token", "secret", "--email", "a@b.c", "--default"];
    let run = conducto(home.path(), &add, &[]);
    let other = conducto_id("https://ci.example.org|conducto|a@b.c");
    let shown = format!(
        "Profile {other} default\n\tURL:  https://ci.example.org\n\tOrganization:  conducto\n\te-mail:  a@b.c\n\n"
    );
    assert_eq!(run.stdout, shown);
    let run = conducto(home.path(), &["profile", "list"], &[]);
    assert!(run.stdout.contains(&local("")) && run.stdout.contains(&shown), "{}", run.stdout);
    let cases: [(&[&str], i32, &str); 7] = [
        (&["profile", "set-default", "zzz"], 1, "The profile zzz was not found."),
        (&["profile", "add", "http://ci.example.org"], 2, "must begin with https://"),
        (&["profile", "delete", "--url", "https://gone"], 1, "No profile matches the criteria."),
        (&["profile", "delete"], 2, "say which profile"),
        (&["profile", "set-default", &id], 0, ""),
        (&["profile", "delete", "--id", &id], 2, "keep their data"),
        (&["profile", "delete", "--email", "a@b.c"], 0, ""),
    ];
    for (arguments, code, words) in cases {
        let run = conducto(home.path(), arguments, &[]);
        assert!(run.code == Some(code) && run.stderr.contains(words), "{arguments:?}: {}", run.shown());
    }
    assert_eq!(conducto(home.path(), &["profile", "list"], &[]).stdout, local(" default"));
}

/// The first eight digits of the MD5, by a program that is not ours.
fn conducto_id(text: &str) -> String {
    let mut child = Command::new("md5sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("md5sum starts");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8(output.stdout).expect("digits")[..8].to_owned()
}

#[test]
fn completions_and_manual_pages_know_every_verb() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let run = conducto(home.path(), &["completions", shell], &[]);
        assert!(run.code == Some(0) && run.stdout.contains("livedebug"), "{}", run.stderr);
        assert!(run.stdout.contains("rerun-failed"));
    }
    let run = conducto(home.path(), &["man", "pages"], &[]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let page = std::fs::read_to_string(home.path().join("pages/conducto-run.1")).expect("a page for the verb");
    assert!(page.contains("rerun\\-failed"), "{page}");
}

#[test]
fn an_unknown_verb_is_wrong_usage() {
    let home = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(conducto(home.path(), &["lits"], &[]).shown());
}

#[test]
fn wrong_settings_are_all_reported_with_their_places() {
    let home = tempfile::tempdir().unwrap();
    let text = "listen = 8080\nexecuter = \"docker\"\n\n[github]\ntokn = \"x\"\n";
    std::fs::write(home.path().join("conducto.toml"), text).unwrap();
    let run = conducto(home.path(), &["serve", "--config", "conducto.toml"], &[("CONDUCTO_LOG_FORMAT", "xml")]);
    insta::assert_snapshot!(run.shown());
}

#[test]
fn a_conducto_cfg_is_checked_with_the_files_it_names() {
    let home = tempfile::tempdir().unwrap();
    let repository = home.path().join("repository");
    std::fs::create_dir_all(repository.join("ci")).unwrap();
    std::fs::write(repository.join("conducto.cfg"), "[push]\npipeline = \"ci/main.toml\"\nfiltre = 1\n").unwrap();
    std::fs::write(repository.join("ci/main.toml"), "[\"/\"]\nexec = 1\n").unwrap();
    insta::assert_snapshot!(conducto(home.path(), &["check", "repository/conducto.cfg"], &[]).shown());
    std::fs::write(repository.join("ci/main.toml"), "[\"/\"]\nexec = \"true\"\n").unwrap();
    std::fs::write(repository.join("conducto.cfg"), "[push]\npipeline = \"ci/main.toml\"\n").unwrap();
    insta::assert_snapshot!(conducto(home.path(), &["check", "repository/conducto.cfg"], &[]).shown());
}

const EVENTS: &str = r#"
[push]
filter = "{branch} == main"
pipeline = "ci.toml"

[push.docs]
paths = ["docs/**"]
pipeline = "ci.toml"

[pr]
filter = "{base} == main && {user} != *bot"
pipeline = "ci.toml"

[create-tag]
filter = "{tag} == v*"
pipeline = "ci.toml"

[cron.nightly]
schedule = "30 2 * * *"
timezone = "Europe/Berlin"
pipeline = "ci.toml"

[manual.deploy]
filter = "{target} != production || {branch} == main"
pipeline = "ci.toml"
params = { target = { type = "choice", options = ["staging", "production"] } }
"#;

#[rstest]
#[case::push(&["push", "--branch", "topic", "--changed", "src/a.rs"])]
#[case::push_to_main(&["push", "--branch", "main"])]
#[case::pull_request(&["pr", "--branch", "topic", "--base", "main", "--pr", "7", "--user", "ada"])]
#[case::tag(&["create-tag", "--tag", "v1"])]
#[case::clock_is_put_forward(&["cron", "--after", "2026-03-27T12:00:00Z"])]
#[case::clock_is_put_back(&["cron", "--after", "2026-10-24T12:00:00Z"])]
#[case::manual(&["manual", "--branch", "topic", "--param", "target=production"])]
#[case::wrong_parameter(&["manual", "--param", "target=prod"])]
#[case::no_branch(&["push"])]
#[case::no_event(&["psh"])]
fn an_imagined_event_says_what_it_would_launch(#[case] arguments: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("conducto.cfg"), EVENTS).unwrap();
    std::fs::write(home.path().join("ci.toml"), "[\"/\"]\nexec = \"true\"\n").unwrap();
    let run = conducto(home.path(), &[&["check", "--event"], arguments].concat(), &[]);
    insta::assert_snapshot!(
        format!("event_{}", arguments.join("_").replace(['-', '/', '=', '.', ':'], "_")),
        run.shown()
    );
}

/// A repository with a mistake in each of its files, one behind letters of several bytes.
fn repository(home: &Path) -> std::path::PathBuf {
    let repository = home.join("repository");
    std::fs::create_dir_all(repository.join("ci/deep er")).expect("the folder can be written");
    std::fs::create_dir(repository.join(".git")).expect("the folder can be written");
    let cfg = "[push]\npipeline = \"ci/main.toml\"\nenv = { \"🙂é\" = \"x\", b = 1 }\n[pr]\npipeline = \"ci/deep er/p.toml\"\n";
    std::fs::write(repository.join("conducto.cfg"), cfg).expect("the folder can be written");
    std::fs::write(repository.join("ci/main.toml"), "[\"/\"]\nexce = \"true\"\n").expect("the folder can be written");
    std::fs::write(repository.join("ci/deep er/p.toml"), "[\"/\"]\nexec = \"a\"\n[\"/\"]\nexec = \"b\"\n")
        .expect("the folder can be written");
    repository
}

#[test]
fn check_finds_the_conducto_cfg_of_the_repository_it_is_in() {
    let home = tempfile::tempdir().unwrap();
    let inner = repository(home.path()).join("ci/deep er");
    insta::assert_snapshot!(conducto(&inner, &["check"], &[]).shown());
    // The files it names are called as they are found from here.
    let root = home.path().join("repository");
    let whole = std::fs::read_to_string(root.join("conducto.cfg")).unwrap();
    std::fs::write(root.join("conducto.cfg"), whole.replace(", b = 1", "")).unwrap();
    insta::assert_snapshot!(conducto(&inner, &["check"], &[]).shown());
    std::fs::write(root.join("conducto.cfg"), whole).unwrap();
    // The old name is read where the new one is missing, and said where both are there.
    std::fs::write(root.join(".conducto.cfg"), "[push all]\ncommand = python ci.py\n").unwrap();
    insta::assert_snapshot!(conducto(&root, &["check", "--format", "json"], &[]).shown());
    std::fs::remove_file(root.join("conducto.cfg")).unwrap();
    insta::assert_snapshot!(conducto(&inner, &["check"], &[]).shown());
    std::fs::remove_file(root.join(".conducto.cfg")).unwrap();
    insta::assert_snapshot!(conducto(&inner, &["check"], &[]).shown());
}

#[test]
fn warnings_alone_are_no_failure() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("conducto.cfg"), "# nothing yet\n").unwrap();
    insta::assert_snapshot!(conducto(home.path(), &["check"], &[]).shown());
}

#[test]
fn check_takes_several_files_and_standard_input() {
    let home = tempfile::tempdir().unwrap();
    let root = repository(home.path());
    let run = conducto(&root, &["check", "ci/main.toml", "conducto.cfg", "ci/deep er/p.toml"], &[]);
    insta::assert_snapshot!(run.shown());
    insta::assert_snapshot!(with_input(&root, &["check", "-"], "[push]\ncommand = \"true\"\n").shown());
    let run = with_input(&root, &["check", "--name", "ci/x.json", "--format=json", "-"], "{ \"/\": { \"exec\": 1 } }");
    insta::assert_snapshot!(run.shown());
}

fn with_input(home: &Path, arguments: &[&str], input: &str) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_conducto"))
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    child.stdin.take().expect("it has an input").write_all(input.as_bytes()).expect("it reads its input");
    let output = child.wait_with_output().expect("the binary ends");
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("output is text"),
        stderr: String::from_utf8(output.stderr).expect("output is text"),
    }
}

#[test]
fn mistakes_are_sarif_that_the_published_schema_accepts() {
    let schema = serde_json::from_str(include_str!("fixtures/sarif/sarif-schema-2.1.0.json")).unwrap();
    let home = tempfile::tempdir().unwrap();
    let root = repository(home.path());
    let run = conducto(&root, &["check", "--format", "sarif"], &[]);
    assert_eq!(run.code, Some(2));
    let log: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json_schema::violations(&schema, &log), [""; 0]);
    insta::with_settings!({filters => vec![(r#"(ersion": )"\d+\.\d+\.\d+[^"]*""#, "$1\"[version]\"")]}, {
        insta::assert_snapshot!(run.stdout);
    });
    // Where nothing is wrong there is a log too: it takes away what was found before.
    let run = with_input(&root, &["check", "--format", "sarif", "-"], "[push]\ncommand = \"true\"\n");
    let log: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, &log["runs"][0]["results"]), (Some(0), &serde_json::json!([])));
    assert_eq!(json_schema::violations(&schema, &log), [""; 0]);
}

#[test]
fn the_schemas_for_editors_are_the_published_ones() {
    let home = tempfile::tempdir().unwrap();
    for (which, published) in [
        ("cfg", include_str!("../config/conducto.cfg.schema.json")),
        ("pipeline", include_str!("../config/pipeline.schema.json")),
    ] {
        assert_eq!(conducto(home.path(), &["check", "--schema", which], &[]).stdout, published);
    }
}

#[test]
fn settings_can_be_checked_without_starting() {
    let home = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(conducto(home.path(), &["serve", "--check", "--executor", "process"], &[]).shown());
}

#[test]
fn without_a_server_the_way_to_one_is_shown() {
    let home = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(conducto(home.path(), &["list"], &[]).shown());
}

#[test]
fn a_server_that_does_not_answer_is_told_from_a_failure() {
    let home = tempfile::tempdir().unwrap();
    // A port that was free a moment ago and belongs to nobody now.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let run = conducto(home.path(), &["list", "--server", &format!("http://127.0.0.1:{port}")], &[]);
    insta::with_settings!({filters => vec![(r"127\.0\.0\.1:\d+", "127.0.0.1:[port]")]}, {
        insta::assert_snapshot!(run.shown());
    });
}

#[test]
fn what_is_no_address_is_wrong_usage() {
    let home = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(conducto(home.path(), &["health"], &[("CONDUCTO_SERVER", "ci example")]).shown());
}

#[test]
fn the_first_command_makes_the_base_directory_in_the_documented_layout() {
    let home = tempfile::tempdir().unwrap();
    let run = conducto(home.path(), &["list"], &[]);
    assert_eq!(run.code, Some(3));
    let base = home.path().join(".conducto");
    let config = std::fs::read_to_string(base.join("config")).unwrap();
    let profile = config.trim().rsplit("default = ").next().unwrap().to_owned();
    assert_eq!(profile.len(), 8);
    assert!(base.join(&profile).join("config").is_file());
    assert!(base.join(&profile).join("data").is_dir());
    assert!(base.join(&profile).join("pipelines").is_dir());
}
