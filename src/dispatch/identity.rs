//! Who holds a token, and what it allows. Knows no HTTP.

use sha2::{Digest as _, Sha256};

use super::{error::Error, shared::Shared};
use crate::{clock, store::tokens};

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Look at everything, but for secrets.
    Read,
    /// Cancel, reset, retry; and look.
    Operate,
    /// See which secrets there are, never their values.
    SecretRead,
    /// Set and delete secrets; and see which there are.
    SecretWrite,
    /// Have secrets in a shell of one's own, as nodes have them.
    SecretUse,
    /// Everything.
    Admin,
}

impl Scope {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "read" => Some(Self::Read),
            "operate" => Some(Self::Operate),
            "secret:read" => Some(Self::SecretRead),
            "secret:write" => Some(Self::SecretWrite),
            "secret:use" => Some(Self::SecretUse),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }

    fn includes(self, other: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Operate => matches!(other, Self::Operate | Self::Read),
            Self::SecretWrite => matches!(other, Self::SecretWrite | Self::SecretRead),
            Self::Read | Self::SecretRead | Self::SecretUse => self == other,
        }
    }
}

/// The holder of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of the token.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
}

impl Identity {
    /// Says whether the token allows something of this scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|held| held.includes(scope))
    }
}

/// Finds the holder of a token. Tokens are compared by their hash, so timing tells nothing about them.
pub(super) async fn identify(shared: &Shared, token: &str) -> Result<Option<Identity>, Error> {
    let hash = Sha256::digest(token.as_bytes()).to_vec();
    let found = shared.store.read(move |connection| tokens::find(connection, &hash)).await?;
    Ok(found.map(|token| Identity {
        name: token.name,
        scopes: token.scopes.split_whitespace().filter_map(Scope::parse).collect(),
    }))
}

/// Keeps a token; its value is nowhere afterwards but with its holder.
pub(super) async fn keep(shared: &Shared, name: &str, scopes: &str, value: &str) -> Result<(), Error> {
    let token = tokens::Token { name: name.to_owned(), scopes: scopes.to_owned() };
    let hash = Sha256::digest(value.as_bytes()).to_vec();
    let now = clock::now();
    Ok(shared.store.write(move |connection| tokens::put(connection, &token, &hash, now)).await?)
}
