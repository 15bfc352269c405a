//! Sees to it that an image is on this machine: used if present, else pulled, once for all who wait. Knows no containers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bollard::{
    errors::Error as Fault,
    models::{CreateImageInfo, ImageInspect},
    query_parameters::CreateImageOptionsBuilder,
};
use futures_util::{Stream, StreamExt};
use tokio::time::timeout;

use super::{
    super::client::{Client, if_found, refusal},
    registries::Access,
};
use crate::{
    executor::{Error, Progress},
    model::Trust,
};

/// A pull that says nothing for so long has stalled.
const STALLED: Duration = Duration::from_secs(180);

/// Images that are being pulled right now.
#[derive(Debug, Default)]
pub(in super::super) struct Images {
    gates: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Images {
    /// Returns what the engine knows of the image, after pulling it if need be.
    pub(in super::super) async fn have(
        &self,
        client: &Client,
        access: &Access,
        (reference, trust): (&str, Trust),
        progress: Progress<'_>,
    ) -> Result<ImageInspect, Error> {
        if let Some(message) = access.refusal(reference, trust) {
            return Err(Error::Image { image: reference.to_owned(), message });
        }
        if let Some(image) = inspect(client, reference).await? {
            return Ok(image);
        }
        let gate = self.gate(reference);
        let result = {
            let _passed = gate.lock().await;
            // Whoever was faster has pulled it.
            match inspect(client, reference).await? {
                Some(image) => Ok(image),
                None => pull(client, access, reference, progress).await,
            }
        };
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::strong_count(&gate) <= 2 {
            gates.remove(reference);
        }
        result
    }

    fn gate(&self, reference: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(reference.to_owned()).or_default())
    }
}

pub(super) async fn inspect(client: &Client, reference: &str) -> Result<Option<ImageInspect>, Error> {
    match client.engine().await?.inspect_image(reference).await {
        Err(fault) if matches!(refusal(&fault), Some((400, _))) => Err(explain(reference, &fault)),
        found => if_found(found),
    }
}

async fn pull(
    client: &Client,
    access: &Access,
    reference: &str,
    progress: Progress<'_>,
) -> Result<ImageInspect, Error> {
    progress(&format!("pulling image {reference}"));
    let whole = with_tag(reference);
    let options = CreateImageOptionsBuilder::new().from_image(&whole).build();
    let lines = client.engine().await?.create_image(Some(options), None, access.login(reference));
    follow(lines, progress).await.map_err(|problem| match problem {
        Problem::Fault(fault) => explain(reference, &fault),
        Problem::Stalled => Error::Unavailable { message: format!("the pull of image {reference} has stalled") },
    })?;
    progress(&format!("image {reference} is here"));
    let missing = || Error::Image { image: reference.to_owned(), message: "it was pulled, and is not there".into() };
    inspect(client, reference).await?.ok_or_else(missing)
}

enum Problem {
    Fault(Fault),
    Stalled,
}

async fn follow(
    lines: impl Stream<Item = Result<CreateImageInfo, Fault>>,
    progress: Progress<'_>,
) -> Result<(), Problem> {
    let mut lines = std::pin::pin!(lines);
    while let Some(line) = timeout(STALLED, lines.next()).await.map_err(|_| Problem::Stalled)? {
        let line = line.map_err(Problem::Fault)?;
        if let Some(error) = line.error_detail.and_then(|detail| detail.message) {
            return Err(Problem::Fault(Fault::DockerStreamError { error }));
        }
        // Bars that move belong on a terminal; a log gets each layer once.
        if let (Some(layer), Some(status @ ("Pull complete" | "Already exists"))) = (&line.id, line.status.as_deref()) {
            progress(&format!("{layer}: {}", status.to_lowercase()));
        }
    }
    Ok(())
}

/// Without a tag the engine would pull every tag there is.
fn with_tag(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    if name.contains([':', '@']) { reference.to_owned() } else { format!("{reference}:latest") }
}

/// Says in words what a failed pull means.
fn explain(reference: &str, fault: &Fault) -> Error {
    let words = match fault {
        Fault::DockerResponseServerError { message, .. } => message.clone(),
        Fault::DockerStreamError { error } => error.clone(),
        other => return Error::Unavailable { message: other.to_string() },
    };
    let says = |any: &[&str]| any.iter().any(|part| words.contains(part));
    let meaning = if says(&["invalid reference format", "must be lowercase"]) {
        "that is not the name of an image"
    } else if says(&["manifest unknown", "manifest for"]) {
        "it is not on this machine, and its registry has no such tag"
    } else if says(&[
        "pull access denied",
        "unauthorized",
        "no basic auth credentials",
        "denied",
        "not found",
        "does not exist",
    ]) {
        "it is not on this machine, and its registry does not have it or asks for a login"
    } else if says(&["dial tcp", "lookup", "no such host", "timeout", "Timeout", "connection refused", "unreachable"]) {
        "it is not on this machine, and its registry cannot be reached"
    } else {
        "it is not on this machine and could not be pulled"
    };
    Error::Image { image: reference.to_owned(), message: format!("{meaning} (Docker: {})", words.trim()) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("node", "node:latest")]
    #[case("node:20", "node:20")]
    #[case("localhost:5000/team/node", "localhost:5000/team/node:latest")]
    #[case("node@sha256:00", "node@sha256:00")]
    fn only_a_name_without_a_tag_gets_one(#[case] reference: &str, #[case] expected: &str) {
        assert_eq!(with_tag(reference), expected);
    }

    #[rstest]
    #[case(
        404,
        "pull access denied for nope, repository does not exist or may require 'docker login'",
        "asks for a login"
    )]
    #[case(404, "manifest for node:nope not found: manifest unknown", "no such tag")]
    #[case(
        500,
        "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host",
        "cannot be reached"
    )]
    #[case(400, "invalid reference format: repository name must be lowercase", "not the name of an image")]
    #[case(500, "something else", "could not be pulled")]
    fn a_failed_pull_is_told_in_words(#[case] status_code: u16, #[case] message: &str, #[case] expected: &str) {
        let fault = Fault::DockerResponseServerError { status_code, message: message.to_owned() };
        let text = explain("nope", &fault).to_string();
        assert!(text.contains(expected) && text.contains("`nope`"), "{text}");
    }
}
