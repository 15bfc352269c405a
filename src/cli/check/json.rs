//! Mistakes as a list of JSON objects. Knows the keys, which scripts rely on.

use serde_json::{Value, json};

use crate::model::Diagnostic;

pub(super) fn of(diagnostics: &[Diagnostic]) -> Vec<Value> {
    diagnostics.iter().map(one).collect()
}

fn one(diagnostic: &Diagnostic) -> Value {
    let place = diagnostic.primary.as_ref().map(|label| &label.span);
    let (begin, end) = (place.map(|span| span.line_column()), place.map(|span| span.end_line_column()));
    json!({
        "severity": diagnostic.severity, "code": diagnostic.code, "message": diagnostic.message,
        "file": place.map(|span| span.file.name.as_str()),
        "line": begin.map(|(line, _)| line), "column": begin.map(|(_, column)| column),
        "end_line": end.map(|(line, _)| line), "end_column": end.map(|(_, column)| column),
        "help": diagnostic.help,
    })
}
