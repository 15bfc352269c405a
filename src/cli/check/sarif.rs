//! Mistakes as SARIF 2.1.0, which editors and code scanning read. Knows that format, and no mistake by name.
//!
//! A rule is a code; its text and its remedy are those of `docs/errors.md`, which every binary carries.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::model::{Diagnostic, Label, Severity};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const EXPLAINED: &str = include_str!("../../../docs/errors.md");
const REMEDY: &str = "*Remedy:* ";

/// Returns a log with one run, in which every code that was found is a rule.
pub(super) fn of(diagnostics: &[Diagnostic]) -> Value {
    let codes: BTreeSet<&str> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    let codes: Vec<&str> = codes.into_iter().collect();
    let rules: Vec<Value> = codes.iter().map(|code| rule(code)).collect();
    let results: Vec<Value> = diagnostics.iter().map(|diagnostic| result(diagnostic, &codes)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "conducto",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &str) -> Value {
    let (text, remedy) = explained(code);
    let mut rule = json!({
        "id": code,
        "shortDescription": { "text": first_sentence(&text) },
        "fullDescription": { "text": text },
        "help": { "text": remedy, "markdown": format!("{text}\n\n**Remedy:** {remedy}") },
    });
    // Named in Cargo.toml, where the project says where it lives.
    if let Some(repository) = option_env!("CARGO_PKG_REPOSITORY").filter(|repository| !repository.is_empty()) {
        let (version, anchor) = (env!("CARGO_PKG_VERSION"), code.replace("::", ""));
        rule["helpUri"] = json!(format!("{repository}/blob/v{version}/docs/errors.md#{anchor}"));
    }
    rule
}

/// Returns what the documentation says of a code: what is wrong, and the remedy. Lines are joined.
fn explained(code: &str) -> (String, String) {
    let heading = format!("### `{code}`\n");
    let section = EXPLAINED.split_once(&heading).map(|(_, rest)| rest).unwrap_or_default();
    let section = section.split("\n#").next().unwrap_or_default();
    let (text, remedy) = section.split_once(REMEDY).unwrap_or((section, ""));
    let joined = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    (joined(text), joined(remedy))
}

fn first_sentence(text: &str) -> &str {
    text.find(". ").map_or(text, |end| &text[..=end])
}

fn result(diagnostic: &Diagnostic, codes: &[&str]) -> Value {
    let mut text = diagnostic.message.clone();
    if let Some(help) = &diagnostic.help {
        text = format!("{text}\nhelp: {help}");
    }
    let mut result = json!({
        "ruleId": diagnostic.code,
        "ruleIndex": codes.iter().position(|code| *code == diagnostic.code),
        "level": match diagnostic.severity { Severity::Error => "error", Severity::Warning => "warning" },
        "message": { "text": text },
    });
    if let Some(label) = &diagnostic.primary {
        result["locations"] = json!([{ "physicalLocation": place(label) }]);
    }
    if !diagnostic.others.is_empty() {
        result["relatedLocations"] = diagnostic.others.iter().enumerate().map(related).collect();
    }
    result
}

fn related((number, label): (usize, &Label)) -> Value {
    json!({ "id": number + 1, "message": { "text": label.text }, "physicalLocation": place(label) })
}

fn place(label: &Label) -> Value {
    let ((line, column), (end_line, end_column)) = (label.span.line_column(), label.span.end_line_column());
    json!({
        "artifactLocation": { "uri": uri(&label.span.file.name) },
        "region": { "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column },
    })
}

/// Makes of a path a relative reference, or of an absolute one a `file` URI.
fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    for byte in path.bytes() {
        if is_plain(byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::ALL_CODES;

    #[test]
    fn every_code_is_a_rule_with_its_remedy() {
        for code in ALL_CODES {
            let (text, remedy) = explained(code);
            assert!(text.len() > 10 && text.ends_with('.'), "{code}: {text}");
            assert!(remedy.len() > 10 && remedy.ends_with('.'), "{code}: {remedy}");
        }
    }

    #[test]
    fn odd_paths_are_uris() {
        assert_eq!(uri("ci/a b%é.toml"), "ci/a%20b%25%C3%A9.toml");
        assert_eq!(uri("/srv/conducto.cfg"), "file:///srv/conducto.cfg");
    }
}
