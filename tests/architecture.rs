//! The floor plan, enforced: who may import whom, what the pure floors may not touch, what every file begins with.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Rooms by floor; a room uses the floors below it, and nothing on its own floor but what [`NEIGHBOURS`] names.
const FLOORS: &[(u8, &[&str])] = &[
    (1, &["model"]),
    (2, &["definition", "engine", "problems"]),
    (3, &["store", "logs", "data", "vault", "git", "forge", "executor", "notify", "worker", "standin"]),
    (4, &["dispatch"]),
    (5, &["present", "settings", "backup"]),
    (6, &["http"]),
    (7, &["cli", "serve", "demo"]),
];

/// Imports between rooms of one floor that are meant: the one who uses, the one who is used.
const NEIGHBOURS: &[(&str, &str, &str)] = &[
    ("executor", "worker", "starts the worker and shares its protocol's names"),
    ("cli", "serve", "`conducto serve` runs the server, and so does `conducto run` for its own time"),
    ("cli", "demo", "`conducto demo`"),
    ("demo", "serve", "the demo runs a whole server"),
];

/// Words that have no place in floors 1 and 2, outside tests and comments.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::io",
    "tokio",
    "async ",
    ".await",
    "reqwest",
    "rusqlite",
    "git2::",
    "bollard",
    "octocrab",
    "clock::",
    "Instant",
    "SystemTime",
    "Timestamp::now",
    "getrandom",
    "Uuid::new",
    "Uuid::now",
    " rand::",
];

/// Such words that are pure where they stand, with the reason.
const PURE_THERE: &[(&str, &str, &str)] = &[(
    "src/definition/printed/blob.rs",
    "std::io",
    "gzip is unpacked from memory through `Read`, the crate's only bounded way",
)];

/// What may lie at the top of the repository.
const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "rustfmt.toml",
    "clippy.toml",
    "deny.toml",
    "src",
    "config",
    "tests",
    "deploy",
    "conducto.cfg.example",
    "conducto.cfg",
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "LICENSE",
    "Makefile",
    "docs",
    "web",
    "sdk",
    ".ci",
    ".cargo",
    ".gitignore",
    ".gitattributes",
    ".git",
    "target",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(_, rooms)| rooms.contains(&room)).map(|(floor, _)| *floor)
}

/// The room a file belongs to: `src/git/mirror.rs` and `src/git.rs` to `git`.
fn room(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("src")).expect("the file is below src");
    let first = inside.components().next().expect("a file has a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The text up to the tests at its end, without comments.
fn production(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    let without_comment = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    text[..end].lines().map(without_comment).collect::<Vec<_>>().join("\n")
}

/// Rooms named after `crate::`, alone or in braces.
fn imported_rooms(text: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => rooms.extend(first_words_of_list(list)),
            None => rooms.extend(first_word(rest)),
        }
    }
    rooms
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

fn first_words_of_list(list: &str) -> Vec<String> {
    let (mut depth, mut start, mut words) = (0_usize, 0, Vec::new());
    for (at, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                words.extend(first_word(&list[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                words.extend(first_word(&list[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    words
}

#[test]
fn every_room_stands_on_a_floor() {
    for file in sources(&root().join("src")) {
        let room = room(&file);
        let is_door = ["lib", "main", "clock", "layout", "checked_in"].contains(&room.as_str());
        assert!(is_door || floor(&room).is_some(), "{}: the room `{room}` is on no floor", file.display());
    }
}

#[test]
fn rooms_use_only_the_floors_below_them() {
    let mut wrong = Vec::new();
    for file in sources(&root().join("src")) {
        let user = room(&file);
        let Some(own) = floor(&user) else { continue };
        for used in imported_rooms(&production(&fs::read_to_string(&file).unwrap())) {
            let is_meant = NEIGHBOURS.iter().any(|(from, to, _)| *from == user && *to == used);
            if let Some(other) = floor(&used)
                && used != user
                && other >= own
                && !is_meant
            {
                wrong.push(format!("{}: `{user}` (floor {own}) uses `{used}` (floor {other})", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pure_floors_touch_nothing_outside() {
    let mut wrong = Vec::new();
    for (_, rooms) in FLOORS.iter().filter(|(floor, _)| *floor <= 2) {
        for room in rooms.iter().map(|room| root().join("src").join(room)).filter(|room| room.is_dir()) {
            for file in sources(&room).into_iter().filter(|file| !is_test(file)) {
                let text = production(&fs::read_to_string(&file).unwrap());
                let is_excused =
                    |word: &str| PURE_THERE.iter().any(|(path, known, _)| file.ends_with(path) && *known == word);
                let found = IMPURE.iter().filter(|word| text.contains(**word) && !is_excused(word));
                wrong.extend(found.map(|word| format!("{}: `{word}`", file.display())));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn is_test(file: &Path) -> bool {
    file.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
}

#[test]
fn every_file_says_first_what_it_is() {
    for directory in ["src", "tests"] {
        for file in sources(&root().join(directory)) {
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.starts_with("//! "), "{} does not begin with `//!`", file.display());
        }
    }
}

#[test]
fn mod_files_hold_no_logic() {
    for file in sources(&root().join("src")).into_iter().filter(|file| file.ends_with("mod.rs")) {
        let text = production(&fs::read_to_string(&file).unwrap());
        // Contracts (traits, their types and errors) may stand there; anything that computes has a file of its own.
        for (at, _) in text.match_indices("fn ") {
            let rest = &text[at..];
            let signature_ends_with_body = rest.find(['{', ';']).is_some_and(|end| rest[end..].starts_with('{'));
            assert!(!signature_ends_with_body, "{}: a function with a body: {}", file.display(), first_line(rest));
        }
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[test]
fn the_top_level_holds_only_what_belongs_there() {
    // What git ignores (build products, editors' files) is not part of the repository.
    let listed = std::process::Command::new("git").args(["ls-files"]).current_dir(root()).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for file in listed.lines() {
        let first = file.split('/').next().unwrap();
        assert!(TOP_LEVEL.contains(&first), "`{first}` does not belong at the top level");
    }
}
