//! `conducto prune`: remove what is older than the settings keep.

use clap::Args;

use super::{args::Remote, client::Client, failure::Outcome, printer::Printer};
use crate::{
    clock,
    dispatch::view::{Freed, PruneReport},
};

#[derive(Args, Debug)]
pub(crate) struct Prune {
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(verb: Prune, printer: &mut Printer) -> Outcome {
    let client = Client::new(&verb.remote)?;
    let path = format!("/prune?dry_run={}", verb.dry_run);
    let report: PruneReport = client.post(&path, &clock::new_key(), None).await?;
    if verb.remote.json {
        return Ok(printer.json(&report)?);
    }
    for Freed { kind, count, files, bytes } in &report.freed {
        printer.line(&format!("{kind:<9} {count:>8}  {files:>8} files  {bytes:>14} bytes"))?;
    }
    let bytes: u64 = report.freed.iter().map(|freed| freed.bytes).sum();
    let verb = if report.dry_run { "would be" } else { "are" };
    Ok(printer.remark(&format!("{bytes} bytes {verb} freed; states, attempts and definitions stay"))?)
}
