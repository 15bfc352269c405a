//! The files that begin a repository's life with Conducto, as text. Writes nothing.

use std::path::Path;

use super::look::{self, Part};

/// Where the configuration stands.
pub(super) const CFG: &str = "conducto.cfg";
/// Where the pipeline stands.
const PIPELINE: &str = "ci/pipeline.toml";

const CFG_TEXT: &str = "\
# Which events run what. Every key: docs/conducto-cfg.md of Conducto.

[push]
pipeline = \"ci/pipeline.toml\"

[pr]
pipeline = \"ci/pipeline.toml\"
";

const HEAD: &str = "\
# The tree that runs. `conducto run` runs it here, `conducto check` looks for mistakes.
# Every node has a working copy of its own; what others need goes to $CONDUCTO_DATA_PIPELINE.
";

/// What is written.
pub(crate) struct Starter {
    /// Text of conducto.cfg.
    pub(crate) cfg: String,
    pipeline: String,
    titles: Vec<&'static str>,
}

impl Starter {
    /// Makes it for the repository with this root.
    pub(crate) fn of(root: &Path) -> Self {
        let parts = look::look(root);
        let titles = parts.iter().map(|part| part.title).collect();
        Self { cfg: CFG_TEXT.to_owned(), pipeline: pipeline(&parts), titles }
    }

    /// Says what was recognised: `Cargo and npm`.
    pub(crate) fn found(&self) -> String {
        match self.titles.as_slice() {
            [] => "a repository of no kind it knows".to_owned(),
            [title] => (*title).to_owned(),
            [most @ .., last] => format!("{} and {last}", most.join(", ")),
        }
    }

    /// Lists the files by their paths from the root.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        [(CFG, self.cfg.as_str()), (PIPELINE, self.pipeline.as_str())].into_iter()
    }
}

fn pipeline(parts: &[Part]) -> String {
    let mut text = HEAD.to_owned();
    if parts.is_empty() {
        let hello = "ls\necho 'write here what checks this repository'";
        text.push_str(&node("/hello", &[("exec", script(hello))]));
        return text;
    }
    text.push_str(&node("/", &[("type", "\"parallel\"".to_owned())]));
    for part in parts {
        let path = format!("/{}", part.name);
        let kind = if part.in_turn { "\"serial\"" } else { "\"parallel\"" };
        let mut keys = vec![("type", kind.to_owned()), ("image", format!("\"{}\"", part.image))];
        if part.in_turn && part.leaves.len() > 1 {
            // What one installs, the next one finds.
            keys.push(("container_reuse_context", "\"new\"".to_owned()));
        }
        if part.needs_docker {
            text.push_str("\n# On a server an administrator must allow this: privileged_repositories in its settings.");
            keys.push(("requires_docker", "true".to_owned()));
        }
        text.push_str(&node(&path, &keys));
        for (name, command) in &part.leaves {
            text.push_str(&node(&format!("{path}/{name}"), &[("exec", script(command))]));
        }
    }
    text
}

fn node(path: &str, keys: &[(&str, String)]) -> String {
    let keys: String = keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    format!("\n[\"{path}\"]\n{keys}")
}

fn script(command: &str) -> String {
    match command.contains('\n') {
        true => format!("'''\nset -e\n{command}\n'''"),
        false => toml::Value::from(command).to_string(),
    }
}
