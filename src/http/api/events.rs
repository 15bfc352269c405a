//! A pipeline's events, live: first what has happened since a number, then what happens.

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
    http::{
        extract::{Path, Query},
        problem::Problem,
        router::App,
    },
    model::Recorded,
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct After {
    /// Number of the last event seen (`seq` of the pipeline, or of an event). `Last-Event-ID` goes before it.
    #[serde(default)]
    after: u64,
}

/// Streams events as server-sent events; the id of each is its number, so that a reconnect misses nothing.
#[utoipa::path(get, path = "/api/v1/pipelines/{id}/events", tag = "pipelines", params(
        ("id" = String, Path, description = "The pipeline, as in abc-def"), After,
        ("Last-Event-ID" = Option<u64>, Header, description = "Number of the last event seen")),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 404, body = Problem)))]
pub(crate) async fn stream(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<After>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let id = pipeline_id(&id)?;
    let events = app.dispatch.events(&id, last_event_id(&headers).unwrap_or(query.after)).await;
    let events = events.map_err(|error| trouble_with(&id, error))?;
    let stream = events.map(|recorded| Ok(as_event(&recorded)));
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

fn as_event(recorded: &Recorded) -> Event {
    let event = Event::default().id(recorded.seq.to_string()).event(recorded.event.name());
    event.json_data(recorded).unwrap_or_else(|error| Event::default().comment(error.to_string()))
}
