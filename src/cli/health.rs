//! `conducto health`: whether the server is well, and what is wrong if it is not.

use clap::Args;
use serde_json::Value;

use super::{
    args::Remote,
    client::Client,
    failure::{Failure, Outcome},
    printer::Printer,
};

#[derive(Args, Debug)]
pub(crate) struct Health {
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(health: Health, printer: &mut Printer) -> Outcome {
    let client = Client::new(&health.remote)?;
    let answer = client.health().await?;
    let is_ready = answer["ready"] == Value::Bool(true);
    let problems: Vec<&str> = answer["problems"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if health.remote.json {
        printer.json(&answer)?;
    } else {
        printer.line(&format!("{} {}", client.url(), if is_ready { "is ready" } else { "is not ready" }))?;
        for problem in &problems {
            printer.line(&format!("  {problem}"))?;
        }
    }
    if is_ready { Ok(()) } else { Err(Failure::new(anyhow::anyhow!("the server is not ready"))) }
}
