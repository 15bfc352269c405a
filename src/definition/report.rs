//! Collects the mistakes found in one file. Knows its text and limits, not what is a mistake.

use std::{ops::Range, sync::Arc};

use super::codes::Family;
use crate::model::{Diagnostic, SourceFile, Span};

/// More mistakes than this in one file help nobody.
const MOST_DIAGNOSTICS: usize = 200;

/// The diagnostics of one file, while it is being read.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) file: Arc<SourceFile>,
    pub(crate) codes: Family,
    /// Whether the text is JSON, so that helps are written in JSON too.
    pub(crate) is_json: bool,
    found: Vec<Diagnostic>,
    dropped: usize,
    broken_lines: Vec<Range<usize>>,
}

impl Report {
    /// Takes the bytes of a file, unless they are too many or no text.
    pub(crate) fn open(name: &str, bytes: &[u8], limit: usize, codes: Family) -> Result<Self, Box<Diagnostic>> {
        if bytes.len() > limit {
            let message = format!("{name} is too large: {} KiB", bytes.len().div_ceil(1024));
            let help = format!("at most {} KiB are read", limit / 1024);
            return Err(Box::new(Diagnostic::error(codes.too_large, message).help(help)));
        }
        let error = match std::str::from_utf8(bytes) {
            Ok(text) => {
                let file = Arc::new(SourceFile { name: name.to_owned(), text: text.to_owned() });
                return Ok(Self {
                    file,
                    codes,
                    is_json: false,
                    found: Vec::new(),
                    dropped: 0,
                    broken_lines: Vec::new(),
                });
            }
            Err(error) => error,
        };
        let text = String::from_utf8_lossy(bytes).into_owned();
        let file = Arc::new(SourceFile { name: name.to_owned(), text });
        let start = error.valid_up_to();
        let span = Span::new(&file, start..start + char::REPLACEMENT_CHARACTER.len_utf8());
        let diagnostic = Diagnostic::error(codes.not_text, format!("{name} is not UTF-8 text"))
            .at(span, "this byte belongs to no character")
            .help("save the file as UTF-8");
        Err(Box::new(diagnostic))
    }

    /// Returns the text of the file.
    pub(crate) fn text(&self) -> &str {
        &self.file.text
    }

    /// Makes a span in the file.
    pub(crate) fn span(&self, range: &Range<usize>) -> Span {
        Span::new(&self.file, range.clone())
    }

    /// Writes a key and its value, given in TOML, in the notation of the file.
    pub(crate) fn pair(&self, name: &str, value: &str) -> String {
        let in_toml = format!("{name} = {value}");
        if !self.is_json {
            return in_toml;
        }
        let table = toml::from_str::<toml::Table>(&in_toml).ok();
        let value = table.and_then(|table| serde_json::to_string(table.get(name)?).ok());
        value.map_or(in_toml, |value| format!("\"{name}\": {value}"))
    }

    /// Writes the beginning of a node in the notation of the file.
    pub(crate) fn header(&self, path: &str) -> String {
        if self.is_json { format!("\"{path}\": {{ … }}") } else { format!("[\"{path}\"]") }
    }

    /// Makes an error at a place of the file.
    pub(crate) fn error(
        &self,
        code: &'static str,
        range: &Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::error(code, message).at(self.span(range), label)
    }

    /// Ends the search for syntax errors: nothing more is said about their lines, of which only a part was understood.
    pub(crate) fn end_syntax(&mut self) {
        let starts = self.found.iter().filter_map(|found| Some(found.primary.as_ref()?.span.range.start));
        self.broken_lines = starts.map(|start| line_range(self.text(), start)).collect();
    }

    /// Says whether parts of the text were not understood, so that what seems to be missing may be there.
    pub(crate) fn is_broken(&self) -> bool {
        self.found.iter().any(|found| found.code == self.codes.syntax || found.code == super::codes::CFG_UNQUOTED)
    }

    /// Keeps a diagnostic. Beyond a limit a mistake takes the place of a warning, and what finds none is only counted.
    pub(crate) fn add(&mut self, diagnostic: Diagnostic) {
        let start = diagnostic.primary.as_ref().map(|label| label.span.range.start);
        if start.is_some_and(|at| self.broken_lines.iter().any(|line| line.start <= at && at <= line.end)) {
            return;
        }
        if !self.is_full() {
            self.found.push(diagnostic);
        } else if diagnostic.is_error() {
            match self.found.iter().rposition(|found| !found.is_error()) {
                Some(warning) => self.found[warning] = diagnostic,
                None => self.dropped += 1,
            }
        }
    }

    /// Says whether a diagnostic stands on the line of this byte.
    pub(crate) fn has_one_on_line_of(&self, at: usize) -> bool {
        let line = line_range(self.text(), at);
        self.found.iter().any(|found| {
            found.primary.as_ref().is_some_and(|label| {
                let start = label.span.range.start;
                start >= line.start && start <= line.end
            })
        })
    }

    /// Says whether further diagnostics are only counted.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= MOST_DIAGNOSTICS
    }

    /// Says whether something was found that forbids a launch.
    pub(crate) fn has_errors(&self) -> bool {
        self.found.iter().any(Diagnostic::is_error)
    }

    /// Returns what was read, unless there were errors, and the diagnostics in the order of the text.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> (Option<T>, Vec<Diagnostic>) {
        let value = if self.has_errors() { None } else { value };
        self.found.sort_by_key(|found| found.primary.as_ref().map_or(0, |label| label.span.range.start));
        if self.dropped > 0 {
            let message = format!("{} more mistakes are not shown", self.dropped);
            self.found.push(Diagnostic::error(self.codes.too_many, message).help("mend the ones above first"));
        }
        (value, self.found)
    }
}

/// Returns the bytes of the line around a position, without its end.
pub(crate) fn line_range(text: &str, at: usize) -> Range<usize> {
    let at = at.min(text.len());
    let bytes = text.as_bytes();
    let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
    let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |after| at + after);
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_after_any_number_of_warnings_is_told_and_forbids_the_launch() {
        let mut report = Report::open("a", b"text", 100, crate::definition::codes::CFG).expect("it is text");
        for _ in 0..2 * MOST_DIAGNOSTICS {
            report.add(Diagnostic::warning("cfg::bare-word", "odd"));
        }
        report.add(Diagnostic::error("cfg::bad-value", "wrong"));
        let (value, found) = report.finish(Some(()));
        assert_eq!(value, None);
        assert_eq!(found.iter().filter(|found| found.is_error()).count(), 1);
        assert_eq!(found.len(), MOST_DIAGNOSTICS);
    }
}
