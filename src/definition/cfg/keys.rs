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
        "Definition file to run, a path in the repository. A section has this or `command`.",
    ),
    Key::now(
        "command",
        Kind::Text,
        "\"python ci/pipeline.py main --branch={branch}\"",
        "Shell script that prints the pipeline to run; names in braces become values of the event, quoted for the shell.",
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
    Key::now(
        "duplicate",
        Kind::Choice(DUPLICATES),
        "\"queue\"",
        "What becomes of a pipeline while an earlier one of the same section and branch (or pull request, or tag) still runs: \
         `allow` starts it beside that (the default), `suppress` drops it, `queue` starts it afterwards, `cancel-old` puts the \
         earlier one to sleep.",
    ),
    Key::now("image", Kind::Text, "\"python:3.12-slim\"", "Image of all nodes that name none themselves."),
    Key::now("env", Kind::TextTable, "{ MODE = \"fast\" }", "Environment variables of all nodes."),
    Key::now(
        "secrets",
        Kind::TextTable,
        "{ API_TOKEN = \"STAGING_TOKEN\" }",
        "Which secrets nodes get: names of variables, each with the name of its secret. Without the key, all that are set for \
         the repository, under their own names; `{}` means none.",
    ),
    Key::now("max_time", Kind::Duration, "\"2h\"", "Longest time for the whole pipeline."),
    Key::later("email", Kind::Text, "until then use `slack_channel`"),
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

const IMAGE: &str = "until then name a ready image with `image`";

/// What may happen to pipelines beside an earlier one: our words, and those of the old product for the same.
const DUPLICATES: &[&str] =
    &["allow", "suppress", "queue", "cancel-old", "ALLOW", "SUPPRESS_NEW", "DEFER", "SLEEP_OLD"];

/// Keys of the old product that are set by the server, and refused.
pub(super) const OURS: [&str; 4] = ["copy_repo", "copy_branch", "copy_dir", "copy_url"];

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
