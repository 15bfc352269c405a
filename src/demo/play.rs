//! The play itself: a signed push goes in, the tree is shown, and what came out is told. Sets nothing up.

use std::time::Duration;

use anyhow::{Context as _, bail};

use super::{
    received::{self, Times},
    sample::{self, FULL_NAME},
    screen::{Screen, cut},
    stage::Stage,
    tree,
};
use crate::{
    clock,
    dispatch::view::PipelineView,
    model::{State, format_duration},
    present::{failures, glyph, plain_text, tail},
    standin::{self, Delivery, Push, RepositoryFacts},
};

/// How long the intake may take.
const INTAKE: Duration = Duration::from_secs(60);
/// How long the pipeline may take; an image may have to be pulled first.
const PIPELINE: Duration = Duration::from_secs(600);
/// How long the last words to GitHub and Slack may take.
const LAST_WORDS: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Lines of log that are shown of a node that failed.
const TAIL: usize = 10;

/// Plays; fails with what was not as it should be. `pipeline` becomes the id as soon as there is one.
pub(super) async fn play(stage: &Stage, screen: &mut Screen, pipeline: &mut Option<String>) -> anyhow::Result<()> {
    let (guid, times) = push(stage, screen).await?;
    let id = tokio::time::timeout(INTAKE, launched(stage, &guid)).await.context("the push started nothing yet")??;
    *pipeline = Some(id.clone());
    let ink = screen.ink();
    screen.line(&format!("\n{}  {}/app/p/{id}\n", ink.bold(&id), stage.server.url))?;
    let followed = tree::follow(&stage.api, &id, times.sent, screen);
    let ended = tokio::time::timeout(PIPELINE, followed).await.context("the pipeline does not end")??;
    wait_for_last_words(stage).await;

    let statuses = stage.github.statuses(&stage.pushed.after, &format!("conducto/{}", ended.summary.section));
    let messages = stage.slack.messages();
    for part in [
        received::statuses(&statuses, times.sent, ink),
        received::messages(&messages, ink),
        received::timing(times, &ended, &statuses, ink),
    ] {
        screen.line("")?;
        part.iter().try_for_each(|line| screen.line(line))?;
    }
    let complaints = received::complaints(&statuses, &messages);
    if complaints.is_empty() && ended.summary.state == State::Done {
        return Ok(());
    }
    show_failures(stage, &ended, screen).await?;
    bail!("{}", if complaints.is_empty() { ended.summary.state.to_string() } else { complaints.join("; ") })
}

/// Sends the push as GitHub does.
async fn push(stage: &Stage, screen: &mut Screen) -> anyhow::Result<(String, Times)> {
    let facts = RepositoryFacts {
        id: sample::ID,
        full_name: FULL_NAME.into(),
        clone_url: stage.pushed.clone_url.clone(),
        default_branch: sample::BRANCH.into(),
    };
    let push = Push {
        branch: sample::BRANCH,
        before: Some(&stage.pushed.before),
        after: Some(&stage.pushed.after),
        message: sample::MESSAGE,
        sender: sample::SENDER,
    };
    let delivery = Delivery::sign(&stage.webhook_secret, "push", &standin::push(&facts, &push));
    let sent = clock::now();
    let answer = delivery.send(&format!("{}/webhooks/github", stage.server.url)).await?;
    let times = Times { sent, answered: clock::now() };
    let ink = screen.ink();
    let sha = stage.pushed.after.get(..7).unwrap_or_default();
    screen.line(&format!("\n{}", ink.bold(&format!("{FULL_NAME} {} {sha}  {}", sample::BRANCH, sample::MESSAGE))))?;
    let took = Duration::try_from(times.answered.duration_since(sent)).unwrap_or_default();
    let length = delivery.body.len();
    screen.line(&format!(
        "POST /webhooks/github  {length} bytes, signed  →  {} in {}",
        answer.status,
        format_duration(took)
    ))?;
    if answer.status != 202 {
        bail!("the webhook should be answered 202, it was {}: {}", answer.status, answer.body);
    }
    Ok((delivery.guid, times))
}

/// Waits until the delivery has started its pipeline.
async fn launched(stage: &Stage, guid: &str) -> anyhow::Result<String> {
    loop {
        let delivery = stage.api.delivery(guid).await?;
        if let Some(id) = delivery.pipelines.first() {
            return Ok(id.clone());
        }
        if delivery.state != "new" {
            bail!("the push started nothing: {}\n{}", delivery.verdict.unwrap_or_default(), delivery.diagnostics);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// What does not arrive in time is missed when it is judged.
async fn wait_for_last_words(stage: &Stage) {
    let github = stage
        .github
        .wait_for(LAST_WORDS, |github| github.all_statuses().last().is_some_and(|status| status.state != "pending"));
    let slack = stage.slack.wait_for(LAST_WORDS, |slack| {
        let is_last = |text: &str| ["Passed", "Failed", "Cancelled", "Could not run"].iter().any(|w| text.contains(w));
        slack.messages().last().is_some_and(|message| is_last(&message.text))
    });
    tokio::join!(github, slack);
}

async fn show_failures(stage: &Stage, pipeline: &PipelineView, screen: &mut Screen) -> anyhow::Result<()> {
    for node in failures(pipeline) {
        let cause = node.cause.clone().unwrap_or_default();
        let name = screen.ink().state(node.state, &format!("{} {}", glyph(node.state), node.path));
        screen.line(&format!("\n{name}  {}", cut(&cause, 60)))?;
        let log = stage.api.log_end(&pipeline.summary.id, node).await.unwrap_or_default();
        let text = plain_text(&log);
        for line in tail(&text, TAIL).0.lines() {
            screen.line(&format!("  {} {}", screen.ink().dim("|"), cut(line, 74)))?;
        }
    }
    Ok(())
}
