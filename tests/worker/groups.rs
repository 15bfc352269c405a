//! Nodes that share their container: what one leaves, the next finds.

use std::fs;

use conducto::{
    model::{Fence, KillReason, Outcome},
    worker::protocol::{Start, ToWorker},
};

use crate::{
    is_alive,
    rig::{Rig, Seen, eventually, order},
    set_up,
};

/// Prints its process id, then goes on printing for ever. A broken pipe would end it.
const SERVER: &str = "sh -c 'while :; do echo tick; echo x >> beats; sleep 0.01; done' & echo $! > server";

const DONE: Option<Outcome> = Some(Outcome::Exited { code: 0 });

fn in_group(fence: u64, command: &str) -> Start {
    Start { keep: true, ..order(fence, command) }
}

async fn run<'rig>(rig: &'rig mut Rig, fence: u64, command: &str) -> &'rig Seen {
    rig.order(in_group(fence, command));
    rig.ended(fence).await
}

#[tokio::test]
async fn the_next_node_finds_everything_as_the_last_one_left_it() {
    let (_root, mut rig, _worker) = set_up();
    run(&mut rig, 1, "cat file; echo home > $HOME/x; echo tmp > $TMPDIR/y; echo changed > file").await;
    let seen = run(&mut rig, 2, "cat file $HOME/x $TMPDIR/y").await;
    assert_eq!(seen.out(), "changed\nhome\ntmp\n");
}

#[tokio::test]
async fn a_server_of_one_node_lives_on_in_the_next_and_until_the_worker_ends() {
    let (root, mut rig, mut worker) = set_up();
    assert_eq!(run(&mut rig, 1, SERVER).await.outcome, DONE);
    let server = fs::read_to_string(root.path().join("work/server")).unwrap();
    let beats = || fs::metadata(root.path().join("work/beats")).map_or(0, |file| file.len());
    assert_eq!(run(&mut rig, 2, "kill -0 $(cat server) && echo it lives").await.out(), "it lives\n");
    // Its node has ended; a pipe that nobody reads would end it too.
    let before = beats();
    eventually("the server goes on printing", || beats() > before + 200).await;
    assert_eq!(run(&mut rig, 3, "kill -0 $(cat server)").await.outcome, DONE);
    rig.hub.send(&rig.worker, ToWorker::Bye);
    assert!(worker.ended().await.success());
    assert!(!is_alive(&server));
}

#[tokio::test]
async fn a_stopped_node_takes_its_own_processes_with_it_and_no_others() {
    let (root, mut rig, _worker) = set_up();
    run(&mut rig, 1, SERVER).await;
    let deaf = "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & wait; wait";
    rig.order(Start { grace_ms: 0, ..in_group(2, deaf) });
    let own = rig.until(2, |seen| seen.out().ends_with('\n')).await.out();
    rig.hub.send(&rig.worker, ToWorker::Stop { fence: Fence(2), reason: KillReason::User });
    assert_eq!(rig.ended(2).await.outcome, Some(Outcome::Stopped { reason: KillReason::User }));
    let server = fs::read_to_string(root.path().join("work/server")).unwrap();
    assert!(!is_alive(&own) && is_alive(&server));
    assert_eq!(run(&mut rig, 3, "kill -0 $(cat server)").await.outcome, DONE);
}

#[tokio::test]
async fn a_node_without_time_ends_beside_a_server_that_goes_on() {
    let (root, mut rig, _worker) = set_up();
    run(&mut rig, 1, SERVER).await;
    rig.order(Start { max_time_ms: 200, grace_ms: 0, ..in_group(2, "trap '' TERM; while :; do sleep 0.01; done") });
    assert_eq!(rig.ended(2).await.outcome, Some(Outcome::Stopped { reason: KillReason::Timeout }));
    assert!(is_alive(&fs::read_to_string(root.path().join("work/server")).unwrap()));
}

#[tokio::test]
async fn nobody_else_gets_the_container_of_a_group() {
    let (_root, mut rig, _worker) = set_up();
    run(&mut rig, 1, "true").await;
    match &rig.run(2, "echo never").await.outcome {
        Some(Outcome::Infrastructure { message }) => assert!(message.contains("belongs to a group"), "{message}"),
        other => panic!("{other:?}"),
    }
}
