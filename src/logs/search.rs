//! Search in a whole log: the exact number of lines that match, and which the first of them are. Knows no pages.

use std::{fs::File, io, path::Path};

use regex::bytes::{Regex, RegexBuilder};

use super::{
    file::read_record,
    lines::{overwritten, pieces},
    style::plain,
};

/// So many lines are named; all are counted.
const NAMED: usize = 10_000;

/// Of a longer line only so many bytes are searched.
const SEARCHED: usize = 64 * 1024;

/// How large a pattern may become in memory.
const LARGEST_PATTERN: usize = 1024 * 1024;

/// What compilers, test runners and shells write where something is wrong.
const TROUBLE: &str = r"(?x)
    ^\s*(error|fatal|panic|failed)\b | \berror(\[\w+\])?: | \bERROR\b | ^E\s{2,} | ^::error | ^thread\ .*\ panicked\ at
    | ^Traceback\ \(most\ recent | ^\w*(Error|Exception): | ^---\ FAIL: | ^not\ ok\b | :\d+:\d+:\ error | ^FAIL(ED)?\b
    | \bcommand\ not\ found\b | \bNo\ such\ file\ or\ directory\b | \bPermission\ denied\b";

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Wanted(Regex);

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many lines match.
    pub total: u64,
    /// Numbers of the first 10,000 of them; the first line of a log is 1.
    pub lines: Vec<u64>,
    /// How many lines were searched.
    pub searched: u64,
}

impl Wanted {
    /// Makes a search for a text, or for a pattern.
    ///
    /// # Errors
    /// What is wrong with the pattern, in words.
    pub fn parse(text: &str, is_pattern: bool, is_case_sensitive: bool) -> Result<Self, String> {
        let escaped = if is_pattern { text.to_owned() } else { regex::escape(text) };
        let mut builder = RegexBuilder::new(&escaped);
        let regex = builder.case_insensitive(!is_case_sensitive).size_limit(LARGEST_PATTERN).build();
        regex.map(Self).map_err(|error| error.to_string())
    }

    /// Looks for lines that say that something is wrong.
    ///
    /// # Errors
    /// None that can be met: the pattern is our own.
    pub fn trouble() -> Result<Self, String> {
        Regex::new(TROUBLE).map(Self).map_err(|error| error.to_string())
    }
}

pub(super) fn search(path: &Path, wanted: &Wanted) -> io::Result<Found> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::default()),
        Err(error) => return Err(error),
    };
    let mut found = Found::default();
    let (mut at, mut open) = (0, None);
    let (mut line, mut text) = (Vec::new(), Vec::new());
    let mut judge = |line: &[u8], found: &mut Found| {
        let line = overwritten(line);
        let line = if memchr::memchr(0x1b, line).is_some() {
            plain(line, &mut text);
            &text
        } else {
            line
        };
        if wanted.0.is_match(line) {
            found.total += 1;
            if found.lines.len() < NAMED {
                found.lines.push(found.searched);
            }
        }
    };
    while let Some((chunk, next)) = read_record(&mut file, at)? {
        pieces(&chunk, 0, &mut open, |piece| {
            if piece.begins {
                // Words of another kind end a line that had no end of its own.
                if !line.is_empty() {
                    judge(&line, &mut found);
                    line.clear();
                }
                found.searched += 1;
            }
            let room = SEARCHED.saturating_sub(line.len()).min(piece.bytes.len());
            if piece.ends && line.is_empty() {
                return judge(&piece.bytes[..room], &mut found);
            }
            line.extend_from_slice(&piece.bytes[..room]);
            if piece.ends {
                judge(&line, &mut found);
                line.clear();
            }
        });
        at = next;
    }
    if !line.is_empty() {
        judge(&line, &mut found);
    }
    Ok(found)
}
