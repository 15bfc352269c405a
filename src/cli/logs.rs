//! `conducto logs`: what a node printed, byte for byte.

use clap::{Args, ValueEnum};
use futures_util::StreamExt as _;

use super::{
    args::Remote,
    client::{Client, encode, encode_node},
    failure::{Failure, Outcome},
    printer::Printer,
};

#[derive(Args, Debug)]
pub(crate) struct Logs {
    /// The pipeline, as in abc-def
    #[arg(value_name = "PIPELINE")]
    id: String,
    /// The node, as in /checks/unit
    #[arg(value_name = "NODE")]
    node: String,
    /// Go on printing until the attempt has ended
    #[arg(long, short)]
    follow: bool,
    /// Only this stream: stdout, stderr, notice (Conducto's own words)
    #[arg(long, value_name = "STREAM", hide_possible_values = true)]
    stream: Option<StreamName>,
    /// Another attempt than the last
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
    #[command(flatten)]
    pub(super) remote: Remote,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StreamName {
    Stdout,
    Stderr,
    Notice,
}

pub(crate) async fn run(logs: Logs, printer: &mut Printer) -> Outcome {
    let mut query = vec![format!("follow={}", logs.follow)];
    if let Some(stream) = logs.stream {
        let name = match stream {
            StreamName::Stdout => "stdout",
            StreamName::Stderr => "stderr",
            StreamName::Notice => "notice",
        };
        query.push(format!("stream={name}"));
    }
    if let Some(attempt) = logs.attempt {
        query.push(format!("attempt={attempt}"));
    }
    if logs.remote.json {
        query.push("format=json".to_owned());
    }
    let path = format!("/pipelines/{}/nodes/{}log?{}", encode(&logs.id), encode_node(&logs.node), query.join("&"));
    let mut body = Client::new(&logs.remote)?.stream(&path).await?.bytes_stream();
    while let Some(bytes) = body.next().await {
        printer.bytes(&bytes.map_err(|error| Failure::unreachable(error.without_url()))?)?;
    }
    Ok(())
}
