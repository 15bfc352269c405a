//! Asks the server of the demo by its HTTP API, as any client would. Knows no terminal.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Method, Response};
use serde::de::DeserializeOwned;

use crate::dispatch::view::{DeliveryView, NodeView, PipelineView};

const PATIENCE: Duration = Duration::from_secs(30);

/// The API of one server.
#[derive(Clone, Debug)]
pub(super) struct Api {
    client: reqwest::Client,
    url: String,
    token: String,
}

impl Api {
    pub(super) fn build(url: &str, token: String) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().tls_certs_only([]).build()?;
        Ok(Self { client, url: format!("{url}/api/v1"), token })
    }

    pub(super) async fn delivery(&self, guid: &str) -> anyhow::Result<DeliveryView> {
        self.get(&format!("/deliveries/{guid}")).await
    }

    pub(super) async fn pipeline(&self, id: &str) -> anyhow::Result<PipelineView> {
        self.get(&format!("/pipelines/{id}")).await
    }

    /// Reads the end of a leaf's log.
    pub(super) async fn log_end(&self, id: &str, node: &NodeView) -> anyhow::Result<Vec<u8>> {
        let response = self.ask(Method::GET, &format!("/pipelines/{id}/nodes{}/log?tail=4096", node.path)).await?;
        Ok(response.bytes().await?.to_vec())
    }

    pub(super) async fn cancel(&self, id: &str) -> anyhow::Result<()> {
        self.ask(Method::POST, &format!("/pipelines/{id}/cancel")).await?;
        Ok(())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let response = self.ask(Method::GET, path).await?;
        response.json().await.with_context(|| format!("the answer to {path} is not understood"))
    }

    async fn ask(&self, method: Method, path: &str) -> anyhow::Result<Response> {
        let request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
        let response = request.send().await?;
        if !response.status().is_success() {
            bail!("{path} was answered {}: {}", response.status(), response.text().await.unwrap_or_default());
        }
        Ok(response)
    }
}
