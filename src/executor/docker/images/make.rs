//! Makes an image of an order: base, Dockerfile, packages. What is there already is not made again.
//!
//! Every stage's result carries a name made of all that went into it, the id of what it is based on included.

use std::{
    collections::{BTreeSet, HashMap},
    io,
};

use bollard::{
    models::{ContainerCreateBody, ImageInspect},
    query_parameters::{CreateContainerOptions, DownloadFromContainerOptionsBuilder, RemoveContainerOptionsBuilder},
};
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};

use super::{
    super::{
        client::{Client, if_found, translate},
        container::SERVER_LABEL,
        user,
    },
    archive::archive,
    build::{Build, build},
    flavour::Flavour,
    install,
    instructions::outside,
    pull::{Images, inspect},
    registries::Access,
};
use crate::{
    executor::{Error, ImageNews, ImageOrder, ImageStage, Watch},
    model::{Base, Trust},
};

/// What Dockerfiles made.
pub(super) const BUILT: &str = "conducto_built:";
/// What has packages installed.
pub(super) const INSTALLED: &str = "conducto_installed:";

/// Name of our Dockerfile in the archive; no file of a repository is called so.
const DOCKERFILE: &str = ".conducto.Dockerfile";
const DOCKERIGNORE: &str = ".dockerignore";

/// Files that say of which distribution an image is; the first is a link in many.
const RELEASES: [&str; 4] = ["/etc/os-release", "/usr/lib/os-release", "/etc/centos-release", "/etc/redhat-release"];

/// Arguments that the builder gives to every step without making them part of its cache: a fork must not choose them.
const PREDEFINED: [&str; 5] = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"];

/// What making needs.
pub(in super::super) struct Maker<'a> {
    pub(in super::super) client: &'a Client,
    pub(in super::super) images: &'a Images,
    pub(in super::super) access: &'a Access,
    pub(in super::super) server: &'a str,
}

/// Makes the image, and returns its name.
pub(in super::super) async fn make(maker: Maker<'_>, order: &ImageOrder, watch: Watch<'_>) -> Result<String, Error> {
    let base = match &order.recipe.base {
        Base::Reference(reference) => {
            watch(ImageNews::Begun(ImageStage::Pull));
            maker.have(reference, order.trust, watch).await?;
            reference.clone()
        }
        _ => maker.built(order, watch).await?,
    };
    if order.recipe.installs() { maker.installed(order, &base, watch).await } else { Ok(base) }
}

impl Maker<'_> {
    async fn have(&self, reference: &str, trust: Trust, watch: Watch<'_>) -> Result<ImageInspect, Error> {
        let progress = |line: &str| watch(ImageNews::Line(line.to_owned()));
        self.images.have(self.client, self.access, (reference, trust), &progress).await
    }

    async fn built(&self, order: &ImageOrder, watch: Watch<'_>) -> Result<String, Error> {
        let Some(file) = &order.dockerfile else { return Err(refused("there is no Dockerfile")) };
        let mut arguments = order.recipe.build_args.clone();
        if order.trust == Trust::Fork {
            arguments.retain(|name, _| !PREDEFINED.contains(&name.to_lowercase().as_str()));
        }
        let outside = outside(&file.text, &arguments);
        if let (Trust::Fork, Some(open), false) =
            (order.trust, outside.unknown.first(), self.access.registries.is_empty())
        {
            let message = format!("{} begins with `{open}`, and the code of a fork must name its images", file.name);
            return Err(Error::Image { image: file.name.clone(), message });
        }
        watch(ImageNews::Begun(ImageStage::Pull));
        let mut parents = Vec::new();
        for reference in &outside.references {
            let image = self.have(reference, order.trust, watch).await?;
            parents.push(image.id.unwrap_or_default());
        }
        let digest = order.context.as_ref().map(|context| context.digest.as_str()).unwrap_or_default();
        let inputs = serde_json::json!([file.text, digest, arguments, parents]);
        let tag = tag(BUILT, order.trust, &inputs.to_string());
        if inspect(self.client, &tag).await?.is_some() {
            watch(ImageNews::Line(format!("{tag} is there already")));
            return Ok(tag);
        }
        watch(ImageNews::Begun(ImageStage::Build));
        let mut all: HashMap<String, String> = arguments.into_iter().collect();
        for (name, value) in self.environment(order.trust) {
            all.entry(name).or_insert(value);
        }
        let context = order.context.as_ref().map(|context| (context.open)());
        let ignore = without_ours(order.context.as_ref().and_then(|context| context.ignore.as_deref()));
        let own: [(&str, &[u8]); 2] = [(DOCKERFILE, file.text.as_bytes()), (DOCKERIGNORE, ignore.as_bytes())];
        let body = archive(context, &own).map_err(|error| lost(&error))?;
        let task = Build {
            name: &file.name,
            text: &file.text,
            path: DOCKERFILE,
            tag: &tag,
            arguments: &all,
            labels: &self.labels(),
            logins: self.access.logins(order.trust),
        };
        build(self.client, task, body, watch).await?;
        Ok(tag)
    }

    async fn installed(&self, order: &ImageOrder, base: &str, watch: Watch<'_>) -> Result<String, Error> {
        let gone = || Error::Image { image: base.to_owned(), message: "it is not there any more".into() };
        let parent = inspect(self.client, base).await?.ok_or_else(gone)?;
        let id = parent.id.unwrap_or_default();
        let project: Vec<&str> = order.project.iter().map(|(name, _)| name.as_str()).collect();
        let variables: BTreeSet<String> = self.environment(order.trust).into_keys().collect();
        let user = parent.config.and_then(|config| config.user).unwrap_or_default();
        let place = install::Place {
            parent: &id,
            flavour: self.flavour(&id).await?,
            user: &user,
            variables: &variables,
            project: &project,
        };
        let text = install::dockerfile(&order.recipe, &place)
            .map_err(|message| Error::Image { image: base.to_owned(), message })?;
        let files: Vec<String> =
            order.project.iter().map(|(_, content)| hex::encode(Sha256::digest(content))).collect();
        let tag = tag(INSTALLED, order.trust, &serde_json::json!([text, files]).to_string());
        if inspect(self.client, &tag).await?.is_some() {
            watch(ImageNews::Line(format!("{tag} is there already")));
            return Ok(tag);
        }
        watch(ImageNews::Begun(ImageStage::Install));
        let mut own: Vec<(&str, &[u8])> = vec![(DOCKERFILE, text.as_bytes())];
        own.extend(order.project.iter().map(|(name, content)| (name.as_str(), content.as_slice())));
        let task = Build {
            name: "installing packages",
            text: &text,
            path: DOCKERFILE,
            tag: &tag,
            arguments: &self.environment(order.trust),
            labels: &self.labels(),
            logins: None,
        };
        build(self.client, task, archive(None, &own).map_err(|error| lost(&error))?, watch).await?;
        Ok(tag)
    }

    /// Code of forks gets nothing of the server's.
    fn environment(&self, trust: Trust) -> HashMap<String, String> {
        match trust {
            Trust::Trusted => self.access.environment.clone().into_iter().collect(),
            Trust::Fork => HashMap::new(),
        }
    }

    fn labels(&self) -> HashMap<String, String> {
        [(SERVER_LABEL.to_owned(), self.server.to_owned())].into()
    }

    /// Looks into a container that is made for it and never started.
    async fn flavour(&self, image: &str) -> Result<Result<Flavour, String>, Error> {
        let engine = self.client.engine().await?;
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            entrypoint: Some(vec!["/conducto".to_owned()]),
            // Should the server end here, the next one takes it for what it is: nothing.
            labels: Some([("com.conducto.probe".to_owned(), self.server.to_owned())].into()),
            ..ContainerCreateBody::default()
        };
        let probe = engine.create_container(None::<CreateContainerOptions>, body).await.map_err(translate)?.id;
        let read = async {
            for path in RELEASES {
                let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
                let mut found = Vec::new();
                let mut chunks = std::pin::pin!(engine.download_from_container(&probe, Some(options)));
                while let Some(chunk) = chunks.next().await {
                    match if_found(chunk)? {
                        Some(chunk) => found.extend_from_slice(&chunk),
                        None => break,
                    }
                }
                let text = user::first_file(&found).unwrap_or_default();
                if path.contains("os-release") && text.contains("ID=") {
                    return Ok(Flavour::read(&text));
                }
                if !text.is_empty() && !path.contains("os-release") {
                    return Ok(Ok(Flavour::Yum));
                }
            }
            Ok(Err(String::new()))
        };
        let flavour = read.await;
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        if let Err(error) = engine.remove_container(&probe, Some(options)).await {
            tracing::warn!(%error, "a container that was looked into stays");
        }
        flavour
    }
}

/// The engine takes out of the context what this file says of the Dockerfile and of itself: nothing of ours is copied.
fn without_ours(ignore: Option<&str>) -> String {
    match ignore {
        Some(text) => format!("{}\n{DOCKERFILE}\n", text.trim_end()),
        None => format!("{DOCKERFILE}\n{DOCKERIGNORE}\n"),
    }
}

fn tag(kind: &str, trust: Trust, inputs: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{trust:?}\n{inputs}"));
    format!("{kind}{}", &hex::encode(hash.finalize())[..40])
}

fn refused(message: &str) -> Error {
    Error::Refused { message: message.to_owned() }
}

fn lost(error: &io::Error) -> Error {
    Error::Refused { message: format!("what is to be built cannot be packed: {error}") }
}
