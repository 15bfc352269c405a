//! Makes a tree of drafts. Knows the rules of trees, not how a file is written.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::{
    super::{codes, launched::generating, report::Report},
    misplaced,
    node::Draft,
};
use crate::model::{Definition, Exec, MAX_DEPTH, NodeDefinition, NodeIndex, NodeKind, NodePath};

/// What becomes of a draft.
enum Shape {
    /// One node.
    Node(NodeKind),
    /// A Serial of two: a leaf with this command prints a tree, and then an empty group becomes that tree.
    Generate(String),
}

/// Checks the drafts against each other and makes the tree, siblings in the order of the file.
/// One of the drafts is the root. Refused paths are not missed.
pub(super) fn build(
    drafts: Vec<Draft>,
    refused: HashSet<NodePath>,
    may_be_empty: bool,
    report: &mut Report,
) -> Option<Definition> {
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
    let mut shapes = Vec::with_capacity(drafts.len());
    for (draft, below) in drafts.iter().zip(&children) {
        let below: Vec<_> = below.iter().map(|at| &drafts[*at]).collect();
        shapes.push(shape(draft, &below, parents.contains(&draft.path), report));
    }
    if !may_be_empty && !drafts.iter().any(Draft::has_command) && !report.has_errors() {
        let message = format!("{} runs nothing", report.file.name);
        let end = report.text().len();
        let diagnostic = report.error(codes::PIPELINE_EMPTY, &(end..end), message, "no node has an `exec`");
        let (header, exec) = (report.header("/test"), report.pair("exec", "\"npm test\""));
        report.add(diagnostic.help(format!("add a node, for example `{header}` with `{exec}`")));
    }
    if report.has_errors() {
        return None;
    }
    let shapes = shapes.into_iter().collect::<Option<Vec<_>>>()?;
    arrange(drafts, &children, shapes)
}

fn is_shallow(draft: &Draft, report: &mut Report) -> bool {
    // Below a node that generates there are at least the two that do it.
    let depth = draft.path.depth() + usize::from(draft.generate.is_some());
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
fn shape(draft: &Draft, children: &[&Draft], has_children: bool, report: &mut Report) -> Option<Shape> {
    let kind = draft.kind.as_ref().map(|(word, _)| *word);
    match (kind, &draft.exec, &draft.generate) {
        (_, Some((_, exec)), Some((_, generate))) => {
            let message = format!("node `{}` has both `exec` and `generate`", draft.path);
            let diagnostic = report.error(codes::PIPELINE_TYPE_CONFLICT, generate, message, "prints a tree");
            let diagnostic = diagnostic.see(report.span(exec), "runs a command, and that is all");
            report.add(diagnostic.help("take out one of the two"));
            None
        }
        (Some(word @ ("serial" | "parallel")), Some((_, command)), None) | (Some(word), None, Some((_, command))) => {
            add_conflict(draft, word, command, report);
            None
        }
        (Some("serial"), None, None) => {
            misplaced::check_group(draft, report);
            let stop_on_error = draft.stop_on_error.unwrap_or(true);
            Some(Shape::Node(NodeKind::Serial { stop_on_error }))
        }
        (Some("parallel"), None, None) => {
            misplaced::check_parallel(draft, report);
            Some(Shape::Node(NodeKind::Parallel))
        }
        (_, Some((command, exec)), None) => {
            add_childless(draft, children, exec, report);
            misplaced::check_exec(draft, report);
            Some(Shape::Node(NodeKind::Exec(Exec { command: command.clone() })))
        }
        (None, None, Some((command, generate))) => {
            add_childless(draft, children, generate, report);
            misplaced::check_generate(draft, report);
            Some(Shape::Generate(command.clone()))
        }
        (_, None, None) => {
            add_open_kind(draft, has_children, kind, report);
            None
        }
    }
}

/// Reports children of a node whose author cannot give it any.
fn add_childless(draft: &Draft, children: &[&Draft], command: &Range<usize>, report: &mut Report) {
    let (does, why, help) = if draft.exec.is_some() {
        let help = format!("move the command to a child of its own, and give `{}` a type", draft.path);
        ("runs a command", "nodes with `exec` have no children", help)
    } else {
        let help = "print it too, or move it to another node".to_owned();
        ("prints its own children", "the tree that this prints is all that hangs below", help)
    };
    for child in children {
        let message = format!("`{}` hangs below `{}`, which {does}", child.path, draft.path);
        let diagnostic = report.error(codes::PIPELINE_EXEC_PARENT, &child.at, message, "cannot be a child");
        report.add(diagnostic.see(report.span(command), why).help(help.clone()));
    }
}

fn add_conflict(draft: &Draft, word: &str, command: &Range<usize>, report: &mut Report) {
    let (message, label, help) = if draft.exec.is_some() {
        let help = "take out one of the two, or move the command to a child";
        (format!("node `{}` is {word} and has a command", draft.path), "only `exec` nodes run a command", help)
    } else {
        let help = "take the type out";
        (format!("node `{}` has a type and prints its tree", draft.path), "what this prints says the type", help)
    };
    let mut diagnostic = report.error(codes::PIPELINE_TYPE_CONFLICT, command, message, label);
    if let Some((_, range)) = &draft.kind {
        diagnostic = diagnostic.see(report.span(range), "the type is given here");
    }
    report.add(diagnostic.help(help));
}

fn add_open_kind(draft: &Draft, has_children: bool, kind: Option<&str>, report: &mut Report) {
    // A type or command that was refused has been reported; a broken line may have held one.
    let is_given = |name| draft.given(name).is_some();
    let is_refused = is_given("exec") || is_given("generate") || (kind.is_none() && is_given("type"));
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
fn arrange(drafts: Vec<Draft>, children: &[Vec<usize>], shapes: Vec<Shape>) -> Option<Definition> {
    let root = drafts.iter().position(|draft| draft.path.is_root())?;
    let mut waiting: Vec<_> = drafts.into_iter().zip(shapes).map(Some).collect();
    let mut nodes = Vec::with_capacity(waiting.len());
    let mut stack = vec![(root, None)];
    while let Some((at, parent)) = stack.pop() {
        let (draft, shape) = waiting[at].take()?;
        let own = NodeIndex(u32::try_from(nodes.len()).ok()?);
        stack.extend(children[at].iter().rev().map(|child| (*child, Some(own))));
        let (name, settings) = (draft.path.name().into(), draft.settings.into());
        match shape {
            Shape::Node(kind) => nodes.push(NodeDefinition { name, parent, kind, settings }),
            Shape::Generate(command) => {
                let kind = NodeKind::Serial { stop_on_error: true };
                nodes.push(NodeDefinition { name, parent, kind, settings });
                nodes.extend(generating(command, &draft.path, own));
            }
        }
    }
    Definition::new(nodes).ok()
}
