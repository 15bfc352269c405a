//! `conducto edit`: change a node of a pipeline that exists already, and run it again where that is wanted.

use std::{io::Read as _, path::PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{ArgGroup, Args};
use serde_json::{Map, Value, json};

use super::{
    act::{NodeTarget, on_node},
    failure::{Failure, Outcome},
    printer::Printer,
};

#[derive(Args, Debug)]
#[command(override_usage = "conducto edit [OPTIONS] <PIPELINE> <NODE>", group = ArgGroup::new("change").required(true).multiple(true)
    .args(["command", "command_file", "env", "unset", "cpu", "mem", "image"]))]
pub(crate) struct Edit {
    /// Shell script to run instead
    #[arg(long, value_name = "TEXT", conflicts_with = "command_file")]
    command: Option<String>,
    /// The same from a file, - for standard input
    #[arg(long, value_name = "FILE")]
    command_file: Option<PathBuf>,
    /// Set a variable; may be given more than once
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Take a variable away that the node itself sets
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    /// Processors
    #[arg(long, value_name = "N")]
    cpu: Option<f64>,
    /// Memory in GiB
    #[arg(long, value_name = "GIB")]
    mem: Option<f64>,
    /// Container image
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Run the node and all below it again with the change
    #[arg(long)]
    rerun: bool,
    #[command(flatten)]
    target: NodeTarget,
}

pub(crate) async fn run(edit: Edit, printer: &mut Printer) -> Outcome {
    let body = body(&edit)?;
    on_node("edit", &edit.target, Some(&body), printer, |receipt| match receipt.reruns {
        0 => format!("{} is changed; its next attempt sees it", edit.target.words()),
        _ => format!("{} is changed: {}{}", edit.target.words(), receipt.again(), receipt.ended()),
    })
    .await
}

fn body(edit: &Edit) -> Result<Value, Failure> {
    let command = match &edit.command_file {
        Some(file) => Some(read(file)?),
        None => edit.command.clone(),
    };
    if let Some((name, _)) = edit.env.iter().find(|(name, _)| edit.unset.contains(name)) {
        return Err(Failure::usage(anyhow!("`{name}` cannot be set and taken away at once")));
    }
    let set = edit.env.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    let unset = edit.unset.iter().map(|name| (name.clone(), Value::Null));
    let env: Map<String, Value> = set.chain(unset).collect();
    Ok(json!({
        "command": command, "env": env, "cpu": edit.cpu, "mem": edit.mem, "image": edit.image, "rerun": edit.rerun,
    }))
}

fn read(file: &PathBuf) -> Result<String, Failure> {
    let read = || {
        if file.as_os_str() != "-" {
            return std::fs::read_to_string(file);
        }
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        Ok(text)
    };
    read().with_context(|| format!("cannot read {}", file.display())).map_err(Failure::usage)
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}
