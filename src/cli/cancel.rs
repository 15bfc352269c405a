//! `conducto cancel`: no further starts, and end what runs.

use clap::Args;
use serde_json::Value;

use super::{
    args::Remote,
    client::{Client, encode},
    failure::Outcome,
    printer::Printer,
};
use crate::clock;

#[derive(Args, Debug)]
pub(crate) struct Cancel {
    /// The pipeline, as in abc-def
    #[arg(value_name = "PIPELINE")]
    id: String,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(cancel: Cancel, printer: &mut Printer) -> Outcome {
    let client = Client::new(&cancel.remote)?;
    let path = format!("/pipelines/{}/cancel", encode(&cancel.id));
    let receipt: Value = client.post(&path, Some(&clock::new_key())).await?;
    if cancel.remote.json {
        return Ok(printer.json(&receipt)?);
    }
    Ok(printer.line(&format!("{} is being cancelled", cancel.id))?)
}
