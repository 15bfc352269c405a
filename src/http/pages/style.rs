//! The one style sheet, and the address under which browsers may keep it for ever.

use std::sync::LazyLock;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("style.css");

static ADDRESS: LazyLock<String> = LazyLock::new(|| {
    let digest = hex::encode(Sha256::digest(STYLE));
    format!("/app/style.css?v={}", &digest[..12])
});

/// Returns the address; it changes when the style does.
pub(crate) fn address() -> String {
    ADDRESS.clone()
}

/// Serves the style sheet.
pub(crate) async fn serve() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, STYLE).into_response()
}
