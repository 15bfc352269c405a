//! `conducto reset`: run a node and all below it again.

use clap::Args;
use serde_json::Value;

use super::{
    args::Remote,
    client::{Client, encode, encode_node},
    failure::Outcome,
    printer::Printer,
};
use crate::clock;

#[derive(Args, Debug)]
pub(crate) struct Reset {
    /// The pipeline, as in abc-def
    #[arg(value_name = "PIPELINE")]
    id: String,
    /// The node, as in /checks/unit; / for the whole tree
    #[arg(value_name = "NODE")]
    node: String,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(reset: Reset, printer: &mut Printer) -> Outcome {
    let client = Client::new(&reset.remote)?;
    let path = format!("/pipelines/{}/nodes/{}reset", encode(&reset.id), encode_node(&reset.node));
    let receipt: Value = client.post(&path, Some(&clock::new_key())).await?;
    if reset.remote.json {
        return Ok(printer.json(&receipt)?);
    }
    Ok(printer.line(&format!("{} of {} runs again; its earlier attempts are kept", reset.node, reset.id))?)
}
