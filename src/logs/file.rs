//! The format of a log file: records of a 16-byte header and the bytes as they were printed. Knows no threads.
//!
//! Header: stream (1 byte), three zero bytes, length (u32), time (i64, microseconds since 1970), all little-endian. The position
//! of output in its attempt is the sum of the lengths before it, notices not counted, so a repeated piece is recognised. A record
//! that a crash cut short is removed when the file is opened again.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use jiff::Timestamp;

const HEADER: usize = 16;

/// Longest piece in one record.
pub(super) const LONGEST: usize = 1 << 20;

/// Where a piece of log came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Words of Conducto itself.
    Notice,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn code(self) -> u8 {
        match self {
            Self::Notice => 0,
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::Notice, Self::Stdout, Self::Stderr].into_iter().find(|stream| stream.code() == code)
    }
}

/// A piece of log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where it came from.
    pub stream: Stream,
    /// When the server wrote it down.
    pub at: Timestamp,
    /// The bytes.
    pub data: Vec<u8>,
}

/// An open log that grows.
pub(super) struct Appender {
    file: File,
    /// Bytes of output so far, notices not counted.
    output: u64,
    /// Bytes of the file.
    length: u64,
}

impl Appender {
    /// Opens a log, or makes it, and removes a torn last record.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let (mut output, mut length) = (0, 0);
        while let Some((stream, _, size)) = read_header(&mut file, length)? {
            if stream != Stream::Notice {
                output += u64::from(size);
            }
            length += HEADER as u64 + u64::from(size);
        }
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        Ok(Self { file, output, length })
    }

    /// Appends output that begins at this position of its attempt. What is known already is left out; returns whether
    /// there was anything new. A gap is an error: the sender has lost something.
    pub(super) fn append_output(
        &mut self,
        stream: Stream,
        offset: u64,
        at: Timestamp,
        data: &[u8],
    ) -> io::Result<bool> {
        let Some(known) = self.output.checked_sub(offset) else {
            return Err(io::Error::other(format!("output from {offset} on, but only {} bytes are here", self.output)));
        };
        let known = usize::try_from(known).unwrap_or(usize::MAX).min(data.len());
        let fresh = &data[known..];
        for piece in fresh.chunks(LONGEST) {
            self.write_record(stream, at, piece)?;
            self.output += piece.len() as u64;
        }
        Ok(!fresh.is_empty())
    }

    /// Appends a line of Conducto's own.
    pub(super) fn append_notice(&mut self, at: Timestamp, text: &str) -> io::Result<()> {
        self.write_record(Stream::Notice, at, format!("{text}\n").as_bytes())
    }

    /// Makes sure that all of it outlives a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn output(&self) -> u64 {
        self.output
    }

    fn write_record(&mut self, stream: Stream, at: Timestamp, data: &[u8]) -> io::Result<()> {
        let size = u32::try_from(data.len()).map_err(io::Error::other)?;
        let mut record = Vec::with_capacity(HEADER + data.len());
        record.extend_from_slice(&[stream.code(), 0, 0, 0]);
        record.extend_from_slice(&size.to_le_bytes());
        record.extend_from_slice(&at.as_microsecond().to_le_bytes());
        record.extend_from_slice(data);
        if let Err(error) = self.file.write_all(&record) {
            // Disk full, most likely: leave no torn record behind for what comes after.
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
            return Err(error);
        }
        self.length += record.len() as u64;
        Ok(())
    }
}

/// Reads the record at a position. Returns it with the position of the next; nothing at the end (or at a torn record).
pub(super) fn read_record(file: &mut File, at: u64) -> io::Result<Option<(Chunk, u64)>> {
    let Some((stream, micros, size)) = read_header(file, at)? else { return Ok(None) };
    let mut data = vec![0; size as usize];
    file.read_exact(&mut data)?;
    let at_time = Timestamp::from_microsecond(micros).map_err(io::Error::other)?;
    Ok(Some((Chunk { stream, at: at_time, data }, at + HEADER as u64 + u64::from(size))))
}

/// Reads a header and leaves the file at its data; nothing when the record is not whole.
fn read_header(file: &mut File, at: u64) -> io::Result<Option<(Stream, i64, u32)>> {
    let length = file.metadata()?.len();
    if length < at + HEADER as u64 {
        return Ok(None);
    }
    let mut header = [0; HEADER];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut header)?;
    let size = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    let micros = i64::from_le_bytes(header[8..].try_into().map_err(io::Error::other)?);
    let Some(stream) = Stream::from_code(header[0]) else { return Ok(None) };
    let is_whole = size as usize <= LONGEST && length >= at + HEADER as u64 + u64::from(size);
    Ok(is_whole.then_some((stream, micros, size)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(path: &Path) -> Vec<Chunk> {
        let mut file = File::open(path).unwrap();
        let (mut at, mut chunks) = (0, Vec::new());
        while let Some((chunk, next)) = read_record(&mut file, at).unwrap() {
            chunks.push(chunk);
            at = next;
        }
        chunks
    }

    fn text(chunks: &[Chunk]) -> String {
        chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.data)).collect()
    }

    #[test]
    fn repeated_output_is_written_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/1.log");
        let mut log = Appender::open(&path).unwrap();
        let at = Timestamp::UNIX_EPOCH;
        assert!(log.append_output(Stream::Stdout, 0, at, b"hello ").unwrap());
        log.append_notice(at, "a notice does not count").unwrap();
        assert!(!log.append_output(Stream::Stdout, 0, at, b"hello ").unwrap());
        assert!(log.append_output(Stream::Stderr, 3, at, b"lo world").unwrap());
        assert!(log.append_output(Stream::Stdout, 99, at, b"gap").is_err());
        drop(log);
        let chunks = read_all(&path);
        assert_eq!(text(&chunks), "hello a notice does not count\nworld");
        assert_eq!(chunks[2].stream, Stream::Stderr);
        assert_eq!(Appender::open(&path).unwrap().output(), 11);
    }

    #[test]
    fn a_record_cut_short_anywhere_is_removed_and_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("1.log");
        let at = Timestamp::UNIX_EPOCH;
        let mut log = Appender::open(&path).unwrap();
        log.append_output(Stream::Stdout, 0, at, b"first ").unwrap();
        let whole = log.length();
        log.append_output(Stream::Stdout, 6, at, b"second").unwrap();
        let both = log.length();
        drop(log);
        for cut in whole..both {
            OpenOptions::new().write(true).open(&path).unwrap().set_len(cut).unwrap();
            let mut log = Appender::open(&path).unwrap();
            assert_eq!((log.output(), log.length()), (6, whole));
            log.append_output(Stream::Stdout, 6, at, b"second").unwrap();
            assert_eq!(text(&read_all(&path)), "first second");
        }
    }
}
