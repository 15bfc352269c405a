//! Check runs: made, changed and found again, within GitHub's limits by construction. Knows no pipeline.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    github::GitHub,
    transport::{Call, shaped},
};
use crate::model::SendError;

/// Bytes of a summary or a text; GitHub counts characters, and refuses more.
const MAX_TEXT: usize = 65_535;
/// GitHub takes so many annotations in one request, and adds those of the next.
const MAX_ANNOTATIONS: usize = 50;
const MAX_ANNOTATION: usize = 16 * 1024;
const MAX_TITLE: usize = 255;
const MAX_ACTIONS: usize = 3;

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// Nothing of it runs yet.
    Queued,
    /// It runs.
    InProgress,
    /// It has ended; the conclusion says how.
    Completed,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// All is well.
    Success,
    /// The commit, or what ran it, is wrong.
    Failure,
    /// It was ended before it could tell.
    Cancelled,
    /// It was not to run.
    Skipped,
    /// It took longer than it may.
    TimedOut,
    /// Somebody must do something first.
    ActionRequired,
}

/// How bad a place in a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Worth knowing.
    Notice,
    /// May be wrong.
    Warning,
    /// Is wrong.
    Failure,
}

/// Something to be said about lines of a file of the commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    /// The file, from the root of the repository.
    pub path: String,
    /// First line, from 1.
    pub start_line: u32,
    /// Last line.
    pub end_line: u32,
    /// How bad it is.
    pub level: Level,
    /// What it is, short.
    pub title: String,
    /// What is to be said.
    pub message: String,
}

/// A button beside a check run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What is written on it; at most 20 characters.
    pub label: String,
    /// What GitHub tells us when it is pressed; at most 20 characters.
    pub identifier: String,
    /// What it does; at most 40 characters.
    pub description: String,
}

/// A check run, as it is to look on GitHub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRun {
    /// Number of the repository.
    pub repository_id: u64,
    /// The commit.
    pub sha: String,
    /// Whose word it is, e.g. `conducto/push`.
    pub name: String,
    /// Where to look.
    pub details_url: String,
    /// How far it is.
    pub status: CheckStatus,
    /// How it ended; there when it has, and only then.
    pub conclusion: Option<Conclusion>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// One line.
    pub title: String,
    /// Markdown; cut when it is sent.
    pub summary: String,
    /// More Markdown; may be empty.
    pub text: String,
    /// Places in files.
    pub annotations: Vec<Annotation>,
    /// What people can do.
    pub buttons: Vec<Button>,
}

#[derive(Deserialize)]
struct Made {
    id: u64,
}

#[derive(Deserialize)]
struct Listed {
    check_runs: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    id: u64,
    #[serde(default)]
    external_id: Option<String>,
}

impl GitHub {
    /// Makes a check run, once, under a name of our own by which it can be found again. Returns GitHub's number of it.
    ///
    /// # Errors
    /// By what the sender can do about it.
    pub async fn create_check(&self, run: &CheckRun, external_id: &str) -> Result<u64, SendError> {
        let route = format!("/repositories/{}/check-runs", run.repository_id);
        let mut body = run.body();
        body["head_sha"] = run.sha.as_str().into();
        body["external_id"] = external_id.into();
        let made: Made = shaped(self.send(run.repository_id, Call::post(&route, &body, hint)).await?)?;
        Ok(made.id)
    }

    /// Changes a check run. Doing it twice changes nothing more.
    ///
    /// # Errors
    /// By what the sender can do about it.
    pub async fn update_check(&self, id: u64, run: &CheckRun) -> Result<(), SendError> {
        let route = format!("/repositories/{}/check-runs/{id}", run.repository_id);
        let body = run.body();
        let call = Call { method: "PATCH", route: &route, body: Some(&body), hint };
        self.send(run.repository_id, call).await.map(drop)
    }

    /// Looks for a check run by our own name of it.
    ///
    /// # Errors
    /// By what the sender can do about it.
    pub async fn find_check(&self, run: &CheckRun, external_id: &str) -> Result<Option<u64>, SendError> {
        let name: String = form_urlencoded::byte_serialize(run.name.as_bytes()).collect();
        for page in 1..=10 {
            let route = format!(
                "/repositories/{}/commits/{}/check-runs?check_name={name}&filter=all&per_page=100&page={page}",
                run.repository_id, run.sha
            );
            let listed: Listed = shaped(self.send(run.repository_id, Call::get(&route, hint)).await?)?;
            let is_last = listed.check_runs.len() < 100;
            let found = listed.check_runs.into_iter().find(|found| found.external_id.as_deref() == Some(external_id));
            if found.is_some() || is_last {
                return Ok(found.map(|found| found.id));
            }
        }
        Ok(None)
    }
}

impl CheckRun {
    fn body(&self) -> Value {
        let mut output = json!({"title": cut(&self.title, MAX_TITLE), "summary": cut(&self.summary, MAX_TEXT)});
        if !self.text.is_empty() {
            output["text"] = cut(&self.text, MAX_TEXT).into();
        }
        if !self.annotations.is_empty() {
            output["annotations"] = self.annotations.iter().take(MAX_ANNOTATIONS).map(annotation).collect();
        }
        let mut body = json!({
            "name": self.name, "details_url": self.details_url, "status": self.status, "output": output,
        });
        if let Some(conclusion) = self.conclusion {
            body["conclusion"] = json!(conclusion);
        }
        for (field, at) in [("started_at", self.started_at), ("completed_at", self.completed_at)] {
            if let Some(at) = at.and_then(|at| Timestamp::from_second(at.as_second()).ok()) {
                body[field] = at.to_string().into();
            }
        }
        let buttons = self.buttons.iter().take(MAX_ACTIONS);
        body["actions"] = buttons
            .map(|button| {
                json!({
                    "label": first(&button.label, 20), "identifier": first(&button.identifier, 20),
                    "description": first(&button.description, 40),
                })
            })
            .collect();
        body
    }
}

fn annotation(annotation: &Annotation) -> Value {
    json!({
        "path": annotation.path, "start_line": annotation.start_line.max(1),
        "end_line": annotation.end_line.max(annotation.start_line).max(1), "annotation_level": annotation.level,
        "title": cut(&annotation.title, MAX_TITLE), "message": cut(&annotation.message, MAX_ANNOTATION),
    })
}

/// Cuts at a number of bytes, between two characters. GitHub refuses what is empty.
fn cut(text: &str, most: usize) -> String {
    let end = if text.len() <= most { text.len() } else { text.floor_char_boundary(most - 3) };
    match &text[..end] {
        "" => "…".to_owned(),
        kept if end < text.len() => format!("{kept}..."),
        kept => kept.to_owned(),
    }
}

fn first(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

fn hint(status: u16) -> &'static str {
    match status {
        403 => " (the App needs the permission `Checks: write`, and the owner's consent to it)",
        404 => " (no such repository, or the App is not installed there)",
        422 => " (is the commit in that repository?)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn whatever_it_is_made_of_a_check_run_fits(
            title in any::<String>(),
            piece in "\\PC{1,40}",
            times in 0_usize..4_000,
            count in 0_usize..120,
        ) {
            let long = piece.repeat(times);
            let annotation = Annotation {
                path: "a".into(), start_line: 0, end_line: 0, level: Level::Failure, title: long.clone(), message: long.clone(),
            };
            let button = Button { label: long.clone(), identifier: long.clone(), description: long.clone() };
            let run = CheckRun {
                repository_id: 1, sha: "a".repeat(40), name: "conducto/push".into(), details_url: "https://ci".into(),
                status: CheckStatus::Completed, conclusion: Some(Conclusion::Failure), started_at: None, completed_at: None,
                title, summary: long.clone(), text: long, annotations: vec![annotation; count], buttons: vec![button; 5],
            };
            let body = run.body();
            let length = |value: &Value| value.as_str().unwrap_or_default().len();
            let output = &body["output"];
            prop_assert!(length(&output["summary"]) <= 65_535 && length(&output["text"]) <= 65_535);
            prop_assert!((1..=255).contains(&length(&output["title"])) && length(&output["summary"]) > 0);
            let annotations = output["annotations"].as_array().cloned().unwrap_or_default();
            prop_assert!(annotations.len() == count.min(50));
            for annotation in annotations {
                prop_assert!(length(&annotation["message"]) <= 65_536 && annotation["start_line"] == 1);
            }
            let actions = body["actions"].as_array().cloned().unwrap_or_default();
            prop_assert!(actions.len() == 3);
            for action in actions {
                let letters = |field: &str| action[field].as_str().unwrap_or_default().chars().count();
                prop_assert!(letters("label") <= 20 && letters("identifier") <= 20 && letters("description") <= 40);
            }
        }
    }
}
