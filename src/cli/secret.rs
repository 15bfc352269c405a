//! `conducto secret`: what nodes get as secret variables. Values go to the server and never come back.

use std::{
    io::{BufRead as _, IsTerminal as _, Read as _},
    path::PathBuf,
};

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use reqwest::Method;
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};
use serde_json::json;

use super::{
    args::Remote,
    client::{Client, encode},
    failure::{Failure, Outcome},
    printer::Printer,
};
use crate::{
    clock,
    dispatch::{Rotated, view::SecretView},
    model::{LARGEST_SECRET, check_secret_name, check_secret_value},
};

#[derive(Args, Debug)]
pub(crate) struct Secret {
    #[command(subcommand)]
    verb: SecretVerb,
}

#[derive(Debug, Subcommand)]
enum SecretVerb {
    /// Set a secret; the value comes from standard input, a file, or a prompt
    Set(Set),
    /// List secrets: names, whose they are, who set them and when
    List(List),
    /// Delete a secret
    Delete(Delete),
    /// Make a new key and seal all secrets with it
    Rotate(Rotate),
}

/// Whose a secret is.
#[derive(Args, Debug)]
struct Whose {
    /// Only for pipelines of this repository
    #[arg(long, value_name = "OWNER/NAME", conflicts_with_all = ["user", "org"])]
    repository: Option<String>,
    /// Only for pipelines of this user
    #[arg(long, value_name = "LOGIN", conflicts_with = "org")]
    user: Option<String>,
    /// For all pipelines of the organisation [default]
    #[arg(long)]
    org: bool,
}

#[derive(Args, Debug)]
struct Set {
    /// Name of the secret, and of the variable in nodes
    name: String,
    #[command(flatten)]
    whose: Whose,
    /// Take the value from a file, byte for byte
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// Do not mask the value in logs
    #[arg(long)]
    no_mask: bool,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args, Debug)]
struct List {
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args, Debug)]
struct Delete {
    /// Name of the secret
    name: String,
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Args, Debug)]
struct Rotate {
    /// Remove older keys afterwards; back-ups made before cannot show their secrets any more
    #[arg(long)]
    drop_old: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(secret: Secret, printer: &mut Printer) -> Outcome {
    match secret.verb {
        SecretVerb::Set(verb) => set(verb, printer).await,
        SecretVerb::List(verb) => list(verb, printer).await,
        SecretVerb::Delete(verb) => delete(verb, printer).await,
        SecretVerb::Rotate(verb) => rotate(verb, printer).await,
    }
}

async fn set(verb: Set, printer: &mut Printer) -> Outcome {
    let usage = |words: String| Failure::usage(anyhow!(words));
    check_secret_name(&verb.name).map_err(usage)?;
    let value = value(&verb, printer)?;
    check_secret_value(value.expose_secret()).map_err(usage)?;
    let client = Client::new(&verb.remote)?;
    let body = json!({ "value": value.expose_secret(), "mask": !verb.no_mask });
    let set: SecretView = client.ask(Method::PUT, &address(&verb.name, &verb.whose), Some(&body)).await?;
    if verb.remote.json {
        return Ok(printer.json(&set)?);
    }
    Ok(printer.remark(&format!("`{}` is set for {}", set.name, whose(&set)))?)
}

async fn list(verb: List, printer: &mut Printer) -> Outcome {
    let secrets: Vec<SecretView> = Client::new(&verb.remote)?.get("/secrets").await?;
    if verb.remote.json {
        return Ok(printer.json(&secrets)?);
    }
    if secrets.is_empty() {
        return Ok(printer.remark("no secrets; `conducto secret set NAME` makes one")?);
    }
    for secret in &secrets {
        let note = if secret.mask { "" } else { "  not masked" };
        let (name, whose, by) = (&secret.name, whose(secret), &secret.set_by);
        printer.line(&format!("{name:<28} {whose:<32} {}  {by}{note}", secret.set_at.strftime("%Y-%m-%d %H:%M")))?;
    }
    Ok(())
}

async fn delete(verb: Delete, printer: &mut Printer) -> Outcome {
    Client::new(&verb.remote)?.delete(&address(&verb.name, &verb.whose)).await?;
    Ok(printer.remark(&format!("`{}` is deleted", verb.name))?)
}

async fn rotate(verb: Rotate, printer: &mut Printer) -> Outcome {
    let path = format!("/secrets/rotate?drop_old={}", verb.drop_old);
    let rotated: Rotated = Client::new(&verb.remote)?.post(&path, &clock::new_key(), None).await?;
    if verb.remote.json {
        return Ok(printer.json(&rotated)?);
    }
    let Rotated { key_version, resealed, dropped_keys } = rotated;
    printer.remark(&format!("{resealed} secrets are sealed with version {key_version} of the key now"))?;
    if dropped_keys > 0 {
        printer.remark(&format!("{dropped_keys} older keys are gone: back-ups made before need a copy of theirs"))?;
    }
    Ok(())
}

fn whose(secret: &SecretView) -> String {
    secret
        .subject
        .as_ref()
        .map_or_else(|| "the organisation".to_owned(), |subject| format!("{} {subject}", secret.scope))
}

fn address(name: &str, whose: &Whose) -> String {
    let query = match (&whose.repository, &whose.user) {
        (Some(repository), _) => format!("?repository={}", encode(repository)),
        (None, Some(login)) => format!("?user={}", encode(login)),
        (None, None) => String::new(),
    };
    format!("/secrets/{}{query}", encode(name))
}

/// Takes the value from where it is. An argument would be seen by everybody on the machine, and kept by the shell.
fn value(verb: &Set, printer: &mut Printer) -> Result<SecretString, Failure> {
    if let Some(path) = &verb.from_file {
        let opened = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()));
        return text(opened.map_err(Failure::usage)?, &path.display().to_string());
    }
    let input = std::io::stdin();
    if input.is_terminal() {
        printer.remark(&format!("value of {} (it is not shown; end with Enter):", verb.name))?;
        return prompt().context("cannot ask for the value").map_err(Failure::new);
    }
    let piped = text(input.lock(), "standard input")?;
    // `echo` adds one.
    let value = piped.expose_secret();
    Ok(value.strip_suffix('\n').map_or(value, |line| line.strip_suffix('\r').unwrap_or(line)).into())
}

fn text(from: impl std::io::Read, name: &str) -> Result<SecretString, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    // A little more tells too large a value from one that just fits with its line end.
    let limit = LARGEST_SECRET as u64 + 3;
    from.take(limit).read_to_end(&mut bytes).with_context(|| format!("cannot read {name}")).map_err(Failure::usage)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        Failure::usage(anyhow!("{name} is not text in UTF-8")).help("encode it, for example with `base64`")
    })?;
    Ok(text.into())
}

/// Reads a line from the terminal while it shows nothing.
fn prompt() -> anyhow::Result<SecretString> {
    let input = std::io::stdin();
    let before = tcgetattr(&input)?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    silent.local_flags.insert(LocalFlags::ECHONL);
    tcsetattr(&input, SetArg::TCSAFLUSH, &silent)?;
    let mut line = Zeroizing::new(String::new());
    let read = input.lock().read_line(&mut line);
    tcsetattr(&input, SetArg::TCSANOW, &before)?;
    read?;
    Ok(line.trim_end_matches(['\n', '\r']).into())
}
