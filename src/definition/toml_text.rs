//! Reads TOML into located values, reporting every syntax error it can recover from. Knows no key.

use std::{collections::HashSet, ops::Range};

use toml::de::{DeTable, DeValue};
use toml_parser::{Source, lexer::TokenKind};

use super::{
    document::{Entry, Located, Table, Value},
    report::{Report, line_range},
};

/// Lists and inline tables that lie deeper in one another than this are nobody's. The parser calls itself for each, and does not
/// stop where one is never closed.
const DEEPEST: usize = 64;

/// Returns where lists or inline tables lie too deep in one another for the parser, if they do.
pub(crate) fn too_deep(text: &str) -> Option<Range<usize>> {
    let mut open = Vec::new();
    for token in Source::new(text).lex() {
        let closes = match token.kind() {
            TokenKind::LeftSquareBracket => TokenKind::RightSquareBracket,
            TokenKind::LeftCurlyBracket => TokenKind::RightCurlyBracket,
            // What closes something else closes nothing.
            kind if open.last() == Some(&kind) => {
                open.pop();
                continue;
            }
            _ => continue,
        };
        open.push(closes);
        if open.len() > DEEPEST {
            return Some(token.span().start()..token.span().end());
        }
    }
    None
}

/// Reads the report's text. What could not be read is missing or [`Value::Lost`].
pub(crate) fn read(report: &mut Report) -> Table {
    let file = report.file.clone();
    if let Some(range) = too_deep(&file.text) {
        let message = format!("more than {DEEPEST} lists or tables lie in one another");
        let diagnostic = report.error(report.codes.syntax, &range, message, "the last of them begins here");
        report.add(diagnostic.help("close each `[` and `{`; texts that hold them stand in quotes"));
        return Table::default();
    }
    let (root, errors) = DeTable::parse_recoverable(&file.text);
    let mut seen = HashSet::new();
    for error in errors {
        let range = error.span().unwrap_or(0..0);
        if seen.insert(range.clone()) {
            add_error(report, error.message(), &range);
        }
    }
    table(root.get_ref(), &file.text, 0..0)
}

fn add_error(report: &mut Report, message: &str, range: &std::ops::Range<usize>) {
    if message == "duplicate key" {
        let written = report.span(range);
        let name = file_text(&written).trim_matches(['"', '\'']).to_owned();
        let mut diagnostic =
            report.error(report.codes.duplicate, range, format!("`{name}` is defined twice"), "defined again here");
        let first = if report.is_full() { None } else { first_writing(report.text(), range) };
        match first {
            Some(first) => diagnostic = diagnostic.see(report.span(&first), "first defined here"),
            // The parser joins tables with one header; that the header is there twice has been said.
            None if report.has_errors() => return,
            None => {}
        }
        report.add(diagnostic.help("keep one of the two"));
        return;
    }
    // One slip often derails the rest of its line: the first error of a line tells the story.
    if report.has_one_on_line_of(range.start) {
        return;
    }
    let line = &report.text()[line_range(report.text(), range.start)];
    let help = if line.trim_start().starts_with("[/") {
        let path = line.trim().trim_matches(['[', ']']);
        Some(format!("a path stands in quotes: `[\"{path}\"]`"))
    } else if line.trim_end().ends_with('=') {
        Some("write a value after the `=`, or take the line out".to_owned())
    } else if line.contains('=') && !line.contains(['"', '\'']) {
        Some("texts stand in quotes: `key = \"value\"`".to_owned())
    } else {
        None
    };
    let message = match message {
        _ if line.trim_end().ends_with('=') => "a value is missing".to_owned(),
        "string values must be quoted, expected literal string" => "a text without quotes".to_owned(),
        other => other.replace("newline", "the end of the line"),
    };
    let mut diagnostic = report.error(report.codes.syntax, range, format!("not valid TOML: {message}"), "");
    diagnostic.help = help;
    report.add(diagnostic);
}

fn file_text(span: &crate::model::Span) -> &str {
    &span.file.text[span.range.clone()]
}

/// Looks for the earlier place with the same key: the same header line, or the same key below the same header.
fn first_writing(text: &str, again: &std::ops::Range<usize>) -> Option<std::ops::Range<usize>> {
    let line = line_range(text, again.start);
    let prefix = text.get(line.start..again.end)?;
    let is_header = prefix.trim_start().starts_with('[');
    let mut found = None;
    let mut start = 0;
    for candidate in text[..line.start].split_inclusive('\n') {
        if !is_header && candidate.trim_start().starts_with('[') {
            found = None;
        }
        let rest = candidate.strip_prefix(prefix);
        if found.is_none() && rest.is_some_and(|rest| rest.trim_start().starts_with([']', '=', '.'])) {
            found = Some(start + (again.start - line.start)..start + prefix.len());
        }
        start += candidate.len();
    }
    found
}

fn table(from: &DeTable<'_>, text: &str, range: std::ops::Range<usize>) -> Table {
    let mut entries: Vec<Entry> = from
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().clone().into_owned(),
            key_range: key.span(),
            value: located(value.get_ref(), text, value.span()),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_range.start);
    let is_explicit = text.as_bytes().get(range.start).is_some_and(|byte| matches!(byte, b'[' | b'{'));
    Table { entries, is_explicit }
}

fn located(from: &DeValue<'_>, text: &str, range: std::ops::Range<usize>) -> Located {
    // A value that is missing altogether is given an empty range by the parser.
    if range.is_empty() {
        return Located { value: Value::Lost, range };
    }
    let value = match from {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => digits.as_str().parse().map_or(Value::Lost, Value::Float),
        },
        DeValue::Float(digits) => digits.as_str().parse().map_or(Value::Lost, Value::Float),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| located(item.get_ref(), text, item.span())).collect())
        }
        DeValue::Table(inner) => Value::Table(table(inner, text, range.clone())),
    };
    Located { value, range }
}
