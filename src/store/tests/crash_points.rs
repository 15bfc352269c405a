//! Every write of a pipeline's life fails once, and every moment around it is once the last one: nothing may be lost by it.

use rstest::rstest;
use rusqlite::Connection;

use super::scenario::{Fault, Faulty, Halt, Life, World, id, log};
use crate::{
    engine,
    model::{Event, NodeIndex},
    store::{Error, inbox, outbox, pipelines},
};

/// Far more steps than a life has, with or without a fault.
const STEPS: usize = 500;

/// Lives once, with the fault at this point. Returns whether there was such a point.
fn live(fault: Fault, point: u32) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::new();
    let database = Faulty::new(&directory.path().join("conducto.db"), fault, point);
    let mut life = Life { database, world: &mut world };
    let mut steps = 0;
    loop {
        steps += 1;
        assert!(steps < STEPS, "{fault:?} at {point}: it goes on for ever");
        match life.advance() {
            Ok(true) => {}
            Ok(false) => break,
            // Its caller tries again: the forge, the worker, the room itself.
            Err(Halt::Failed) => {}
            Err(Halt::Crashed) => life.database.start(),
        }
    }
    life.database.read(|connection| check(connection, life.world));
    life.database.has_struck()
}

fn check(connection: &Connection, world: &World) -> Result<(), Error> {
    // No delivery is lost, and one event starts one pipeline.
    let deliveries = inbox::list(connection, None, 10)?;
    assert!(world.deliveries.keys().all(|guid| deliveries.iter().any(|delivery| delivery.guid == *guid)));
    assert!(deliveries.iter().all(|delivery| delivery.state != "new"));
    assert_eq!(deliveries.iter().flat_map(|delivery| &delivery.pipelines).count(), 1);

    // The log has no hole, and says what the list says.
    let events = log(connection)?;
    assert!((1..).zip(&events).all(|(seq, recorded)| recorded.seq == seq));
    let pipeline = engine::replay(&events).unwrap();
    let listed = pipelines::find(connection, &id())?.unwrap();
    assert_eq!(listed.projection.state, pipeline.state(NodeIndex::ROOT));
    assert_eq!(listed.projection.counts, pipeline.counts(NodeIndex::ROOT));
    assert_eq!(listed.projection.counts.done, 2);

    // What was asked for once was done once: two leaves ran, and again after the one reset; nothing is live.
    assert_eq!(events.iter().filter(|recorded| matches!(recorded.event, Event::NodeReset { .. })).count(), 1);
    assert_eq!(world.began.len(), 4, "{:?}", world.began);
    assert!(world.running.is_empty());
    assert_eq!(pipelines::leased(connection)?, []);
    assert_eq!(pipelines::unreleased(connection)?, []);

    // Each end was told at least once, the last one last.
    assert!(world.arrived.iter().any(|text| text == "final Failed"), "{:?}", world.arrived);
    assert_eq!(world.arrived.last().map(String::as_str), Some("final Done"), "{:?}", world.arrived);
    assert!(outbox::list(connection, None, 100)?.iter().all(|message| message.state != "ready"));
    Ok(())
}

#[rstest]
#[case(Fault::StatementFails)]
#[case(Fault::CrashInTransaction)]
#[case(Fault::CrashAfterCommit)]
#[case(Fault::DiskFull)]
fn nothing_is_lost_whichever_write_goes_wrong(#[case] fault: Fault) {
    let mut point = 1;
    while live(fault, point) {
        point += 1;
    }
    assert!(point > 20, "a life has more writes than {point}");
}
