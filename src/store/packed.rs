//! Bodies as the store keeps them: compressed by zstd, with contexts that each thread makes only once. Knows no tables.

use std::cell::RefCell;

use rusqlite::{
    ToSql,
    types::{ToSqlOutput, ValueRef},
};
use zstd::{
    bulk::{Compressor, Decompressor},
    zstd_safe::{compress_bound, get_frame_content_size},
};

use super::error::Error;

/// Quick, and small enough: a third of the time of level 1, for payloads that repeat themselves anyway.
const LEVEL: i32 = -3;

/// Of the room in which bodies are compressed, so much is kept by each thread: most bodies need less.
const KEPT_ROOM: usize = 64 * 1024;

/// Longest body that is made in one go; what says it is longer is not believed before it is there.
const LONGEST: u64 = 64 * 1024 * 1024;

thread_local! {
    static COMPRESSOR: RefCell<Option<(Compressor<'static>, Vec<u8>)>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A compressed body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed(Vec<u8>);

impl Packed {
    /// Compresses a body: before it goes to the writer, who has no time for that.
    ///
    /// # Errors
    /// [`Error::Failed`] when there is no memory.
    pub fn of(body: &[u8]) -> Result<Self, Error> {
        let packed = COMPRESSOR.with_borrow_mut(|kept| {
            let (mut compressor, mut room) = match kept.take() {
                Some(kept) => kept,
                None => (Compressor::new(LEVEL)?, Vec::new()),
            };
            room.clear();
            room.reserve(compress_bound(body.len()));
            let packed = compressor.compress_to_buffer(body, &mut room).map(|_| room.as_slice().to_vec());
            room.shrink_to(KEPT_ROOM);
            *kept = Some((compressor, room));
            packed
        });
        packed.map(Self).map_err(|error| Error::Failed(error.to_string()))
    }

    /// Takes up what was read from the store.
    pub fn stored(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Returns the body.
    ///
    /// # Errors
    /// [`Error::Unreadable`] when these bytes never were one.
    pub fn unpack(&self) -> Result<Vec<u8>, Error> {
        let unreadable = |error: std::io::Error| Error::Unreadable(error.to_string());
        let length = get_frame_content_size(&self.0).ok().flatten().filter(|length| *length <= LONGEST);
        // Earlier releases did not write down how long a body is.
        let Some(length) = length.and_then(|length| usize::try_from(length).ok()) else {
            return zstd::decode_all(&self.0[..]).map_err(unreadable);
        };
        let unpacked = DECOMPRESSOR.with_borrow_mut(|kept| {
            let mut decompressor = match kept.take() {
                Some(decompressor) => decompressor,
                None => Decompressor::new()?,
            };
            let unpacked = decompressor.decompress(&self.0, length);
            *kept = Some(decompressor);
            unpacked
        });
        unpacked.map_err(unreadable)
    }
}

impl ToSql for Packed {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(&self.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back_again_and_again() {
        for body in [&b""[..], b"{}", &[7; 100_000]] {
            let packed = Packed::of(body).unwrap();
            assert_eq!(packed.unpack().unwrap(), body);
        }
        assert!(Packed::of(&[7; 100_000]).unwrap().0.len() < 1_000);
    }

    #[test]
    fn bodies_of_earlier_releases_are_read() {
        let stored = Packed::stored(zstd::encode_all(&b"{\"zen\": true}"[..], 1).unwrap());
        assert_eq!(stored.unpack().unwrap(), b"{\"zen\": true}");
    }

    #[test]
    fn what_never_was_a_body_is_unreadable() {
        let mut cut = Packed::of(b"{\"zen\": true}").unwrap();
        cut.0.truncate(8);
        for packed in [cut, Packed::stored(b"something else".to_vec()), Packed::stored(Vec::new())] {
            // No bytes are no frames: an empty body, as zstd sees it.
            assert!(packed.0.is_empty() || matches!(packed.unpack(), Err(Error::Unreadable(_))));
        }
    }
}
