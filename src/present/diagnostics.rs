//! Diagnostics as text with carets, for terminal, page and check. Makes everything from the diagnostic alone.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use crate::model::{Diagnostic, Label, Severity};

/// Renders diagnostics one after the other, with an empty line between them.
pub fn render_diagnostics(diagnostics: &[Diagnostic], is_coloured: bool) -> String {
    let renderer = if is_coloured { Renderer::styled() } else { Renderer::plain() };
    let texts: Vec<String> = diagnostics.iter().map(|diagnostic| renderer.render(&groups(diagnostic))).collect();
    texts.join("\n\n")
}

fn groups(diagnostic: &Diagnostic) -> Vec<Group<'_>> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str()).id(diagnostic.code));
    if let Some(primary) = &diagnostic.primary {
        // Places in the same file share one excerpt.
        let (near, far): (Vec<_>, Vec<_>) =
            diagnostic.others.iter().partition(|other| other.span.file.name == primary.span.file.name);
        let main = near.into_iter().fold(snippet(primary, AnnotationKind::Primary), |snippet, label| {
            snippet.annotation(annotation(label, AnnotationKind::Context))
        });
        group = group.element(main);
        for label in far {
            group = group.element(snippet(label, AnnotationKind::Context));
        }
    }
    let help = diagnostic.help.as_ref().map(|help| Group::with_title(Level::HELP.secondary_title(help.as_str())));
    std::iter::once(group).chain(help).collect()
}

fn snippet(label: &Label, kind: AnnotationKind) -> Snippet<'_, Annotation<'_>> {
    let file = &label.span.file;
    Snippet::source(file.text.as_str()).path(file.name.as_str()).annotation(annotation(label, kind))
}

fn annotation(label: &Label, kind: AnnotationKind) -> Annotation<'_> {
    let annotation = kind.span(label.span.range.clone());
    if label.text.is_empty() { annotation } else { annotation.label(label.text.as_str()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{SourceFile, Span};

    #[test]
    fn a_diagnostic_points_at_its_place_and_names_the_way_out() {
        let file = Arc::new(SourceFile { name: "conducto.toml".into(), text: "lisen = \"\"\n".into() });
        let diagnostic = Diagnostic::error("settings::unknown-key", "unknown setting `lisen`")
            .at(Span::new(&file, 0..5), "not a setting")
            .help("a setting with a similar name exists: `listen`");
        insta::assert_snapshot!(render_diagnostics(&[diagnostic], false), @r#"
        error[settings::unknown-key]: unknown setting `lisen`
         --> conducto.toml:1:1
          |
        1 | lisen = ""
          | ^^^^^ not a setting
          |
        help: a setting with a similar name exists: `listen`
        "#);
    }
}
