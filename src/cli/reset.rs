//! `conducto reset`: run a node and all below it again.

use clap::Args;

use super::{
    act::{NodeTarget, on_node},
    failure::Outcome,
    printer::Printer,
};

#[derive(Args, Debug)]
pub(crate) struct Reset {
    #[command(flatten)]
    target: NodeTarget,
}

pub(crate) async fn run(verb: Reset, printer: &mut Printer) -> Outcome {
    on_node("reset", &verb.target, None, printer, |receipt| {
        format!("{} is reset: {}{}; earlier attempts are kept", verb.target.words(), receipt.again(), receipt.ended())
    })
    .await
}
