//! What the verbs that do something to a run have in common: the address, the key, the answer. Knows no verb.

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use super::{
    args::Remote,
    client::{Client, encode, encode_node},
    failure::Outcome,
    printer::Printer,
};
use crate::clock;

/// The pipeline to do something to.
#[derive(Args, Debug)]
pub(crate) struct PipelineTarget {
    /// The pipeline, as in abc-def
    #[arg(value_name = "PIPELINE")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// The node to do something to.
#[derive(Args, Debug)]
pub(crate) struct NodeTarget {
    /// The pipeline, as in abc-def
    #[arg(value_name = "PIPELINE")]
    pub(crate) id: String,
    /// The node, as in /checks/unit; / for the whole tree
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

impl NodeTarget {
    /// Names the node in a sentence.
    pub(crate) fn words(&self) -> String {
        format!("/{} of {}", self.node.trim_matches('/'), self.id)
    }
}

/// What the server says of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Receipt {
    /// How many Exec nodes run again because of it.
    pub(crate) reruns: u32,
    /// How many attempts are being ended because of it.
    pub(crate) stops: u32,
}

/// Does something to a pipeline, and says in one line what came of it.
pub(crate) async fn on_pipeline(
    verb: &str,
    target: &PipelineTarget,
    printer: &mut Printer,
    words: impl FnOnce(&Receipt) -> String,
) -> Outcome {
    let path = format!("/pipelines/{}/{verb}", encode(&target.id));
    act(&path, None, &target.remote, printer, words).await
}

/// Does something to a node, and says in one line what came of it.
pub(crate) async fn on_node(
    verb: &str,
    target: &NodeTarget,
    body: Option<&Value>,
    printer: &mut Printer,
    words: impl FnOnce(&Receipt) -> String,
) -> Outcome {
    let path = format!("/pipelines/{}/nodes/{}{verb}", encode(&target.id), encode_node(&target.node));
    act(&path, body, &target.remote, printer, words).await
}

async fn act(
    path: &str,
    body: Option<&Value>,
    remote: &Remote,
    printer: &mut Printer,
    words: impl FnOnce(&Receipt) -> String,
) -> Outcome {
    let answer: Value = Client::new(remote)?.post(path, &clock::new_key(), body).await?;
    if remote.json {
        return Ok(printer.json(&answer)?);
    }
    let receipt = serde_json::from_value(answer).map_err(anyhow::Error::new)?;
    Ok(printer.line(&words(&receipt))?)
}

impl Receipt {
    /// Says what runs again.
    pub(crate) fn again(&self) -> String {
        match self.reruns {
            1 => "1 node runs again".to_owned(),
            count => format!("{count} nodes run again"),
        }
    }

    /// Says what is being ended, as the end of a line; nothing where nothing is.
    pub(crate) fn ended(&self) -> String {
        match self.stops {
            0 => String::new(),
            1 => ", 1 running node is being ended".to_owned(),
            count => format!(", {count} running nodes are being ended"),
        }
    }
}
