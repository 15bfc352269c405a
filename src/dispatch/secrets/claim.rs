//! What of the secrets there are a pipeline can have, and under which names.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    dispatch::{error::Error, shared::Shared, start},
    engine::Pipeline,
    model::{Fence, Launch, SecretScope, Trust, WorkerId},
    store::{Connection, secrets},
    vault::{self, Label, Sealed, Vault},
    worker::Secret,
};

/// What an attempt can have. Nobody but a pipeline makes one.
#[derive(Debug)]
pub(in crate::dispatch) struct Claim {
    /// The last one wins.
    scopes: Vec<SecretScope>,
    /// Variables, each with the name of its secret; nothing: every secret under its own name.
    wanted: Option<BTreeMap<String, String>>,
    /// Variables that the server sets itself.
    taken: BTreeSet<String>,
}

/// Why somebody does not get what is theirs.
pub(super) enum Withheld {
    /// The store does not answer. Later it will.
    Unavailable(Error),
    /// What is wrong, for people.
    Because(String),
}

/// A secret that was opened.
pub(super) struct Opened {
    pub(super) name: String,
    pub(super) value: SecretString,
    pub(super) is_masked: bool,
}

/// Says whether there is any secret.
pub(in crate::dispatch) fn has_any(connection: &Connection) -> Result<bool, crate::store::Error> {
    Ok(secrets::newest_key(connection)?.is_some())
}

/// Says whether a node of this pipeline has to ask for secrets before it begins.
pub(in crate::dispatch) fn is_to_ask(shared: &Shared, launch: &Launch) -> bool {
    launch.trust == Trust::Trusted
        && match &launch.secrets {
            Some(wanted) => !wanted.is_empty(),
            None => shared.has_secrets(),
        }
}

/// Makes the claim of an attempt that this worker is about to begin; nothing where there is no such attempt,
/// or the code is a fork's.
pub(in crate::dispatch) fn claim(
    shared: &Shared,
    pipeline: &Pipeline,
    (fence, worker): &(Fence, WorkerId),
) -> Option<Claim> {
    let launch = pipeline.launch();
    if launch.trust != Trust::Trusted {
        return None;
    }
    let repository = &launch.trigger.repository.full_name;
    let scopes =
        vec![SecretScope::Organisation, SecretScope::repository(repository), SecretScope::user(&shared.options.owner)];
    let (node, found) = pipeline.live_attempt(*fence)?;
    if found.worker != *worker || found.started_at.is_some() {
        return None;
    }
    let taken = start::generated(shared, pipeline, node, *fence).into_keys().collect();
    Some(Claim { scopes, wanted: launch.secrets.clone(), taken })
}

impl Claim {
    /// Names the repository, for the way out of an error.
    fn repository(&self) -> &str {
        let repository = self.scopes.iter().find(|scope| matches!(scope, SecretScope::Repository(_)));
        repository.map_or("", |scope| scope.subject())
    }

    /// Gets what is claimed, each variable once.
    pub(super) async fn fetch(self, shared: &Shared) -> Result<Vec<Secret>, Withheld> {
        let opened = open(shared, self.scopes.clone()).await?;
        let named = |name: &str| opened.iter().find(|opened| opened.name == name);
        let pairs: Vec<(String, &Opened)> = match &self.wanted {
            None => opened.iter().map(|opened| (opened.name.clone(), opened)).collect(),
            Some(wanted) => {
                let missing = |name: &str| {
                    Withheld::Because(format!(
                        "conducto.cfg wants secret `{name}`, and there is none; set it with `conducto secret set {name} \
                         --repository {}`",
                        self.repository()
                    ))
                };
                let found = wanted
                    .iter()
                    .map(|(variable, name)| Ok((variable.clone(), named(name).ok_or_else(|| missing(name))?)));
                found.collect::<Result<_, Withheld>>()?
            }
        };
        let free = pairs.into_iter().filter(|(variable, _)| !self.taken.contains(variable));
        Ok(free
            .map(|(variable, Opened { value, is_masked, .. })| Secret::new(variable, value.expose_secret(), *is_masked))
            .collect())
    }
}

/// Opens what lies within these scopes; of several with one name the last.
async fn open(shared: &Shared, scopes: Vec<SecretScope>) -> Result<Vec<Opened>, Withheld> {
    let vault = Arc::clone(&shared.parts.vault);
    let read = shared.store.read(move |connection| {
        let mut last = BTreeMap::new();
        for stored in secrets::within_reach(connection, &scopes)? {
            last.insert(stored.key.name.clone(), stored);
        }
        Ok(last.into_values().map(|stored| open_one(&vault, stored)).collect::<Result<Vec<_>, _>>())
    });
    let opened = read.await.map_err(|error| Withheld::Unavailable(error.into()))?;
    opened.map_err(|error| {
        tracing::error!(error = %error, "secrets cannot be opened");
        Withheld::Because(format!("its secrets cannot be had: {error}"))
    })
}

fn open_one(vault: &Vault, stored: secrets::Stored) -> Result<Opened, vault::Error> {
    let value =
        vault.open(&label(&stored), &Sealed { key_version: stored.key_version, bytes: stored.sealed.clone() })?;
    Ok(Opened { name: stored.key.name, value, is_masked: stored.is_masked })
}

/// Returns what a secret is sealed as.
pub(super) fn label(stored: &secrets::Stored) -> Label<'_> {
    Label {
        scope: stored.key.scope.word(),
        subject: stored.key.scope.subject(),
        name: &stored.key.name,
        version: stored.version,
        is_masked: stored.is_masked,
    }
}
