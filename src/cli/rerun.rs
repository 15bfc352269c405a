//! `conducto rerun --failed`: run again what failed, and nothing else.

use anyhow::anyhow;
use clap::Args;

use super::{
    act::{NodeTarget, on_node},
    args::Remote,
    failure::{Failure, Outcome},
    printer::Printer,
};
use crate::present::shell_word;

#[derive(Args, Debug)]
pub(crate) struct Rerun {
    /// The pipeline, as in abc-def
    #[arg(value_name = "PIPELINE")]
    id: String,
    /// Only what failed at this node or below it, as in /checks
    #[arg(value_name = "NODE", default_value = "/")]
    node: String,
    /// Only what failed; to run everything again there is `conducto reset`
    #[arg(long)]
    failed: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(rerun: Rerun, printer: &mut Printer) -> Outcome {
    let Rerun { id, node, failed, remote } = rerun;
    if !failed {
        let everything = format!("to run everything again: conducto reset {id} {}", shell_word(&node));
        return Err(Failure::usage(anyhow!("`conducto rerun` takes --failed")).help(everything));
    }
    let target = NodeTarget { id, node, remote };
    on_node("rerun-failed", &target, None, printer, |receipt| {
        format!("{}: {}; earlier attempts are kept", target.words(), receipt.again())
    })
    .await
}
