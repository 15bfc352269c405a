//! `conducto deliveries`: webhook deliveries and what became of them.

use clap::Args;

use super::{args::Remote, client::Client, failure::Outcome, printer::Printer};
use crate::{clock, dispatch::view::DeliveryView, model::State, present::ago};

#[derive(Args, Debug)]
pub(crate) struct Deliveries {
    /// At most this many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    limit: u32,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(deliveries: Deliveries, printer: &mut Printer) -> Outcome {
    let client = Client::new(&deliveries.remote)?;
    let path = format!("/deliveries?limit={}", deliveries.limit);
    if deliveries.remote.json {
        let answer: serde_json::Value = client.get(&path).await?;
        return Ok(printer.json(&answer)?);
    }
    let list: Vec<DeliveryView> = client.get(&path).await?;
    if list.is_empty() {
        printer.remark(&format!("no deliveries yet: let a webhook lead to {}/webhooks/github", client.url()))?;
    }
    let now = clock::now();
    for delivery in &list {
        let state = match delivery.state.as_str() {
            "failed" => State::Error,
            "done" => State::Done,
            _ => State::Pending,
        };
        let line = format!(
            "{}  {:>8}  {:<14} {}  {}",
            printer.state(state, &format!("{:<7}", delivery.state)),
            ago(delivery.received_at, now),
            delivery.event,
            delivery.repository.as_deref().unwrap_or("-"),
            delivery.verdict.as_deref().unwrap_or("not looked at yet"),
        );
        printer.line(&line)?;
        for line in delivery.diagnostics.lines() {
            printer.line(&format!("    {line}"))?;
        }
    }
    Ok(())
}
