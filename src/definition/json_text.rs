//! Reads JSON into located values. Knows no key; unlike a general reader it keeps places, order and duplicates.

use std::{collections::HashMap, ops::Range};

use super::{
    document::{Entry, Located, Table, Value},
    report::Report,
};

/// Deeper nesting than any definition has; keeps the recursion bounded.
const MOST_NESTING: usize = 32;

type Slip = (Range<usize>, String);

/// Reads the report's text. Reading ends at the first syntax error, with an empty table.
pub(crate) fn read(report: &mut Report) -> Table {
    let file = report.file.clone();
    let mut reader = Reader { text: &file.text, at: 0, depth: 0, twice: Vec::new() };
    let read = reader.document();
    for Twice { key, first, again } in reader.twice {
        let message = format!("`{key}` is defined twice");
        let diagnostic = report.error(report.codes.duplicate, &again, message, "defined again here");
        report.add(diagnostic.see(report.span(&first), "first defined here").help("keep one of the two"));
    }
    match read {
        Ok(Located { value: Value::Table(table), .. }) => table,
        Ok(Located { range, value }) => {
            let label = format!("this is {}", value.words());
            let message = "a definition file holds one JSON object keyed by node path";
            report.add(report.error(report.codes.syntax, &range, message, label));
            Table::default()
        }
        Err((range, message)) => {
            let message = format!("not valid JSON: {message}");
            report.add(report.error(report.codes.syntax, &range, message, ""));
            Table::default()
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    twice: Vec<Twice>,
}

/// A key that one object holds twice.
struct Twice {
    key: String,
    first: Range<usize>,
    again: Range<usize>,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Located, Slip> {
        if self.text.starts_with('\u{feff}') {
            self.at = '\u{feff}'.len_utf8();
        }
        let value = self.value()?;
        self.blanks();
        if self.at < self.text.len() { Err(self.slip("something follows the closing brace")) } else { Ok(value) }
    }

    fn slip(&self, message: impl Into<String>) -> Slip {
        let next = self.text[self.at..].chars().next().map_or(0, char::len_utf8);
        (self.at..self.at + next, message.into())
    }

    fn blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn peek(&mut self) -> Option<u8> {
        self.blanks();
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self) -> Result<Located, Slip> {
        let first = self.peek();
        let start = self.at;
        let value = match first {
            Some(b'"') => Value::Text(self.text()?),
            Some(b'{') => self.nested(Self::table)?,
            Some(b'[') => self.nested(Self::list)?,
            Some(_) => self.word()?,
            None => return Err(self.slip("the text ends where a value is expected")),
        };
        Ok(Located { value, range: start..self.at })
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Slip>) -> Result<Value, Slip> {
        if self.depth == MOST_NESTING {
            return Err(self.slip("nested too deeply"));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn list(&mut self) -> Result<Value, Slip> {
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value()?);
            if self.take(b']') {
                return Ok(Value::List(items));
            }
            if !self.take(b',') {
                return Err(self.slip("expected `,` or `]`"));
            }
        }
    }

    fn table(&mut self) -> Result<Value, Slip> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut places = HashMap::new();
        if !self.take(b'}') {
            loop {
                if self.peek() != Some(b'"') {
                    return Err(self.slip("expected a key in double quotes"));
                }
                let start = self.at;
                let key = self.text()?;
                let key_range = start..self.at;
                if !self.take(b':') {
                    return Err(self.slip("expected `:` after the key"));
                }
                let value = self.value()?;
                match places.get(&key).cloned() {
                    Some(first) => self.twice.push(Twice { key, first, again: key_range }),
                    None => {
                        places.insert(key.clone(), key_range.clone());
                        entries.push(Entry { key, key_range, value });
                    }
                }
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return Err(self.slip("expected `,` or `}`"));
                }
            }
        }
        Ok(Value::Table(Table { entries, is_explicit: true }))
    }

    /// Reads a text in quotes. Its end is found here; escapes are the business of the JSON library.
    fn text(&mut self) -> Result<String, Slip> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start + 1;
        while end < bytes.len() && bytes[end] != b'"' && bytes[end] != b'\n' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        if bytes.get(end) != Some(&b'"') {
            return Err((start..line_end(self.text, start), "the closing quote is missing".to_owned()));
        }
        self.at = end + 1;
        serde_json::from_str(&self.text[start..self.at])
            .map_err(|_| (start..end + 1, "this text holds a control character or a wrong escape".to_owned()))
    }

    fn word(&mut self) -> Result<Value, Slip> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-._".contains(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        let value = match word {
            "true" => Value::Flag(true),
            "false" => Value::Flag(false),
            "null" => Value::Null,
            _ => match serde_json::from_str::<serde_json::Number>(word) {
                Ok(number) => number.as_i64().map_or(Value::Float(number.as_f64().unwrap_or(f64::NAN)), Value::Integer),
                Err(_) if word.is_empty() => return Err(self.slip("expected a value")),
                Err(_) => {
                    let message = format!("`{word}` is no value; texts stand in double quotes");
                    return Err((self.at..self.at + end, message));
                }
            },
        };
        self.at += end;
        Ok(value)
    }
}

fn line_end(text: &str, from: usize) -> usize {
    text[from..].find('\n').map_or(text.len(), |after| from + after)
}
