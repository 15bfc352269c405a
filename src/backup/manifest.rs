//! What an archive says of itself: who made it, of what, and the sum of each file. Touches no disk.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::error::Error;

/// Names of the two files at the end of an archive.
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const SUMS: &str = "SHA256SUMS";

/// The form of archives that this release writes, and the only one that there is.
pub(super) const FORMAT: u32 = 1;

/// The last file of an archive: one without it is not whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Form of the archive, 1.
    pub format: u32,
    /// Release that made it.
    pub conducto: String,
    /// Schema of the database in it.
    pub schema: i64,
    /// The server it was taken from.
    pub server: Uuid,
    /// When.
    pub made_at: Timestamp,
    /// Number of pipelines.
    pub pipelines: u64,
    /// Number of logs; an attempt that printed nothing has none.
    pub logs: u64,
    /// Whether pipeline data and user data are in it.
    pub data: bool,
    /// Number of files that have a sum.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// SHA-256 of `SHA256SUMS`, in hexadecimal digits.
    pub sums: String,
}

/// The name of a file and its sum.
pub(super) type Line = (Vec<u8>, Vec<u8>);

/// The sums of files, in the form that `sha256sum --check` reads.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) text: Vec<u8>,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl Sums {
    /// Adds a file. Names are bytes, as they are for the file system.
    pub(super) fn add(&mut self, path: &[u8], sum: &[u8], bytes: u64) {
        let is_plain = !path.iter().any(|byte| matches!(byte, b'\n' | b'\\'));
        if !is_plain {
            self.text.push(b'\\');
        }
        self.text.extend_from_slice(hex::encode(sum).as_bytes());
        self.text.extend_from_slice(b"  ");
        for byte in path {
            match byte {
                b'\n' => self.text.extend_from_slice(b"\\n"),
                b'\\' => self.text.extend_from_slice(b"\\\\"),
                byte => self.text.push(*byte),
            }
        }
        self.text.push(b'\n');
        self.files += 1;
        self.bytes += bytes;
    }

    pub(super) fn sum(text: &[u8]) -> String {
        hex::encode(Sha256::digest(text))
    }

    /// Reads the text back into names and sums.
    pub(super) fn read(text: &[u8]) -> Result<Vec<Line>, Error> {
        text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(read_line).collect()
    }
}

fn read_line(line: &[u8]) -> Result<Line, Error> {
    let wrong = || Error::Damaged(format!("{SUMS} has a line that is none"));
    let (is_escaped, line) = line.strip_prefix(b"\\").map_or((false, line), |rest| (true, rest));
    let (sum, rest) = line.split_at_checked(64).ok_or_else(wrong)?;
    let sum = hex::decode(sum).map_err(|_| wrong())?;
    let name = rest.strip_prefix(b"  ").ok_or_else(wrong)?;
    if !is_escaped {
        return Ok((name.to_vec(), sum));
    }
    let (mut path, mut bytes) = (Vec::with_capacity(name.len()), name.iter());
    while let Some(byte) = bytes.next() {
        path.push(match byte {
            b'\\' if bytes.next() == Some(&b'n') => b'\n',
            byte => *byte,
        });
    }
    Ok((path, sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_bytes_come_back() {
        let names: [&[u8]; 4] = [b"plain name", b"two\nlines", b"back\\slash\\n", b"\xff\xfe"];
        let mut sums = Sums::default();
        for name in names {
            sums.add(name, &[7; 32], 3);
        }
        assert_eq!((sums.files, sums.bytes), (4, 12));
        let read = Sums::read(&sums.text).unwrap();
        assert_eq!(read, names.map(|name| (name.to_vec(), vec![7; 32])));
        assert!(Sums::read(b"abc  name\n").is_err());
    }
}
