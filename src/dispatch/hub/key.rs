//! What proves that a connection comes from the worker of the first one. Keeps a hash only; knows no socket.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use sha2::{Digest, Sha256};

use crate::clock;

type Hash = [u8; 32];

/// How far the handing over has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody has been here.
    Free,
    /// Sent to somebody who has not answered. No node was started yet, so another may still come without a key.
    Offered(Hash),
    /// The worker has it.
    Held(Hash),
}

/// The key of one worker.
#[derive(Debug)]
pub(super) struct Key {
    path: PathBuf,
    state: State,
}

/// What a newcomer gets.
#[derive(Debug)]
pub(super) struct Pass {
    /// A key, for those who came without one.
    pub(super) key: Option<String>,
    hash: Hash,
}

impl Key {
    /// Reads what an earlier server noted.
    pub(super) fn load(path: PathBuf) -> io::Result<Self> {
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self { path, state: State::Free }),
            text => text?,
        };
        let hash = |digits: &str| {
            let mut hash = Hash::default();
            hex::decode_to_slice(digits.trim(), &mut hash).ok().map(|()| hash)
        };
        let state = match text.split_once(' ') {
            Some(("offered", digits)) => hash(digits).map(State::Offered),
            Some(("held", digits)) => hash(digits).map(State::Held),
            _ => None,
        };
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the key file is damaged");
        Ok(Self { path, state: state.ok_or_else(damaged)? })
    }

    /// Judges a newcomer; the result is noted before anything is said to them.
    pub(super) fn admit(&mut self, shown: Option<&str>) -> io::Result<Option<Pass>> {
        match (self.state, shown.map(hash_of)) {
            (State::Offered(known) | State::Held(known), Some(hash)) if equal(&known, &hash) => {
                Ok(Some(Pass { key: None, hash }))
            }
            (State::Free | State::Offered(_), None) => {
                let key = clock::new_key();
                let hash = hash_of(&key);
                self.note(State::Offered(hash))?;
                Ok(Some(Pass { key: Some(key), hash }))
            }
            _ => Ok(None),
        }
    }

    /// Says whether somebody shows the key that the worker holds.
    pub(super) fn is_shown(&self, shown: &str) -> bool {
        matches!(self.state, State::Held(known) if equal(&known, &hash_of(shown)))
    }

    /// Notes that the newcomer has the key; says no when another was faster.
    pub(super) fn confirm(&mut self, pass: &Pass) -> io::Result<bool> {
        match self.state {
            State::Held(hash) => Ok(equal(&hash, &pass.hash)),
            State::Offered(hash) if equal(&hash, &pass.hash) => self.note(State::Held(hash)).map(|()| true),
            State::Offered(_) | State::Free => Ok(false),
        }
    }

    fn note(&mut self, state: State) -> io::Result<()> {
        let text = match state {
            State::Free => String::new(),
            State::Offered(hash) => format!("offered {}\n", hex::encode(hash)),
            State::Held(hash) => format!("held {}\n", hex::encode(hash)),
        };
        let fresh = self.path.with_extension("new");
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&fresh, &self.path)?;
        self.state = state;
        Ok(())
    }
}

fn hash_of(key: &str) -> Hash {
    Sha256::digest(key.as_bytes()).into()
}

/// Takes the same time wherever they differ.
fn equal(one: &Hash, other: &Hash) -> bool {
    one.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_the_first_gets_a_key_and_only_the_key_lets_in_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wk");
        let mut key = Key::load(path.clone()).unwrap();
        assert!(key.admit(Some("guess")).unwrap().is_none());
        let pass = key.admit(None).unwrap().unwrap();
        assert!(key.confirm(&pass).unwrap());
        let secret = pass.key.unwrap();

        for mut key in [key, Key::load(path.clone()).unwrap()] {
            assert!(key.admit(None).unwrap().is_none());
            assert!(key.admit(Some("guess")).unwrap().is_none());
            let again = key.admit(Some(&secret)).unwrap().unwrap();
            assert!(again.key.is_none() && key.confirm(&again).unwrap());
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&secret));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_was_lost_on_its_way_is_given_again_and_the_lost_one_is_void() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("wk");
        let mut key = Key::load(path.clone()).unwrap();
        let lost = key.admit(None).unwrap().unwrap();
        let mut key = Key::load(path).unwrap();
        let pass = key.admit(None).unwrap().unwrap();
        assert!(!key.confirm(&lost).unwrap());
        assert!(key.confirm(&pass).unwrap());
        assert!(key.admit(lost.key.as_deref()).unwrap().is_none());
    }
}
