//! Makes the launch of one section, or says what is wrong with its definition. Writes nothing.

use std::sync::Arc;

use super::reading::{Trouble, foreign_to, read};
use crate::{
    clock,
    definition::{self, Section, Work, outfitted, printing},
    dispatch::shared::Shared,
    git::{FileAtCommit, MirrorName},
    model::{Definition, Diagnostic, Hold, Launch, Span, Trigger, Trust, Turn},
};

/// Largest definition file, in bytes.
const DEFINITION_LIMIT: usize = 4 * 1024 * 1024;

/// Makes the launch of one section. Without one, the diagnostics say why.
pub(super) async fn launch(
    shared: &Arc<Shared>,
    mirror: &MirrorName,
    trigger: &Trigger,
    section: &Section,
) -> Result<(Option<Launch>, Vec<Diagnostic>), Trouble> {
    let (definition, diagnostics) = match &section.work {
        Work::Command(command) => (Some(printing(section, command.fill(&definition::values(trigger)))), Vec::new()),
        Work::File { path, span } => {
            let (tree, diagnostics) = from_file(shared, mirror, trigger, path, span).await?;
            (tree.map(|tree| outfitted(section, tree)), diagnostics)
        }
    };
    let Some(definition) = definition else { return Ok((None, diagnostics)) };
    let (trust, hold) = match foreign_to(trigger) {
        Some(_) => (Trust::Fork, Some(Hold::Approval)),
        None => (Trust::Trusted, None),
    };
    // A worker may be up already, for the pipeline that gets this name.
    let spare = if trust == Trust::Trusted { shared.take_spare().await } else { None };
    let launch = Launch {
        pipeline: spare.unwrap_or_else(clock::new_pipeline_id),
        definition,
        title: match trigger.title.as_str() {
            "" => trigger.describe(),
            title => title.to_owned(),
        },
        section: section.name(),
        trigger: trigger.clone(),
        slack_channel: section.slack_channel.clone(),
        trust,
        hold,
        most_mem: Some(shared.options.budget.largest.gib()),
        turn: Some(Turn::of(trigger, &section.name(), section.duplicate)),
        secrets: section.secrets.clone(),
    };
    Ok((Some(launch), diagnostics))
}

async fn from_file(
    shared: &Shared,
    mirror: &MirrorName,
    trigger: &Trigger,
    path: &str,
    span: &Span,
) -> Result<(Option<Definition>, Vec<Diagnostic>), Trouble> {
    let unusable = |words: &str| {
        let message = format!("the definition file `{path}` {words}");
        (None, vec![Diagnostic { message, ..definition::missing_file(path, span) }])
    };
    Ok(match read(shared, mirror, &trigger.sha, path, DEFINITION_LIMIT).await? {
        FileAtCommit::Found(text) => definition::read_pipeline(path, &text),
        FileAtCommit::Missing => (None, vec![definition::missing_file(path, span)]),
        FileAtCommit::NotAFile(what) => unusable(&format!("is {what}, not a file")),
        FileAtCommit::TooLarge(bytes) => unusable(&format!("has {bytes} bytes; at most {DEFINITION_LIMIT} are read")),
    })
}
