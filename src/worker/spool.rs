//! The messages that the server has not yet acknowledged, in order: in memory, then in a file. Knows no socket and no node.

use std::{
    collections::VecDeque,
    fs::File,
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::PathBuf,
};

use tokio_tungstenite::tungstenite::Message as Frame;

use super::wire;

/// Most bytes kept in memory.
const MEMORY: usize = 1024 * 1024;

/// Most bytes kept in the file.
const DISK: u64 = 64 * 1024 * 1024;

/// Most bytes on the wire that are not acknowledged.
const WINDOW: usize = 512 * 1024;

/// Where one message waits.
enum Place {
    Memory(Frame),
    Disk { offset: u64 },
}

struct Entry {
    seq: u64,
    length: usize,
    place: Place,
}

/// What is not yet safe with the server. Nothing is ever dropped: when it is full, nothing more is read from the node.
pub(crate) struct Spool {
    entries: VecDeque<Entry>,
    next_seq: u64,
    /// How many of the entries, from the front, were sent on this connection.
    sent: usize,
    on_the_wire: usize,
    in_memory: usize,
    path: PathBuf,
    file: Option<File>,
    /// Length of the file; it shrinks to nothing when its last message is acknowledged.
    tail: u64,
    on_disk: usize,
    broken: bool,
}

impl Spool {
    /// Makes an empty spool; the file is made when memory does not suffice.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            entries: VecDeque::new(),
            next_seq: 1,
            sent: 0,
            on_the_wire: 0,
            in_memory: 0,
            path,
            file: None,
            tail: 0,
            on_disk: 0,
            broken: false,
        }
    }

    /// Says whether another piece of output fits. While connected, a slow server slows the node down instead of filling
    /// the disk.
    pub(crate) fn has_room(&self, connected: bool) -> bool {
        self.in_memory + wire::MAX_OUTPUT <= MEMORY || (!connected && !self.broken && self.tail < DISK)
    }

    /// Numbers and keeps a message. Always succeeds: whoever produces much asks [`Self::has_room`] before.
    pub(crate) fn push(&mut self, make: impl FnOnce(u64) -> Frame) {
        let seq = self.next_seq;
        self.next_seq += 1;
        let frame = make(seq);
        let length = frame.len();
        let place = match &frame {
            Frame::Binary(bytes) if self.in_memory + length > MEMORY => match self.store(bytes) {
                Ok(offset) => Place::Disk { offset },
                Err(error) => {
                    tracing::warn!(%error, "the spool file cannot be written, the node will wait for the server instead");
                    self.broken = true;
                    Place::Memory(frame)
                }
            },
            _ => Place::Memory(frame),
        };
        match place {
            Place::Memory(_) => self.in_memory += length,
            Place::Disk { .. } => self.on_disk += 1,
        }
        self.entries.push_back(Entry { seq, length, place });
    }

    /// Returns the next message to send on this connection, if the window allows one.
    ///
    /// # Errors
    /// When the file cannot be read back; the worker is of no use then.
    pub(crate) fn next_to_send(&mut self) -> io::Result<Option<Frame>> {
        let Some(entry) = self.entries.get(self.sent) else { return Ok(None) };
        if self.sent > 0 && self.on_the_wire + entry.length > WINDOW {
            return Ok(None);
        }
        let frame = match &entry.place {
            Place::Memory(frame) => frame.clone(),
            Place::Disk { offset } => {
                let mut bytes = vec![0; entry.length];
                let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
                file.read_exact_at(&mut bytes, *offset)?;
                Frame::binary(bytes)
            }
        };
        self.sent += 1;
        self.on_the_wire += entry.length;
        Ok(Some(frame))
    }

    /// Forgets all messages up to the number.
    pub(crate) fn acknowledge(&mut self, seq: u64) {
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.seq <= seq) {
            if self.sent > 0 {
                self.sent -= 1;
                self.on_the_wire -= entry.length;
            }
            match entry.place {
                Place::Memory(_) => self.in_memory -= entry.length,
                Place::Disk { .. } => self.on_disk -= 1,
            }
        }
        if self.on_disk == 0 && self.tail > 0 {
            self.tail = 0;
            if let Some(file) = &self.file
                && let Err(error) = file.set_len(0)
            {
                tracing::debug!(%error, "the spool file keeps its length");
            }
        }
    }

    /// Begins again with the first unacknowledged message: the connection is a new one.
    pub(crate) fn rewind(&mut self) {
        self.sent = 0;
        self.on_the_wire = 0;
    }

    /// Says whether everything is acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn store(&mut self, bytes: &[u8]) -> io::Result<u64> {
        if self.file.is_none() {
            let mut options = File::options();
            let file = options.read(true).write(true).create_new(true).mode(0o600).open(&self.path)?;
            // Without a name it is out of the node's reach, and gone with the worker.
            std::fs::remove_file(&self.path)?;
            self.file = Some(file);
        }
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        file.write_all_at(bytes, self.tail)?;
        let offset = self.tail;
        self.tail += bytes.len() as u64;
        Ok(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Fence, worker::protocol::Stream};

    fn push(spool: &mut Spool, fill: u8) {
        let data = vec![fill; wire::MAX_OUTPUT];
        spool.push(|seq| wire::encode_output(seq, Fence(1), Stream::Stdout, 0, &data));
    }

    #[test]
    fn what_does_not_fit_into_memory_comes_back_from_the_file_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(directory.path().join("spool"));
        let mut pushed: u8 = 0;
        while spool.has_room(true) {
            push(&mut spool, pushed);
            pushed += 1;
        }
        assert!(spool.has_room(false), "away from the server there is still the file");
        for _ in 0..40 {
            push(&mut spool, pushed);
            pushed += 1;
        }
        spool.push(|seq| Frame::text(seq.to_string()));
        assert!(spool.on_disk >= 39);

        let mut seen = 0;
        let mut acknowledged = 0;
        loop {
            while let Some(frame) = spool.next_to_send().unwrap() {
                match frame {
                    Frame::Binary(bytes) => assert_eq!(bytes.last(), Some(&seen)),
                    other => assert_eq!(other, Frame::text((u64::from(pushed) + 1).to_string())),
                }
                seen += 1;
            }
            assert!(spool.on_the_wire <= WINDOW);
            acknowledged += 1;
            spool.acknowledge(acknowledged);
            if spool.is_empty() {
                break;
            }
        }
        assert_eq!(seen, pushed + 1);
        assert_eq!((spool.tail, spool.in_memory, spool.on_the_wire), (0, 0, 0));
    }

    #[test]
    fn a_new_connection_begins_with_the_first_unacknowledged_message() {
        let mut spool = Spool::new("/nonexistent/spool".into());
        for _ in 0..3 {
            spool.push(|seq| Frame::text(seq.to_string()));
        }
        while spool.next_to_send().unwrap().is_some() {}
        spool.acknowledge(1);
        spool.rewind();
        assert_eq!(spool.next_to_send().unwrap(), Some(Frame::text("2")));
    }

    #[test]
    fn a_full_disk_stops_the_reading_and_loses_nothing() {
        let mut spool = Spool::new("/nonexistent/spool".into());
        while spool.has_room(false) {
            push(&mut spool, 0);
            assert!(spool.entries.len() < 100);
        }
        spool.push(|_| Frame::text("finished"));
        assert_eq!(spool.entries.len() as u64, spool.next_seq - 1);
    }
}
