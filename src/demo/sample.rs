//! The sample repository of the demo: what its author has written. Knows no server.

use std::path::Path;

use crate::standin::{self, SampleFile, SampleRepository};

/// Name of the repository.
pub(super) const FULL_NAME: &str = "acme/rocket";
/// Its number.
pub(super) const ID: u64 = 4_711;
/// The branch that is pushed to.
pub(super) const BRANCH: &str = "main";
/// Message of the commit that is pushed.
pub(super) const MESSAGE: &str = "Count down from any number";
/// The channel that conducto.cfg names.
pub(super) const CHANNEL: &str = "#rocket";
/// Whoever pushes.
pub(super) const SENDER: &str = "ada";

const CFG: &str = r##"[push]
pipeline = "ci.toml"
slack_channel = "#rocket"
"##;

const PIPELINE: &str = r##"# One leaf a command. Serial nodes run their children in order, parallel ones at once.
env = { SPEED = "0.2" }

["/"]
type = "serial"
max_time = "2m"

["/prepare"]
exec = "ls -l; sleep 0.4"

["/checks"]
type = "parallel"

["/checks/lint"]
exec = "sh -n countdown.sh && echo 'no syntax errors'; sleep 0.5"

["/checks/unit"]
doc = "The last line of every countdown is the same."
exec = """
for from in 1 2 3; do
    test "$(sh countdown.sh $from | tail -n 1)" = 'lift-off!' && echo "ok: from $from"
done
"""
env = { SPEED = "0.15" }
max_time = "30s"

["/checks/manual"]
exec = "grep -n Usage README.md; sleep 0.3"

["/build"]
doc = "Files that later nodes need go through the data folder of the pipeline."
exec = """
sleep 0.6
cp countdown.sh "$CONDUCTO_DATA_PIPELINE/rocket"
echo "built $(wc -c <countdown.sh) bytes"
"""

["/launch"]
type = "parallel"

["/launch/count-down"]
exec = 'sh "$CONDUCTO_DATA_PIPELINE/rocket" 5'

["/launch/weigh"]
exec = 'sleep 0.4; ls -l "$CONDUCTO_DATA_PIPELINE"'
"##;

const FIRST_PROGRAM: &str = "echo 3; echo 2; echo 1; echo 'lift-off!'\n";

const PROGRAM: &str = r#"#!/bin/sh
# Counts down from the given number.
set -eu
count=$1
while [ "$count" -gt 0 ]; do
    echo "$count"
    sleep "${SPEED:-1}"
    count=$((count - 1))
done
echo 'lift-off!'
"#;

const README: &str = "# Rocket\n\nUsage: `countdown.sh NUMBER`\n";

/// What was pushed.
#[derive(Clone, Debug)]
pub(super) struct Pushed {
    pub(super) before: String,
    pub(super) after: String,
    pub(super) clone_url: String,
}

/// Writes the repository below a folder, with two commits.
pub(super) fn write(repositories: &Path) -> Result<Pushed, standin::Error> {
    let repository = SampleRepository::init(&repositories.join(format!("{FULL_NAME}.git")))?;
    let first = [
        SampleFile::plain("conducto.cfg", CFG),
        SampleFile::plain("ci.toml", PIPELINE),
        SampleFile::plain("README.md", README),
        SampleFile::executable("countdown.sh", FIRST_PROGRAM),
    ];
    let before = repository.commit(BRANCH, "Begin", &first)?;
    let after = repository.commit(BRANCH, MESSAGE, &[SampleFile::executable("countdown.sh", PROGRAM)])?;
    Ok(Pushed { before, after, clone_url: format!("file://{}", repository.path().display()) })
}
