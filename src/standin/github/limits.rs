//! GitHub's limits for writes, enforced: whoever goes beyond one is refused and counted. Knows no content.

use std::time::Duration;

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::json;

use super::{Board, GitHub, Request, State};

/// What is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Writes in any ten seconds.
    pub writes_in_ten_seconds: usize,
    /// New things in any minute.
    pub creations_a_minute: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    at: Timestamp,
    creates: bool,
}

impl GitHub {
    /// Enforces limits from now on.
    pub fn enforce(&self, limits: Limits) {
        self.board.change(|state| state.limits = Some(limits));
    }

    /// Says how many requests went beyond a limit.
    pub fn overruns(&self) -> usize {
        self.board.look(|state| state.overruns)
    }
}

/// Counts a write, or refuses it with a `Retry-After`.
pub(super) fn refusal(board: &Board<State>, request: &Request) -> Option<Response> {
    if request.method == "GET" {
        return None;
    }
    let is_over = board.change(|state| {
        let limits = state.limits?;
        let written = Written { at: request.at, creates: request.method == "POST" };
        let within = |span: u64, creates: bool| {
            let recent = state.writes.iter().rev().take_while(|one| one.at + Duration::from_secs(span) > request.at);
            recent.filter(|one| one.creates || !creates).count()
        };
        let is_over = within(10, false) >= limits.writes_in_ten_seconds
            || (written.creates && within(60, true) >= limits.creations_a_minute);
        state.overruns += usize::from(is_over);
        state.writes.push(written);
        is_over.then_some(())
    });
    is_over?;
    let body =
        json!({"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."});
    Some((StatusCode::FORBIDDEN, [(header::RETRY_AFTER, "2")], Json(body)).into_response())
}
