//! `conducto launch`: start a section of a repository by hand, with its parameters.

use anyhow::anyhow;
use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    args::Remote,
    client::{Client, encode},
    failure::{Failure, Outcome},
    printer::Printer,
};
use crate::{clock, dispatch::view::DeliveryView};

#[derive(Args, Debug)]
pub(crate) struct Launch {
    /// The repository, as in acme/shop
    #[arg(value_name = "OWNER/REPO", value_parser = repository)]
    repository: (String, String),
    /// The section of its conducto.cfg, as in manual.deploy
    #[arg(value_name = "SECTION")]
    section: String,
    /// Branch whose tip is run [default: the default branch]
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    /// Give a parameter; may be given more than once
    #[arg(long = "param", short = 'p', value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(launch: Launch, printer: &mut Printer) -> Outcome {
    let Launch { repository: (owner, name), section, branch, parameters, remote } = launch;
    let mut given = Map::new();
    for (name, value) in parameters {
        if given.insert(name.clone(), Value::from(value)).is_some() {
            return Err(Failure::usage(anyhow!("parameter `{name}` is given twice")));
        }
    }
    let body = json!({"section": section, "branch": branch, "parameters": given});
    let path = format!("/repositories/{}/{}/launch", encode(&owner), encode(&name));
    let answer: Value = Client::new(&remote)?.post(&path, &clock::new_key(), Some(&body)).await?;
    let delivery: DeliveryView = serde_json::from_value(answer.clone()).map_err(anyhow::Error::new)?;
    if remote.json {
        printer.json(&answer)?;
    }
    match (delivery.pipelines.as_slice(), delivery.state.as_str()) {
        ([], "new") => {
            let words = format!("asked for {section}; nothing has become of it yet: conducto deliveries shows it");
            if remote.json { Ok(()) } else { Ok(printer.line(&words)?) }
        }
        ([], _) => {
            for line in delivery.diagnostics.lines() {
                printer.remark(line)?;
            }
            Err(Failure::new(anyhow!(delivery.verdict.unwrap_or_else(|| "nothing was started".to_owned()))))
        }
        (pipelines, _) if !remote.json => Ok(printer.line(&format!("started {}", pipelines.join(", ")))?),
        _ => Ok(()),
    }
}

fn repository(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((owner, name)) if !owner.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((owner.to_owned(), name.to_owned()))
        }
        _ => Err("expected OWNER/REPO".to_owned()),
    }
}

/// Reads NAME=VALUE; the value may be empty and hold anything.
pub(super) fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}
