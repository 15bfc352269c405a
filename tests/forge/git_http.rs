//! Git over HTTP with basic authentication: `git http-backend` behind a small server.

use std::{path::PathBuf, process::Stdio};

use axum::{
    Router,
    body::Body,
    body::Bytes,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use tokio::{io::AsyncWriteExt, process::Command, task::JoinHandle};

/// Password for the user `x-access-token`: `x-access-token:right` in Base64.
const RIGHT: &str = "Basic eC1hY2Nlc3MtdG9rZW46cmlnaHQ=";

/// A server that gives out what lies below a folder. Ends when it is dropped.
pub(crate) struct GitServer {
    pub(crate) url: String,
    task: JoinHandle<()>,
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl GitServer {
    pub(crate) async fn start(root: PathBuf, gives_single_commits: bool) -> Self {
        let listener = crate::listener().await;
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let root = root.clone();
            async move { answer(root, gives_single_commits, method, uri, headers, body).await }
        });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, task }
    }
}

async fn answer(
    root: PathBuf,
    gives_single_commits: bool,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if headers.get(header::AUTHORIZATION).is_none_or(|given| given != RIGHT) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"git\"")]).into_response();
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut child = Command::new("git")
        .args(["-c", "safe.directory=*", "http-backend"])
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "uploadpack.allowAnySHA1InWant")
        .env("GIT_CONFIG_VALUE_0", if gives_single_commits { "true" } else { "false" })
        .env("PATH_INFO", uri.path())
        .env("QUERY_STRING", uri.query().unwrap_or_default())
        .env("REQUEST_METHOD", method.as_str())
        .env("REMOTE_USER", "tester")
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("CONTENT_TYPE", text("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", text("content-encoding"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let (written, output) = tokio::join!(
        async move {
            let written = stdin.write_all(&body).await;
            drop(stdin);
            written
        },
        child.wait_with_output()
    );
    written.unwrap();
    respond(&output.unwrap().stdout)
}

/// Turns the answer of a CGI program into one of HTTP.
fn respond(output: &[u8]) -> Response {
    let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a CGI program sends headers");
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let (name, value) = line.split_once(": ").unwrap();
        response = match name {
            "Status" => response.status(value[..3].parse::<u16>().unwrap()),
            _ => response.header(name, value),
        };
    }
    response.body(Body::from(output[end + 4..].to_vec())).unwrap()
}
