//! Speaks the HTTP API of a server for the client verbs. Knows addresses and errors, not what the answers mean.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    args::Remote,
    failure::Failure,
    place::{self, Target},
};

/// Longest time until an answer that does not go on for ever is complete.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A server's API.
pub(crate) struct Client {
    http: reqwest::Client,
    target: Target,
}

/// The body of an error, RFC 9457.
#[derive(Debug, Deserialize)]
struct Problem {
    title: String,
    detail: Option<String>,
}

impl Client {
    /// Finds the server.
    pub(crate) fn new(remote: &Remote) -> Result<Self, Failure> {
        let layout = place::layout(remote.config.as_deref(), &place::environment());
        let target = place::target(remote, layout.as_ref()).ok_or_else(|| {
            Failure::unreachable(anyhow!("no server runs on this machine"))
                .help("start one with `conducto serve`, or name one with --server URL")
        })?;
        let builder = || {
            reqwest::Client::builder()
                .connect_timeout(Duration::from_secs(10))
                .user_agent(concat!("conducto/", env!("CARGO_PKG_VERSION")))
        };
        let built = match builder().build() {
            // Plain HTTP needs no CA certificates, and an image made from nothing has none.
            Err(_) if target.url.starts_with("http://") => builder().tls_certs_only([]).build(),
            built => built,
        };
        let http = built.context("cannot prepare an HTTP client")?;
        Ok(Self { http, target })
    }

    /// Returns the address of the server.
    pub(crate) fn url(&self) -> &str {
        &self.target.url
    }

    /// Asks for an answer in JSON.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        read(self.send(self.request(Method::GET, path).timeout(ANSWER_TIMEOUT)).await?).await
    }

    /// Asks for something to be done.
    ///
    /// The key makes it harmless that nobody knows whether a lost answer was a yes.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<T, Failure> {
        let mut request = self.request(Method::POST, path).timeout(ANSWER_TIMEOUT).header("idempotency-key", key);
        if let Some(body) = body {
            request = request.json(body);
        }
        read(self.send(request).await?).await
    }

    /// Asks for something that may be asked twice without harm.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<T, Failure> {
        let mut request = self.request(method, path).timeout(ANSWER_TIMEOUT);
        if let Some(body) = body {
            request = request.json(body);
        }
        read(self.send(request).await?).await
    }

    /// Asks for something to be removed.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.send(self.request(Method::DELETE, path).timeout(ANSWER_TIMEOUT)).await.map(drop)
    }

    /// Asks for an answer that may go on for ever.
    pub(crate) async fn stream(&self, path: &str) -> Result<Response, Failure> {
        self.send(self.request(Method::GET, path)).await
    }

    /// Asks whether the server is well; a server that says "no" is no error.
    pub(crate) async fn health(&self) -> Result<serde_json::Value, Failure> {
        let url = format!("{}/healthz", self.target.url);
        let request = self.http.get(&url).timeout(Duration::from_secs(10));
        read(request.send().await.map_err(|error| self.lost(error))?).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/api/v1{path}", self.target.url));
        match &self.target.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.lost(error))?;
        if response.status().is_success() { Ok(response) } else { Err(refused(response).await) }
    }

    fn lost(&self, error: reqwest::Error) -> Failure {
        if error.is_builder() {
            return Failure::usage(anyhow!("`{}` is not the address of a server", self.target.url));
        }
        let error = anyhow::Error::new(error.without_url()).context(format!("cannot reach {}", self.target.url));
        Failure::unreachable(error).help("is the server running? `conducto serve` starts one")
    }
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, Failure> {
    let bytes = response.bytes().await.map_err(|error| Failure::unreachable(error.without_url()))?;
    serde_json::from_slice(&bytes).context("the server's answer is not understood").map_err(Failure::new)
}

async fn refused(response: Response) -> Failure {
    let status = response.status();
    let bytes = response.bytes().await.unwrap_or_default();
    let message = match serde_json::from_slice::<Problem>(&bytes) {
        Ok(Problem { title, detail: Some(detail) }) => format!("{title}: {detail}"),
        Ok(Problem { title, detail: None }) => title,
        Err(_) => format!("the server answered {status}"),
    };
    match status {
        StatusCode::UNAUTHORIZED => {
            Failure::usage(anyhow!(message)).help("give a token with --token or CONDUCTO_TOKEN")
        }
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Failure::usage(anyhow!(message)),
        StatusCode::CONFLICT => {
            Failure::new(anyhow!(message)).help("`conducto show` with the pipeline's id says how it stands now")
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            Failure::unreachable(anyhow!(message))
        }
        _ => Failure::new(anyhow!(message)),
    }
}

/// Writes a text as one part of a path or query.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Writes a node's path as it stands in addresses, with a slash at its end; nothing for the root.
pub(crate) fn encode_node(path: &str) -> String {
    match path.trim_matches('/') {
        "" => String::new(),
        path => path.split('/').map(encode).collect::<Vec<_>>().join("/") + "/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_paths_keep_their_slashes_in_addresses() {
        assert_eq!(encode_node("/checks/lint & style"), "checks/lint%20%26%20style/");
        assert_eq!(encode_node("checks"), "checks/");
        assert_eq!(encode_node("/"), "");
    }
}
