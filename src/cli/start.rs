//! `conducto start`: let a pipeline begin that waits for somebody to say so.

use clap::Args;

use super::{
    act::{PipelineTarget, on_pipeline},
    failure::Outcome,
    printer::Printer,
};

#[derive(Args, Debug)]
pub(crate) struct Start {
    #[command(flatten)]
    target: PipelineTarget,
}

pub(crate) async fn run(verb: Start, printer: &mut Printer) -> Outcome {
    on_pipeline("start", &verb.target, printer, |_| format!("{} may begin", verb.target.id)).await
}
