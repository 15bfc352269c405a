//! What of a node's log goes into a check run: its end, and the places that it complains about. Knows no forge.

use std::collections::VecDeque;

use super::row::Failed;
use crate::{
    dispatch::shared::Shared,
    logs::{Stream, plain_text},
    model::PipelineId,
    problems::{Problem, Scanner},
};

/// So many lines are shown of the end of a log, each up to so many bytes.
const LINES: usize = 30;
const LINE: usize = 400;

/// More than this of a log is not looked through.
const LONGEST: usize = 64 * 1024 * 1024;

/// So many problems are kept of one node.
const PROBLEMS: usize = 50;

/// The end of a log and what it complains about.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) end: String,
    pub(super) problems: Vec<Problem>,
}

/// Reads the log of the last attempt. What retention has removed, or cannot be read, says nothing.
pub(super) async fn read(shared: &Shared, pipeline: &PipelineId, failed: &Failed) -> Told {
    let Some((fence, worker)) = &failed.attempt else { return Told::default() };
    let work = shared.parts.executor.work(&shared.options.layout.worker(worker));
    let mut lines = Lines::new(Scanner::new(&work.to_string_lossy(), &failed.folder, PROBLEMS));
    let mut reader = shared.logs().read(&shared.log_path(pipeline, *fence), false);
    let mut length = 0;
    while length < LONGEST {
        match reader.next().await {
            Ok(chunks) if chunks.is_empty() => break,
            Ok(chunks) => {
                for chunk in chunks {
                    length += chunk.data.len();
                    lines.take(chunk.stream, &chunk.data);
                }
            }
            Err(error) => {
                tracing::warn!(error = %error, "a log cannot be read for its check run");
                break;
            }
        }
    }
    lines.finish()
}

/// Cuts output into lines, each stream for itself.
struct Lines {
    scanner: Scanner,
    last: VecDeque<String>,
    begun: [Vec<u8>; 3],
}

impl Lines {
    fn new(scanner: Scanner) -> Self {
        Self { scanner, last: VecDeque::new(), begun: Default::default() }
    }

    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        let stream = match stream {
            Stream::Notice => 0,
            Stream::Stdout => 1,
            Stream::Stderr => 2,
        };
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let mut line = std::mem::take(&mut self.begun[stream]);
            line.extend_from_slice(&rest[..end]);
            self.line(&line);
            rest = &rest[end + 1..];
        }
        // A line without an end must not take all memory.
        let room = (1 << 16_usize) - self.begun[stream].len().min(1 << 16);
        self.begun[stream].extend_from_slice(&rest[..rest.len().min(room)]);
    }

    fn line(&mut self, line: &[u8]) {
        let mut line = plain_text(line);
        self.scanner.line(&line);
        line.truncate(line.floor_char_boundary(LINE));
        if self.last.len() == LINES {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    fn finish(mut self) -> Told {
        for begun in std::mem::take(&mut self.begun) {
            if !begun.is_empty() {
                self.line(&begun);
            }
        }
        let end = Vec::from(self.last).join("\n");
        Told { end, problems: self.scanner.finish().0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_places_in_all_of_them() {
        let mut lines = Lines::new(Scanner::new("/work", "", 50));
        lines.take(Stream::Stderr, b"src/a.c:3:1: err");
        lines.take(Stream::Stdout, b"something between\n");
        lines.take(Stream::Stderr, b"or: wrong\n");
        for number in 0..LINES {
            lines.take(Stream::Stdout, format!("\u{1b}[32mline {number}\u{1b}[0m\n").as_bytes());
        }
        lines.take(Stream::Stdout, b"no end");
        let told = lines.finish();
        assert_eq!(told.problems.len(), 1);
        assert_eq!((told.problems[0].path.as_str(), told.problems[0].message.as_str()), ("src/a.c", "wrong"));
        assert!(told.end.starts_with("line 1\n") && told.end.ends_with("line 29\nno end"), "{}", told.end);
    }
}
