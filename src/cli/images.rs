//! `conducto images`: images that the server makes, and how.

use clap::Args;
use futures_util::StreamExt as _;

use super::{
    args::Remote,
    client::{Client, encode},
    failure::{Failure, Outcome},
    printer::Printer,
};
use crate::{clock, dispatch::view::ImageView, model::State, present::ago};

#[derive(Args, Debug)]
pub(crate) struct Images {
    /// Key of an image, or the beginning of one, to see its stages and its log
    #[arg(value_name = "KEY")]
    key: Option<String>,
    /// At most this many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, conflicts_with = "key")]
    limit: u32,
    /// Go on until the image is made
    #[arg(long, short = 'f', requires = "key")]
    follow: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(images: Images, printer: &mut Printer) -> Outcome {
    let client = Client::new(&images.remote)?;
    match &images.key {
        Some(key) => one(&client, key, &images, printer).await,
        None => list(&client, &images, printer).await,
    }
}

async fn list(client: &Client, images: &Images, printer: &mut Printer) -> Outcome {
    let path = format!("/images?limit={}", images.limit);
    if images.remote.json {
        let answer: serde_json::Value = client.get(&path).await?;
        return Ok(printer.json(&answer)?);
    }
    let all: Vec<ImageView> = client.get(&path).await?;
    if all.is_empty() {
        printer.remark("no image has been made yet: nodes with a Dockerfile, or with packages to install, need one")?;
    }
    for image in &all {
        line(image, printer)?;
    }
    Ok(())
}

async fn one(client: &Client, key: &str, images: &Images, printer: &mut Printer) -> Outcome {
    let path = format!("/images/{}", encode(key));
    if images.remote.json && !images.follow {
        let answer: serde_json::Value = client.get(&path).await?;
        return Ok(printer.json(&answer)?);
    }
    let image: ImageView = client.get(&path).await?;
    if !images.remote.json {
        line(&image, printer)?;
        for stage in &image.stages {
            let end = stage.finished_at.unwrap_or_else(clock::now);
            let seconds = end.duration_since(stage.started_at).as_secs().max(0);
            let words = format!("{} ({seconds} s)", stage.stage.words());
            printer.line(&format!("    {}  {words}", printer.state(state(&stage.state), &stage.state)))?;
        }
    }
    let format = if images.remote.json { "&format=json" } else { "" };
    let log = format!("/images/{}/log?follow={}{format}", encode(&image.key), images.follow);
    let mut body = client.stream(&log).await?.bytes_stream();
    while let Some(bytes) = body.next().await {
        printer.bytes(&bytes.map_err(|error| Failure::unreachable(error.without_url()))?)?;
    }
    Ok(())
}

fn line(image: &ImageView, printer: &mut Printer) -> std::io::Result<()> {
    let now = clock::now();
    let line = format!(
        "{}  {}  {:>8}  {}{}",
        image.key.get(..12).unwrap_or(&image.key),
        printer.state(state(&image.state), &format!("{:<6}", image.state)),
        ago(image.used_at, now),
        image.title,
        if image.trust == "fork" { "  (fork)" } else { "" },
    );
    printer.line(&line)
}

fn state(word: &str) -> State {
    match word {
        "done" => State::Done,
        "failed" => State::Error,
        _ => State::Running,
    }
}
