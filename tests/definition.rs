//! Every mistake an author can make, as people see it: one file in, one text out. Knows only the public readers.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use conducto::{
    definition::{self, ALL_CODES},
    model::{Diagnostic, Repository, Trigger, TriggerKind},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Reads a fixture as the file that its extension says it is.
fn diagnose(fixture: &Path) -> Vec<Diagnostic> {
    let bytes = fs::read(fixture).expect("the fixture is readable");
    match fixture.extension().and_then(|extension| extension.to_str()) {
        Some("cfg") => definition::read_cfg("conducto.cfg", &bytes).1,
        Some(extension) => definition::read_pipeline(&format!("ci/pipeline.{extension}"), &bytes).1,
        None => unreachable!("fixtures have extensions"),
    }
}

/// Mistakes that need a large file, or another than the one they stand in.
fn generated() -> Vec<(&'static str, Vec<Diagnostic>)> {
    let large = |size: usize| "#\n".repeat(size / 2 + 1);
    let many_keys: String = (0..250).map(|number| format!("key{number} = 1\n")).collect();
    let many_nodes: String = (0..100_001).map(|number| format!("[\"/n{number}\"]\nexec=\"true\"\n")).collect();
    let (cfg, _) = definition::read_cfg("conducto.cfg", b"[push.release]\npipeline = \"ci/relase.toml\"\n");
    let cfg = cfg.expect("it is without fault");
    let (path, span) = cfg.sections[0].file().expect("it names a file");
    let missing = definition::missing_file(path, span);
    let mut too_many = definition::read_cfg("conducto.cfg", many_keys.as_bytes()).1;
    vec![
        ("cfg.missing-file", vec![missing]),
        ("cfg.two-files", vec![definition::two_cfgs("conducto.cfg", ".conducto.cfg")]),
        ("cfg.too-large", definition::read_cfg("conducto.cfg", large(256 * 1024).as_bytes()).1),
        ("cfg.too-many", too_many.split_off(199)),
        ("pipeline.too-large", definition::read_pipeline("ci/pipeline.toml", large(4 * 1024 * 1024).as_bytes()).1),
        ("pipeline.too-many", definition::read_pipeline("ci/pipeline.toml", many_nodes.as_bytes()).1),
    ]
}

fn fixtures() -> Vec<PathBuf> {
    let folder = root().join("tests/fixtures/cfg");
    let entries = fs::read_dir(folder).expect("the folder is readable");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("the entry is readable").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension != "snap" && extension != "new"));
    files.sort();
    files
}

#[test]
fn every_mistake_has_a_code_a_text_and_a_documentation() {
    let mut all: Vec<(String, Vec<Diagnostic>)> = fixtures()
        .iter()
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), diagnose(path)))
        .collect();
    all.extend(generated().into_iter().map(|(name, diagnostics)| (name.to_owned(), diagnostics)));
    let mut seen = BTreeSet::new();
    for (name, diagnostics) in &all {
        let codes: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        assert!(diagnostics.iter().all(|diagnostic| ALL_CODES.contains(&diagnostic.code)), "{name}: {codes:?}");
        if let Some(expected) = ALL_CODES.iter().find(|code| name.starts_with(&code.replace("::", "."))) {
            assert!(codes.contains(expected), "{name} should show {expected} and shows {codes:?}");
        }
        seen.extend(codes);
        let text = definition::text(diagnostics, false);
        let summary = definition::summary(diagnostics).unwrap_or_default();
        insta::with_settings!({
            snapshot_path => "fixtures/cfg", prepend_module_to_snapshot => false, omit_expression => true,
        }, { insta::assert_snapshot!(name.as_str(), format!("{text}\nsummary: {summary}")) });
    }
    let documentation = read("docs/errors.md");
    for code in ALL_CODES {
        assert!(seen.contains(code), "no fixture shows {code}");
        assert!(documentation.contains(&format!("### `{code}`")), "docs/errors.md does not explain {code}");
    }
    let headings = documentation.matches("\n### `").count();
    assert_eq!(headings, ALL_CODES.len(), "docs/errors.md explains a code that does not exist");
}

#[test]
fn four_mistakes_are_reported_at_once_with_line_and_column() {
    let diagnostics = diagnose(&root().join("tests/fixtures/cfg/four-mistakes.cfg"));
    let lines: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "conducto.cfg:3:1 unknown key `filtre` in section `[push]`",
            "conducto.cfg:7:11 a text by itself is no condition of a filter",
            "conducto.cfg:8:12 `pipeline` is not a path in the repository: it leads out of its folder",
            "conducto.cfg:12:9 `paths` in section `[pr]` must be a list of texts",
        ]
    );
    assert_eq!(
        definition::summary(&diagnostics).unwrap(),
        "conducto.cfg:3:1 unknown key `filtre` in section `[push]` (+3 more)"
    );
}

#[test]
fn fifty_mistakes_are_fifty_diagnostics() {
    let text: String = (0..50).map(|at| format!("[push.s{at}]\nfiltre = \"x\"\npipeline = \"ci/a.toml\"\n")).collect();
    assert_eq!(definition::read_cfg("conducto.cfg", text.as_bytes()).1.len(), 50);
}

#[test]
fn fifty_mistakes_in_the_old_dialect_are_fifty_diagnostics() {
    let section = |at: usize| match at % 5 {
        0 => "command = x\nfiltre = x\n",
        1 => "command = x\nfilter = {brunch} == main\n",
        2 => "command = echo 50%\n",
        3 => "command = x\nenv = A=1\n",
        _ => "command = x\nthis is nothing\n",
    };
    let text: String = (0..50).map(|at| format!("[push s{at}]\n{}", section(at))).collect();
    let (cfg, diagnostics) = definition::read_cfg(".conducto.cfg", text.as_bytes());
    assert!(cfg.is_none());
    assert_eq!(diagnostics.len(), 50, "{}", definition::text(&diagnostics, false));
    // Each stands in a section of its own.
    let headers = |at: usize| text[..at].matches("[push ").count();
    let places = diagnostics.iter().map(|found| headers(found.primary.as_ref().unwrap().span.range.start));
    assert!(places.eq(1..=50));
}

#[test]
fn colours_and_nothing_else_distinguish_the_two_renderings() {
    let diagnostics = diagnose(&root().join("tests/fixtures/cfg/four-mistakes.cfg"));
    let coloured = definition::text(&diagnostics, true);
    assert!(coloured.contains("\u{1b}["));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    assert_eq!(plain + rest, definition::text(&diagnostics, false));
}

#[test]
fn control_characters_of_a_file_never_reach_the_terminal() {
    let text = "[push]\n\"evil\\u001b[31m\" = \"\\u001b]0;x\"\npipeline = \"a\"\n\u{1b}[2J = 1\n";
    let diagnostics = definition::read_cfg("conducto.cfg", text.as_bytes()).1;
    assert!(!diagnostics.is_empty());
    assert!(!definition::text(&diagnostics, false).contains('\u{1b}'));
    assert!(!definition::summary(&diagnostics).unwrap().contains('\u{1b}'));
}

#[test]
fn the_example_is_without_fault_and_shows_exactly_the_supported_keys() {
    let text = read("conducto.cfg.example");
    let (cfg, diagnostics) = definition::read_cfg("conducto.cfg", text.as_bytes());
    assert!(diagnostics.is_empty(), "{}", definition::text(&diagnostics, false));
    assert!(!cfg.unwrap().sections.is_empty());
    let shown: BTreeSet<&str> = text
        .lines()
        .map(|line| line.trim_start_matches(['#', ' ']))
        .filter_map(|line| line.split_once(" = ").map(|(key, _)| key))
        .filter(|key| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .collect();
    let [keys, _] = definition::key_names();
    assert_eq!(shown, keys.into_iter().collect());
}

/// Cuts a conducto.cfg at its headers; comments before a header go with it.
fn sections_of(text: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    let mut is_in_keys = false;
    for line in text.lines() {
        let is_key = !line.starts_with(['[', '#']) && !line.is_empty();
        if is_in_keys && line.is_empty() {
            sections.push(String::new());
        }
        is_in_keys = is_key || (is_in_keys && !line.is_empty());
        sections.last_mut().expect("there is one").push_str(&format!("{line}\n"));
    }
    sections.retain(|section| section.lines().any(|line| line.starts_with('[')));
    sections
}

#[test]
fn each_section_of_the_example_parses_and_launches_alone() {
    let text = read("conducto.cfg.example");
    let all = definition::read_cfg("conducto.cfg", text.as_bytes()).0.unwrap().sections.len();
    let sections = sections_of(&text);
    assert_eq!(sections.len(), all);
    for section in &sections {
        let (cfg, diagnostics) = definition::read_cfg("conducto.cfg", section.as_bytes());
        assert!(diagnostics.is_empty(), "{section}\n{}", definition::text(&diagnostics, false));
        let cfg = cfg.unwrap();
        assert_eq!(cfg.sections.len(), 1, "{section}");
        let event = cfg.sections[0].event.name();
        let answers = events(event).into_iter().map(|trigger| {
            let answer = definition::matching(&cfg, &trigger, Some(&["docs/index.md".to_owned()]));
            (answer.launching.len(), answer.still)
        });
        let answers: Vec<_> = answers.collect();
        assert!(!answers.is_empty(), "no trigger here is a `{event}`: add one");
        assert!(answers.iter().any(|(launched, _)| *launched == 1), "{section}: {answers:?}");
    }
}

/// Events such as the example has in mind.
fn events(name: &str) -> Vec<Trigger> {
    let push = |branch: &str| TriggerKind::Push { branch: branch.to_owned(), before: None };
    let pull_request = TriggerKind::PullRequest {
        number: 1,
        branch: "fix".to_owned(),
        base: "main".to_owned(),
        base_sha: "b".repeat(40),
        from_fork: false,
        action: "opened".to_owned(),
    };
    let (branch, mark) = (|| "preview".to_owned(), || "2026-01-31T10:00:00Z".to_owned());
    let kinds = vec![
        push("main"),
        push("release/1"),
        pull_request,
        TriggerKind::BranchCreated { branch: branch() },
        TriggerKind::BranchDeleted { branch: branch(), mark: mark() },
        TriggerKind::Tag { tag: "v1".to_owned() },
        TriggerKind::TagDeleted { tag: "v1".to_owned(), mark: mark() },
        TriggerKind::Release { tag: "v1".to_owned(), name: "One".to_owned(), prerelease: false },
        TriggerKind::MergeGroup { branch: branch(), base: "main".to_owned(), base_sha: "b".repeat(40) },
        TriggerKind::Comment { number: 1, comment: 2, text: "/deploy now".to_owned() },
        TriggerKind::Cron {
            branch: "main".to_owned(),
            section: "cron.nightly".to_owned(),
            due: jiff::Timestamp::UNIX_EPOCH,
        },
        TriggerKind::Manual {
            branch: "main".to_owned(),
            section: "manual.deploy".to_owned(),
            parameters: [("target".to_owned(), "staging".to_owned())].into(),
            request: "1".to_owned(),
        },
    ];
    let trigger = |kind| Trigger {
        host: "github.com".to_owned(),
        repository: Repository { id: 1, full_name: "acme/api".to_owned(), default_branch: Some("main".to_owned()) },
        sha: "a".repeat(40),
        kind,
        title: String::new(),
        sender: "ada".to_owned(),
    };
    kinds.into_iter().map(trigger).filter(|trigger| trigger.event_name() == name).collect()
}

#[test]
fn the_pipeline_in_python_of_the_readme_is_the_tested_one() {
    let tested = read("tests/fixtures/pipelines/quick_start.py");
    let document = read("README.md");
    let shown = blocks(&document, "python");
    assert_eq!(shown.len(), 1);
    assert!(tested.ends_with(&format!("\n{}", shown[0])), "README.md shows what is not tested:\n{}", shown[0]);
}

#[test]
fn every_key_is_documented() {
    let [cfg, pipeline] = definition::key_names();
    for (path, keys) in [("docs/conducto-cfg.md", cfg), ("docs/pipelines.md", pipeline)] {
        let text = read(path);
        for key in keys {
            assert!(text.contains(&format!("| `{key}` |")), "{path} does not explain `{key}`");
        }
    }
}

/// Returns the blocks of a document in one language.
fn blocks<'t>(document: &'t str, language: &str) -> Vec<&'t str> {
    let fence = format!("```{language}\n");
    document.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn examples_in_the_documents_are_without_fault() {
    let document = read("docs/conducto-cfg.md");
    for block in blocks(&document, "toml") {
        let diagnostics = definition::read_cfg("conducto.cfg", block.as_bytes()).1;
        assert!(diagnostics.is_empty(), "{block}\n{}", definition::text(&diagnostics, false));
    }
    for block in blocks(&read("docs/data.md"), "toml") {
        let diagnostics = match block.starts_with("# conducto.cfg") {
            true => definition::read_cfg("conducto.cfg", block.as_bytes()).1,
            false => definition::read_pipeline("ci/pipeline.toml", block.as_bytes()).1,
        };
        assert!(diagnostics.is_empty(), "{block}\n{}", definition::text(&diagnostics, false));
    }
    let document = read("docs/pipelines.md");
    for (language, name) in [("toml", "ci/pipeline.toml"), ("json", "ci/pipeline.json")] {
        assert!(!blocks(&document, language).is_empty());
        for block in blocks(&document, language) {
            let diagnostics = definition::read_pipeline(name, block.as_bytes()).1;
            assert!(diagnostics.is_empty(), "{block}\n{}", definition::text(&diagnostics, false));
        }
    }
}

#[test]
fn published_schemas_are_current() {
    let schemas = [
        ("conducto.cfg.schema.json", definition::cfg_schema()),
        ("pipeline.schema.json", definition::pipeline_schema()),
    ];
    let mut stale = Vec::new();
    for (name, schema) in schemas {
        let current = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let published = fs::read_to_string(root().join("config").join(name)).unwrap_or_default();
        if published != current {
            let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
            fs::write(&place, current).unwrap();
            stale.push(place);
        }
    }
    assert!(stale.is_empty(), "copy to config/, they are out of date there: {stale:?}");
}
