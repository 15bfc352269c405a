//! What pages follow: a tree of any size, and which pipelines change at all.
//!
//! The first message about a tree is the whole of it, column by column; each later one is what has changed since the one before.
//! Whoever comes back with the number of the last message gets only what happened meanwhile, or the whole where the server does
//! not remember: after a restart, or when the tree has grown.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;
use utoipa::IntoParams;

use super::address::{last_event_id, pipeline_id, trouble_with};
use crate::{
    dispatch::{Glimpse, TreeView},
    http::{
        extract::{Path, Query},
        problem::Problem,
        router::App,
    },
};

/// Without news, listeners hear so often that they are still connected.
const BEAT: Duration = Duration::from_secs(5);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct After {
    /// Number of the last message seen. `Last-Event-ID` goes before it.
    after: Option<u64>,
}

/// Follows a pipeline's tree as server-sent events: `tree` with all of it, then `change`s; `beat` every five seconds without news.
#[utoipa::path(get, path = "/api/v1/pipelines/{id}/live", tag = "pipelines", params(
        ("id" = String, Path, description = "The pipeline, as in abc-def"), After,
        ("Last-Event-ID" = Option<u64>, Header, description = "Number of the last message seen")),
    responses((status = 200, content_type = "text/event-stream", body = TreeView, description = "This is the data of `tree`; that of `change` is a `ChangeView`"),
        (status = 404, body = Problem)))]
pub(crate) async fn tree(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<After>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let id = pipeline_id(&id)?;
    let glimpses = app.dispatch.follow(&id, last_event_id(&headers).or(query.after)).await;
    let glimpses = glimpses.map_err(|error| trouble_with(&id, error))?;
    Ok(sse(glimpses.map(|glimpse| as_event(&glimpse))))
}

/// Follows which pipelines change: `changed` with their ids, at most twice a second; `beat` every five seconds without news.
#[utoipa::path(get, path = "/api/v1/live", tag = "pipelines",
    responses((status = 200, content_type = "text/event-stream", body = Vec<String>)))]
pub(crate) async fn list(State(app): State<App>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    sse(app.dispatch.changes().map(|ids| event("changed", &ids)))
}

fn sse(events: impl Stream<Item = Event> + Send + 'static) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    // The first bytes tell a browser that it is connected.
    let hello = futures_util::stream::once(async { Event::default().event("beat").data("0") });
    let beat = Event::default().event("beat").data("0");
    Sse::new(hello.chain(events).map(Ok)).keep_alive(KeepAlive::new().interval(BEAT).event(beat))
}

fn as_event(glimpse: &Glimpse) -> Event {
    match glimpse {
        Glimpse::Tree(tree) => event("tree", tree).id(tree.seq.to_string()),
        Glimpse::Change(change) => event("change", change).id(change.seq.to_string()),
    }
}

fn event(name: &str, data: &impl serde::Serialize) -> Event {
    let event = Event::default().event(name);
    event.json_data(data).unwrap_or_else(|error| Event::default().comment(error.to_string()))
}
