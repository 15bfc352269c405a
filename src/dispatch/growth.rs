//! What a leaf has printed that is there to print a pipeline: read out of its log when it has ended well.

use std::{collections::BTreeMap, path::Path};

use super::shared::Shared;
use crate::{
    definition::printed,
    engine::Pipeline,
    logs,
    model::{Asked, Command, Definition, Fence, NodeIndex, Outcome},
};

/// A definition is far smaller; whoever prints more has printed something else.
const MOST_BYTES: usize = 64 << 20;

/// Adds the printed tree to the end of such a leaf, or makes it an end in error that says what is wrong with it.
pub(super) async fn read(shared: &Shared, pipeline: &Pipeline, mut asked: Asked) -> Asked {
    let Command::AttemptFinished { fence, outcome: outcome @ Outcome::Exited { code: 0 }, grown, .. } =
        &mut asked.command
    else {
        return asked;
    };
    let prints = pipeline
        .live_attempt(*fence)
        .is_some_and(|(node, attempt)| pipeline.definition().grows_at(node).is_some() && !attempt.detached);
    if prints {
        match tree(shared, pipeline, *fence).await {
            Ok(tree) => *grown = Some(Box::new(tree)),
            Err(message) => *outcome = Outcome::Unreadable { message },
        }
    }
    asked
}

async fn tree(shared: &Shared, pipeline: &Pipeline, fence: Fence) -> Result<Definition, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("what it printed cannot be read: {error}");
    let mut reader = shared.logs().read(&shared.log_path(&pipeline.launch().pipeline, fence), false);
    let mut printed = Vec::new();
    loop {
        let chunks = reader.next().await.map_err(|error| unreadable(&error))?;
        if chunks.is_empty() {
            break;
        }
        for chunk in chunks.iter().filter(|chunk| chunk.stream == logs::Stream::Stdout) {
            printed.extend_from_slice(&chunk.data);
        }
        if printed.len() > MOST_BYTES {
            return Err(format!("it printed more than {} MiB; a pipeline is smaller", MOST_BYTES >> 20));
        }
    }
    // A large one takes a while to unpack.
    let source = shared.options.layout.source(&pipeline.launch().pipeline);
    let read = tokio::task::spawn_blocking(move || {
        let tree = printed::read(&printed)?;
        check_folders(&tree, &source)?;
        Ok(tree)
    });
    read.await.map_err(|error| unreadable(&error))?
}

/// Refuses folders that are not in the commit, or lead out of it by a link (`decisions.md` 24). Nothing is read of them: the
/// names of the printed paths were looked at before, and the files of the commit belong to the server.
fn check_folders(tree: &Definition, source: &Path) -> Result<(), String> {
    let named = tree.indices().filter_map(|at| tree.node(at).settings.folder.as_deref().map(|folder| (folder, at)));
    // Each is looked at once, however many nodes name it.
    let folders: BTreeMap<&str, NodeIndex> = named.filter(|(folder, _)| !folder.is_empty()).collect();
    let root = source.canonicalize().map_err(|error| format!("the files of the commit are gone: {error}"))?;
    for (folder, at) in folders {
        let refuse =
            |words: &str| Err(format!("node {} of the pipeline it printed copies `{folder}`, {words}", tree.path(at)));
        match root.join(folder).canonicalize() {
            Ok(place) if !place.starts_with(&root) => return refuse("which is a link out of the repository"),
            Ok(place) if !place.is_dir() => return refuse("which is not a folder"),
            Ok(_) => {}
            Err(_) => return refuse("which is not in this commit"),
        }
    }
    Ok(())
}
