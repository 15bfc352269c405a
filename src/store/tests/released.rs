//! Databases as earlier releases left them are opened, and everything in them can be read.

use std::path::Path;

use rusqlite::Connection;

use crate::{
    engine,
    model::{Ending, Fence, NodeIndex, PipelineId, State},
    store::{
        Error, SCHEMA, Store, inbox, outbox,
        pipelines::{self, Filter},
        server, tokens,
    },
};

/// Writes a database as schema 1 had it: four pipelines (done; failed and reset; cancelled; running), seven deliveries.
fn schema_1(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(include_str!("../../../tests/fixtures/store/schema_1.sql")).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
}

fn id(text: &str) -> PipelineId {
    PipelineId::parse(text).unwrap()
}

#[tokio::test]
async fn a_database_of_schema_1_is_brought_forward_with_all_that_is_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("conducto.db");
    schema_1(&path);
    let store = Store::open(&path).unwrap();
    store.read(read_everything).await.unwrap();
    let version = |connection: &Connection| Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?);
    assert_eq!(store.read::<i64, _>(version).await.unwrap(), SCHEMA);
}

fn read_everything(connection: &Connection) -> Result<(), Error> {
    let found = pipelines::list(connection, &Filter { limit: 10, ..Filter::default() })?;
    let states: Vec<(&str, State, Option<Ending>)> =
        found.iter().map(|one| (one.id.as_str(), one.projection.state, one.projection.ending)).collect();
    assert_eq!(
        states,
        [
            ("ija-nlr", State::Running, None),
            ("uax-ahy", State::Error, Some(Ending::Cancelled)),
            ("rxc-ztp", State::Done, Some(Ending::Done)),
            ("qxn-udl", State::Done, Some(Ending::Done)),
        ]
    );
    for listed in &found {
        let events = pipelines::events(connection, &listed.id, 0, 1_000)?;
        let replayed = engine::replay(&events).unwrap();
        assert_eq!(replayed.state(NodeIndex::ROOT), listed.projection.state, "{}", listed.id);
        assert_eq!(replayed.counts(NodeIndex::ROOT), listed.projection.counts, "{}", listed.id);
        assert_eq!(replayed.finished().map(|(_, at)| at), listed.projection.finished_at, "{}", listed.id);
        assert_eq!(replayed.live_attempts().count(), if listed.id == id("ija-nlr") { 2 } else { 0 });
    }
    let leased: Vec<(Fence, PipelineId)> =
        pipelines::leased(connection)?.into_iter().map(|one| (one.fence, one.pipeline)).collect();
    assert_eq!(leased, [(Fence(9), id("ija-nlr")), (Fence(10), id("ija-nlr"))]);
    assert_eq!(pipelines::to_resume(connection)?, [id("ija-nlr")]);

    let deliveries = inbox::list(connection, None, 100)?;
    let failed = deliveries.iter().find(|delivery| delivery.deliveries == 2).unwrap();
    assert_eq!((failed.state.as_str(), failed.diagnostics.contains("unknown key `pipelne`")), ("failed", true));
    assert_eq!(deliveries.len(), 6);
    let mut bodies = connection.prepare("SELECT body FROM inbox")?;
    for body in bodies.query_map([], |row| row.get::<_, Vec<u8>>(0))? {
        let body = zstd::decode_all(&body?[..]).unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&body)?["repository"]["full_name"], "acme/api");
    }
    let messages = outbox::list(connection, None, 100)?;
    assert_eq!(messages.iter().filter(|message| message.state == "ready").count(), 2);
    assert!(messages.iter().any(|message| message.lane == "slack:#builds:ija-nlr"));

    let hash: Vec<u8> = connection.query_row("SELECT hash FROM token", [], |row| row.get(0))?;
    assert_eq!(tokens::find(connection, &hash)?.unwrap().name, "admin");
    let identity = server::identity(connection)?;
    assert_eq!((identity.epoch, identity.next_fence, identity.first_fence), (1, 11, 0));
    Ok(())
}
