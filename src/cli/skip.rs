//! `conducto skip`: pass a node over.

use clap::Args;

use super::{
    act::{NodeTarget, on_node},
    failure::Outcome,
    printer::Printer,
};

#[derive(Args, Debug)]
pub(crate) struct Skip {
    #[command(flatten)]
    target: NodeTarget,
}

pub(crate) async fn run(verb: Skip, printer: &mut Printer) -> Outcome {
    on_node("skip", &verb.target, None, printer, |receipt| {
        format!("{} is skipped{}", verb.target.words(), receipt.ended())
    })
    .await
}
