//! The way of a run, from what was typed to the exit code.

use std::{collections::BTreeMap, env, io::IsTerminal as _};

use anyhow::{Context as _, anyhow};
use serde_json::Value;

use super::{
    args::{Run, Ui},
    files::Files,
    follow::{Ended, follow, look, wait_until_removed},
    holder::Holder,
    select,
    signals::Signals,
    teller::{Mode, Teller, Terminal},
    wish::Wish,
};
use crate::{
    cli::{
        client::{encode, encode_node},
        failure::{FAILED, Failure, INTERRUPTED, Outcome, Told, USAGE},
        place,
        printer::Printer,
    },
    clock,
    dispatch::{
        LocalLaunch, LocalRequest,
        view::{PipelineSummary, PipelineView},
    },
    model::{Ending, State},
    present::shell_word,
    settings::{ExecutorChoice, Settings},
};

/// So many earlier pipelines are looked through for the last of the same section.
const LOOKED_THROUGH: u32 = 200;

pub(crate) async fn run(run: Run, printer: &mut Printer) -> Outcome {
    let environment = place::environment();
    let mut signals = Signals::listen()?;
    let settings = settings(&run)?;
    let current = env::current_dir().context("the current folder is gone")?;
    let wish = Wish::read(&run, &current, &settings.user)?;
    if let Some(remark) = wish.remark.as_ref().filter(|_| !run.json && run.ui != Ui::Quiet) {
        printer.remark(remark)?;
    }
    let mut files = match run.watch {
        true => Some(Files::look(wish.request.folder.clone()).await?),
        false => None,
    };
    let mut holder = tokio::select! {
        holder = Holder::find(settings) => holder?,
        () = signals.next() => return Err(interrupted()),
    };
    let outcome = loop {
        let outcome = once(&run, &wish.request, &environment, &mut holder, &mut signals, files.as_mut(), printer).await;
        let Some(files) = &mut files else { break outcome };
        match outcome {
            Ok(Came::Changed) => continue,
            Err(failure) if signals.count > 0 || ![FAILED, USAGE].contains(&failure.code) => break Err(failure),
            Err(failure) if !failure.error.is::<Told>() => printer.failure(&failure)?,
            _ => {}
        }
        if !run.json {
            printer.remark("waiting for a file to change; Ctrl-C ends this")?;
        }
        tokio::select! {
            changed = files.changed() => changed?,
            () = signals.next() => break Err(interrupted()),
        }
    };
    holder.leave().await?;
    outcome.map(drop)
}

enum Came {
    ToItsEnd,
    /// A file changed before.
    Changed,
}

/// Launches what is wanted as the files are now, and watches it to its end.
async fn once(
    run: &Run,
    request: &LocalRequest,
    environment: &BTreeMap<String, String>,
    holder: &mut Holder,
    signals: &mut Signals,
    mut files: Option<&mut Files>,
    printer: &mut Printer,
) -> Result<Came, Failure> {
    let launched = launch(holder, request, run, printer).await?;
    let mut worst: Option<u8> = None;
    for id in &launched.pipelines {
        let mut teller = teller(run, environment, printer);
        let pipeline = look(holder, id).await?;
        teller.begin(&pipeline, launched.changed, printer)?;
        if request.hold {
            begin(run, holder, &pipeline).await?;
        }
        let ended = follow(holder, id, &mut teller, signals, files.as_deref_mut(), printer).await;
        if !matches!(&ended, Err(failure) if failure.code == INTERRUPTED) {
            wait_until_removed(holder, id).await;
        }
        let Ended::Itself(pipeline) = ended? else { return Ok(Came::Changed) };
        let code = match pipeline.summary.ending {
            _ if signals.count > 0 => Some(INTERRUPTED),
            Some(Ending::Done) => None,
            _ => Some(FAILED),
        };
        teller.end(&pipeline, &again(run), code.unwrap_or(0), clock::now(), printer)?;
        worst = worst.max(code);
    }
    match worst {
        None => Ok(Came::ToItsEnd),
        Some(code) => Err(Failure { code, error: Told.into(), help: None }),
    }
}

async fn launch(
    holder: &mut Holder,
    request: &LocalRequest,
    run: &Run,
    printer: &mut Printer,
) -> Result<LocalLaunch, Failure> {
    let body = serde_json::to_value(request).context("the request cannot be written")?;
    let launched: LocalLaunch = loop {
        match holder.client.post("/local/launch", &clock::new_key(), Some(&body)).await {
            Ok(launched) => break launched,
            Err(lost) if lost.code == crate::cli::failure::UNREACHABLE => holder.find_again(lost).await?,
            Err(failure) => return Err(Failure { code: USAGE, ..failure }),
        }
    };
    for line in launched.diagnostics.lines() {
        printer.remark(line)?;
    }
    if launched.pipelines.is_empty() {
        let error = anyhow!("`{}` cannot be run: its files hold mistakes", run.what);
        return Err(Failure::usage(error).help("`conducto check` finds them without running anything"));
    }
    Ok(launched)
}

/// Passes over what is not wanted of a pipeline that waits, and lets it begin.
async fn begin(run: &Run, holder: &mut Holder, pipeline: &PipelineView) -> Outcome {
    let id = encode(&pipeline.summary.id);
    let skipped = if let Some(node) = &run.only {
        select::only(pipeline, node)
    } else if let Some(node) = &run.from {
        select::from(pipeline, node)
    } else {
        earlier(holder, pipeline).await?.map(|earlier| select::not_done(pipeline, &earlier))
    };
    let skipped = match skipped {
        Ok(skipped) => skipped,
        Err(words) => {
            act(holder, &format!("/pipelines/{id}/cancel")).await?;
            return Err(Failure::usage(anyhow!(words)));
        }
    };
    for path in skipped {
        act(holder, &format!("/pipelines/{id}/nodes/{}skip", encode_node(&path))).await?;
    }
    act(holder, &format!("/pipelines/{id}/start")).await
}

async fn act(holder: &mut Holder, path: &str) -> Outcome {
    holder.client.post::<Value>(path, &clock::new_key(), None).await.map(drop)
}

/// Finds the last pipeline of the same section before this one; in words, why there is nothing to be done again.
async fn earlier(holder: &mut Holder, pipeline: &PipelineView) -> Result<Result<PipelineView, String>, Failure> {
    let PipelineSummary { id, repository, section, .. } = &pipeline.summary;
    let path = format!("/pipelines?repository={}&before={}&limit={LOOKED_THROUGH}", encode(repository), encode(id));
    let found: Vec<PipelineSummary> = holder.client.get(&path).await?;
    let Some(last) = found.into_iter().find(|other| other.section == *section && other.finished_at.is_some()) else {
        return Ok(Err(format!("`{section}` of {repository} was not run before")));
    };
    if last.state == State::Done {
        return Ok(Err(format!("nothing failed in {}, the last run of `{section}`", last.id)));
    }
    Ok(Ok(look(holder, &last.id).await?))
}

fn teller(run: &Run, environment: &BTreeMap<String, String>, printer: &Printer) -> Teller {
    let set = |name: &str| environment.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let is_terminal = std::io::stderr().is_terminal() && set("TERM") != Some("dumb") && set("CI") != Some("true");
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| set(name)).unwrap_or("C.UTF-8");
    let is_utf8 = locale.to_ascii_lowercase().replace('-', "").contains("utf8");
    let terminal = Terminal { ink: printer.err_ink(), is_utf8 };
    Teller::new(Mode::of(run.ui, run.json, is_terminal), terminal, run.tail, clock::now())
}

/// Returns the command line that runs the same again.
fn again(run: &Run) -> String {
    let mut words = vec!["conducto run".to_owned()];
    words.extend(run.process.then(|| "--process".to_owned()));
    for (flag, value) in [("--branch", &run.branch), ("--base", &run.base), ("--tag", &run.tag)] {
        words.extend(value.as_ref().map(|value| format!("{flag} {}", shell_word(value))));
    }
    words.extend(run.parameters.iter().map(|(name, value)| format!("-p {}", shell_word(&format!("{name}={value}")))));
    words.push(shell_word(&run.what));
    words.extend(run.arguments.iter().map(|word| shell_word(word)));
    words.join(" ")
}

/// The settings of a server for this run, where the base directory is free.
fn settings(run: &Run) -> Result<Settings, Failure> {
    let mut settings = alone(place::settings(run.config.as_deref(), run.base_dir.as_deref())?);
    if run.process {
        settings.executor = ExecutorChoice::Process;
    } else if run.docker {
        settings.executor = ExecutorChoice::Docker;
    }
    Ok(settings)
}

/// Makes the settings those of a server that is there for one command line, on its own machine.
pub(super) fn alone(mut settings: Settings) -> Settings {
    settings.listen = ([127, 0, 0, 1], 0).into();
    settings.public_url = None;
    settings.allow_process = true;
    // There is no next pipeline.
    settings.containers.spare = false;
    settings
}

fn interrupted() -> Failure {
    Failure { code: INTERRUPTED, error: anyhow!("interrupted"), help: None }
}
