//! Which folder holds whose data, as a store that is open. Knows no names of objects and nobody's rights.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use super::{error::Error, shared::Shared};
use crate::{
    data::{Store, Usage},
    model::PipelineId,
    store::access,
};

/// How many stores' usage is remembered.
const REMEMBERED: usize = 1_000;

/// Whose data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataOf {
    /// What the nodes of a pipeline share.
    Pipeline(PipelineId),
    /// The user data that a pipeline sees: of its owner, or for the code of a fork its own.
    UserOf(PipelineId),
    /// The user data of an owner; nobody named is the user whose profile this is.
    User(Option<String>),
}

/// How much the stores hold that were used lately.
#[derive(Debug, Default)]
pub(super) struct Usages(Mutex<HashMap<PathBuf, Usage>>);

impl Usages {
    fn of(&self, folder: &PathBuf) -> Usage {
        let mut usages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if usages.len() >= REMEMBERED && !usages.contains_key(folder) {
            usages.clear();
        }
        usages.entry(folder.clone()).or_default().clone()
    }
}

pub(super) async fn open(shared: &Shared, of: DataOf) -> Result<Store, Error> {
    let layout = shared.options.layout.clone();
    let folder = match of {
        DataOf::User(owner) => {
            layout.create_owner(owner.as_deref()).map_err(|error| Error::Unavailable(Box::new(error)))?;
            layout.owner_data(owner.as_deref())
        }
        DataOf::Pipeline(id) => folder(shared, &id, false).await?,
        DataOf::UserOf(id) => folder(shared, &id, true).await?,
    };
    let usage = shared.usages.of(&folder);
    let limits = shared.options.data.limits;
    let opened = tokio::task::spawn_blocking(move || Store::open(&folder, limits)).await;
    let opened = opened.map_err(|_| Error::Stopping)?;
    Ok(opened.map_err(|error| Error::Unavailable(Box::new(error)))?.sharing(usage))
}

async fn folder(shared: &Shared, id: &PipelineId, is_user: bool) -> Result<PathBuf, Error> {
    let wanted = id.clone();
    let found = shared.store.read(move |connection| access::of_pipeline(connection, &wanted)).await?;
    let found = found.ok_or(Error::NotFound("pipeline"))?;
    let layout = &shared.options.layout;
    let (trust, owner) = (found.trust, found.owner.as_deref());
    let folder = if is_user { layout.user_data_for(id, trust, owner) } else { layout.pipeline_data(id) };
    if let Some(at) = found.removed_at.filter(|_| !folder.is_dir()) {
        return Err(Error::Gone(format!("the data of pipeline `{id}` was removed on {at:.0}, as the settings say")));
    }
    // None of its nodes has started yet.
    layout.launch_spare(id).map_err(|error| Error::Unavailable(Box::new(error)))?;
    layout.create_pipeline(id, trust, owner).map_err(|error| Error::Unavailable(Box::new(error)))?;
    Ok(folder)
}
