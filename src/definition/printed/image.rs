//! What an image of a serialization is to us: a recipe, and the folder of the commit that its nodes work on. Knows no node.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{pipeline::is_image, recipe},
    place::{Path, PathMap, WORK},
    serialization::is_truthy,
};
use crate::model::{self, Base, Npm, OtherRepository, Recipe};

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
    /// The image; nothing for the default.
    pub(super) image: Option<model::Image>,
    /// The folder of the commit that is their working copy; empty for the whole.
    pub(super) folder: String,
    /// The shell of its nodes; empty where the worker finds one.
    pub(super) shell: String,
    pub(super) paths: PathMap,
}

impl Default for Found {
    /// Where no image is named: the commit, as everywhere.
    fn default() -> Self {
        let paths = PathMap { folders: vec![(root(), WORK.to_owned())], is_absolute: false };
        Self { image: None, folder: String::new(), shell: String::new(), paths }
    }
}

fn in_commit(key: &str, path: &Path) -> Result<String, String> {
    path.in_commit().map_err(|bad| format!("has for its {key} what it may not have: {bad}"))
}

fn root() -> Path {
    Path::of(&json!({"path": [{"type": "git"}]}), None).unwrap_or_else(|_| unreachable!("a mark alone is a path"))
}

impl Image {
    /// Says what nodes with this image find.
    pub(super) fn find(&self) -> Result<Found, String> {
        let shell = self.shell.as_deref().filter(|shell| *shell != "__auto__").unwrap_or_default();
        if !shell.is_empty() && (!shell.starts_with('/') || shell.contains(char::is_whitespace)) {
            return Err(format!("asks for the shell `{shell}`, which is not the absolute path of one"));
        }
        if let Some(bad) = self.image.as_deref().filter(|reference| !is_image(reference)) {
            return Err(format!("has `{bad}` for a base, which is not the name of an image"));
        }
        let copy = self.copy()?;
        let base = self.instantiation_directory.as_deref();
        let copied = self.set("copy_dir").map(|value| Path::of(value, base)).transpose();
        let copied = copied.map_err(|bad| format!("copy_dir: {bad}"))?;
        if copied.is_some() && copy.is_some() {
            return Err("has both copy_dir and copy_url; a working copy is of one of them".to_owned());
        }
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
        if copy.is_none() {
            paths.push((copied.unwrap_or_else(root), WORK.to_owned()));
        }
        let recipe = Recipe { copy, ..self.recipe()? };
        let paths = PathMap { folders: paths, is_absolute: recipe.keeps_workdir };
        Ok(Found { image: model::Image::of(recipe), folder, shell: shell.to_owned(), paths })
    }

    /// Returns the value of a key that says something.
    fn set(&self, key: &str) -> Option<&Value> {
        self.others.get(key).filter(|value| is_truthy(value))
    }

    fn recipe(&self) -> Result<Recipe, String> {
        let base = self.base()?;
        let has_dockerfile = matches!(base, Base::Dockerfile { .. } | Base::Text { .. });
        Ok(Recipe {
            build_args: if has_dockerfile { self.build_args()? } else { BTreeMap::new() },
            base,
            packages: self.names(["install_packages", "reqs_packages"], recipe::is_package)?,
            docker: self.either(["install_docker", "reqs_docker"]).is_some(),
            pip: recipe::without_own(self.names(["install_pip", "reqs_py"], recipe::is_requirement)?),
            npm: match self.either(["install_npm", "reqs_npm"]) {
                Some(Value::Bool(true)) => Npm::Project,
                _ => recipe::packages(self.names(["install_npm", "reqs_npm"], recipe::is_requirement)?),
            },
            keeps_workdir: self.docker_auto_workdir == Some(false),
            copy: None,
        })
    }

    fn base(&self) -> Result<Base, String> {
        let text = self.set("dockerfile_text").map(|text| text.as_str().ok_or("dockerfile_text is not a text"));
        let text = text.transpose()?;
        let (file, folder) = (self.path("dockerfile")?, self.path("context")?);
        let folder = folder.filter(|folder| file.as_ref().is_none_or(|file| !folder.is_bare_folder_of(file)));
        let file = file.map(|file| in_commit("dockerfile", &file)).transpose()?;
        let context = folder.map(|folder| in_commit("context", &folder)).transpose()?;
        match (&self.image, file, text) {
            (Some(reference), None, None) => Ok(Base::Reference(reference.clone())),
            (None, Some(path), None) if path.is_empty() => {
                Err("has the root of the repository for its dockerfile".to_owned())
            }
            (None, Some(path), None) => {
                // With `copy_repo` the whole repository is there to be copied from.
                let whole = self.set("copy_repo").is_some();
                let folder = if whole { "" } else { recipe::folder_of(&path) }.to_owned();
                Ok(Base::Dockerfile { context: context.unwrap_or(folder), path })
            }
            (None, None, Some(text)) => Ok(Base::Text { text: text.to_owned(), context }),
            (None, None, None) => Ok(Base::Default),
            _ => Err("has more than one of image, dockerfile and dockerfile_text".to_owned()),
        }
    }

    fn path(&self, key: &str) -> Result<Option<Path>, String> {
        let path = self.set(key).map(|value| Path::of(value, self.instantiation_directory.as_deref()));
        path.transpose().map_err(|bad| format!("{key}: {bad}"))
    }

    fn build_args(&self) -> Result<BTreeMap<String, String>, String> {
        let Some(Value::Object(given)) = self.set("docker_build_args") else { return Ok(BTreeMap::new()) };
        let mut arguments = BTreeMap::new();
        for (name, value) in given {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                // As Python writes them.
                Value::Bool(true) => "True".to_owned(),
                Value::Bool(false) => "False".to_owned(),
                other => other.to_string(),
            };
            if !recipe::is_build_arg(name) || text.contains('\0') {
                return Err(format!("has the build argument `{}`, which cannot be one", name.escape_debug()));
            }
            arguments.insert(name.clone(), text);
        }
        Ok(arguments)
    }

    /// The new word wins over the old, which old clients write beside it.
    fn either(&self, keys: [&str; 2]) -> Option<&Value> {
        keys.into_iter().find_map(|key| self.set(key))
    }

    fn names(&self, keys: [&str; 2], is_usable: fn(&str) -> bool) -> Result<Vec<String>, String> {
        let Some(value) = self.either(keys) else { return Ok(Vec::new()) };
        let items = value.as_array().ok_or_else(|| format!("has {} that is no list", keys[0]))?;
        let name = |item: &Value| match item.as_str() {
            Some(name) if is_usable(name) => Ok(name.to_owned()),
            _ => Err(format!("has {item} in {}, which is not the name of a package", keys[0])),
        };
        Ok(recipe::sorted(items.iter().map(name).collect::<Result<_, _>>()?))
    }

    /// Of this repository the commit is there already.
    fn copy(&self) -> Result<Option<OtherRepository>, String> {
        let Some(url) = self.set("copy_url").filter(|_| self.set("copy_repo").is_none()) else { return Ok(None) };
        let url = url.as_str().unwrap_or_default();
        if url.starts_with("s3://") {
            return Err("has an S3 bucket for its copy_url, which this release cannot fetch".to_owned());
        }
        let branch = self.set("copy_branch").and_then(Value::as_str).ok_or("has copy_url without copy_branch")?;
        recipe::other_repository(url, branch).map(Some).map_err(|bad| format!("has copy_url, and {bad}"))
    }
}
