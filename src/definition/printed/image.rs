//! What an image of a serialization is to us: a ready image, and the folder of the commit that is in it. Knows no node.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::pipeline::is_image,
    place::{Path, PathMap, WORK},
    serialization::is_truthy,
};

/// One image as JSON has it. Keys that are not named here are passed over.
#[derive(Debug, Deserialize)]
pub(super) struct Image {
    image: Option<String>,
    shell: Option<String>,
    docker_auto_workdir: Option<bool>,
    path_map: Option<IndexMap<String, String>>,
    /// In the form that is not final, paths are relative to this.
    instantiation_directory: Option<String>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// What nodes with this image find.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// A ready image; nothing for the default.
    pub(super) reference: Option<String>,
    /// The folder of the commit that is their working copy; empty for the whole.
    pub(super) folder: String,
    /// The shell of its nodes; empty where the worker finds one.
    pub(super) shell: String,
    pub(super) paths: PathMap,
}

/// Keys by which an image is to be made before it can be used.
const MAKES: [&str; 9] = [
    "dockerfile",
    "dockerfile_text",
    "docker_build_args",
    "install_npm",
    "install_packages",
    "install_docker",
    "reqs_npm",
    "reqs_packages",
    "reqs_docker",
];

/// What is there without being installed.
const OWN: &str = "conducto";

impl Default for Found {
    /// Where no image is named: the commit, as everywhere.
    fn default() -> Self {
        Self {
            reference: None,
            folder: String::new(),
            shell: String::new(),
            paths: PathMap(vec![(root(), WORK.to_owned())]),
        }
    }
}

fn root() -> Path {
    Path::of(&json!({"path": [{"type": "git"}]}), None).unwrap_or_else(|_| unreachable!("a mark alone is a path"))
}

impl Image {
    /// Says what nodes with this image find.
    pub(super) fn find(&self) -> Result<Found, String> {
        if let Some(key) = self.must_be_made() {
            return Err(format!("is to be made (`{key}`), which this release cannot do yet; name a ready image"));
        }
        let shell = self.shell.as_deref().filter(|shell| *shell != "__auto__").unwrap_or_default();
        if !shell.is_empty() && (!shell.starts_with('/') || shell.contains(char::is_whitespace)) {
            return Err(format!("asks for the shell `{shell}`, which is not the absolute path of one"));
        }
        if self.docker_auto_workdir == Some(false) {
            return Err(
                "asks for another working directory than that of the copied files, which this release cannot give \
                        yet; leave docker_auto_workdir out, and change the folder in the command"
                    .to_owned(),
            );
        }
        if let Some(bad) = self.image.as_deref().filter(|reference| !is_image(reference)) {
            return Err(format!("has `{bad}` for a base, which is not the name of an image"));
        }
        let base = self.instantiation_directory.as_deref();
        let copied = self.others.get("copy_dir").filter(|value| is_truthy(value));
        let copied = copied.map(|value| Path::of(value, base)).transpose().map_err(|bad| format!("copy_dir: {bad}"))?;
        let folder = match &copied {
            Some(path) => path.in_commit().map_err(|bad| format!("copies what it may not: {bad}"))?,
            None => String::new(),
        };
        let mut paths = Vec::new();
        for (key, inside) in self.path_map.iter().flatten() {
            let path = Path::of_linear(key, base).map_err(|bad| format!("path_map: {bad}"))?;
            path.in_commit().map_err(|bad| format!("maps what it may not: {bad}"))?;
            let inside = if inside.starts_with('/') { inside.clone() } else { format!("{WORK}/{inside}") };
            paths.push((path, inside));
        }
        paths.push((copied.unwrap_or_else(root), WORK.to_owned()));
        Ok(Found { reference: self.image.clone(), folder, shell: shell.to_owned(), paths: PathMap(paths) })
    }

    /// Returns the key because of which it would have to be made, if there is one.
    fn must_be_made(&self) -> Option<&str> {
        let is_set = |key: &str| self.others.get(key).is_some_and(is_truthy);
        let installs = |key: &&str| {
            let wanted = self.others.get(*key).and_then(Value::as_array);
            wanted.is_some_and(|wanted| wanted.iter().any(|name| name.as_str() != Some(OWN)))
        };
        let is_foreign = |key: &&str| is_set(key) && !is_set("copy_repo");
        MAKES
            .into_iter()
            .find(|key| is_set(key))
            .or_else(|| ["install_pip", "reqs_py"].into_iter().find(installs))
            .or_else(
                // Of this repository the commit is there already.
                || ["copy_url"].into_iter().find(is_foreign),
            )
    }
}
