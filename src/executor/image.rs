//! An image that is to be made, with all that goes into it, and what is told meanwhile. Knows neither git nor an engine.

use std::{fmt, io, sync::Arc};

use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::{Recipe, Trust};

/// Pieces of an archive.
pub type Pieces = BoxStream<'static, io::Result<Vec<u8>>>;

/// All that an image is made of.
#[derive(Clone, Debug)]
pub struct ImageOrder {
    /// How it is made. Its base is named: the server's default image stands in the place of [`crate::model::Base::Default`].
    pub recipe: Recipe,
    /// Whose code asks for it; images of one class are never used by the other.
    pub trust: Trust,
    /// The Dockerfile, where the recipe has one.
    pub dockerfile: Option<Dockerfile>,
    /// What the Dockerfile may copy from.
    pub context: Option<Context>,
    /// Name and content of the files that npm is to read.
    pub project: Vec<(String, Vec<u8>)>,
}

/// A Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dockerfile {
    /// Its name for people.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// The files that a Dockerfile may copy.
#[derive(Clone)]
pub struct Context {
    /// Tells contents apart: equal files have equal digests.
    pub digest: String,
    /// Its `.dockerignore`; what that names is left out already.
    pub ignore: Option<String>,
    /// Opens them as the entries of a tar archive, without its end.
    pub open: Arc<dyn Fn() -> Pieces + Send + Sync>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("digest", &self.digest).finish_non_exhaustive()
    }
}

/// What is being done about an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageStage {
    /// What it begins with is pulled, unless it is there.
    Pull,
    /// Its Dockerfile is carried out.
    Build,
    /// Packages are installed.
    Install,
}

impl ImageStage {
    /// Returns words for people: what is happening.
    pub fn words(self) -> &'static str {
        match self {
            Self::Pull => "pulling",
            Self::Build => "building",
            Self::Install => "installing packages",
        }
    }
}

/// What is told while an image is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageNews {
    /// A stage has begun; the one before has ended well.
    Begun(ImageStage),
    /// A line for the log.
    Line(String),
}

/// Takes what is told.
pub type Watch<'a> = &'a (dyn Fn(ImageNews) + Send + Sync);

/// An image of this server's making that the runtime has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedImage {
    /// Its name.
    pub reference: String,
    /// Bytes that it takes, what it shares with others included.
    pub bytes: u64,
}

impl ImageOrder {
    /// Returns the key of the order, in hexadecimal: sha256 of the inputs and of the trust class.
    pub fn key(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update(bytes.len().to_le_bytes());
            hash.update(bytes);
        };
        add(if self.trust == Trust::Fork { b"fork" } else { b"trusted" });
        // Where nodes begin, and on what, is no matter of the image.
        let recipe = Recipe { keeps_workdir: false, copy: None, ..self.recipe.clone() };
        add(recipe.key().as_bytes());
        add(self.dockerfile.as_ref().map(|file| file.text.as_bytes()).unwrap_or_default());
        add(self.context.as_ref().map(|context| context.digest.as_bytes()).unwrap_or_default());
        for (name, content) in &self.project {
            add(name.as_bytes());
            add(content);
        }
        hex::encode(hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;
    use crate::model::Base;

    fn order() -> ImageOrder {
        let base = Base::Dockerfile { path: "Dockerfile".into(), context: String::new() };
        ImageOrder {
            recipe: Recipe { base, ..Recipe::default() },
            trust: Trust::Trusted,
            dockerfile: Some(Dockerfile { name: "Dockerfile".into(), text: "FROM busybox\n".into() }),
            context: Some(context("a")),
            project: Vec::new(),
        }
    }

    fn context(digest: &str) -> Context {
        Context { digest: digest.into(), ignore: None, open: Arc::new(|| futures_util::stream::empty().boxed()) }
    }

    #[test]
    fn the_key_tells_apart_what_goes_into_an_image_and_whose_code_it_is() {
        let key = order().key();
        assert_eq!(key, order().key());
        let text = Dockerfile { name: "Dockerfile".into(), text: "FROM alpine\n".into() };
        let others = [
            ImageOrder { trust: Trust::Fork, ..order() },
            ImageOrder { dockerfile: Some(text), ..order() },
            ImageOrder { context: Some(context("b")), ..order() },
            ImageOrder { project: vec![("package.json".into(), b"{}".to_vec())], ..order() },
        ];
        for other in others {
            assert_ne!(other.key(), key, "{other:?}");
        }
        let recipe = Recipe { keeps_workdir: true, ..order().recipe };
        assert_eq!(ImageOrder { recipe, ..order() }.key(), key);
    }
}
