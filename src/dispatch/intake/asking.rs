//! Deals with what people ask by buttons and comments: finds the pipelines that are meant and asks them. Knows no payload.

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::oneshot;

use super::{
    reading::{TRIES, Trouble},
    writing::Conclusion,
};
use crate::{
    dispatch::{
        action::{Action, Request},
        error::Error,
        live::Message,
        manual::{self, LaunchRequest, NoLaunch},
        reply,
        shared::Shared,
        view::PipelineView,
    },
    forge::{Ask, Command, What},
    model::{Actor, Hold, NodePath, PipelineId, SendError},
    store::{
        inbox::{Verdict, Waiting},
        pipelines::{self, AtCommit},
        repositories::Seen,
    },
};

/// What came of a request: what was done, and what could not be.
#[derive(Default)]
struct Outcome {
    done: Vec<String>,
    refused: Vec<String>,
}

/// Does what is asked. Whatever happens, doing it again changes nothing more: what pipelines do is known by a key.
pub(super) async fn answer(shared: &Arc<Shared>, waiting: &Waiting, ask: &Ask) -> Result<Conclusion, Trouble> {
    let seen = Some(Seen { host: shared.options.forge_host.clone(), repository: ask.repository.clone() });
    let conclusion = Conclusion { seen, ..Conclusion::default() };
    let ours = shared.parts.github.app_id();
    let is_foreign = match &ask.what {
        What::Rerun { app, .. } | What::Button { app, .. } | What::RerunAll { app, .. } => Some(*app) != ours,
        What::Command { .. } => false,
    };
    if is_foreign {
        let words = "the check is of another App than this one".to_owned();
        return Ok(Conclusion { verdict: Some((Verdict::Ignored, words)), ..conclusion });
    }
    let asking = Asking { shared, waiting, ask };
    let outcome = match asking.outcome().await {
        Err(Trouble::Later(words)) if waiting.attempts >= TRIES => Outcome::refused(words),
        outcome => outcome?,
    };
    let verdict = if outcome.done.is_empty() { Verdict::Ignored } else { Verdict::Done };
    let words = [outcome.done.as_slice(), outcome.refused.as_slice()].concat().join("; ");
    let words = if words.is_empty() { "there is no pipeline of this commit".to_owned() } else { words };
    let mut conclusion = conclusion;
    if let What::Command { number, comment, .. } = &ask.what {
        let refusal = (verdict == Verdict::Ignored).then_some(words.as_str());
        conclusion.messages.extend(reply::message(&shared.options, ask.repository.id, *number, *comment, refusal));
    }
    conclusion.verdict = Some((verdict, format!("asked by {}: {words}", ask.sender)));
    Ok(conclusion)
}

struct Asking<'a> {
    shared: &'a Arc<Shared>,
    waiting: &'a Waiting,
    ask: &'a Ask,
}

impl Asking<'_> {
    async fn outcome(&self) -> Result<Outcome, Trouble> {
        match &self.ask.what {
            What::Rerun { external_id, sha, .. } => {
                self.one(external_id, sha, async |id| self.act(id, Action::Reset(NodePath::root())).await).await
            }
            What::RerunAll { sha, .. } => {
                let mut outcome = Outcome::default();
                for AtCommit { id, .. } in self.at(sha).await? {
                    outcome.add(self.act(&id, Action::Reset(NodePath::root())).await?);
                }
                Ok(outcome)
            }
            What::Button { external_id, sha, identifier, .. } => {
                if let Some(refusal) = self.not_allowed().await? {
                    return Ok(refusal);
                }
                self.one(external_id, sha, async |id| match identifier.as_str() {
                    "rerun-failed" => self.act(id, Action::RerunFailed(NodePath::root())).await,
                    "skip-failed" => self.skip_failed(id).await,
                    "approve" => self.act(id, Action::Start).await,
                    other => Ok(Err(format!("there is no button `{other}`"))),
                })
                .await
            }
            What::Command { number, command, .. } => {
                if let Some(refusal) = self.not_allowed().await? {
                    return Ok(refusal);
                }
                match command {
                    Ok(command) => self.command(*number, command).await,
                    Err(words) => Ok(Outcome::refused(words.clone())),
                }
            }
        }
    }

    async fn command(&self, number: u64, command: &Command) -> Result<Outcome, Trouble> {
        let head = match answered(self.shared.parts.github.head(self.ask.repository.id, number).await)? {
            Ok(head) => head,
            Err(words) => return Ok(Outcome::refused(words)),
        };
        let pipelines = self.at(&head.sha).await?;
        let mut outcome = Outcome::default();
        match command {
            Command::Retry => {
                for AtCommit { id, .. } in pipelines {
                    outcome.add(self.act(&id, Action::RerunFailed(NodePath::root())).await?);
                }
            }
            Command::Cancel => {
                for AtCommit { id, .. } in pipelines {
                    outcome.add(self.act(&id, Action::Cancel).await?);
                }
            }
            Command::Approve(sha) => {
                if !head.sha.starts_with(sha.as_str()) {
                    let now = &head.sha[..head.sha.len().min(12)];
                    return Ok(Outcome::refused(format!("{sha} is not the head of #{number}, which is {now} now")));
                }
                for AtCommit { id, .. } in pipelines {
                    // What waits for something else than an approval is not let go by one.
                    if self.look(&id).await?.hold == Some(Hold::Approval) {
                        outcome.add(self.act(&id, Action::Start).await?);
                    }
                }
                if outcome.done.is_empty() && outcome.refused.is_empty() {
                    outcome.refused.push("nothing of this commit waits for an approval".to_owned());
                }
            }
            Command::Run(section) => match pipelines.iter().find(|one| one.section == *section) {
                Some(AtCommit { id, .. }) => outcome.add(self.act(id, Action::Reset(NodePath::root())).await?),
                None if head.is_fork => {
                    let words = format!(
                        "`{section}` has not run at this commit, and the code of a fork is not started by hand"
                    );
                    outcome.refused.push(words);
                }
                None => outcome.add(self.launch(section, head.branch).await?),
            },
        }
        Ok(outcome)
    }

    async fn launch(&self, section: &str, branch: String) -> Result<Result<String, String>, Trouble> {
        let request = LaunchRequest {
            repository: self.ask.repository.full_name.clone(),
            section: section.to_owned(),
            branch: Some(branch),
            parameters: Default::default(),
        };
        let actor = Actor::Forge { login: self.ask.sender.clone() };
        match manual::launch(self.shared, request, &actor, Some(self.key())).await {
            Ok(delivery) => Ok(Ok(format!("`{section}` is asked for in delivery {}", delivery.guid))),
            Err(NoLaunch::Unreachable(words)) => Err(Trouble::Later(words)),
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    /// Asks one pipeline, if it is one of this repository and commit: our names of check runs travel through strange hands.
    async fn one(
        &self,
        external_id: &str,
        sha: &str,
        act: impl AsyncFnOnce(&PipelineId) -> Result<Result<String, String>, Trouble>,
    ) -> Result<Outcome, Trouble> {
        let named = external_id.strip_prefix("cdt:").and_then(|rest| rest.split(':').next());
        let known: Vec<AtCommit> = self.all_at(sha).await?;
        let Some(found) = known.iter().find(|one| Some(one.id.as_str()) == named) else {
            return Ok(Outcome::refused("the check stands for no pipeline of this commit".to_owned()));
        };
        let mut outcome = Outcome::default();
        outcome.add(act(&found.id).await?);
        Ok(outcome)
    }

    async fn skip_failed(&self, id: &PipelineId) -> Result<Result<String, String>, Trouble> {
        let nodes = self.look(id).await?.nodes.into_iter();
        let failed = nodes.filter(|node| node.kind == "exec" && node.state.is_failed() && node.skipped_by.is_none());
        let failed: Vec<NodePath> = failed.filter_map(|node| NodePath::parse(&node.path).ok()).collect();
        if failed.is_empty() {
            return Ok(Err(format!("nothing of {id} has failed")));
        }
        let mut words = Vec::new();
        for path in failed {
            match self.act(id, Action::Skip(path)).await? {
                Ok(done) => words.push(done),
                Err(refused) => return Ok(Err(refused)),
            }
        }
        Ok(Ok(words.join(", ")))
    }

    async fn look(&self, id: &PipelineId) -> Result<PipelineView, Trouble> {
        let (reply, view) = oneshot::channel();
        let later = |error: Error| Trouble::Later(error.to_string());
        self.shared.send(id, Message::Look { reply }).await.map_err(later)?;
        view.await.map_err(|_| later(Error::Stopping))
    }

    /// Asks a pipeline. The outer error is for what may go better later, the inner one for what makes no sense now.
    async fn act(&self, id: &PipelineId, action: Action) -> Result<Result<String, String>, Trouble> {
        let actor = Actor::Forge { login: self.ask.sender.clone() };
        let words = format!("{action} of {id}");
        let key = format!("{} {words}", self.key());
        match self.shared.ask(id, Request::Action(action, actor), Some(key)).await {
            Ok(_) => Ok(Ok(words)),
            Err(error @ (Error::Unavailable(_) | Error::Stopping)) => Err(Trouble::Later(error.to_string())),
            Err(error) => Ok(Err(format!("{words}: {error}"))),
        }
    }

    /// Tells this request from all others, however often it is delivered.
    fn key(&self) -> String {
        match &self.ask.what {
            What::Command { comment, .. } => format!("github comment {} {comment}", self.ask.repository.id),
            _ => format!("github {}", self.waiting.guid),
        }
    }

    async fn not_allowed(&self) -> Result<Option<Outcome>, Trouble> {
        let (github, Ask { repository, sender, .. }) = (&self.shared.parts.github, self.ask);
        Ok(match answered(self.shared.permissions.may_write(github, repository.id, sender).await)? {
            Ok(true) => None,
            Ok(false) => Some(Outcome::refused(format!("{sender} may not write to {}", repository.full_name))),
            Err(words) => Some(Outcome::refused(words)),
        })
    }

    /// Returns the pipelines of a commit, of each section the newest.
    async fn at(&self, sha: &str) -> Result<Vec<AtCommit>, Trouble> {
        let mut sections = BTreeSet::new();
        let all = self.all_at(sha).await?;
        Ok(all.into_iter().filter(|one| sections.insert(one.section.clone())).collect())
    }

    async fn all_at(&self, sha: &str) -> Result<Vec<AtCommit>, Trouble> {
        let (repository, sha) = (self.ask.repository.id, sha.to_owned());
        Ok(self.shared.store.read(move |connection| pipelines::at_commit(connection, repository, &sha)).await?)
    }
}

impl Outcome {
    fn refused(words: String) -> Self {
        Self { refused: vec![words], ..Self::default() }
    }

    fn add(&mut self, one: Result<String, String>) {
        match one {
            Ok(done) => self.done.push(done),
            Err(refused) => self.refused.push(refused),
        }
    }
}

/// What the forge has not answered may be answered later; what it refuses to say is a refusal.
fn answered<T>(answer: Result<T, SendError>) -> Result<Result<T, String>, Trouble> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(error @ (SendError::RateLimited { .. } | SendError::Transient { .. })) => {
            Err(Trouble::Later(error.to_string()))
        }
        Err(error) => Ok(Err(error.to_string())),
    }
}
