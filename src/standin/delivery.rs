//! Sends a webhook as GitHub does: signed, with its headers. Shares no code with the receiver's check.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::Error;
use crate::clock;

/// How long GitHub waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// One delivery of a webhook.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Value of `X-GitHub-Event`.
    pub event: String,
    /// Value of `X-GitHub-Delivery`; the same when it is sent again.
    pub guid: String,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// Value of `Content-Type`.
    pub content_type: String,
    /// Value of `X-Hub-Signature-256`; not sent when it is empty.
    pub signature: String,
}

/// What the receiver said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Body.
    pub body: String,
}

impl Delivery {
    /// Signs a payload; the GUID is new.
    pub fn sign(secret: &str, event: impl Into<String>, payload: &Value) -> Self {
        Self::sign_bytes(secret, event, payload.to_string().into_bytes())
    }

    /// Signs a payload that travels as a form.
    pub fn sign_form(secret: &str, event: impl Into<String>, payload: &Value) -> Self {
        let form =
            form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish();
        let delivery = Self::sign_bytes(secret, event, form.into_bytes());
        Self { content_type: "application/x-www-form-urlencoded".into(), ..delivery }
    }

    /// Signs a body that may be anything.
    pub fn sign_bytes(secret: &str, event: impl Into<String>, body: Vec<u8>) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(&body);
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        let (guid, content_type) = (clock::new_uuid().to_string(), "application/json".to_owned());
        Self { event: event.into(), guid, body, content_type, signature }
    }

    /// Sends it, once, over plain HTTP.
    ///
    /// # Errors
    /// When nobody answers within ten seconds.
    pub async fn send(&self, webhook_url: &str) -> Result<Answer, Error> {
        let failed = |error: reqwest::Error| Error::Delivery(error.to_string());
        let client = reqwest::Client::builder().timeout(PATIENCE).tls_certs_only([]).build().map_err(failed)?;
        let mut request = client
            .post(webhook_url)
            .header("content-type", &self.content_type)
            .header("user-agent", "GitHub-Hookshot/5a1b2c3")
            .header("x-github-event", &self.event)
            .header("x-github-delivery", &self.guid)
            .header("x-github-hook-id", "1")
            .header("x-github-hook-installation-target-type", "repository")
            .body(self.body.clone());
        if !self.signature.is_empty() {
            request = request.header("x-hub-signature-256", &self.signature);
        }
        let response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        Ok(Answer { status, body: response.text().await.map_err(failed)? })
    }
}
