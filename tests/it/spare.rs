//! The worker that is kept ready for the next pipeline: who gets it, what is in it, and that it is never left behind.

use std::process::Command;

use crate::house::{House, Plan};

const CFG: &str = "[push]\npipeline = \"ci.toml\"\n";

fn plan() -> Plan {
    Plan { spare: true, ..Plan::docker() }
}

/// The pipeline and the worker of each container of this server that runs.
fn containers(house: &House) -> Vec<(String, String)> {
    let filter = format!("label=com.conducto.server={}", house.server_id().unwrap());
    let format = "{{.Label \"com.conducto.pipeline\"}} {{.Label \"com.conducto.worker\"}}";
    let listed = Command::new("docker").args(["ps", "--filter", &filter, "--format", format]).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    text.lines().filter_map(|line| line.split_once(' ')).map(|(id, worker)| (id.into(), worker.into())).collect()
}

/// Runs one pipeline to its end, and waits until a worker stands by for the next.
async fn spare_after(house: &House, branch: &str, exec: &str) -> (String, String) {
    let pipeline = format!("[\"/only\"]\nexec = '{exec}'\n");
    let (_, ids) = house.push(branch, &[("conducto.cfg", CFG), ("ci.toml", &pipeline)]).await;
    house.ended(&ids[0]).await;
    house
        .until("a worker stands by", async || {
            // Its own container goes first.
            let found = containers(house);
            let spare = found.first().filter(|(id, _)| found.len() == 1 && *id != ids[0])?;
            // It may be taken once it has dialled.
            let has_dialled =
                house.whole_server_log().contains(&format!("stands by for the next pipeline worker={}", spare.1));
            has_dialled.then(|| spare.clone())
        })
        .await
}

#[tokio::test]
async fn the_next_pipeline_gets_the_worker_that_stands_by_as_good_as_new() {
    let house = House::build(plan()).await;
    let (id, worker) = spare_after(&house, "one", "echo one > $CONDUCTO_DATA_PIPELINE/mark").await;
    let look =
        "ls $CONDUCTO_DATA_PIPELINE | wc -l; cat word; echo $CONDUCTO_PIPELINE_ID; touch $CONDUCTO_DATA_PIPELINE/mark";
    let pipeline = format!("[\"/only\"]\nexec = '{look}'\n");
    let files = [("conducto.cfg", CFG), ("ci.toml", pipeline.as_str()), ("word", "of this commit\n")];
    let (_, ids) = house.push("two", &files).await;
    assert_eq!(ids, [id.as_str()], "it has the name that was waiting for it");
    let ended = house.ended(&id).await;
    assert_eq!(ended.nodes[1].attempts[0].worker, worker);
    assert_eq!(house.log(&id, "/only", "stream=stdout").await, format!("0\nof this commit\n{id}\n"));

    // Its data is where that of every pipeline is; a reset finds it, in a worker that was made as any other.
    house.post(&format!("/pipelines/{id}/nodes/only/reset")).await;
    let again = house
        .until("it has run again", async || {
            let view = house.pipeline(&id).await;
            (view.nodes[1].attempts.len() == 2 && view.summary.finished_at.is_some()).then_some(view)
        })
        .await;
    assert_eq!(again.summary.counts.done, 1);
    assert!(house.log(&id, "/only", "stream=stdout").await.starts_with("1\n"));
}

#[tokio::test]
async fn a_pipeline_of_another_kind_runs_and_the_worker_that_stood_by_goes() {
    let house = House::build(plan()).await;
    let (id, worker) = spare_after(&house, "one", "true").await;
    let pipeline = "[\"/only\"]\ncpu = 0.5\nexec = 'true'\n";
    let (_, ids) = house.push("two", &[("conducto.cfg", CFG), ("ci.toml", pipeline)]).await;
    assert_eq!(ids, [id.as_str()]);
    let ended = house.ended(&id).await;
    assert_eq!(ended.summary.counts.done, 1);
    assert_ne!(ended.nodes[1].attempts[0].worker, worker);
    house
        .until("it is gone", async || containers(&house).iter().all(|(_, found)| *found != worker).then_some(()))
        .await;
}

#[tokio::test]
async fn neither_a_stop_nor_a_kill_leaves_a_worker_that_stands_by_behind() {
    let mut house = House::build(plan()).await;
    let (id, _) = spare_after(&house, "one", "true").await;
    house.kill();
    house.start().await;
    house.until("the next server has removed it", async || containers(&house).is_empty().then_some(())).await;
    // The folder goes after the container, which may still write to it.
    let folder = house.base().join("run/spares").join(&id);
    house.until("its folder is gone too", async || (!folder.exists()).then_some(())).await;
    spare_after(&house, "two", "true").await;
    assert!(house.stop().success());
    assert_eq!(house.leftovers(), Vec::<String>::new());
    let left = std::fs::read_dir(house.base().join("run/spares")).unwrap().count();
    assert_eq!(left, 0);
}
