//! Callbacks of a serialization that only tell somebody something (`compat.md` §2.10). Knows no node.

use serde_json::{Value, json};

use crate::model::{Notice, Watch};

/// More characters than Slack shows of a message are nobody's.
const LONGEST_MESSAGE: usize = 3_000;
/// More addresses for one message are a list, and belong into one.
const MOST_ADDRESSES: usize = 50;

/// Reads a callback by its name; nothing for one that does something.
pub(super) fn read(name: &str, arguments: &Value) -> Result<Option<Notice>, String> {
    let text = |key: &str| arguments.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    // Whether there is such a commit, address or channel is seen when it is told: that must not keep a pipeline from running.
    let commit = || -> Result<_, String> {
        let url = text("url").ok_or("does not say `url`, the address of a repository")?;
        Ok((url.to_owned(), text("sha").ok_or("does not say `sha`, a commit")?.to_owned()))
    };
    Ok(Some(match name {
        "email" => Notice::Email { to: addresses("to", arguments)?, cc: addresses("cc", arguments)? },
        "slack_status" => Notice::SlackStatus {
            recipient: text("recipient").ok_or("does not say `recipient`, a channel or person")?.trim().to_owned(),
            message: text("message").map(|message| message.chars().take(LONGEST_MESSAGE).collect()),
            node_summary: arguments.get("node_summary").is_some_and(super::serialization::is_truthy),
        },
        "github_status" => commit().map(|(url, sha)| Notice::GithubStatus { url, sha })?,
        "github_pipeline_status" => commit().map(|(url, sha)| Notice::GithubPipelineStatus { url, sha })?,
        _ => return Ok(None),
    }))
}

/// One address, or several in a list or between commas.
fn addresses(key: &str, arguments: &Value) -> Result<Vec<String>, String> {
    let texts: Vec<&str> = match arguments.get(key) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::String(text)) => text.split(',').collect(),
        Some(Value::Array(values)) => values
            .iter()
            .map(|value| value.as_str().ok_or_else(|| format!("has a `{key}` that is no text")))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(format!("has a `{key}` that is no address")),
    };
    let found: Vec<_> = texts.into_iter().map(str::trim).filter(|text| !text.is_empty()).collect();
    if found.len() > MOST_ADDRESSES {
        return Err(format!("has {} addresses in `{key}`; at most {MOST_ADDRESSES} are written to", found.len()));
    }
    Ok(found.into_iter().map(str::to_owned).collect())
}

/// Writes a notice as the callback it was.
pub(super) fn to_json(watch: &Watch) -> Value {
    let mut arguments = match &watch.notice {
        Notice::Email { to, cc } => json!({ "to": to, "cc": cc }),
        Notice::SlackStatus { recipient, message, node_summary } => {
            json!({ "recipient": recipient, "message": message, "node_summary": node_summary })
        }
        Notice::GithubStatus { url, sha } | Notice::GithubPipelineStatus { url, sha } => {
            json!({ "url": url, "sha": sha })
        }
    };
    arguments["inherited"] = json!(watch.inherited);
    json!([watch.on, [watch.notice.name(), arguments]])
}
