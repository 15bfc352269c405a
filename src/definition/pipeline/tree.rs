//! Makes a tree of drafts. Knows the rules of trees, not how a file is written.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::{
    super::{codes, report::Report},
    node::Draft,
};
use crate::model::{Definition, Exec, MAX_DEPTH, NodeDefinition, NodeIndex, NodeKind, NodePath};

/// Checks the drafts against each other and makes the tree, siblings in the order of the file.
/// One of the drafts is the root. Refused paths are not missed.
pub(super) fn build(drafts: Vec<Draft>, refused: HashSet<NodePath>, report: &mut Report) -> Option<Definition> {
    let drafts: Vec<Draft> = drafts.into_iter().filter(|draft| is_shallow(draft, report)).collect();
    let index: HashMap<&NodePath, usize> = drafts.iter().enumerate().map(|(at, draft)| (&draft.path, at)).collect();
    let mut children = vec![Vec::new(); drafts.len()];
    let mut missing = refused;
    for (at, draft) in drafts.iter().enumerate() {
        let Some(parent) = draft.path.parent() else { continue };
        match index.get(&parent) {
            Some(above) => children[*above].push(at),
            None => add_missing_parents(draft, parent, &index, &mut missing, report),
        }
    }
    let mut parents: HashSet<NodePath> = missing.iter().filter_map(NodePath::parent).collect();
    parents.extend(drafts.iter().filter_map(|draft| draft.path.parent()));
    let mut kinds = Vec::with_capacity(drafts.len());
    for (draft, below) in drafts.iter().zip(&children) {
        let below: Vec<_> = below.iter().map(|at| &drafts[*at]).collect();
        kinds.push(kind(draft, &below, parents.contains(&draft.path), report));
    }
    if !drafts.iter().any(|draft| draft.exec.is_some()) && !report.has_errors() {
        let message = format!("{} runs nothing", report.file.name);
        let end = report.text().len();
        let diagnostic = report.error(codes::PIPELINE_EMPTY, &(end..end), message, "no node has an `exec`");
        let (header, exec) = (report.header("/test"), report.pair("exec", "\"npm test\""));
        report.add(diagnostic.help(format!("add a node, for example `{header}` with `{exec}`")));
    }
    if report.has_errors() {
        return None;
    }
    let kinds = kinds.into_iter().collect::<Option<Vec<_>>>()?;
    arrange(drafts, &children, kinds)
}

fn is_shallow(draft: &Draft, report: &mut Report) -> bool {
    let depth = draft.path.depth();
    if depth > MAX_DEPTH {
        let message = format!("the tree is too deep: this node lies {depth} levels below the root");
        let diagnostic = report.error(codes::PIPELINE_TOO_DEEP, &draft.at, message, "too many parts");
        report.add(diagnostic.help(format!("at most {MAX_DEPTH} levels are allowed")));
    }
    depth <= MAX_DEPTH
}

fn add_missing_parents(
    draft: &Draft,
    parent: NodePath,
    index: &HashMap<&NodePath, usize>,
    missing: &mut HashSet<NodePath>,
    report: &mut Report,
) {
    let mut above = Some(parent);
    while let Some(path) = above.filter(|path| !index.contains_key(path) && !missing.contains(path)) {
        // Its definition may be among the lines that were not understood.
        if !report.is_broken() {
            let message = format!("node `{}` hangs below `{path}`, which is not defined", draft.path);
            let diagnostic = report.error(codes::PIPELINE_MISSING_PARENT, &draft.at, message, "its parent is missing");
            let header = report.header(path.as_str());
            let (serial, parallel) = (report.pair("type", "\"serial\""), report.pair("type", "\"parallel\""));
            report.add(diagnostic.help(format!("add `{header}` with `{serial}` or `{parallel}`")));
        }
        above = path.parent();
        missing.insert(path);
    }
}

/// Settles what a node is. Nothing is returned, and a mistake reported, if its author left that open.
fn kind(draft: &Draft, children: &[&Draft], has_children: bool, report: &mut Report) -> Option<NodeKind> {
    let kind = draft.kind.as_ref().map(|(word, _)| word.as_str());
    match (kind, &draft.exec) {
        (Some(word @ ("serial" | "parallel")), Some((_, exec))) => {
            add_conflict(draft, word, exec, report);
            None
        }
        (Some("serial"), None) => {
            Some(NodeKind::Serial { stop_on_error: draft.stop_on_error.as_ref().is_none_or(|(stop, _)| *stop) })
        }
        (Some("parallel"), None) => {
            add_misplaced_stop(draft, report);
            Some(NodeKind::Parallel)
        }
        (_, Some((command, exec))) => {
            add_children_of_exec(draft, children, exec, report);
            add_misplaced_stop(draft, report);
            Some(NodeKind::Exec(Exec { command: command.clone() }))
        }
        (_, None) => {
            add_open_kind(draft, has_children, kind, report);
            None
        }
    }
}

fn add_children_of_exec(draft: &Draft, children: &[&Draft], exec: &Range<usize>, report: &mut Report) {
    for child in children {
        let message = format!("`{}` hangs below `{}`, which runs a command", child.path, draft.path);
        let diagnostic = report.error(codes::PIPELINE_EXEC_PARENT, &child.at, message, "cannot be a child");
        let diagnostic = diagnostic.see(report.span(exec), "nodes with `exec` have no children");
        let help = format!("move the command to a child of its own, and give `{}` a type", draft.path);
        report.add(diagnostic.help(help));
    }
}

fn add_conflict(draft: &Draft, word: &str, exec: &Range<usize>, report: &mut Report) {
    let message = format!("node `{}` is {word} and has a command", draft.path);
    let mut diagnostic = report.error(codes::PIPELINE_TYPE_CONFLICT, exec, message, "only `exec` nodes run a command");
    if let Some((_, range)) = &draft.kind {
        diagnostic = diagnostic.see(report.span(range), "the type is given here");
    }
    report.add(diagnostic.help("take out one of the two, or move the command to a child"));
}

fn add_misplaced_stop(draft: &Draft, report: &mut Report) {
    if let Some((_, range)) = &draft.stop_on_error {
        let message = format!("`stop_on_error` means nothing to node `{}`", draft.path);
        let diagnostic = report.error(codes::PIPELINE_MISPLACED_KEY, range, message, "only serial nodes have an order");
        report.add(diagnostic.help("take it out, or put it on a serial node above"));
    }
}

fn add_open_kind(draft: &Draft, has_children: bool, kind: Option<&str>, report: &mut Report) {
    // A type or command that was refused has been reported; a broken line may have held one.
    let is_refused = draft.given("exec").is_some() || (kind.is_none() && draft.given("type").is_some());
    if report.is_broken() || is_refused {
        return;
    }
    let path = &draft.path;
    let (exec, serial) = (report.pair("exec", "\"npm test\""), report.pair("type", "\"serial\""));
    let (message, label, help) = if kind == Some("exec") {
        (format!("node `{path}` has no command"), "`exec` is missing", format!("add for example `{exec}`"))
    } else if has_children {
        let help = format!("add `{serial}` or `{}`", report.pair("type", "\"parallel\""));
        (format!("node `{path}` does not say how its children run"), "`type` is missing", help)
    } else {
        let help = format!("add for example `{exec}`, or a type and children");
        (format!("node `{path}` has neither a command nor a type"), "what does it do?", help)
    };
    let diagnostic = report.error(codes::PIPELINE_MISSING_KEY, &draft.at, message, label);
    report.add(diagnostic.help(help));
}

/// Puts the nodes in order, parents before children.
fn arrange(drafts: Vec<Draft>, children: &[Vec<usize>], kinds: Vec<NodeKind>) -> Option<Definition> {
    let root = drafts.iter().position(|draft| draft.path.is_root())?;
    let mut waiting: Vec<_> = drafts.into_iter().zip(kinds).map(Some).collect();
    let mut nodes = Vec::with_capacity(waiting.len());
    let mut stack = vec![(root, None)];
    while let Some((at, parent)) = stack.pop() {
        let (draft, kind) = waiting[at].take()?;
        let own = NodeIndex(u32::try_from(nodes.len()).ok()?);
        stack.extend(children[at].iter().rev().map(|child| (*child, Some(own))));
        let name = draft.path.name().into();
        nodes.push(NodeDefinition { name, parent, kind, settings: draft.settings.into() });
    }
    Definition::new(nodes).ok()
}
