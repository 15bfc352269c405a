//! `conducto list`: the pipelines, newest first.

use clap::Args;

use super::{
    args::Remote,
    client::{Client, encode},
    failure::Outcome,
    printer::Printer,
};
use crate::{
    clock,
    dispatch::view::PipelineSummary,
    model::State,
    present::{ago, glyph, headline},
};

#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only this repository
    #[arg(long, value_name = "OWNER/NAME")]
    repository: Option<String>,
    /// Only pipelines in this state: pending, queued, running, done, error, killed
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    state: Option<State>,
    /// At most this many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    limit: u32,
    #[command(flatten)]
    pub(super) remote: Remote,
}

pub(crate) async fn run(list: List, printer: &mut Printer) -> Outcome {
    let mut path = format!("/pipelines?limit={}", list.limit);
    if let Some(repository) = &list.repository {
        path.push_str(&format!("&repository={}", encode(repository)));
    }
    if let Some(state) = list.state {
        path.push_str(&format!("&state={state}"));
    }
    let client = Client::new(&list.remote)?;
    if list.remote.json {
        let answer: serde_json::Value = client.get(&path).await?;
        return Ok(printer.json(&answer)?);
    }
    let pipelines: Vec<PipelineSummary> = client.get(&path).await?;
    if pipelines.is_empty() {
        printer
            .remark("no pipelines yet: push to a repository whose webhook leads here and that has a conducto.cfg")?;
    }
    let now = clock::now();
    let width = pipelines.iter().map(|p| p.repository.chars().count() + 1 + p.section.chars().count()).max();
    for pipeline in &pipelines {
        let state = format!("{} {:<7}", glyph(pipeline.state), pipeline.state.word());
        let what = format!("{} {}", pipeline.repository, pipeline.section);
        let line = format!(
            "{}  {}  {what:<width$}  {}  {:>8}  {}",
            printer.bold(&pipeline.id),
            printer.state(pipeline.state, &state),
            printer.dim(pipeline.sha.get(..7).unwrap_or(&pipeline.sha)),
            ago(pipeline.created_at, now),
            headline(pipeline),
            width = width.unwrap_or(0),
        );
        printer.line(line.trim_end())?;
    }
    Ok(())
}

fn parse_state(text: &str) -> Result<State, String> {
    let names = State::ALL.map(State::word).join(", ");
    State::ALL.into_iter().find(|state| state.word() == text).ok_or_else(|| format!("expected one of {names}"))
}
