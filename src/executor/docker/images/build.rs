//! Has the engine carry out one Dockerfile, and says which of its lines failed. Knows no recipe.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use bollard::{
    auth::DockerCredentials, body_try_stream, errors::Error as Fault, models::BuildInfo,
    query_parameters::BuildImageOptionsBuilder,
};
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::{super::client::Client, instructions::instructions};
use crate::executor::{Error, ImageNews, Pieces, Watch};

/// A build that takes longer is given up.
const LONGEST: Duration = Duration::from_secs(2 * 3_600);

/// As many of the last lines go with an error.
const TAIL: usize = 10;

/// One build.
pub(super) struct Build<'a> {
    /// The Dockerfile's name for people, and its text.
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    /// Where the Dockerfile lies in the archive.
    pub(super) path: &'a str,
    /// Name of what is made.
    pub(super) tag: &'a str,
    pub(super) arguments: &'a HashMap<String, String>,
    pub(super) labels: &'a HashMap<String, String>,
    pub(super) logins: Option<HashMap<String, DockerCredentials>>,
}

/// Carries it out. Whoever waits no more ends it: the engine notices that nobody listens.
pub(super) async fn build(client: &Client, build: Build<'_>, archive: Pieces, watch: Watch<'_>) -> Result<(), Error> {
    let options = BuildImageOptionsBuilder::new()
        .dockerfile(build.path)
        .t(build.tag)
        .buildargs(build.arguments)
        .labels(build.labels)
        .rm(true)
        .forcerm(true)
        .build();
    let engine = client.engine().await?;
    let mut lines = std::pin::pin!(engine.build_image(
        options,
        build.logins.clone(),
        Some(body_try_stream(archive.map(|piece| piece.map(Into::into))))
    ));
    let mut heard = Heard::default();
    let deadline = Instant::now() + LONGEST;
    loop {
        let Ok(next) = timeout_at(deadline, lines.next()).await else {
            return Err(failed(&build, &heard, &format!("it took longer than {} hours", LONGEST.as_secs() / 3_600)));
        };
        match next {
            None => return Ok(()),
            Some(Ok(info)) => {
                let error = info.error_detail.as_ref().and_then(|detail| detail.message.clone());
                if let Some(message) = error {
                    return Err(failed(&build, &heard, &message));
                }
                heard.take(info, watch);
            }
            Some(Err(Fault::DockerStreamError { error })) => return Err(failed(&build, &heard, &error)),
            Some(Err(Fault::DockerResponseServerError { message, .. })) => {
                return Err(failed(&build, &heard, &message));
            }
            Some(Err(fault)) => return Err(Error::Unavailable { message: fault.to_string() }),
        }
    }
}

/// What the engine has said so far.
#[derive(Default)]
struct Heard {
    /// Number of the step that is being carried out, from 1.
    step: usize,
    tail: VecDeque<String>,
}

impl Heard {
    fn take(&mut self, info: BuildInfo, watch: Watch<'_>) {
        let status =
            info.status.filter(|_| info.progress_detail.as_ref().is_none_or(|detail| detail.current.is_none()));
        for line in info.stream.or(status).iter().flat_map(|text| text.split(['\n', '\r'])) {
            let line = line.trim_end();
            if line.is_empty() {
                continue;
            }
            if let Some(step) = step(line) {
                self.step = step;
                self.tail.clear();
            } else if !is_chatter(line) {
                self.tail.push_back(line.to_owned());
                if self.tail.len() > TAIL {
                    self.tail.pop_front();
                }
            }
            watch(ImageNews::Line(line.to_owned()));
        }
    }
}

/// The engine's own words between the steps say nothing of why one failed.
fn is_chatter(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("---> ") || line.starts_with("Removing intermediate container ")
}

/// Reads `Step 2/7 : RUN …`.
fn step(line: &str) -> Option<usize> {
    let (number, rest) = line.strip_prefix("Step ")?.split_once('/')?;
    rest.contains(" : ").then(|| number.parse().ok())?
}

fn failed(build: &Build<'_>, heard: &Heard, message: &str) -> Error {
    let all = instructions(build.text);
    let step = heard.step.checked_sub(1).and_then(|at| all.get(at));
    let mut words = match step {
        Some(step) => {
            let shown: String = format!("{} {}", step.word, step.rest).chars().take(200).collect();
            format!("{} line {}, `{shown}`: {}", build.name, step.line, message.trim())
        }
        None => format!("{}: {}", build.name, message.trim()),
    };
    for line in &heard.tail {
        words.push_str("\n  ");
        words.push_str(line);
    }
    Error::Image { image: build.name.to_owned(), message: words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_line_and_has_the_end_of_the_log() {
        let labels = HashMap::new();
        let text = "FROM busybox\n\n# twice\nRUN true\nRUN echo no && \\\n    false\n";
        let (name, path) = ("ci/Dockerfile", "Dockerfile");
        let build = Build { name, text, path, tag: "x", arguments: &labels, labels: &labels, logins: None };
        let mut heard = Heard::default();
        for line in ["Step 1/4 : FROM busybox\n", "old\n", "Step 3/4 : RUN echo no && false\n", "no\n"] {
            heard.take(BuildInfo { stream: Some(line.to_owned()), ..BuildInfo::default() }, &|_| ());
        }
        let error = failed(&build, &heard, "returned a non-zero code: 1").to_string();
        assert!(
            error.contains("ci/Dockerfile line 5, `RUN echo no &&  false`: returned a non-zero code: 1\n  no"),
            "{error}"
        );
        assert!(!error.contains("old"), "{error}");
        let unread = failed(&build, &Heard::default(), "dockerfile parse error line 3: unknown instruction: FOO");
        assert!(unread.to_string().contains("parse error line 3"), "{unread}");
    }
}
