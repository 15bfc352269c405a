//! What people ask of pipelines that exist, by a button or a comment, and what becomes of repositories and installations.

use super::{
    Reason, commit, missing,
    payload::{CheckRun, Payload},
    repository,
};
use crate::model::Repository;

/// The word with which comments for us begin.
const WORD: &str = "/conducto";

/// Somebody asks something of pipelines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Where.
    pub repository: Repository,
    /// Login of the person.
    pub sender: String,
    /// What.
    pub what: What,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Run again what a check run stands for.
    Rerun {
        /// The App that made it.
        app: u64,
        /// Our name of it.
        external_id: String,
        /// Its commit.
        sha: String,
    },
    /// A button of a check run.
    Button {
        /// The App that made it.
        app: u64,
        /// Our name of it.
        external_id: String,
        /// Its commit.
        sha: String,
        /// Which button.
        identifier: String,
    },
    /// Run again all that there is at a commit.
    RerunAll {
        /// The App that is meant.
        app: u64,
        /// The commit.
        sha: String,
    },
    /// A comment on a pull request.
    Command {
        /// Number of the pull request.
        number: u64,
        /// Number of the comment.
        comment: u64,
        /// What it says, or why it says nothing that we know.
        command: Result<Command, String>,
    },
}

/// What a comment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run again what failed.
    Retry,
    /// End what runs.
    Cancel,
    /// Run a section.
    Run(String),
    /// Let the code of a fork run: this commit, of which at least seven digits are named.
    Approve(String),
}

/// What becomes of repositories and of the App.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The App was taken away, or put to rest.
    Uninstalled {
        /// Number of the installation.
        installation: u64,
    },
    /// The App came, or may do something else than before.
    Installed {
        /// Number of the installation.
        installation: u64,
        /// Repositories that it has now.
        added: Vec<u64>,
        /// Repositories that it has no more.
        removed: Vec<u64>,
    },
    /// A repository is called otherwise, or lies elsewhere, or is read no more.
    Repository {
        /// As it is now.
        repository: Repository,
        /// Whether another installation may have it.
        is_elsewhere: bool,
        /// Whether nothing happens in it any more.
        is_closed: bool,
    },
}

/// A button was pressed, or a check run is to run again.
pub(super) fn check_run(payload: Payload) -> Result<Ask, Reason> {
    let action = payload.action.as_deref().unwrap_or_default();
    let CheckRun { external_id, head_sha, app } = payload.check_run.ok_or_else(|| missing("check_run"))?;
    let app = app.and_then(|app| app.id).ok_or_else(|| missing("check_run.app.id"))?;
    let external_id = external_id.unwrap_or_default();
    let sha = commit("check_run.head_sha", head_sha)?;
    let what = match action {
        "rerequested" => What::Rerun { app, external_id, sha },
        "requested_action" => {
            let identifier = payload.requested_action.and_then(|action| action.identifier);
            let identifier = identifier.ok_or_else(|| missing("requested_action.identifier"))?;
            What::Button { app, external_id, sha, identifier }
        }
        other => return Err(format!("action `{other}` of a check run asks for nothing")),
    };
    let sender = payload.sender.and_then(|sender| sender.login).unwrap_or_default();
    Ok(Ask { repository: repository(payload.repository)?.0, sender, what })
}

/// All checks of a commit are to run again. `requested` comes with every push, and starts nothing.
pub(super) fn check_suite(payload: Payload) -> Result<Ask, Reason> {
    let action = payload.action.as_deref().unwrap_or_default();
    if action != "rerequested" {
        return Err(format!("action `{action}` of a check suite asks for nothing"));
    }
    let CheckRun { head_sha, app, .. } = payload.check_suite.ok_or_else(|| missing("check_suite"))?;
    let app = app.and_then(|app| app.id).ok_or_else(|| missing("check_suite.app.id"))?;
    let what = What::RerunAll { app, sha: commit("check_suite.head_sha", head_sha)? };
    let sender = payload.sender.and_then(|sender| sender.login).unwrap_or_default();
    Ok(Ask { repository: repository(payload.repository)?.0, sender, what })
}

/// Reads the first line of a comment; nothing where it is not for us.
pub(super) fn command(text: &str) -> Option<Result<Command, String>> {
    let line = text.trim_start().lines().next()?;
    let mut words = line.split_whitespace();
    if words.next() != Some(WORD) {
        return None;
    }
    let (verb, rest): (Option<&str>, Vec<&str>) = (words.next(), words.collect());
    let is_sha = |sha: &str| (7..=64).contains(&sha.len()) && sha.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some(match (verb, rest.as_slice()) {
        (Some("retry"), []) => Ok(Command::Retry),
        (Some("cancel"), []) => Ok(Command::Cancel),
        (Some("run"), [section]) => Ok(Command::Run((*section).to_owned())),
        (Some("approve"), [sha]) if is_sha(sha) => Ok(Command::Approve(sha.to_lowercase())),
        (Some("approve"), _) => Err("say which commit you have looked at: `/conducto approve SHA`".to_owned()),
        _ => {
            let words = "what can be said is `/conducto retry`, `/conducto cancel`, `/conducto run SECTION` and \
                         `/conducto approve SHA`";
            Err(words.to_owned())
        }
    })
}

/// The App came or went.
pub(super) fn installation(event: &str, payload: Payload) -> Result<Change, Reason> {
    let installation = payload.installation.and_then(|one| one.id).ok_or_else(|| missing("installation.id"))?;
    let ids = |list: Option<Vec<super::payload::Repository>>| -> Vec<u64> {
        list.unwrap_or_default().into_iter().filter_map(|repository| repository.id).collect()
    };
    match (event, payload.action.as_deref().unwrap_or_default()) {
        ("installation", "deleted" | "suspend") => Ok(Change::Uninstalled { installation }),
        ("installation", "created" | "unsuspend" | "new_permissions_accepted") => {
            Ok(Change::Installed { installation, added: ids(payload.repositories), removed: Vec::new() })
        }
        ("installation_repositories", _) => Ok(Change::Installed {
            installation,
            added: ids(payload.repositories_added),
            removed: ids(payload.repositories_removed),
        }),
        (_, other) => Err(format!("action `{other}` of an installation changes nothing")),
    }
}

/// Something became of a repository.
pub(super) fn repository_changed(payload: Payload) -> Result<Change, Reason> {
    let action = payload.action.clone().unwrap_or_default();
    let (repository, _) = repository(payload.repository)?;
    Ok(Change::Repository {
        repository,
        is_elsewhere: action == "transferred",
        is_closed: matches!(action.as_str(), "archived" | "deleted"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_line_of_a_comment_counts_and_only_with_our_word() {
        let sha = "ABCDEF1";
        for (text, expected) in [
            ("/conducto retry", Some(Ok(Command::Retry))),
            ("  /conducto  cancel \r\nthanks", Some(Ok(Command::Cancel))),
            ("/conducto run manual.deploy", Some(Ok(Command::Run("manual.deploy".into())))),
            (&format!("/conducto approve {sha}"), Some(Ok(Command::Approve("abcdef1".into())))),
            ("please\n/conducto retry", None),
            ("/conductor retry", None),
            ("> /conducto retry", None),
        ] {
            assert_eq!(command(text), expected, "{text}");
        }
        for wrong in
            ["/conducto", "/conducto retry now", "/conducto approve", "/conducto approve main", "/conducto run"]
        {
            assert!(matches!(command(wrong), Some(Err(_))), "{wrong}");
        }
    }
}
