//! The words of conducto.cfg: events and keys. Knows no file.

use super::{
    super::key::{Key, Kind},
    parameters::PARAM_KEYS,
};

/// Keys of an event section.
pub(crate) const KEYS: &[Key] = &[
    Key::now(
        "pipeline",
        Kind::Text,
        "\"ci/pipeline.toml\"",
        "Definition file to run, a path in the repository. Required.",
    ),
    Key::now("filter", Kind::Text, "\"{branch} == main\"", "Launches only if this expression is true of the event."),
    Key::now(
        "paths",
        Kind::Texts,
        "[\"src/**\", \"!src/**/*.md\"]",
        "Launches only if a changed file matches; the last matching pattern decides, `!` excludes.",
    ),
    Key::now(
        "schedule",
        Kind::Text,
        "\"30 2 * * *\"",
        "When it launches: minute, hour, day, month, weekday. Required of `cron`.",
    ),
    Key::now("timezone", Kind::Text, "\"Europe/Berlin\"", "Whose clock the schedule goes by. UTC if absent."),
    Key::now(
        "params",
        Kind::Tables(PARAM_KEYS),
        "{ target = { type = \"choice\", options = [\"staging\", \"production\"], default = \"staging\" } }",
        "What can be given with a request, each by its name.",
    ),
    Key::now("slack_channel", Kind::Text, "\"#builds\"", "Slack channel that is told how the pipeline goes."),
    Key::later(
        "command",
        Kind::Text,
        "until then write the tree into a definition file and name it with `pipeline = \"…\"`",
    ),
    Key::later("duplicate", Kind::Text, "until then every matching event launches its own pipeline; leave the key out"),
    Key::later("email", Kind::Text, "until then use `slack_channel`"),
    Key::later("env", Kind::TextTable, "until then set `env` at the top of the definition file"),
    Key::later("secrets", Kind::TextTable, "until then leave the key out"),
    Key::later("max_time", Kind::Text, "until then set `max_time` of the node `/` in the definition file"),
    Key::later("image", Kind::Text, "until then set `image` at the top of the definition file"),
    Key::later("dockerfile", Kind::Text, IMAGE),
    Key::later("dockerfile_text", Kind::Text, IMAGE),
    Key::later("context", Kind::Text, IMAGE),
    Key::later("docker_auto_workdir", Kind::Text, IMAGE),
    Key::later("docker_build_args", Kind::TextTable, IMAGE),
    Key::later("install_pip", Kind::Text, IMAGE),
    Key::later("install_npm", Kind::Text, IMAGE),
    Key::later("install_packages", Kind::Text, IMAGE),
    Key::later("install_docker", Kind::Text, IMAGE),
    Key::later("reqs_py", Kind::Text, IMAGE),
    Key::later("reqs_npm", Kind::Text, IMAGE),
    Key::later("reqs_packages", Kind::Text, IMAGE),
    Key::later("reqs_docker", Kind::Text, IMAGE),
    Key::later("path_map", Kind::TextTable, IMAGE),
];

const IMAGE: &str = "until then name a ready image with `image` at the top of the definition file";

/// Returns the event somebody means who uses the word of another service.
pub(super) fn event_elsewhere(word: &str) -> Option<&'static str> {
    Some(match word {
        "pull_request" | "pull-request" | "pull_requests" | "merge_request" | "mr" => "pr",
        "tag" | "tags" => "create-tag",
        "branch" | "branches" | "create" => "create-branch",
        "delete" => "delete-branch",
        "schedule" | "scheduled" => "cron",
        "merge" | "merge_group" | "merge_queue" => "merge-group",
        "issue_comment" => "comment",
        "workflow_dispatch" | "dispatch" => "manual",
        _ => return None,
    })
}
