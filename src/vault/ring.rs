//! Keys by version, and the text they are kept in. The highest seals; the others open what they once sealed.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};

use super::{error::Error, key::Key};

/// What the file begins with.
const HEADING: &str = "# The key of Conducto's secrets: without it they cannot be read, with it anybody can.\n\
                       # Keep a copy apart from back-ups of the server.\n";

/// All keys that a server has.
#[derive(Debug, Default)]
pub(super) struct Ring(BTreeMap<u32, Key>);

impl Ring {
    /// Reads `version:digits`, apart by blanks, commas or line ends; digits alone are version 1. `place` is for errors.
    pub(super) fn parse(text: &SecretString, place: &str) -> Result<Self, Error> {
        let lines = text.expose_secret().lines().filter(|line| !line.trim_start().starts_with('#'));
        let entries = lines.flat_map(|line| line.split([' ', '\t', ',', '\r'])).filter(|entry| !entry.is_empty());
        let mut keys = BTreeMap::new();
        for (position, entry) in entries.enumerate() {
            let malformed = || Error::Malformed { place: place.to_owned(), entry: position + 1 };
            let (version, digits) = entry.split_once(':').unwrap_or(("1", entry));
            let version = version.parse().ok().filter(|version| *version > 0).ok_or_else(malformed)?;
            let key = Key::parse(digits).ok_or_else(malformed)?;
            if keys.insert(version, key).is_some() {
                return Err(malformed());
            }
        }
        if keys.is_empty() {
            return Err(Error::Malformed { place: place.to_owned(), entry: 1 });
        }
        Ok(Self(keys))
    }

    /// Writes what [`Self::parse`] reads.
    pub(super) fn print(&self) -> SecretString {
        let mut text = String::with_capacity(HEADING.len() + self.0.len() * 80);
        text.push_str(HEADING);
        for (version, key) in &self.0 {
            text.push_str(&format!("{version}:{}\n", hex::encode(key.expose())));
        }
        text.into()
    }

    pub(super) fn newest(&self) -> Option<(u32, &Key)> {
        self.0.last_key_value().map(|(version, key)| (*version, key))
    }

    pub(super) fn key(&self, version: u32) -> Option<&Key> {
        self.0.get(&version)
    }

    /// Adds a key above all others.
    pub(super) fn add(&mut self, key: Key) {
        self.0.insert(self.next(), key);
    }

    /// Returns the version that the next key gets.
    pub(super) fn next(&self) -> u32 {
        self.newest().map_or(1, |(version, _)| version.saturating_add(1))
    }

    /// Forgets all but the newest; says how many those were.
    pub(super) fn keep_newest(&mut self) -> usize {
        let before = self.0.len();
        if let Some((newest, _)) = self.newest() {
            self.0.retain(|version, _| *version == newest);
        }
        before - self.0.len()
    }
}
