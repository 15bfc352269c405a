//! How fast the API answers while a run of 10,000 leaves goes on: looking at all of it, and resetting one leaf.

use std::time::Instant;

use anyhow::ensure;
use conducto::dispatch::view::PipelineSummary;

use crate::{
    server::{Server, until},
    table::{Row, Target},
    world::{BROAD_LEAVES, World},
};

/// Answers whose slowest twentieth makes one sample.
const ANSWERS: usize = 20;

/// Samples at most; the run may be over before.
const SAMPLES: usize = 15;

/// Measures one run: its first leaf fails once, and is reset again and again while the others run.
pub(crate) async fn rows(server: &Server, world: &World) -> anyhow::Result<Vec<Row>> {
    let begun = server.begin(&world.push_broad()).await?;
    let whole = format!("pipelines/{}", begun.id);
    let reset = format!("pipelines/{}/nodes/first/reset", begun.id);
    until("the first leaf has failed", || async {
        let list: Vec<PipelineSummary> = server.get("pipelines?limit=1").await?;
        Ok(list.first().filter(|pipeline| pipeline.counts.error > 0).map(drop))
    })
    .await?;
    let (mut looks, mut resets) = (Vec::new(), Vec::new());
    while looks.len() < SAMPLES && is_under_way(server).await? {
        let (mut look, mut act) = (Vec::new(), Vec::new());
        for _ in 0..ANSWERS {
            let begin = Instant::now();
            server.post(&reset).await?;
            act.push(begin.elapsed().as_secs_f64() * 1e3);
            let begin = Instant::now();
            server.text(&whole).await?;
            look.push(begin.elapsed().as_secs_f64() * 1e3);
        }
        looks.push(slowest_twentieth(look));
        resets.push(slowest_twentieth(act));
    }
    let ended = server.end(begun).await?;
    let others = ended.view.nodes.iter().filter(|node| node.kind == "exec" && node.path != "/first");
    let (count, again) = others.fold((0, 0), |(count, again), node| (count + 1, again + node.attempts.len() - 1));
    ensure!(count == BROAD_LEAVES - 1 && again == 0, "{again} of {count} other leaves ran again");
    let row = |name, ours, command: &str| {
        let command = format!("{command}, 95th percentile of {ANSWERS} answers; there is no reference");
        Row { name, unit: "ms", ours, reference: Vec::new(), target: Target::Below(50.0), command }
    };
    Ok(vec![
        row("reset of one leaf while 10,000 run", resets, "POST /api/v1/pipelines/ID/nodes/first/reset"),
        row("whole view while 10,000 run", looks, "GET /api/v1/pipelines/ID"),
    ])
}

async fn is_under_way(server: &Server) -> anyhow::Result<bool> {
    let list: Vec<PipelineSummary> = server.get("pipelines?limit=1").await?;
    Ok(list.first().is_some_and(|pipeline| pipeline.counts.done + 1 < pipeline.counts.total()))
}

fn slowest_twentieth(mut answers: Vec<f64>) -> f64 {
    answers.sort_by(f64::total_cmp);
    answers[answers.len() * 95 / 100 - usize::from(answers.len().is_multiple_of(20))]
}
