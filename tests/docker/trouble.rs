//! Nodes that misbehave in true containers: each ends in the state that `docs/troubles.md` names, and the next one runs.

use std::time::Duration;

use conducto::model::{KillReason, Outcome};

use crate::{BUSYBOX, Place, docker, rig::PATIENCE};

const DONE: Option<Outcome> = Some(Outcome::Exited { code: 0 });
const TIMED_OUT: Option<Outcome> = Some(Outcome::Stopped { reason: KillReason::Timeout });

const SHORT: Duration = Duration::from_secs(2);

/// The next node finds a container as good as new.
async fn goes_on(place: &mut Place) {
    let seen = place.rig.run(99, "set -- /proc/[0-9]*; echo $#; cat file").await;
    // There are the worker and the shell.
    assert_eq!((seen.out().as_str(), &seen.outcome), ("2\npristine\n", &DONE));
}

#[tokio::test]
async fn max_time_ends_a_node_that_ignores_sigterm_with_all_its_children() {
    let mut place = Place::started(BUSYBOX).await;
    let deaf = "trap '' TERM; (trap '' TERM; setsid sleep 1000) & echo on; while :; do sleep 1; done";
    place.rig.start_with(1, deaf, SHORT, Duration::ZERO);
    assert_eq!(place.rig.ended(1).await.outcome, TIMED_OUT);
    goes_on(&mut place).await;
    place.remove().await;
}

#[tokio::test]
async fn a_fork_bomb_meets_its_limit_and_ends_with_its_node() {
    let mut place = Place::started(BUSYBOX).await;
    let name = format!("conducto_worker_{}_{}", place.spec.pipeline, place.spec.worker);
    // The same limit as ever, only sooner reached.
    assert!(docker(&["update", "--pids-limit", "200", &name]).status.success());
    let bomb = "trap '' TERM; bomb() { trap '' TERM; while :; do bomb & done; }; bomb 2>/dev/null & \
                echo on; while :; do :; done";
    place.rig.start_with(1, bomb, SHORT, Duration::ZERO);
    assert_eq!(place.rig.ended(1).await.outcome, TIMED_OUT);
    goes_on(&mut place).await;
    place.remove().await;
}

#[tokio::test]
async fn a_node_that_closes_its_output_goes_on_and_ends_as_it_would() {
    let mut place = Place::started(BUSYBOX).await;
    let silent = "echo first; exec >&- 2>&-; sleep 1; echo lost; echo kept > /conducto/data/pipeline/kept; exit 7";
    let seen = place.rig.run(1, silent).await;
    assert_eq!((seen.out().as_str(), &seen.outcome), ("first\n", &Some(Outcome::Exited { code: 7 })));
    assert!(place.root.path().join("pipeline/kept").exists(), "it went on");
    goes_on(&mut place).await;
    place.remove().await;
}

#[tokio::test]
async fn a_node_that_is_killed_for_want_of_memory_is_told_from_one_that_kills_itself() {
    let mut place = Place::new(BUSYBOX);
    place.spec.mem = 48 << 20;
    place.start().await.unwrap();
    assert_eq!(place.rig.run(1, "tail /dev/zero").await.outcome, Some(Outcome::OutOfMemory));
    assert_eq!(place.rig.run(2, "kill -9 $$").await.outcome, Some(Outcome::Signaled { signal: 9 }));
    goes_on(&mut place).await;
    place.remove().await;
}

#[tokio::test]
async fn deeds_of_daemons_that_a_node_leaves_behind_do_not_reach_the_next() {
    let mut place = Place::started(BUSYBOX).await;
    // Out of its group, its session and its parent, deaf, and at the next node's working copy.
    let daemon = "(trap '' TERM HUP INT; setsid sh -c 'while :; do echo spoilt > file; sleep 0.01; done' \
                  >/dev/null 2>&1 &)";
    for fence in 1..4 {
        assert_eq!(place.rig.run(fence, daemon).await.outcome, DONE);
    }
    goes_on(&mut place).await;
    place.remove().await;
}

#[tokio::test]
async fn a_node_that_prints_for_ever_is_ended_in_time() {
    let mut place = Place::started(BUSYBOX).await;
    place.rig.start_with(1, "trap '' TERM PIPE; while :; do echo and on; done", SHORT, Duration::ZERO);
    assert_eq!(tokio::time::timeout(PATIENCE, place.rig.ended(1)).await.unwrap().outcome, TIMED_OUT);
    goes_on(&mut place).await;
    place.remove().await;
}
