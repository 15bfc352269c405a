//! Reading a log from its start, and on, while it grows.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use tokio::sync::watch;

use super::{
    file::{Chunk, read_record},
    keeper::Growth,
};

/// How much is read in one go; bounds the memory of a reader.
const WINDOW: usize = 256 * 1024;

/// Reads one log.
pub struct Reader {
    path: PathBuf,
    at: u64,
    growth: Option<watch::Receiver<Growth>>,
}

impl Reader {
    pub(super) fn new(path: PathBuf, growth: Option<watch::Receiver<Growth>>) -> Self {
        Self { path, at: 0, growth }
    }

    /// Returns the next pieces; none when the log has ended. While it is followed and grows, waits for more.
    ///
    /// # Errors
    /// When the file cannot be read. A log that does not exist is empty.
    pub async fn next(&mut self) -> io::Result<Vec<Chunk>> {
        loop {
            // Looked at before reading: what grows meanwhile shows in the next round.
            let growth = self.growth.as_mut().map(|growth| *growth.borrow_and_update());
            let (path, at) = (self.path.clone(), self.at);
            let read = tokio::task::spawn_blocking(move || read_window(&path, at)).await.map_err(io::Error::other)?;
            let (chunks, next) = read?;
            self.at = next;
            if !chunks.is_empty() {
                return Ok(chunks);
            }
            match (&mut self.growth, growth) {
                (Some(receiver), Some(Growth { is_finished: false, .. })) => {
                    if receiver.changed().await.is_err() {
                        self.growth = None;
                    }
                }
                _ => return Ok(Vec::new()),
            }
        }
    }
}

impl Reader {
    /// Waits until the file is longer than this, or does not grow any more.
    pub async fn grown(&mut self, beyond: u64) {
        while let Some(growth) = &mut self.growth {
            let Growth { is_finished, .. } = *growth.borrow_and_update();
            let length = std::fs::metadata(&self.path).map_or(0, |file| file.len());
            if is_finished || length > beyond || growth.changed().await.is_err() {
                return;
            }
        }
    }
}

fn read_window(path: &Path, mut at: u64) -> io::Result<(Vec<Chunk>, u64)> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), at)),
        Err(error) => return Err(error),
    };
    let (mut chunks, mut size) = (Vec::new(), 0);
    while size < WINDOW {
        let Some((chunk, next)) = read_record(&mut file, at)? else { break };
        size += chunk.data.len();
        at = next;
        chunks.push(chunk);
    }
    Ok((chunks, at))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::{Logs, Stream};

    #[tokio::test]
    async fn a_follower_sees_everything_and_is_let_go_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("7.log");
        let logs = Logs::start().unwrap();
        let at = Timestamp::UNIX_EPOCH;
        logs.output(&path, Stream::Stdout, 0, at, b"before ".to_vec()).await.unwrap();
        let mut reader = logs.read(&path, true);
        let follower = tokio::spawn(async move {
            let mut seen = Vec::new();
            loop {
                let chunks = reader.next().await.unwrap();
                if chunks.is_empty() {
                    return seen;
                }
                chunks.iter().for_each(|chunk| seen.extend_from_slice(&chunk.data));
            }
        });
        for number in 0..200_u64 {
            logs.output(&path, Stream::Stdout, 7 + number, at, b"x".to_vec()).await.unwrap();
        }
        assert_eq!(logs.finish(&path).await.unwrap(), 207);
        let seen = follower.await.unwrap();
        assert_eq!(seen.len(), 207);
        assert!(logs.read(&directory.path().join("none.log"), false).next().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_log_without_a_word_leaves_no_file_and_lets_its_follower_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("7.log");
        let logs = Logs::start().unwrap();
        let mut reader = logs.read(&path, true);
        assert_eq!(logs.finish(&path).await.unwrap(), 0);
        assert!(reader.next().await.unwrap().is_empty());
        assert!(!path.exists());
    }
}
