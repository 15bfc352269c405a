//! The keys of a node. Knows no file.

use super::super::key::{Key, Kind};

/// Keys of a node; some of them also stand at the top, for the root.
pub(crate) const KEYS: &[Key] = &[
    Key::now(
        "type",
        Kind::Choice(&["serial", "parallel", "exec"]),
        "\"serial\"",
        "Whether the children run one after another or at once. A node with `exec` needs no type.",
    ),
    Key::now("exec", Kind::Text, "\"npm test\"", "Shell command that a leaf runs, any number of lines."),
    Key::now("image", Kind::Text, "\"node:20\"", "Container image. Inherited by everything below."),
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
    Key::now("cpu", Kind::Number, "0.5", "Processors. Inherited; 1 if absent."),
    Key::now("mem", Kind::Number, "2", "Memory in GiB. Inherited; 2 if absent."),
    Key::now("doc", Kind::Text, "\"Runs the unit tests.\"", "Description for people, in Markdown."),
    Key::later("skip", Kind::Text, "until then take the node out of the file"),
    Key::later("suppress_errors", Kind::Text, "until then end the command with `|| true`"),
    Key::later("max_concurrent", Kind::Text, "until then bound parallelism with `cpu` and `mem`"),
    Key::later("gpu", Kind::Text, "leave the key out"),
    Key::later("requires_docker", Kind::Text, "leave the key out"),
    Key::later("docker_run_args", Kind::Text, "leave the key out; `cpu`, `mem` and `env` are keys of their own"),
    Key::later(
        "container_reuse_context",
        Kind::Text,
        "leave the key out; containers are shared by nodes with one image",
    ),
    Key::later("retry", Kind::Text, "until then repeat inside the command, or reset the node by hand"),
    Key::later("cache", Kind::Text, "until then keep files below `/conducto/data/user`"),
    Key::later("title", Kind::Text, "until then use `doc`"),
    Key::later("tags", Kind::Text, "leave the key out"),
];

/// Says whether a key may stand at the top of the file, where it is the root's.
pub(crate) fn is_inherited(name: &str) -> bool {
    matches!(name, "image" | "env" | "cpu" | "mem")
}
