//! One key, and the number by which it is told from others without showing it.

use secrecy::{ExposeSecret as _, SecretBox};
use sha2::{Digest as _, Sha256};

/// Bytes of a key.
pub(super) const LENGTH: usize = 32;

/// Bytes of a fingerprint.
pub(super) const FINGERPRINT: usize = 8;

/// A key of XChaCha20-Poly1305.
#[derive(Debug)]
pub(super) struct Key(SecretBox<[u8; LENGTH]>);

impl Key {
    pub(super) fn new(bytes: [u8; LENGTH]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// Reads 64 hexadecimal digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut bytes = Box::new([0; LENGTH]);
        hex::decode_to_slice(text, bytes.as_mut()).ok()?;
        Some(Self(SecretBox::new(bytes)))
    }

    /// Returns its bytes, for the cipher and for its file.
    pub(super) fn expose(&self) -> &[u8; LENGTH] {
        self.0.expose_secret()
    }

    /// Tells it from another; says nothing about the key itself, which has 256 random bits.
    pub(super) fn fingerprint(&self) -> [u8; FINGERPRINT] {
        let digest = Sha256::new().chain_update(b"conducto key of secrets").chain_update(self.expose()).finalize();
        *digest.first_chunk().expect("the digest is longer")
    }
}
