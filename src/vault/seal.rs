//! What a sealed value looks like: form, fingerprint of the key, nonce, then the value under XChaCha20-Poly1305.

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::key::{FINGERPRINT, Key};

/// First byte of every sealed value.
const FORM: u8 = 1;

/// Bytes of a nonce: so many that random ones never meet.
pub(super) const NONCE: usize = 24;

const HEADER: usize = 1 + FINGERPRINT + NONCE;

/// What a value is sealed as; whoever opens it must say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    /// Whose kind of secret it is.
    pub scope: &'a str,
    /// Whose it is within that.
    pub subject: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Grows whenever the secret gets another value: an old value cannot be put back unnoticed beside a newer row.
    pub version: u64,
    /// Whether its value is masked in logs.
    pub is_masked: bool,
}

/// A value that only the holder of its key can read.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Version of the key.
    pub key_version: u32,
    /// Header and ciphertext.
    pub bytes: Vec<u8>,
}

/// Why a sealed value does not open.
pub(super) enum NotOpened {
    /// It was sealed with another key of this version.
    WrongKey,
    /// It is not what was sealed, or not as this.
    Damaged,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealed").field("key_version", &self.key_version).finish_non_exhaustive()
    }
}

impl Label<'_> {
    /// Writes all of it without doubt: each part with its length before it.
    fn to_bytes(&self, key_version: u32) -> Vec<u8> {
        let mut bytes = vec![FORM, u8::from(self.is_masked)];
        for part in [self.scope, self.subject, self.name] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes.extend_from_slice(&key_version.to_be_bytes());
        bytes
    }
}

/// Seals a value.
pub(super) fn seal(key_version: u32, key: &Key, nonce: [u8; NONCE], label: &Label<'_>, value: &SecretString) -> Sealed {
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    let aad = label.to_bytes(key_version);
    let payload = Payload { msg: value.expose_secret().as_bytes(), aad: &aad };
    let ciphertext = cipher.encrypt(&XNonce::from(nonce), payload).expect("values are far below the cipher's 256 GB");
    let bytes = [&[FORM][..], &key.fingerprint(), &nonce, &ciphertext].concat();
    Sealed { key_version, bytes }
}

/// Opens what was sealed with this key under this label.
pub(super) fn open(key: &Key, label: &Label<'_>, sealed: &Sealed) -> Result<SecretString, NotOpened> {
    let (header, ciphertext) = sealed.bytes.split_first_chunk::<HEADER>().ok_or(NotOpened::Damaged)?;
    let (fingerprint, nonce) = header[1..].split_at(FINGERPRINT);
    if header[0] != FORM {
        return Err(NotOpened::Damaged);
    }
    if fingerprint != key.fingerprint() {
        return Err(NotOpened::WrongKey);
    }
    let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| NotOpened::Damaged)?;
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    let aad = label.to_bytes(sealed.key_version);
    let payload = Payload { msg: ciphertext, aad: &aad };
    let bytes = cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| NotOpened::Damaged)?;
    // Text went in; other bytes cannot come out.
    String::from_utf8(bytes).map(SecretString::from).map_err(|_| NotOpened::Damaged)
}
