//! What people do with secrets: list, set, delete, and give all of them another key. Values go in and never come out.

use std::sync::Arc;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::claim::label;
use crate::{
    clock,
    dispatch::{error::Error, handle::Dispatch, view::SecretView},
    model::{Actor, SecretScope, check_secret_name, check_secret_value},
    store::{
        self, Connection,
        secrets::{self, Change, SecretKey, Stored},
    },
    vault::{self, Sealed, Vault},
    worker::redact::SHORTEST,
};

/// A secret to be set.
#[derive(Debug)]
pub struct SecretWish {
    /// Whose it is.
    pub scope: SecretScope,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: SecretString,
    /// Whether the value is masked in logs.
    pub is_masked: bool,
}

/// What a rotation has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rotated {
    /// Version of the key that all secrets are sealed with now.
    pub key_version: u32,
    /// How many secrets were sealed with another.
    pub resealed: u64,
    /// How many older keys were removed; back-ups that need them cannot be read any more.
    pub dropped_keys: u64,
}

/// Why secrets are as they were.
#[derive(Debug, thiserror::Error)]
pub enum NoSecret {
    /// The name or the value cannot be one; the words say why, and never show the value.
    #[error("{0}")]
    Invalid(String),
    /// There is none of this name in this scope.
    #[error("{scope} has no secret `{name}`")]
    NotFound {
        /// Whose it would be.
        scope: SecretScope,
        /// The name.
        name: String,
    },
    /// They can be neither sealed nor opened; an operator has to mend that.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The store failed.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<store::Error> for NoSecret {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Dispatch {
    /// Lists all secrets, without their values.
    ///
    /// # Errors
    /// [`NoSecret::Failed`].
    pub async fn secrets(&self) -> Result<Vec<SecretView>, NoSecret> {
        let listed = self.shared.store.read(secrets::list).await?;
        Ok(listed.into_iter().map(view).collect())
    }

    /// Sets a secret, in the place of one that is there. Nodes that begin from now on get this value.
    ///
    /// # Errors
    /// [`NoSecret`]; what was there before stays.
    pub async fn set_secret(&self, wish: SecretWish, actor: &Actor) -> Result<SecretView, NoSecret> {
        let SecretWish { scope, name, value, is_masked } = wish;
        check_secret_name(&name).and_then(|()| check_secret_value(value.expose_secret())).map_err(NoSecret::Invalid)?;
        if is_masked && value.expose_secret().trim_end_matches(['\n', '\r']).len() < SHORTEST {
            let words = format!(
                "a value of less than {SHORTEST} bytes cannot be masked: too much of every log would go with it; set it with \
                 `--no-mask` (`mask` false) if it may be shown"
            );
            return Err(NoSecret::Invalid(words));
        }
        let key = SecretKey { scope, name };
        let (vault, who, now, wanted) =
            (Arc::clone(&self.shared.parts.vault), actor.to_string(), clock::now(), key.clone());
        let set = move |connection: &Connection| set(connection, &vault, wanted, &value, is_masked, &who, now);
        let listed = self.shared.store.write(set).await??;
        self.shared.note_secrets(true);
        tracing::info!(name = %key.name, scope = %key.scope, %actor, "a secret was set");
        Ok(view(listed))
    }

    /// Deletes a secret.
    ///
    /// # Errors
    /// [`NoSecret`].
    pub async fn delete_secret(&self, scope: SecretScope, name: &str, actor: &Actor) -> Result<(), NoSecret> {
        let (key, who, now) = (SecretKey { scope, name: name.to_owned() }, actor.to_string(), clock::now());
        let wanted = key.clone();
        let removed = self.shared.store.write(move |connection| {
            let was_there = secrets::remove(connection, &wanted)?;
            if was_there {
                secrets::note(connection, Change::Deleted, Some(&wanted), &who, now)?;
            }
            Ok((was_there, super::has_any(connection)?))
        });
        let (was_there, has_any) = removed.await?;
        self.shared.note_secrets(has_any);
        let SecretKey { scope, name } = key;
        if !was_there {
            return Err(NoSecret::NotFound { scope, name });
        }
        tracing::info!(%name, %scope, %actor, "a secret was deleted");
        Ok(())
    }

    /// Makes a new key and seals all secrets with it, in one transaction. One that was cut off is finished by the next. With
    /// `drops`, older keys are removed when that is done.
    ///
    /// # Errors
    /// [`NoSecret`]; all secrets can be opened as before.
    pub async fn rotate_secrets(&self, drops: bool, actor: &Actor) -> Result<Rotated, NoSecret> {
        let (vault, who, now) = (Arc::clone(&self.shared.parts.vault), actor.to_string(), clock::now());
        let rotated = self.shared.store.write(move |connection| rotate(connection, &vault, &who, now)).await??;
        let vault = Arc::clone(&self.shared.parts.vault);
        let dropped = match drops {
            // Only once the database is safe on the disk.
            true => self.shared.store.write(move |connection| drop_keys(connection, &vault)).await??,
            false => 0,
        };
        let rotated = Rotated { dropped_keys: dropped as u64, ..rotated };
        tracing::info!(version = rotated.key_version, resealed = rotated.resealed, %actor, "the key of secrets was rotated");
        Ok(rotated)
    }
}

/// What a transaction on secrets comes to: it changes nothing where the vault says no.
type Done<T> = Result<Result<T, vault::Error>, store::Error>;

fn set(
    connection: &Connection,
    vault: &Vault,
    key: SecretKey,
    value: &SecretString,
    is_masked: bool,
    actor: &str,
    now: Timestamp,
) -> Done<secrets::Listed> {
    // With a key at hand, nothing that follows can say no.
    let is_ready = if super::has_any(connection)? { vault.newest().map(drop) } else { vault.begin() };
    if let Err(error) = is_ready {
        return Ok(Err(error));
    }
    let version = secrets::note(connection, Change::Set, Some(&key), actor, now)?;
    let mut stored = Stored { key, version, is_masked, key_version: 0, sealed: Vec::new() };
    let Sealed { key_version, bytes } = match vault.seal(&label(&stored), value) {
        Ok(sealed) => sealed,
        Err(error) => return Err(store::Error::Failed(error.to_string())),
    };
    (stored.key_version, stored.sealed) = (key_version, bytes);
    secrets::put(connection, &stored, actor, now)?;
    let listed = secrets::find(connection, &stored.key)?;
    listed.map(Ok).ok_or_else(|| store::Error::Failed("what was just written is gone".to_owned()))
}

fn rotate(connection: &Connection, vault: &Vault, actor: &str, now: Timestamp) -> Done<Rotated> {
    let used = secrets::newest_key(connection)?;
    let prepared = || {
        if used.is_none() {
            vault.begin()?;
        }
        // A key above all that are used is there when an earlier rotation was cut off, or the operator has added it.
        if used.is_none_or(|used| vault.newest().is_ok_and(|newest| newest <= used)) {
            vault.add_key()?;
        }
        vault.newest()
    };
    let key_version = match prepared() {
        Ok(newest) => newest,
        Err(error) => return Ok(Err(error)),
    };
    let olds = secrets::not_sealed_with(connection, key_version)?;
    let resealed = olds.iter().map(|old| {
        let sealed = Sealed { key_version: old.key_version, bytes: old.sealed.clone() };
        vault.seal(&label(old), &vault.open(&label(old), &sealed)?)
    });
    let resealed: Vec<Sealed> = match resealed.collect() {
        Ok(resealed) => resealed,
        Err(error) => return Ok(Err(error)),
    };
    for (old, Sealed { key_version, bytes }) in olds.iter().zip(&resealed) {
        secrets::reseal(connection, &old.key, *key_version, bytes)?;
    }
    secrets::note(connection, Change::Rotated, None, actor, now)?;
    Ok(Ok(Rotated { key_version, resealed: resealed.len() as u64, dropped_keys: 0 }))
}

fn drop_keys(connection: &Connection, vault: &Vault) -> Done<usize> {
    let newest = match vault.newest() {
        Ok(newest) => newest,
        Err(error) => return Ok(Err(error)),
    };
    let is_unused = secrets::not_sealed_with(connection, newest)?.is_empty();
    Ok(if is_unused { vault.drop_old_keys() } else { Ok(0) })
}

fn view(listed: secrets::Listed) -> SecretView {
    let secrets::Listed { key: SecretKey { scope, name }, is_masked, key_version, set_by, set_at } = listed;
    let subject = (scope != SecretScope::Organisation).then(|| scope.subject().to_owned());
    SecretView { name, scope: scope.word().to_owned(), subject, mask: is_masked, key_version, set_by, set_at }
}
