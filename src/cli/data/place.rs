//! Where data is reached: a folder that this process has, or a server, by its address or through the worker of this node.
//! Knows no commands.

use std::{
    fs::File,
    io::{self, Read, Seek as _, SeekFrom, Write},
    path::Path,
};

use anyhow::{Context as _, anyhow};
use reqwest::{Method, StatusCode, header};
use serde::Deserialize;
use tokio_util::io::ReaderStream;

use super::{Kind, attempt::again};
use crate::{
    cli::{
        args::Remote,
        client::{Client, encode},
        failure::Failure,
        place,
    },
    data::{self, Limits, Name, Store},
    model::PipelineId,
};

/// So much is copied at once.
const AT_ONCE: usize = 256 * 1024;

/// The variables of a node that say where its data is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Local {
    pub(crate) pipeline: Option<String>,
    pub(crate) pipeline_folder: Option<String>,
    pub(crate) user_folder: Option<String>,
    pub(crate) socket: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) auto_url: Option<String>,
}

impl Local {
    /// Reads them from the environment of this process.
    pub(crate) fn look() -> Self {
        let environment = place::environment();
        let given = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
        Self {
            pipeline: given("CONDUCTO_PIPELINE_ID"),
            pipeline_folder: given("CONDUCTO_DATA_PIPELINE"),
            user_folder: given("CONDUCTO_DATA_USER"),
            socket: given("CONDUCTO_DATA_SOCKET"),
            token: given("CONDUCTO_TOKEN"),
            auto_url: given("CONDUCTO_AUTO_URL"),
        }
    }

    /// Returns the pipeline that is meant.
    pub(crate) fn pipeline(&self, asked: Option<&str>) -> Result<PipelineId, Failure> {
        let id = asked.or(self.pipeline.as_deref()).ok_or_else(|| {
            Failure::usage(anyhow!("it is not known of which pipeline"))
                .help("name it with --id, as in --id=abc-def; in a node that is not needed")
        })?;
        PipelineId::parse(id).map_err(|error| Failure::usage(anyhow!(error.to_string())))
    }
}

/// The place.
pub(crate) enum Place {
    /// A folder.
    Folder(Store),
    /// A server, and the path of the store there.
    Server(Box<Client>, String),
}

/// What is to be stored.
pub(crate) enum Source {
    File(File),
    /// Whatever comes to standard input.
    Input,
}

impl Place {
    /// Finds it.
    pub(crate) fn find(
        kind: Kind,
        id: Option<&str>,
        on_disk: Option<bool>,
        local: &Local,
        remote: &Remote,
    ) -> Result<Self, Failure> {
        if on_disk == Some(false) {
            return Err(Failure::usage(anyhow!("a server of your own has no cloud")).help("leave out --no-local"));
        }
        let is_own = id.is_none() || id == local.pipeline.as_deref();
        let folder = match kind {
            Kind::Pipeline => local.pipeline_folder.as_deref().filter(|_| is_own),
            Kind::User => local.user_folder.as_deref(),
        };
        if let Some(folder) = folder {
            return Self::folder(Path::new(folder));
        }
        let path = match kind {
            Kind::Pipeline => format!("/pipelines/{}/data", local.pipeline(id)?),
            Kind::User => "/data/user".to_owned(),
        };
        if let Some(socket) = &local.socket {
            let client = Client::through(Path::new(socket), local.token.clone())?;
            return Ok(Self::Server(Box::new(client), path));
        }
        if on_disk == Some(true) {
            let layout = place::layout(remote.config.as_deref(), &place::environment())
                .ok_or_else(|| Failure::usage(anyhow!("no base directory is known")))?;
            return Self::folder(&match kind {
                Kind::Pipeline => layout.pipeline_data(&local.pipeline(id)?),
                Kind::User => layout.user_data(),
            });
        }
        Ok(Self::Server(Box::new(Client::new(remote)?), path))
    }

    fn folder(path: &Path) -> Result<Self, Failure> {
        let opened = Store::open(path, Limits::NONE);
        Ok(Self::Folder(opened.with_context(|| format!("the folder {} cannot be opened", path.display()))?))
    }

    /// Lists the names in a folder.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let name = Name::parse(prefix).map_err(wrong)?;
        match self {
            Self::Folder(store) => Ok(store.list(&name)?.into_iter().map(|entry| entry.name).collect()),
            Self::Server(client, path) => {
                #[derive(Deserialize)]
                struct Entry {
                    name: String,
                }
                #[derive(Deserialize)]
                struct List {
                    entries: Vec<Entry>,
                }
                let path = format!("{path}?prefix={}", encode(name.as_str()));
                let list: List = again(client, async || client.get(&path).await).await?;
                Ok(list.entries.into_iter().map(|entry| entry.name).collect())
            }
        }
    }

    /// Says whether there is anything.
    pub(crate) async fn exists(&self, name: &str) -> Result<bool, Failure> {
        let name = Name::parse(name).map_err(wrong)?;
        match self {
            Self::Folder(store) => Ok(store.exists(&name)?),
            Self::Server(..) if name.is_root() => Ok(true),
            Self::Server(..) => match self.head(&name).await? {
                Some(_) => Ok(true),
                // A folder has no content of its own, but its parent has its name.
                None => {
                    let above = name.as_str().rsplit_once('/').map_or("", |(above, _)| above);
                    Ok(self.list(above).await?.iter().any(|found| found == name.as_str()))
                }
            },
        }
    }

    /// Returns the bytes of an object.
    pub(crate) async fn size(&self, name: &str) -> Result<u64, Failure> {
        let name = Name::parse_object(name).map_err(wrong)?;
        match self {
            Self::Folder(store) => Ok(store.read(&name)?.size),
            Self::Server(..) => self.head(&name).await?.ok_or_else(|| data::Error::Missing(name.to_string()).into()),
        }
    }

    /// Copies an object, or part of it, to where it is wanted. Nothing where there is none.
    pub(crate) async fn read(
        &self,
        name: &str,
        range: Option<(u64, u64)>,
        target: &mut (dyn Write + Send),
    ) -> Result<Option<u64>, Failure> {
        let name = Name::parse_object(name).map_err(wrong)?;
        let empty = range.is_some_and(|(begin, end)| begin == end);
        match self {
            Self::Folder(store) => {
                let mut object = match store.read(&name) {
                    Err(error) if error.is_missing() => return Ok(None),
                    object => object?,
                };
                let (begin, end) = range.unwrap_or((0, u64::MAX));
                object.file.seek(SeekFrom::Start(begin))?;
                Ok(Some(io::copy(&mut object.file.take(end - begin), target)?))
            }
            Self::Server(client, path) => {
                let address = object(path, &name);
                let asked = async || {
                    let mut request = client.request(Method::GET, &address);
                    if let Some((begin, end)) = range.filter(|_| !empty) {
                        request = request.header(header::RANGE, format!("bytes={begin}-{}", end - 1));
                    }
                    client.answer(request).await
                };
                let mut response = again(client, asked).await?;
                match response.status() {
                    StatusCode::NOT_FOUND => return Ok(None),
                    // Nothing of it lies in the range.
                    StatusCode::RANGE_NOT_SATISFIABLE => return Ok(Some(0)),
                    status if status.is_success() => {}
                    _ => return Err(client.refusal(response).await),
                }
                if empty {
                    return Ok(Some(0));
                }
                let mut bytes = 0;
                while let Some(chunk) = response.chunk().await.map_err(|error| client.lost(error))? {
                    bytes += chunk.len() as u64;
                    target.write_all(&chunk)?;
                }
                Ok(Some(bytes))
            }
        }
    }

    /// Stores an object: in full, or not at all.
    pub(crate) async fn write(&self, name: &str, source: Source) -> Result<u64, Failure> {
        let name = Name::parse_object(name).map_err(wrong)?;
        match self {
            Self::Folder(store) => {
                let mut draft = store.write(&name)?;
                match source {
                    Source::File(file) => copy(file, &mut draft)?,
                    Source::Input => copy(io::stdin().lock(), &mut draft)?,
                }
                Ok(draft.commit()?)
            }
            Self::Server(client, path) => {
                let file = match source {
                    Source::File(file) => file,
                    // It may have to be sent twice.
                    Source::Input => {
                        let mut file = unnamed()?;
                        io::copy(&mut io::stdin().lock(), &mut file)?;
                        file
                    }
                };
                let (address, size) = (object(path, &name), file.metadata()?.len());
                let asked = async || {
                    let mut file = file.try_clone()?;
                    file.seek(SeekFrom::Start(0))?;
                    let stream = ReaderStream::with_capacity(tokio::fs::File::from_std(file), AT_ONCE);
                    let request = client.request(Method::PUT, &address).header(header::CONTENT_LENGTH, size);
                    client.send(request.body(reqwest::Body::wrap_stream(stream))).await
                };
                again(client, asked).await?;
                Ok(size)
            }
        }
    }

    /// Deletes an object, or with `recursive` a folder.
    pub(crate) async fn delete(&self, name: &str, recursive: bool) -> Result<(), Failure> {
        let name = Name::parse_object(name).map_err(wrong)?;
        match self {
            Self::Folder(store) => Ok(store.delete(&name, recursive)?),
            Self::Server(client, path) => {
                let address = format!("{}?recursive={recursive}", object(path, &name));
                again(client, async || client.send(client.request(Method::DELETE, &address)).await).await.map(drop)
            }
        }
    }

    /// Notes that an object was used; a server does so itself.
    pub(crate) fn touch(&self, name: &Name) {
        if let Self::Folder(store) = self
            && let Err(error) = store.touch(name)
        {
            tracing::debug!(%error, "a cache seems older than it is");
        }
    }

    /// Keeps caches within a budget; a server does so itself.
    pub(crate) fn evict(&self, budget: u64, newest: &Name) -> Result<(), Failure> {
        if let Self::Folder(store) = self {
            store.evict_caches(budget, Some(newest))?;
        }
        Ok(())
    }

    async fn head(&self, name: &Name) -> Result<Option<u64>, Failure> {
        let Self::Server(client, path) = self else { return Ok(None) };
        let address = object(path, name);
        let response = again(client, async || client.answer(client.request(Method::HEAD, &address)).await).await?;
        match response.status() {
            StatusCode::NOT_FOUND | StatusCode::CONFLICT => Ok(None),
            status if status.is_success() => {
                let length = response.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
                Ok(Some(length.and_then(|digits| digits.parse().ok()).unwrap_or(0)))
            }
            _ => Err(client.refusal(response).await),
        }
    }
}

/// Makes a file that is gone when it is closed.
pub(crate) fn unnamed() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!(".conducto-{}", crate::clock::new_uuid()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

fn copy(mut source: impl Read, draft: &mut data::Draft) -> Result<(), Failure> {
    let mut buffer = vec![0; AT_ONCE];
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(()),
            length => draft.add(&buffer[..length])?,
        }
    }
}

fn object(path: &str, name: &Name) -> String {
    let parts: Vec<String> = name.as_str().split('/').map(encode).collect();
    format!("{path}/{}", parts.join("/"))
}

fn wrong(bad: data::BadName) -> Failure {
    Failure::usage(bad)
}

impl From<data::Error> for Failure {
    fn from(error: data::Error) -> Self {
        Self::new(error)
    }
}
