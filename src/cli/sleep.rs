//! `conducto sleep`: end what runs and start nothing, until the pipeline is woken.

use clap::Args;

use super::{
    act::{PipelineTarget, on_pipeline},
    failure::Outcome,
    printer::Printer,
};

#[derive(Args, Debug)]
pub(crate) struct Sleep {
    #[command(flatten)]
    target: PipelineTarget,
}

pub(crate) async fn run(verb: Sleep, printer: &mut Printer) -> Outcome {
    on_pipeline("sleep", &verb.target, printer, |receipt| format!("{} sleeps{}", verb.target.id, receipt.ended())).await
}
