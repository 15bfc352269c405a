//! What a node runs in: a ready image, or the recipe of one that is made. Pure: what a recipe names in the commit is read elsewhere.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What a node runs in. A ready image reads and writes as its plain name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Image {
    /// One that is there, or can be pulled, under this reference.
    Ready(String),
    /// One that the server makes.
    Made(Box<Recipe>),
}

/// How an image is made: base, then what is installed into it. The files of the commit are no part of it, nodes find them anyway.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Recipe {
    /// What it begins with.
    pub base: Base,
    /// Arguments of the Dockerfile.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub build_args: BTreeMap<String, String>,
    /// Packages of the distribution.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Whether the client of Docker is installed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub docker: bool,
    /// Requirements for pip.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pip: Vec<String>,
    /// Packages for npm.
    #[serde(skip_serializing_if = "Npm::is_nothing")]
    pub npm: Npm,
    /// Whether nodes begin in the image's own working directory instead of their working copy.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keeps_workdir: bool,
    /// Another repository whose files are the working copy; nothing where it is the pipeline's own commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<OtherRepository>,
}

/// A branch of another repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OtherRepository {
    /// Where git fetches it from, `https://` and no credentials.
    pub url: String,
    /// Name of the branch.
    pub branch: String,
}

/// What an image begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// The server's default image.
    #[default]
    Default,
    /// A ready image.
    Reference(String),
    /// A Dockerfile of the commit.
    Dockerfile {
        /// Its path in the repository, without a slash at either end.
        path: String,
        /// Folder of the repository that it may copy from; empty for the whole.
        context: String,
    },
    /// A Dockerfile that is written where the image is.
    Text {
        /// The Dockerfile.
        text: String,
        /// Folder of the repository that it may copy from, empty for the whole; nothing where there is nothing to copy.
        context: Option<String>,
    },
}

/// What npm installs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Npm {
    /// Nothing.
    #[default]
    Nothing,
    /// What `package.json` in the working copy asks for.
    Project,
    /// These packages.
    Packages(Vec<String>),
}

impl Npm {
    fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

impl Image {
    /// Returns the reference of a ready image.
    pub fn reference(&self) -> Option<&str> {
        match self {
            Self::Ready(reference) => Some(reference),
            Self::Made(_) => None,
        }
    }

    /// Returns the repository whose files are the working copy, where it is not the pipeline's own.
    pub fn copy(&self) -> Option<&OtherRepository> {
        match self {
            Self::Ready(_) => None,
            Self::Made(recipe) => recipe.copy.as_ref(),
        }
    }

    /// Returns whether nodes begin in the image's own working directory.
    pub fn keeps_workdir(&self) -> bool {
        matches!(self, Self::Made(recipe) if recipe.keeps_workdir)
    }

    /// Makes an image of a recipe: a ready one where there is nothing to do. Nothing for the server's default as it is.
    pub fn of(recipe: Recipe) -> Option<Self> {
        let is_plain = |base: &Base| recipe == Recipe { base: base.clone(), ..Recipe::default() };
        match &recipe.base {
            Base::Default if is_plain(&Base::Default) => None,
            base @ Base::Reference(reference) if is_plain(base) => Some(Self::Ready(reference.clone())),
            _ => Some(Self::Made(Box::new(recipe))),
        }
    }
}

impl Recipe {
    /// Returns the key of its content, in hexadecimal: equal recipes have equal keys.
    ///
    /// # Errors
    /// Never: a recipe is text all through.
    pub fn key(&self) -> String {
        let text = serde_json::to_string(self).expect("a recipe is text all through");
        hex::encode(Sha256::digest(text))
    }

    /// Returns whether the server has anything to make, or whether its base is used as it is.
    pub fn is_made(&self) -> bool {
        self.has_dockerfile() || self.installs()
    }

    /// Returns whether anything is installed after the base.
    pub fn installs(&self) -> bool {
        self.docker || !self.packages.is_empty() || !self.pip.is_empty() || self.npm != Npm::Nothing
    }

    /// Returns whether it has a Dockerfile.
    pub fn has_dockerfile(&self) -> bool {
        matches!(self.base, Base::Dockerfile { .. } | Base::Text { .. })
    }
}

impl OtherRepository {
    /// Returns what tells it apart from others, fit for the name of a folder.
    pub fn key(&self) -> String {
        hex::encode(&Sha256::digest(format!("{}\n{}", self.url, self.branch))[..8])
    }
}

impl From<&str> for Image {
    fn from(reference: &str) -> Self {
        Self::Ready(reference.to_owned())
    }
}

impl From<String> for Image {
    fn from(reference: String) -> Self {
        Self::Ready(reference)
    }
}

/// In words for people.
impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(reference) => f.write_str(reference),
            Self::Made(recipe) => recipe.fmt(f),
        }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.base {
            Base::Default => f.write_str("the default image")?,
            Base::Reference(reference) => f.write_str(reference)?,
            Base::Dockerfile { path, .. } => f.write_str(path)?,
            Base::Text { .. } => f.write_str("dockerfile_text")?,
        }
        let mut separator = " with ";
        let mut add = |f: &mut fmt::Formatter<'_>, what: &str| {
            let written = write!(f, "{separator}{what}");
            separator = ", ";
            written
        };
        if !self.packages.is_empty() {
            add(f, &self.packages.join(" "))?;
        }
        if self.docker {
            add(f, "docker")?;
        }
        if !self.pip.is_empty() {
            add(f, &format!("pip: {}", self.pip.join(" ")))?;
        }
        match &self.npm {
            Npm::Nothing => Ok(()),
            Npm::Project => add(f, "npm: package.json"),
            Npm::Packages(packages) => add(f, &format!("npm: {}", packages.join(" "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        Recipe { base: Base::Reference("node:20".into()), packages: vec!["git".into()], ..Recipe::default() }
    }

    #[test]
    fn a_ready_image_is_a_plain_text_and_a_recipe_comes_back_whole() {
        let ready: Image = serde_json::from_str("\"node:20\"").unwrap();
        assert_eq!(ready, Image::from("node:20"));
        assert_eq!(serde_json::to_string(&ready).unwrap(), "\"node:20\"");
        let dockerfile = Base::Dockerfile { path: "ci/Dockerfile".into(), context: String::new() };
        let whole = Recipe {
            base: dockerfile,
            build_args: [("A".to_owned(), "1".to_owned())].into(),
            npm: Npm::Project,
            keeps_workdir: true,
            ..recipe()
        };
        for recipe in [recipe(), whole] {
            let made = Image::Made(Box::new(recipe));
            let text = serde_json::to_string(&made).unwrap();
            assert_eq!(serde_json::from_str::<Image>(&text).unwrap(), made, "{text}");
        }
    }

    #[test]
    fn what_needs_no_making_is_a_ready_image() {
        assert_eq!(Image::of(Recipe::default()), None);
        let plain = Recipe { base: Base::Reference("node:20".into()), ..Recipe::default() };
        assert_eq!(Image::of(plain), Some(Image::from("node:20")));
        assert!(matches!(Image::of(recipe()), Some(Image::Made(_))));
    }

    #[test]
    fn keys_differ_as_recipes_do_and_people_can_read_them() {
        let other = Recipe { packages: vec!["git".into(), "make".into()], ..recipe() };
        assert_eq!(recipe().key(), recipe().key());
        assert_ne!(recipe().key(), other.key());
        assert_eq!(Recipe { pip: vec!["six".into()], ..other }.to_string(), "node:20 with git make, pip: six");
    }
}
