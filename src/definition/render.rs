//! Diagnostics as text for people: with carets for terminals and logs, in one line for statuses. Knows no mistake by name.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::report::line_range;
use crate::model::{Diagnostic, Label, Severity};

/// The forge cuts longer descriptions.
const LONGEST_SUMMARY: usize = 140;

/// Longer lines are named, not shown.
const LONGEST_LINE: usize = 4_000;

/// Returns all diagnostics with the lines they point at, ended by a newline; in colours for a terminal that shows them.
pub fn text(diagnostics: &[Diagnostic], in_colour: bool) -> String {
    let renderer = if in_colour { Renderer::styled() } else { Renderer::plain() };
    let blocks: Vec<_> = diagnostics.iter().map(|diagnostic| one(diagnostic, &renderer)).collect();
    if blocks.is_empty() { String::new() } else { blocks.join("\n\n") + "\n" }
}

/// Returns the first mistake in one line of at most 140 characters, and how many more there are; nothing without any.
///
/// Errors come first; warnings are counted only if there is nothing else.
pub fn summary(diagnostics: &[Diagnostic]) -> Option<String> {
    let errors: Vec<_> = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).collect();
    let told = if errors.is_empty() { diagnostics.iter().collect() } else { errors };
    let first = printable(&told.first()?.to_string()).replace('\n', " ");
    let more = if told.len() > 1 { format!(" (+{} more)", told.len() - 1) } else { String::new() };
    let room = LONGEST_SUMMARY - more.chars().count();
    if first.chars().count() <= room {
        return Some(first + &more);
    }
    let cut: String = first.chars().take(room - 1).collect();
    Some(cut + "…" + &more)
}

fn one(diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(printable(&diagnostic.message)).id(diagnostic.code);
    let mut group = Group::with_title(title);
    if let Some(primary) = &diagnostic.primary {
        group = match snippet(primary, &diagnostic.others) {
            Some(snippet) => group.element(snippet),
            None => group.element(place(primary)),
        };
    }
    let mut groups = vec![group];
    if let Some(help) = &diagnostic.help {
        // Without lines to show, a group of its own would begin with an empty margin.
        if diagnostic.primary.is_none() {
            return format!("{}\nhelp: {}", renderer.render(&groups), printable(help));
        }
        groups.push(Group::with_title(Level::HELP.secondary_title(printable(help))));
    }
    renderer.render(&groups)
}

/// Names the place without its line.
fn place(primary: &Label) -> Origin<'_> {
    let (line, column) = primary.span.line_column();
    Origin::path(printable(&primary.span.file.name)).line(line).char_column(column)
}

/// Shows the lines from the first label to the last, unless one of them is endless. Labels in other files are left out.
fn snippet<'d>(primary: &'d Label, others: &'d [Label]) -> Option<Snippet<'d, Annotation<'d>>> {
    let file = &primary.span.file;
    let same: Vec<_> = others.iter().filter(|other| other.span.file == *file).collect();
    let ranges = || std::iter::once(primary).chain(same.iter().copied()).map(|label| &label.span.range);
    let start = ranges().map(|range| range.start).min().unwrap_or_default();
    let end = ranges().map(|range| range.end).max().unwrap_or_default();
    let start = line_range(&file.text, start).start;
    let end = line_range(&file.text, end).end;
    if file.text[start..end].lines().any(|line| line.len() > LONGEST_LINE) {
        return None;
    }
    let first_line = file.text[..start].matches('\n').count() + 1;
    let mut snippet = Snippet::source(without_c1(&file.text[start..end]))
        .line_start(first_line)
        .path(printable(&file.name))
        .fold(true);
    let annotation = |kind: AnnotationKind, label: &Label| {
        let range = label.span.range.start - start..label.span.range.end - start;
        let text = if label.text.is_empty() { None } else { Some(printable(&label.text)) };
        kind.span(range).label(text)
    };
    snippet = snippet.annotation(annotation(AnnotationKind::Primary, primary));
    for other in same {
        snippet = snippet.annotation(annotation(AnnotationKind::Context, other));
    }
    Some(snippet)
}

/// Takes out the control characters that the renderer leaves in lines of the file: some terminals obey them like an escape. Spans
/// count bytes, so another character of two bytes stands in for each.
fn without_c1(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\u{80}'..='\u{9f}') { '\u{b7}' } else { c }).collect()
}

/// Takes out what would move the cursor, change colours or turn the direction of writing: messages quote texts of strangers.
fn printable(text: &str) -> String {
    let is_harmful =
        |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if is_harmful(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_fit_into_a_status() {
        let long = Diagnostic::error("cfg::bad-value", "ä".repeat(200));
        let line = summary(&[long.clone(), long]).unwrap();
        assert_eq!(line.chars().count(), 140);
        assert!(line.ends_with("ä… (+1 more)"), "{line}");
        assert_eq!(summary(&[]), None);
    }

    #[test]
    fn a_line_of_the_file_moves_no_cursor() {
        let text = "[push]\nx\u{9b}31m\u{85} = \"\u{1b}[0m\"\n";
        let diagnostics = super::super::read_cfg("conducto.cfg", text.as_bytes()).1;
        let shown = super::text(&diagnostics, false);
        assert!(shown.contains("x\u{b7}31m") && shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    }

    #[test]
    fn errors_come_before_warnings_in_a_summary() {
        let warning = Diagnostic::warning("cfg::empty", "nothing here");
        let error = Diagnostic::error("cfg::syntax", "this\nis \u{1b}[31mwrong\u{202e}");
        assert_eq!(summary(&[warning.clone(), error]).unwrap(), "this is \u{fffd}[31mwrong\u{fffd}");
        assert_eq!(summary(&[warning.clone(), warning]).unwrap(), "nothing here (+1 more)");
    }
}
