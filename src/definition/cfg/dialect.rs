//! Tells the old INI dialect from TOML with a slip. Knows only what a line looks like.

use std::ops::Range;

use toml::de::DeValue;

use super::{super::report::Report, keys::KEYS};
use crate::{definition::codes, model::Diagnostic};

/// A line that TOML would write differently.
struct Foreign {
    range: Range<usize>,
    in_toml: String,
}

/// What the lines of a text that is not valid TOML look like.
#[derive(Default)]
struct Look {
    headers: Vec<Foreign>,
    unquoted: Vec<Foreign>,
    has_quoted: bool,
}

/// Says that a file is written in the old dialect, if a text that is not valid TOML looks like it.
///
/// Values without quotes beside values with them are slips in a TOML file: each is reported by itself.
pub(super) fn recognise(report: &mut Report) -> Option<Diagnostic> {
    let look = look(report.text());
    if look.headers.is_empty() && (look.unquoted.is_empty() || look.has_quoted) {
        for slip in look.unquoted {
            let message = "a text without quotes";
            let diagnostic = report.error(codes::CFG_UNQUOTED, &slip.range, message, "texts stand in quotes");
            report.add(diagnostic.help(format!("write `{}`", slip.in_toml)));
        }
        return None;
    }
    let first = look.headers.first().or(look.unquoted.first())?;
    let message = format!("{} looks like the old INI dialect, which this server does not read yet", report.file.name);
    let label = if look.headers.is_empty() { "a text without quotes" } else { "a header with a blank" };
    let lines: Vec<_> =
        look.headers.iter().take(1).chain(&look.unquoted).take(3).map(|line| format!("`{}`", line.in_toml)).collect();
    let diagnostic = report.error(codes::CFG_INI_DIALECT, &first.range, message, label);
    Some(diagnostic.help(format!("in TOML labels follow a dot and texts stand in quotes: {}", lines.join(", "))))
}

fn look(text: &str) -> Look {
    let mut look = Look::default();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let from = start + (line.len() - line.trim_start().len());
        let range = from..from + trimmed.len();
        start += line.len();
        if trimmed.starts_with(['#', ';']) || trimmed.is_empty() {
            continue;
        }
        if let Some(rest) = trimmed.strip_prefix('[') {
            let inner = rest.split(']').next().unwrap_or(rest);
            if let Some(in_toml) = header_in_toml(inner) {
                look.headers.push(Foreign { range: from..from + inner.len() + 2, in_toml });
            }
            continue;
        }
        let Some(separator) = trimmed.find(['=', ':']) else { continue };
        let name = trimmed[..separator].trim();
        if !KEYS.iter().any(|key| key.name == name) {
            continue;
        }
        let value = trimmed[separator + 1..].trim();
        if value.starts_with(['"', '\'']) {
            look.has_quoted = true;
        } else if trimmed[separator..].starts_with(':') || is_unquoted(value) {
            look.unquoted.push(Foreign { range, in_toml: format!("{name} = {}", quote(value)) });
        }
    }
    look
}

/// Translates `push release` to `[push.release]`; nothing for a header that TOML reads as well.
fn header_in_toml(inner: &str) -> Option<String> {
    let is_old = !inner.contains(['"', '\'', '['])
        && (inner.starts_with('.') || inner.split('.').any(|part| part.trim().contains(char::is_whitespace)));
    is_old.then(|| {
        let (event, label) = inner.trim().split_once(char::is_whitespace).unwrap_or((inner.trim(), ""));
        let label = label.trim().replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "-");
        if label.is_empty() { format!("[{}]", event.trim_start_matches('.')) } else { format!("[{event}.{label}]") }
    })
}

fn is_unquoted(value: &str) -> bool {
    let is_open_list = value.starts_with('[');
    let is_open_table = value.starts_with('{') && !value.contains('}');
    !value.is_empty() && !is_open_list && !is_open_table && DeValue::parse(value).is_err()
}

fn quote(value: &str) -> String {
    if value.contains(['"', '\\']) { format!("'{value}'") } else { format!("\"{value}\"") }
}
