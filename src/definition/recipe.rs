//! The keys that say how an image is made, the same in conducto.cfg and in definition files. Knows no section and no node.

use std::{collections::BTreeMap, ops::Range};

use super::{
    document::{Entry, Located, Value},
    key::{Key, Kind, accept},
    pipeline::{is_image, is_variable},
    report::Report,
};
use crate::model::{Base, Image, Npm, OtherRepository, Recipe};

const IMAGE: Key = Key::now("image", Kind::Text, "\"node:20\"", "The ready image that it begins with.");
pub(super) const DOCKERFILE: Key = Key::now(
    "dockerfile",
    Kind::Text,
    "\"docker/Dockerfile\"",
    "A Dockerfile of the repository, by its path from the root. Instead of `image`.",
);
pub(super) const DOCKERFILE_TEXT: Key = Key::now(
    "dockerfile_text",
    Kind::Text,
    "\"FROM node:20\\nRUN npm install -g yarn\\n\"",
    "A Dockerfile as text. Instead of `image`.",
);
pub(super) const CONTEXT: Key = Key::now(
    "context",
    Kind::Text,
    "\".\"",
    "Folder of the repository from which the Dockerfile copies; that of the Dockerfile if absent.",
);
pub(super) const AUTO_WORKDIR: Key = Key::now(
    "docker_auto_workdir",
    Kind::Flag,
    "false",
    "Whether nodes begin in their working copy. If not, they begin in the image's WORKDIR. True if absent.",
);
pub(super) const BUILD_ARGS: Key =
    Key::now("docker_build_args", Kind::TextTable, "{ VERSION = \"3\" }", "Arguments (ARG) of the Dockerfile.");
pub(super) const INSTALL_PIP: Key =
    Key::now("install_pip", Kind::Texts, "[\"numpy==2.1\"]", "Python packages that pip installs.");
pub(super) const INSTALL_NPM: Key = Key::now(
    "install_npm",
    Kind::TextsOrTrue,
    "[\"eslint\"]",
    "Packages that npm installs; true for those of the repository's package.json.",
);
pub(super) const INSTALL_PACKAGES: Key =
    Key::now("install_packages", Kind::Texts, "[\"git\", \"make\"]", "Packages of the image's distribution.");
pub(super) const INSTALL_DOCKER: Key =
    Key::now("install_docker", Kind::Flag, "true", "Whether the `docker` command is installed.");
pub(super) const REQS_PY: Key = Key::now("reqs_py", Kind::Texts, "[\"numpy\"]", "Another word for `install_pip`.");
pub(super) const REQS_NPM: Key =
    Key::now("reqs_npm", Kind::TextsOrTrue, "[\"eslint\"]", "Another word for `install_npm`.");
pub(super) const REQS_PACKAGES: Key =
    Key::now("reqs_packages", Kind::Texts, "[\"git\"]", "Another word for `install_packages`.");
pub(super) const REQS_DOCKER: Key = Key::now("reqs_docker", Kind::Flag, "true", "Another word for `install_docker`.");

/// Keys of the table that `image` of a node may be.
pub(super) const KEYS: &[Key] = &[
    IMAGE,
    DOCKERFILE,
    DOCKERFILE_TEXT,
    CONTEXT,
    AUTO_WORKDIR,
    BUILD_ARGS,
    INSTALL_PIP,
    INSTALL_NPM,
    INSTALL_PACKAGES,
    INSTALL_DOCKER,
    Key::now(
        "copy_url",
        Kind::Text,
        "\"https://github.com/acme/tools\"",
        "Another repository whose files are the working copy of the nodes.",
    ),
    Key::now("copy_branch", Kind::Text, "\"main\"", "The branch of `copy_url`. Required with it."),
];

/// What is in every container without being installed.
const OWN: &str = "conducto";

/// The keys about one image, as far as they were usable.
#[derive(Debug, Default)]
pub(super) struct Draft<'e> {
    given: Vec<(&'static str, &'e Entry)>,
}

/// Reads an image in short, or as a table.
pub(super) fn image(entry: &Entry, place: &str, report: &mut Report) -> Option<Image> {
    let mut draft = Draft::default();
    let Value::Table(table) = &entry.value.value else {
        draft.take(&IMAGE, entry);
        return draft.finish(report);
    };
    let place = format!("of `image` {place}");
    for inner in &table.entries {
        if let Some(key) = accept(KEYS, inner, &place, report) {
            draft.take(key, inner);
        }
    }
    draft.finish(report)
}

impl<'e> Draft<'e> {
    /// Takes up a key whose value is of the right kind; others than those about images are passed over.
    pub(super) fn take(&mut self, key: &Key, entry: &'e Entry) {
        let all = KEYS.iter().chain(&[REQS_PY, REQS_NPM, REQS_PACKAGES, REQS_DOCKER]);
        if let Some(known) = all.into_iter().find(|known| known.name == key.name) {
            self.given.push((known.name, entry));
        }
    }

    /// Makes the image, and reports whatever cannot be. Nothing where nothing is said, or nothing that can be used.
    pub(super) fn finish(&self, report: &mut Report) -> Option<Image> {
        let base = self.base(report)?;
        let has_dockerfile = matches!(base, Base::Dockerfile { .. } | Base::Text { .. });
        for name in ["context", "docker_build_args"] {
            if let Some(entry) = self.find(name).filter(|_| !has_dockerfile) {
                let message = format!("`{name}` is said of no Dockerfile");
                let help = "name a Dockerfile with `dockerfile`, or take it out";
                bad(&entry.key_range, message, "nothing is built here", help, report);
            }
        }
        Image::of(Recipe {
            base,
            build_args: self.build_args(report),
            packages: self.names(["install_packages", "reqs_packages"], is_package, report),
            docker: self.flag(["install_docker", "reqs_docker"]).unwrap_or_default(),
            pip: without_own(self.names(["install_pip", "reqs_py"], is_requirement, report)),
            npm: self.npm(report),
            keeps_workdir: self.flag(["docker_auto_workdir", ""]) == Some(false),
            copy: self.copy(report),
        })
    }

    fn find(&self, name: &str) -> Option<&'e Entry> {
        self.given.iter().find(|(given, _)| *given == name).map(|(_, entry)| *entry)
    }

    fn text(&self, name: &str) -> Option<(&'e str, &'e Entry)> {
        let entry = self.find(name)?;
        match &entry.value.value {
            Value::Text(text) => Some((text, entry)),
            _ => None,
        }
    }

    /// The new word wins over the old.
    fn either(&self, names: [&str; 2]) -> Option<&'e Entry> {
        names.into_iter().find_map(|name| self.find(name))
    }

    fn flag(&self, names: [&str; 2]) -> Option<bool> {
        match self.either(names)?.value.value {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    fn base(&self, report: &mut Report) -> Option<Base> {
        let given: Vec<&Entry> =
            ["image", "dockerfile", "dockerfile_text"].iter().filter_map(|name| self.find(name)).collect();
        if let [first, second, ..] = given[..] {
            let message = format!("an image cannot begin both with `{}` and with `{}`", first.key, second.key);
            let diagnostic = report.error(report.codes.bad_value, &second.key_range, message, "a second beginning");
            let diagnostic = diagnostic.see(report.span(&first.key_range), "the first");
            report.add(diagnostic.help("take out one of the two"));
            return None;
        }
        let context = match self.text("context") {
            Some((text, entry)) => Some(path("context", text, &entry.value, report)?),
            None => None,
        };
        if let Some((reference, entry)) = self.text("image") {
            if is_image(reference) {
                return Some(Base::Reference(reference.to_owned()));
            }
            let help = format!("write for example `{}`", report.pair("image", "\"node:20\""));
            let message = "`image` is not the name of an image".to_owned();
            bad(&entry.value.range, message, "empty, or a blank in it", &help, report);
            return None;
        }
        if let Some((text, entry)) = self.text("dockerfile") {
            let path = path("dockerfile", text, &entry.value, report)?;
            if path.is_empty() {
                let help = "write for example `dockerfile = \"docker/Dockerfile\"`";
                let message = "`dockerfile` is the root of the repository".to_owned();
                bad(&entry.value.range, message, "no file", help, report);
                return None;
            }
            let context = context.unwrap_or_else(|| folder_of(&path).to_owned());
            return Some(Base::Dockerfile { path, context });
        }
        if let Some((text, entry)) = self.text("dockerfile_text") {
            if text.trim().is_empty() {
                let help = "write for example `dockerfile_text = \"FROM node:20\"`";
                bad(&entry.value.range, "`dockerfile_text` is empty".to_owned(), "nothing to build", help, report);
                return None;
            }
            return Some(Base::Text { text: text.to_owned(), context });
        }
        Some(Base::Default)
    }

    fn build_args(&self, report: &mut Report) -> BTreeMap<String, String> {
        self.find("docker_build_args")
            .map(|entry| super::pipeline::environment(&entry.value, report))
            .unwrap_or_default()
    }

    fn names(&self, keys: [&str; 2], is_usable: fn(&str) -> bool, report: &mut Report) -> Vec<String> {
        let Some(entry) = self.either(keys) else { return Vec::new() };
        let Value::List(items) = &entry.value.value else { return Vec::new() };
        let mut names = Vec::with_capacity(items.len());
        for item in items {
            match &item.value {
                Value::Text(name) if is_usable(name) => names.push(name.clone()),
                Value::Text(name) => {
                    let message = format!("`{}` of `{}` is not the name of a package", name.escape_debug(), entry.key);
                    let label = "empty, an option, or a blank or another sign that no name has";
                    let help = "options cannot be given; name each package by itself";
                    bad(&item.range, message, label, help, report);
                }
                Value::Lost => {}
                other => {
                    let message = format!("a package of `{}` is a text in quotes", entry.key);
                    let label = format!("this is {}", other.words());
                    let diagnostic = report.error(report.codes.wrong_type, &item.range, message, label);
                    report.add(diagnostic.help(format!("write `{}`", report.pair(&entry.key, "[\"one\", \"two\"]"))));
                }
            }
        }
        sorted(names)
    }

    fn npm(&self, report: &mut Report) -> Npm {
        const WORDS: [&str; 2] = ["install_npm", "reqs_npm"];
        match self.flag(WORDS) {
            Some(true) => Npm::Project,
            Some(false) => Npm::Nothing,
            None => packages(self.names(WORDS, is_requirement, report)),
        }
    }

    fn copy(&self, report: &mut Report) -> Option<OtherRepository> {
        let (url, branch) = (self.text("copy_url"), self.text("copy_branch"));
        let ((url, entry), branch) = match (url, branch) {
            (None, None) => return None,
            (None, Some((_, entry))) => {
                let message = "`copy_branch` is of no repository".to_owned();
                bad(&entry.key_range, message, "`copy_url` is missing", "say with `copy_url` which", report);
                return None;
            }
            (Some((_, entry)), None) => {
                let message = "`copy_url` does not say which branch".to_owned();
                bad(&entry.key_range, message, "`copy_branch` is missing", "add `copy_branch = \"main\"`", report);
                return None;
            }
            (Some(url), Some((branch, _))) => (url, branch),
        };
        match other_repository(url, branch) {
            Ok(other) => Some(other),
            Err(why) => {
                let message = format!("`copy_url` cannot be used: {why}");
                bad(&entry.value.range, message, "", "write for example `https://github.com/acme/tools`", report);
                None
            }
        }
    }
}

fn bad(range: &Range<usize>, message: String, label: &str, help: &str, report: &mut Report) {
    let diagnostic = report.error(report.codes.bad_value, range, message, label);
    report.add(diagnostic.help(help));
}

/// Reads a path in the repository.
fn path(key: &str, text: &str, value: &Located, report: &mut Report) -> Option<String> {
    let (label, help) = if text.starts_with('/') {
        ("it is absolute", "paths start at the root of the repository, without a slash")
    } else if text.contains('\\') || text.chars().any(char::is_control) {
        ("it holds a backslash or a control character", "folders are separated by `/`")
    } else {
        match inside(text) {
            Some(path) => return Some(path),
            None => ("it leads out of the repository", "only what is in the commit can be used"),
        }
    };
    bad(&value.range, format!("`{key}` is not a path in the repository"), label, help, report);
    None
}

/// Resolves a path against the root of the repository, with neither `.` nor `..` in the result; nothing for one that leaves it.
fn inside(text: &str) -> Option<String> {
    let mut clean: Vec<&str> = Vec::new();
    for name in text.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(clean.pop()?),
            name => clean.push(name),
        }
    }
    Some(clean.join("/"))
}

/// Returns the folder that a file of the repository lies in; empty for the root.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Says whether a text may name a package of a distribution.
pub(super) fn is_package(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "+-._:=~/@".contains(c))
}

/// Says whether a text may be a requirement of pip or npm: no option, one line.
pub(super) fn is_requirement(name: &str) -> bool {
    let trimmed = name.trim();
    !trimmed.is_empty() && !trimmed.starts_with('-') && !name.chars().any(char::is_control) && name.len() <= 1_000
}

/// Says whether a text may name an argument of a Dockerfile.
pub(super) fn is_build_arg(name: &str) -> bool {
    is_variable(name) && !name.contains(char::is_whitespace)
}

/// Takes out what is in every container without being installed, in whatever version it is asked for.
pub(super) fn without_own(requirements: Vec<String>) -> Vec<String> {
    let name = |requirement: &String| {
        let end = requirement.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
        requirement[..end.unwrap_or(requirement.len())].to_lowercase()
    };
    requirements.into_iter().filter(|requirement| name(requirement) != OWN).collect()
}

/// In one order and each once, so that the same needs have the same key.
pub(super) fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}

/// Returns what npm installs, of a list.
pub(super) fn packages(names: Vec<String>) -> Npm {
    if names.is_empty() { Npm::Nothing } else { Npm::Packages(names) }
}

/// Checks where another repository is, and its branch.
pub(super) fn other_repository(url: &str, branch: &str) -> Result<OtherRepository, String> {
    let Some(rest) = url.strip_prefix("https://") else {
        return Err(format!("`{}` does not begin with https://", url.escape_debug()));
    };
    if rest.contains('@') {
        return Err("it holds credentials, which do not belong into a definition".to_owned());
    }
    if !rest.contains('/') || rest.chars().any(|c| c.is_whitespace() || c.is_control() || "?#\\".contains(c)) {
        return Err(format!("`{}` is not the address of a repository", url.escape_debug()));
    }
    let is_bad = |c: char| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c);
    if branch.is_empty() || branch.starts_with(['-', '/']) || branch.contains("..") || branch.contains(is_bad) {
        return Err(format!("`{}` is not the name of a branch", branch.escape_debug()));
    }
    Ok(OtherRepository { url: url.to_owned(), branch: branch.to_owned() })
}
