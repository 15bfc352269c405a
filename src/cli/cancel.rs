//! `conducto cancel`: no further starts, and end what runs.

use clap::Args;

use super::{
    act::{PipelineTarget, on_pipeline},
    failure::Outcome,
    printer::Printer,
};

#[derive(Args, Debug)]
pub(crate) struct Cancel {
    #[command(flatten)]
    target: PipelineTarget,
}

pub(crate) async fn run(verb: Cancel, printer: &mut Printer) -> Outcome {
    on_pipeline("cancel", &verb.target, printer, |receipt| {
        format!("{} is being cancelled{}", verb.target.id, receipt.ended())
    })
    .await
}
