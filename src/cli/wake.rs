//! `conducto wake`: go on where sleeping left off.

use clap::Args;

use super::{
    act::{PipelineTarget, on_pipeline},
    failure::Outcome,
    printer::Printer,
};

#[derive(Args, Debug)]
pub(crate) struct Wake {
    #[command(flatten)]
    target: PipelineTarget,
}

pub(crate) async fn run(verb: Wake, printer: &mut Printer) -> Outcome {
    on_pipeline("wake", &verb.target, printer, |_| format!("{} is awake and goes on", verb.target.id)).await
}
