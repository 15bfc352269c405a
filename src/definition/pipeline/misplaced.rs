//! Keys that mean nothing to the node they stand on. Knows what each key is about, not how it is read.

use super::{
    super::{codes, report::Report},
    node::Draft,
};
use crate::model::{Callback, Isolation, Remedy, Reuse};

/// Reports what means nothing to a leaf.
pub(super) fn check_exec(draft: &Draft, report: &mut Report) {
    add_stop(draft, report);
    let above = "take it out, or put it on a group above";
    add(draft, "max_concurrent", "a leaf is one command; only groups have many to bound", above, report);
    add(draft, "skip_errors", "only groups have leaves below to skip", above, report);
    check_any(draft, report);
}

/// Reports what means nothing to a node whose children run at once.
pub(super) fn check_parallel(draft: &Draft, report: &mut Report) {
    add_stop(draft, report);
    check_group(draft, report);
}

/// Reports what means nothing to a node that prints its tree.
pub(super) fn check_generate(draft: &Draft, report: &mut Report) {
    let label = "without a tree there is nothing to go on with";
    add(draft, "stop_on_error", label, "take it out; the nodes that are printed may have it", report);
    check_group(draft, report);
}

/// Reports what means nothing to a group.
pub(super) fn check_group(draft: &Draft, report: &mut Report) {
    add(draft, "cache", "only leaves have something to keep", "put it on the leaves below that need it", report);
    let is_own =
        |callback: &&Callback| !callback.inherited && matches!(callback.remedy, Remedy::HandleMemoryErrors { .. });
    if let (Some(range), Some(_)) = (draft.given("memory_errors"), draft.settings.callbacks.iter().find(is_own)) {
        let message = format!("memory is what leaves run out of, not groups such as `{}`", draft.path);
        let diagnostic = report.error(codes::PIPELINE_MISPLACED_KEY, range, message, "of this node alone");
        let inherited = report.pair("memory_errors", "{ inherited = true }");
        report.add(diagnostic.help(format!("for the leaves below write `{inherited}`")));
    }
    check_any(draft, report);
}

fn check_any(draft: &Draft, report: &mut Report) {
    let settings = &draft.settings;
    if (settings.container_reuse_context, settings.isolation) == (Some(Reuse::New), Some(Isolation::Pristine)) {
        let label = "in a container of its own nothing is cleaned up between nodes";
        add(draft, "isolation", label, "take out one of `isolation` and `container_reuse_context`", report);
    }
}

fn add_stop(draft: &Draft, report: &mut Report) {
    let help = "take it out, or put it on a serial node above";
    add(draft, "stop_on_error", "only serial nodes have an order", help, report);
}

fn add(draft: &Draft, name: &str, label: &str, help: &str, report: &mut Report) {
    if let Some(range) = draft.given(name) {
        let message = format!("`{name}` means nothing to node `{}`", draft.path);
        let diagnostic = report.error(codes::PIPELINE_MISPLACED_KEY, range, message, label);
        report.add(diagnostic.help(help));
    }
}
