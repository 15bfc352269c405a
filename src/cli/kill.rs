//! `conducto kill`: end what runs or waits at a node or below it.

use clap::Args;

use super::{
    act::{NodeTarget, on_node},
    failure::Outcome,
    printer::Printer,
};

#[derive(Args, Debug)]
pub(crate) struct Kill {
    #[command(flatten)]
    target: NodeTarget,
}

pub(crate) async fn run(verb: Kill, printer: &mut Printer) -> Outcome {
    on_node("kill", &verb.target, None, printer, |receipt| {
        format!("{} is killed{}", verb.target.words(), receipt.ended())
    })
    .await
}
