//! What a node printed: as plain bytes, or as one JSON object a piece with stream and time.

use std::collections::VecDeque;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, header},
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt as _, future};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use crate::{
    dispatch::LogChunk,
    http::{problem::Problem, router::App},
    model::{NodePath, PipelineId},
    worker::protocol,
};

/// Longest end of a log that can be asked for.
const LONGEST_TAIL: usize = 1024 * 1024;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Choice {
    /// Only this stream.
    stream: Option<protocol::Stream>,
    /// Number of the attempt; the last one if absent.
    attempt: Option<u32>,
    /// Whether to go on until the attempt has ended.
    #[serde(default)]
    follow: bool,
    /// Only about this many bytes of the end, 1 MiB at most; not together with `follow`.
    tail: Option<usize>,
    /// `json` for one object a piece, as `Accept: application/x-ndjson`.
    format: Option<String>,
}

/// Reads the log of a node. The root's address is `/nodes/log`.
#[utoipa::path(get, path = "/api/v1/pipelines/{id}/nodes/{path}/log", tag = "pipelines", params(
        ("id" = String, Path, description = "The pipeline, as in abc-def"),
        ("path" = String, Path, description = "Path of the node without its first slash; it may hold slashes"), Choice),
    responses((status = 200, content_type = "text/plain", body = String), (status = 404, body = Problem), (status = 410, body = Problem)))]
pub(super) async fn read(
    app: &App,
    id: &PipelineId,
    path: &NodePath,
    choice: Choice,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let is_followed = choice.follow && choice.tail.is_none();
    let chunks = app.dispatch.log(id, path, choice.attempt, is_followed).await?;
    let wanted = choice.stream;
    let chunks = chunks.filter(move |chunk| future::ready(wanted.is_none_or(|stream| stream == chunk.stream)));
    Ok(answer(chunks, choice.format.as_deref(), choice.tail, headers).await)
}

/// Makes an answer of a log: its text, or one object a piece.
pub(super) async fn answer(
    chunks: impl Stream<Item = LogChunk> + Send + 'static,
    format: Option<&str>,
    length: Option<usize>,
    headers: &HeaderMap,
) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if format == Some("json") || accept.contains("application/x-ndjson") {
        let lines = chunks.map(|chunk| Ok::<_, std::convert::Infallible>(as_line(&chunk)));
        return body("application/x-ndjson", Body::from_stream(lines));
    }
    let bytes = match length {
        Some(length) => Body::from(tail(chunks, length.min(LONGEST_TAIL)).await),
        None => Body::from_stream(chunks.map(|chunk| Ok::<_, std::convert::Infallible>(chunk.data))),
    };
    body("text/plain; charset=utf-8", bytes)
}

/// Collects the end of a log, from the beginning of a line if it was cut.
pub(crate) async fn tail(chunks: impl Stream<Item = LogChunk>, length: usize) -> Vec<u8> {
    let mut kept: VecDeque<u8> = VecDeque::new();
    let mut is_cut = false;
    let mut chunks = std::pin::pin!(chunks);
    while let Some(chunk) = chunks.next().await {
        kept.extend(&chunk.data[chunk.data.len().saturating_sub(length)..]);
        let excess = kept.len().saturating_sub(length);
        is_cut |= excess > 0 || chunk.data.len() > length;
        kept.drain(..excess);
    }
    let mut bytes = Vec::from(kept);
    if is_cut && let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        bytes.drain(..=end);
    }
    bytes
}

fn as_line(chunk: &LogChunk) -> String {
    let line = match std::str::from_utf8(&chunk.data) {
        Ok(text) => json!({"stream": chunk.stream, "at": chunk.at, "text": text}),
        // A piece may end inside a character, and output need not be text at all.
        Err(_) => json!({"stream": chunk.stream, "at": chunk.at, "hex": hex::encode(&chunk.data)}),
    };
    format!("{line}\n")
}

fn body(media_type: &'static str, body: Body) -> Response {
    // A proxy that collects the answer would turn following into waiting.
    let buffering = HeaderName::from_static("x-accel-buffering");
    let policy = "default-src 'none'; frame-ancestors 'none'; sandbox";
    let headers = [(header::CONTENT_TYPE, media_type), (buffering, "no"), (header::CONTENT_SECURITY_POLICY, policy)];
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use rstest::rstest;

    use super::*;

    fn piece(stream: protocol::Stream, data: &'static [u8]) -> LogChunk {
        LogChunk { stream, at: jiff::Timestamp::UNIX_EPOCH, data: data.into() }
    }

    #[rstest]
    #[case(1_000, "first\nsecond\nthird\n")]
    #[case(14, "second\nthird\n")]
    #[case(13, "third\n")]
    #[case(6, "")]
    #[tokio::test]
    async fn a_tail_begins_with_a_whole_line(#[case] length: usize, #[case] expected: &str) {
        let pieces = [piece(protocol::Stream::Stdout, b"first\nsec"), piece(protocol::Stream::Stdout, b"ond\nthird\n")];
        assert_eq!(tail(stream::iter(pieces), length).await, expected.as_bytes());
    }

    #[test]
    fn pieces_that_are_no_text_come_in_hex() {
        let line = as_line(&piece(protocol::Stream::Stderr, b"plain\n"));
        assert_eq!(line, "{\"stream\":\"stderr\",\"at\":\"1970-01-01T00:00:00Z\",\"text\":\"plain\\n\"}\n");
        let line = as_line(&piece(protocol::Stream::Stdout, b"\xff\n"));
        assert_eq!(line, "{\"stream\":\"stdout\",\"at\":\"1970-01-01T00:00:00Z\",\"hex\":\"ff0a\"}\n");
    }
}
