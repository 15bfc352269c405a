//! A registry with one image behind a login: as much of the protocol as a pull needs.

use std::io::Write as _;

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use sha2::{Digest as _, Sha256};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

pub(crate) const USER: &str = "kim";
pub(crate) const PASSWORD: &str = "a password of the tests";

struct Content {
    manifest: Vec<u8>,
    blobs: Vec<Vec<u8>>,
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// An image of one file, another each time.
fn content() -> Content {
    let mut layer = tar::Builder::new(Vec::new());
    let text = conducto::clock::new_uuid().to_string();
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    layer.append_data(&mut header, "made", text.as_bytes()).unwrap();
    let layer = layer.into_inner().unwrap();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
    });
    let config = config.to_string().into_bytes();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&layer).unwrap();
    let packed = packed.finish().unwrap();
    let about = |kind: &str, bytes: &[u8]| json!({ "mediaType": kind, "size": bytes.len(), "digest": digest(bytes) });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": about("application/vnd.docker.container.image.v1+json", &config),
        "layers": [about("application/vnd.docker.image.rootfs.diff.tar.gzip", &packed)],
    });
    Content { manifest: manifest.to_string().into_bytes(), blobs: vec![config, packed] }
}

/// Starts it; returns its host and port.
pub(crate) async fn start() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let content = std::sync::Arc::new(content());
    let router = Router::new()
        .route("/v2/", get(async |headers: HeaderMap| guarded(&headers, || StatusCode::OK.into_response())))
        .route("/v2/{name}/{kind}/{which}", get(answer))
        .with_state(content);
    drop(tokio::spawn(async move { axum::serve(listener, router).await }));
    host
}

async fn answer(
    State(content): State<std::sync::Arc<Content>>,
    Path((_, kind, which)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    guarded(&headers, || {
        let found = match kind.as_str() {
            "manifests" => Some((MANIFEST, &content.manifest)),
            _ => content.blobs.iter().find(|blob| digest(blob) == which).map(|blob| ("application/octet-stream", blob)),
        };
        match found {
            Some((kind, bytes)) => {
                let about = [(header::CONTENT_TYPE.as_str(), kind), ("docker-content-digest", &digest(bytes))];
                (about, bytes.clone()).into_response()
            }
            None => StatusCode::NOT_FOUND.into_response(),
        }
    })
}

fn guarded(headers: &HeaderMap, allowed: impl FnOnce() -> Response) -> Response {
    let login = format!("Basic {}", BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}")));
    if headers.get(header::AUTHORIZATION).is_some_and(|given| given.as_bytes() == login.as_bytes()) {
        return allowed();
    }
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"tests\"")]).into_response()
}
