//! `conducto unskip`: take a skip back.

use clap::Args;

use super::{
    act::{NodeTarget, on_node},
    failure::Outcome,
    printer::Printer,
};

#[derive(Args, Debug)]
pub(crate) struct Unskip {
    #[command(flatten)]
    target: NodeTarget,
}

pub(crate) async fn run(verb: Unskip, printer: &mut Printer) -> Outcome {
    on_node("unskip", &verb.target, None, printer, |_| {
        format!("{} is not skipped any more; what has not run there can run", verb.target.words())
    })
    .await
}
