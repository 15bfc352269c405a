//! Lines of a log by number, without reading what is before them: an index of every 256th, kept in memory and brought along as
//! the log grows. A line's number never changes.
//!
//! A line ends where `\n` stands, and where words of Conducto's own begin or end. What `\r` overwrites is left out. An unfinished
//! last line counts as a line, and may still change.

use std::{
    collections::HashMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;

use super::{
    file::{Chunk, Stream, read_record},
    style::Style,
};

/// A place is remembered for every so many lines.
const EVERY: u64 = 256;

/// So many logs are remembered.
const REMEMBERED: usize = 64;

/// Longer lines are cut for showing; the download has all of them.
const LONGEST_SHOWN: usize = 8 * 1024;

/// A page ends early when it gets larger.
const LARGEST_PAGE: usize = 1024 * 1024;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where its first byte came from.
    pub stream: Stream,
    /// When the server wrote that down.
    pub at: Timestamp,
    /// Its text, with escape sequences.
    pub text: String,
    /// Bytes of it that are left out here.
    pub cut: usize,
}

/// Lines that follow one another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Number of the first; the first of all is 1.
    pub from: u64,
    /// How many lines the log has now.
    pub total: u64,
    /// Bytes of the log's file that were counted.
    pub length: u64,
    /// Escape sequences of the colours that are set at the beginning of the page.
    pub style: String,
    /// The lines.
    pub lines: Vec<Line>,
}

/// Where a line begins.
#[derive(Clone, Debug, Default)]
struct Mark {
    /// Position of the record in the file.
    record: u64,
    /// Position in the record's bytes.
    skip: usize,
    style: Style,
}

/// What is known of one log.
#[derive(Debug, Default)]
struct Index {
    /// Where each 256th line begins.
    marks: Vec<Mark>,
    /// Position of the next record.
    at: u64,
    /// Lines that have begun.
    total: u64,
    /// The stream of a line that has not ended.
    open: Option<Stream>,
    style: Style,
    used: u64,
}

/// Indexes of the logs that were looked at last.
#[derive(Default)]
pub(super) struct Indexes {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    indexes: HashMap<PathBuf, Arc<Mutex<Index>>>,
    /// Counts looks, so that the one not looked at for longest can be told.
    looks: u64,
}

/// What stands between two ends of lines in one record.
pub(super) struct Piece<'a> {
    /// Position in the record's bytes.
    pub(super) skip: usize,
    pub(super) bytes: &'a [u8],
    pub(super) begins: bool,
    pub(super) ends: bool,
}

/// Cuts a record at the ends of lines. Says of the line that was open before whether it goes on.
pub(super) fn pieces<'a>(chunk: &'a Chunk, skip: usize, open: &mut Option<Stream>, mut see: impl FnMut(Piece<'a>)) {
    let is_other = open.is_some_and(|before| (before == Stream::Notice) != (chunk.stream == Stream::Notice));
    if is_other {
        *open = None;
    }
    let mut at = skip.min(chunk.data.len());
    while at < chunk.data.len() {
        let end = memchr::memchr(b'\n', &chunk.data[at..]).map(|length| at + length);
        let bytes = &chunk.data[at..end.unwrap_or(chunk.data.len())];
        see(Piece { skip: at, bytes, begins: open.is_none(), ends: end.is_some() });
        *open = if end.is_some() { None } else { open.or(Some(chunk.stream)) };
        at = end.map_or(chunk.data.len(), |end| end + 1);
    }
}

/// Returns what a terminal shows of a line after the last return to its beginning.
pub(super) fn overwritten(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    memchr::memrchr(b'\r', bytes).map_or(bytes, |at| &bytes[at + 1..])
}

impl Indexes {
    /// Reads lines from this number on, or the last ones.
    pub(super) fn page(&self, path: &Path, from: Option<u64>, count: u64) -> io::Result<Page> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Page { from: 1, ..Page::default() }),
            Err(error) => return Err(error),
        };
        let index = self.of(path);
        // Only readers of the same log wait for one another, and only where it has grown.
        let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
        if file.metadata()?.len() < index.at {
            *index = Index::default();
        }
        index.extend(&mut file)?;
        let (total, length) = (index.total, index.at);
        let from = from.unwrap_or_else(|| (total + 1).saturating_sub(count)).max(1);
        let mark = usize::try_from((from - 1) / EVERY).ok().and_then(|at| index.marks.get(at)).cloned();
        drop(index);
        let mut page = Page { from, total, length, ..Page::default() };
        if let Some(mark) = mark.filter(|_| from <= total && count > 0) {
            let before = (from - 1) / EVERY * EVERY;
            read(&mut file, mark, before, count, &mut page)?;
        }
        Ok(page)
    }

    fn of(&self, path: &Path) -> Arc<Mutex<Index>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { indexes, looks } = &mut *known;
        *looks += 1;
        if !indexes.contains_key(path) && indexes.len() >= REMEMBERED {
            let used = |index: &Arc<Mutex<Index>>| index.try_lock().map_or(u64::MAX, |index| index.used);
            let oldest = indexes.iter().min_by_key(|(_, index)| used(index)).map(|(path, _)| path.clone());
            oldest.and_then(|path| indexes.remove(&path));
        }
        let index = Arc::clone(indexes.entry(path.to_owned()).or_default());
        if let Ok(mut index) = index.try_lock() {
            index.used = *looks;
        }
        index
    }
}

impl Index {
    fn extend(&mut self, file: &mut File) -> io::Result<()> {
        while let Some((chunk, next)) = read_record(file, self.at)? {
            let Self { marks, total, open, style, at, .. } = self;
            pieces(&chunk, 0, open, |piece| {
                if piece.begins {
                    if *total % EVERY == 0 {
                        marks.push(Mark { record: *at, skip: piece.skip, style: style.clone() });
                    }
                    *total += 1;
                }
                style.follow(piece.bytes);
            });
            self.at = next;
        }
        Ok(())
    }
}

/// Reads on from a mark, before which there are so many lines.
fn read(file: &mut File, mark: Mark, before: u64, count: u64, page: &mut Page) -> io::Result<()> {
    let Mark { mut record, mut skip, mut style } = mark;
    let (mut number, mut open, mut size) = (before, None, 0);
    // A line's bytes are gathered here; of a long one only what is shown, and how much it was.
    let (mut bytes, mut left_out, mut begun) = (Vec::new(), 0_usize, None);
    let last = page.from.saturating_add(count - 1).min(page.total);
    while number <= last && size < LARGEST_PAGE {
        let Some((chunk, next)) = read_record(file, record)? else { break };
        if record >= page.length {
            break;
        }
        pieces(&chunk, skip, &mut open, |piece| {
            if piece.begins {
                if number >= page.from && number <= last && size < LARGEST_PAGE {
                    size += finish(page, &mut bytes, &mut left_out, begun);
                }
                number += 1;
                (begun, left_out) = (Some((chunk.stream, chunk.at)), 0);
                bytes.clear();
                if number == page.from {
                    page.style = style.text();
                }
            }
            if number < page.from {
                style.follow(piece.bytes);
            } else if number <= last {
                let room = (LONGEST_SHOWN * 8).saturating_sub(bytes.len()).min(piece.bytes.len());
                bytes.extend_from_slice(&piece.bytes[..room]);
                left_out += piece.bytes.len() - room;
            }
        });
        (record, skip) = (next, 0);
    }
    if (page.from..=last).contains(&number) && size < LARGEST_PAGE {
        finish(page, &mut bytes, &mut left_out, begun);
    }
    Ok(())
}

fn finish(page: &mut Page, bytes: &mut Vec<u8>, left_out: &mut usize, begun: Option<(Stream, Timestamp)>) -> usize {
    let Some((stream, at)) = begun else { return 0 };
    let shown = overwritten(bytes);
    let end = shown.len().min(LONGEST_SHOWN);
    let text = String::from_utf8_lossy(&shown[..end]).into_owned();
    let cut = shown.len() - end + *left_out;
    let size = text.len() + 64;
    page.lines.push(Line { stream, at, text, cut });
    bytes.clear();
    size
}

#[cfg(test)]
mod tests;
