//! Reads from the commit what a recipe names. Nothing but the commit's own tree is ever looked at.

use std::{io, sync::Arc};

use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;

use crate::{
    definition::Dockerignore,
    dispatch::{refetch, registry, shared::Shared},
    executor::{Context, Dockerfile, Error, ImageOrder, Pieces},
    git::{FileAtCommit, Listed, Listing, MirrorName},
    model::{Base, Npm, PipelineId, Recipe, Trigger, Trust},
};

/// Longer Dockerfiles are not read.
const LARGEST_FILE: usize = 1 << 20;

/// More bytes than this are not sent to a build.
const LARGEST_CONTEXT: u64 = 2 << 30;

/// Pieces of an archive that are read ahead.
const AHEAD: usize = 4;

/// Files that npm reads, the first of which must be there.
const PROJECT: [&str; 3] = ["package.json", "package-lock.json", "npm-shrinkwrap.json"];

/// Collects what goes into the image of a recipe, for a pipeline whose working copy is this folder of its commit.
pub(super) async fn gather(
    shared: &Arc<Shared>,
    pipeline: &PipelineId,
    trust: Trust,
    recipe: &Recipe,
    folder: &str,
) -> Result<ImageOrder, Error> {
    let mut recipe = recipe.clone();
    if recipe.base == Base::Default {
        recipe.base = Base::Reference(shared.options.default_image.clone());
    }
    let mut order = ImageOrder { recipe, trust, dockerfile: None, context: None, project: Vec::new() };
    let names_files = !matches!(&order.recipe.base, Base::Reference(_) | Base::Text { context: None, .. })
        || order.recipe.npm == Npm::Project;
    if let Base::Text { text, .. } = &order.recipe.base {
        order.dockerfile = Some(Dockerfile { name: "dockerfile_text".to_owned(), text: text.clone() });
    }
    if !names_files {
        return Ok(order);
    }
    let loaded = registry::load(shared, pipeline).await.map_err(|error| refused(&error))?;
    let trigger = &loaded.launch().trigger;
    refetch::ensure(shared, trigger).await.map_err(|error| refused(&error))?;
    let commit = Commit { shared, trigger };
    let context = match &order.recipe.base {
        Base::Dockerfile { path, context } => {
            let text = commit.text("dockerfile", path).await?;
            order.dockerfile = Some(Dockerfile { name: path.clone(), text });
            Some(context.clone())
        }
        Base::Text { context, .. } => context.clone(),
        Base::Default | Base::Reference(_) => None,
    };
    if let Some(folder) = context {
        order.context = Some(commit.context(&folder).await?);
    }
    if order.recipe.npm == Npm::Project {
        order.project = commit.project(folder).await?;
    }
    Ok(order)
}

/// The commit of a pipeline.
struct Commit<'a> {
    shared: &'a Arc<Shared>,
    trigger: &'a Trigger,
}

impl Commit<'_> {
    fn mirror(&self) -> MirrorName {
        MirrorName { host: self.trigger.host.clone(), id: self.trigger.repository.id }
    }

    async fn file(&self, path: &str) -> Result<FileAtCommit, Error> {
        let mirrors = &self.shared.parts.mirrors;
        let found = mirrors.read_file(&self.mirror(), &self.trigger.sha, path, LARGEST_FILE).await;
        found.map_err(|error| refused(&error))
    }

    async fn text(&self, key: &str, path: &str) -> Result<String, Error> {
        let why = match self.file(path).await? {
            FileAtCommit::Found(bytes) => match String::from_utf8(bytes) {
                Ok(text) => return Ok(text),
                Err(_) => "is not UTF-8 text".to_owned(),
            },
            FileAtCommit::Missing => "does not exist in this commit".to_owned(),
            FileAtCommit::NotAFile(what) => format!("is {what}"),
            FileAtCommit::TooLarge(_) => format!("is larger than {} KiB", LARGEST_FILE >> 10),
        };
        Err(unusable(path, &format!("its `{key}` {why}")))
    }

    async fn context(&self, folder: &str) -> Result<Context, Error> {
        let name = format!("{folder}/.dockerignore");
        let ignore = match self.file(name.trim_start_matches('/')).await? {
            FileAtCommit::Found(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            _ => None,
        };
        let rules = Dockerignore::parse(ignore.as_deref().unwrap_or_default());
        let keep = Box::new(move |path: &str| !rules.ignores(path));
        let (mirrors, mirror) = (self.shared.parts.mirrors.clone(), self.mirror());
        let listed = mirrors.list(&mirror, &self.trigger.sha, folder, LARGEST_CONTEXT, keep).await;
        let listing = match listed.map_err(|error| refused(&error))? {
            Listed::Folder(listing) => Arc::new(listing),
            Listed::NotAFolder(what) => return Err(unusable(folder, &format!("its `context` is {what}"))),
            Listed::TooLarge(_) => {
                let message = format!(
                    "its `context` is larger than {} GiB; leave files out with a .dockerignore",
                    LARGEST_CONTEXT >> 30
                );
                return Err(unusable(folder, &message));
            }
        };
        let digest = listing.digest.clone();
        let shared = Arc::clone(self.shared);
        let open = Arc::new(move || packed(&shared, mirror.clone(), Arc::clone(&listing)));
        Ok(Context { digest, ignore, open })
    }

    async fn project(&self, folder: &str) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let mut project = Vec::new();
        for name in PROJECT {
            let path = format!("{folder}/{name}");
            match self.file(path.trim_start_matches('/')).await? {
                FileAtCommit::Found(bytes) => project.push((name.to_owned(), bytes)),
                _ if name == PROJECT[0] => {
                    return Err(unusable(&path, "`install_npm = true` needs a package.json, and there is none"));
                }
                _ => {}
            }
        }
        Ok(project)
    }
}

/// Reads the files only when somebody listens, and as fast as they are taken.
fn packed(shared: &Arc<Shared>, mirror: MirrorName, listing: Arc<Listing>) -> Pieces {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let (mirrors, last) = (shared.parts.mirrors.clone(), sender.clone());
    shared.tasks.spawn(async move {
        if let Err(error) = mirrors.pack(&mirror, listing, sender).await {
            drop(last.send(Err(io::Error::other(error))).await);
        }
    });
    stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) }).boxed()
}

fn unusable(image: &str, message: &str) -> Error {
    Error::Image { image: image.to_owned(), message: message.to_owned() }
}

fn refused(error: &dyn std::fmt::Display) -> Error {
    Error::Refused { message: error.to_string() }
}
