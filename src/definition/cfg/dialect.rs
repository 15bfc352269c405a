//! Tells the old INI dialect from TOML with a slip. Knows only what a line looks like.

use std::ops::Range;

use toml::de::DeValue;

use super::{
    super::{report::Report, toml_text},
    keys::KEYS,
    section::Dialect,
};
use crate::definition::codes;

/// A line that TOML would write differently.
struct Foreign {
    range: Range<usize>,
    in_toml: String,
}

/// What the lines of a text that is not valid TOML look like.
#[derive(Default)]
struct Look {
    has_old_header: bool,
    unquoted: Vec<Foreign>,
    has_quoted: bool,
}

/// Says in which dialect a text is written that is not valid TOML.
///
/// Values without quotes beside values with them are slips in a TOML file: each is reported by itself.
pub(super) fn recognise(report: &mut Report) -> Dialect {
    let look = look(report.text());
    if look.has_old_header || (!look.unquoted.is_empty() && !look.has_quoted) {
        return Dialect::Ini;
    }
    for slip in look.unquoted {
        let message = "a text without quotes";
        let diagnostic = report.error(codes::CFG_UNQUOTED, &slip.range, message, "texts stand in quotes");
        report.add(diagnostic.help(format!("write `{}`", slip.in_toml)));
    }
    Dialect::Toml
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
            look.has_old_header |= is_old_header(inner);
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

/// Says whether a header is none of TOML's: `push release`, `.general`.
fn is_old_header(inner: &str) -> bool {
    !inner.contains(['"', '\'', '['])
        && (inner.starts_with('.') || inner.split('.').any(|part| part.trim().contains(char::is_whitespace)))
}

fn is_unquoted(value: &str) -> bool {
    let is_open_list = value.starts_with('[');
    let is_open_table = value.starts_with('{') && !value.contains('}');
    let is_value = || toml_text::too_deep(value).is_none() && DeValue::parse(value).is_ok();
    !value.is_empty() && !is_open_list && !is_open_table && !is_value()
}

fn quote(value: &str) -> String {
    if value.contains(['"', '\\']) { format!("'{value}'") } else { format!("\"{value}\"") }
}
