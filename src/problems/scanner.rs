//! Looks through a log line by line and keeps what complains about a file. Knows no format of its own.

use super::formats::{self, Complaint, Place};

/// So much of one message is kept, in bytes.
const LONGEST: usize = 2_000;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Worth knowing.
    Notice,
    /// May be wrong.
    Warning,
    /// Is wrong.
    Error,
}

/// A complaint about a place in a file of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, from the root of the repository, without `..`.
    pub path: String,
    /// First line, from 1.
    pub line: u32,
    /// Last line.
    pub end_line: u32,
    /// How bad it is.
    pub weight: Weight,
    /// What it is, short; may be empty.
    pub title: String,
    /// What was said.
    pub message: String,
}

/// Looks through the lines of one log.
#[derive(Debug)]
pub struct Scanner {
    root: String,
    folder: String,
    most: usize,
    found: Vec<Problem>,
    left_out: usize,
    /// `error[E0277]: …` of rustc, whose place is said below it.
    headline: Option<Complaint>,
    /// `E   assert …` of pytest, whose place is said below it.
    failure: Option<String>,
    /// The file that eslint speaks of in the lines that follow.
    file: Option<String>,
}

impl Scanner {
    /// Begins a log. `root` is where the repository's files lie for the program that speaks, `folder` the folder in it where the
    /// program began; at most so many problems are kept.
    pub fn new(root: &str, folder: &str, most: usize) -> Self {
        Self {
            root: root.trim_end_matches('/').to_owned(),
            folder: folder.trim_matches('/').to_owned(),
            most,
            found: Vec::new(),
            left_out: 0,
            headline: None,
            failure: None,
            file: None,
        }
    }

    /// Looks at the next line, which holds no escape sequences.
    pub fn line(&mut self, line: &str) {
        // The place comes in the very next line, or not at all.
        let headline = self.headline.take();
        if let Some((place, complaint)) = formats::command(line).or_else(|| formats::compiler(line)) {
            self.keep(&place, complaint);
        } else if let Some(headline) = formats::rustc_headline(line) {
            self.headline = Some(headline);
        } else if let Some(place) = formats::rustc_place(line) {
            if let Some(headline) = headline {
                self.keep(&place, headline);
            }
        } else if let Some(failure) = formats::pytest_failure(line) {
            self.failure.get_or_insert(failure);
        } else if let Some((place, kind)) = formats::pytest_place(line) {
            let message = self.failure.take().unwrap_or_else(|| kind.clone());
            self.keep(&place, Complaint { weight: Weight::Error, title: kind, message });
        } else if let Some(path) = formats::eslint_file(line) {
            self.file = Some(path);
        } else if let Some((number, complaint)) = formats::eslint_complaint(line) {
            if let Some(path) = self.file.clone() {
                self.keep(&Place { path, line: number, end_line: number }, complaint);
            }
        } else if line.trim().is_empty() {
            self.file = None;
        }
    }

    /// Returns what was found, in the order of the log, and how much more there was.
    pub fn finish(self) -> (Vec<Problem>, usize) {
        (self.found, self.left_out)
    }

    fn keep(&mut self, place: &Place, complaint: Complaint) {
        let Some(path) = self.inside(&place.path) else { return };
        let Complaint { weight, title, mut message } = complaint;
        message.truncate(message.floor_char_boundary(LONGEST));
        let line = place.line.max(1);
        let problem = Problem { path, line, end_line: place.end_line.max(line), weight, title, message };
        if self.found.contains(&problem) {
            return;
        }
        if self.found.len() < self.most {
            self.found.push(problem);
        } else {
            self.left_out += 1;
        }
    }

    /// Returns the path from the root of the repository; nothing for files elsewhere.
    fn inside(&self, path: &str) -> Option<String> {
        let relative = if let Some(absolute) = path.strip_prefix('/') {
            if self.root.is_empty() {
                absolute.to_owned()
            } else {
                path.strip_prefix(&self.root)?.strip_prefix('/')?.to_owned()
            }
        } else {
            let path = path.strip_prefix("./").unwrap_or(path);
            if self.folder.is_empty() { path.to_owned() } else { format!("{}/{path}", self.folder) }
        };
        let mut steps: Vec<&str> = Vec::new();
        for step in relative.split('/') {
            match step {
                "" | "." => {}
                ".." => drop(steps.pop()?),
                step => steps.push(step),
            }
        }
        (!steps.is_empty()).then(|| steps.join("/"))
    }
}
