//! Who the server takes somebody for, and what they may do.

use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{dispatch::Scope, http::auth::Caller};

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// Name of the token; nothing for somebody who only looks, without one.
    name: Option<String>,
    /// Whether things can be done: reset, skip, kill, cancel, edit.
    may_operate: bool,
    /// Version of the server.
    version: &'static str,
}

/// Says who asks, and what they may do.
#[utoipa::path(get, path = "/api/v1/me", tag = "server", responses((status = 200, body = Me)))]
pub(crate) async fn show(Extension(caller): Extension<Caller>) -> Json<Me> {
    Json(Me {
        name: caller.name().map(str::to_owned),
        may_operate: caller.may(Scope::Operate),
        version: env!("CARGO_PKG_VERSION"),
    })
}
