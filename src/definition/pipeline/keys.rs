//! The keys of a node. Knows no file.

use super::super::{
    key::{Key, Kind},
    recipe,
};

/// Keys of a node; some of them also stand at the top, for the root.
pub(crate) const KEYS: &[Key] = &[
    Key::now(
        "type",
        Kind::Choice(&["serial", "parallel", "exec"]),
        "\"serial\"",
        "Whether the children run one after another or at once. A node with `exec` or `generate` needs no type.",
    ),
    Key::now("exec", Kind::Text, "\"npm test\"", "Shell command that a leaf runs, any number of lines."),
    Key::now(
        "generate",
        Kind::Text,
        "\"python ci/matrix.py\"",
        "Shell command that prints a tree of nodes, which then runs below this node.",
    ),
    Key::now(
        "image",
        Kind::Short(&Kind::Text, recipe::KEYS),
        "\"node:20\"",
        "Container image, or a table that says how it is made. Inherited by everything below.",
    ),
    Key::now("env", Kind::TextTable, "{ CI = \"1\" }", "Environment variables. Inherited; the nearest value wins."),
    Key::now(
        "max_time",
        Kind::Duration,
        "\"10m\"",
        "Longest time the node may take: a duration or a number of seconds. A leaf without one gets 4 hours.",
    ),
    Key::now(
        "stop_on_error",
        Kind::Flag,
        "false",
        "Whether a failed child keeps the later ones from starting. Serial nodes only; true if absent.",
    ),
    Key::now(
        "suppress_errors",
        Kind::Flag,
        "true",
        "Whether the node counts as done though it, or something below it, failed.",
    ),
    Key::now("skip", Kind::Flag, "true", "Whether the node, with everything below it, is passed over."),
    Key::now(
        "max_concurrent",
        Kind::Whole(1),
        "4",
        "How many leaves below a group may be queued or running at once. Limits of groups further up hold too.",
    ),
    Key::now("cpu", Kind::Number, "0.5", "Processors. Inherited; 1 if absent."),
    Key::now("mem", Kind::Number, "2", "Memory in GiB. Inherited; 2 if absent."),
    Key::now("gpu", Kind::Whole(0), "1", "Graphics processors. Inherited; 0 if absent."),
    Key::now(
        "requires_docker",
        Kind::Flag,
        "true",
        "Whether the node talks to the machine's own Docker. Inherited. An administrator must allow it for the repository.",
    ),
    Key::now(
        "docker_run_args",
        Kind::Arguments,
        "[\"--shm-size=1g\"]",
        "More options of `docker run`. Inherited as a whole. An administrator must allow them for the repository.",
    ),
    Key::now(
        "container_reuse_context",
        Kind::Choice(&["new", "global"]),
        "\"new\"",
        "`new`: everything below shares one container of its own, in order, and nothing is cleaned up between the nodes. \
         `global`: back to the containers that the pipeline shares.",
    ),
    Key::now(
        "isolation",
        Kind::Choice(&["shared", "pristine"]),
        "\"pristine\"",
        "`pristine`: nothing that a node changes in its container is seen by the next. Inherited; `shared` if absent.",
    ),
    Key::now(
        "retry",
        Kind::Short(&Kind::Whole(1), RETRY),
        "2",
        "How many times the node is run again when it fails, or a table that says more.",
    ),
    Key::now(
        "skip_errors",
        Kind::Whole(1),
        "3",
        "If at most so many leaves below a group failed, they are skipped and the group is done.",
    ),
    Key::now(
        "memory_errors",
        Kind::Short(&Kind::Flag, MEMORY_ERRORS),
        "true",
        "Whether the node is run again with twice the memory when it ran out of it, or a table that says more.",
    ),
    Key::now("doc", Kind::Text, "\"Runs the unit tests.\"", "Description for people, in Markdown."),
    Key::now(
        "cache",
        Kind::Records(CACHE),
        "{ name = \"npm\", paths = [\"node_modules\"], key = [\"package-lock.json\"] }",
        "What a leaf keeps from one pipeline to the next: restored before it, saved after its success where it was not there \
         yet. A table, or a list of them.",
    ),
    Key::later("title", Kind::Text, "until then use `doc`"),
    Key::later("tags", Kind::Text, "leave the key out"),
];

/// Keys of the table that `retry` may be.
pub(super) const RETRY: &[Key] = &[
    Key::now("times", Kind::Whole(1), "2", "How many times beyond the first. Required."),
    Key::now(
        "then",
        Kind::Choice(&["error", "skip"]),
        "\"skip\"",
        "What becomes of a node that still fails: an error (if absent), or it is skipped.",
    ),
    Key::now("double_mem", Kind::Flag, "true", "Whether every retry gets twice the memory of the one before."),
    INHERITED,
];

/// Keys of the table that `memory_errors` may be.
pub(super) const MEMORY_ERRORS: &[Key] = &[
    Key::now(
        "limits",
        Kind::Bounds,
        "[8, 32]",
        "GiB. A retry that needs less than the first is always made, one up to the second once, one beyond it never. \
         8 and 32 if absent.",
    ),
    Key::now("max_duration", Kind::Duration, "\"1h\"", "What ran longer is not run again. One hour if absent."),
    INHERITED,
];

/// Keys of the tables that `cache` may be.
pub(super) const CACHE: &[Key] = &[
    Key::now("name", Kind::Text, "\"npm\"", "Name among the caches of the repository's owner. Required."),
    Key::now(
        "paths",
        Kind::Texts,
        "[\"node_modules\", \"~/.npm\"]",
        "Files and folders: relative to the working copy, below HOME (`~/`), or absolute. Required.",
    ),
    Key::now(
        "key",
        Kind::Arguments,
        "[\"package-lock.json\"]",
        "What it was made from: files of the working copy, whose content counts, or a text. Required.",
    ),
];

const INHERITED: Key =
    Key::now("inherited", Kind::Flag, "true", "Whether it also acts for every leaf below, each by itself.");

/// Says whether a key may stand at the top of the file, where it is the root's.
pub(crate) fn is_inherited(name: &str) -> bool {
    TOP.contains(&name)
}

/// Keys of which every node has its own value or that of the nearest node above.
pub(super) const TOP: &[&str] =
    &["image", "env", "cpu", "mem", "gpu", "requires_docker", "docker_run_args", "isolation"];
