//! `conducto restore`: a back-up takes the place of a base directory.

use std::path::PathBuf;

use clap::Args;

use super::{
    backup::explain,
    failure::{Failure, Outcome},
    place,
    printer::Printer,
};
use crate::{
    backup::{self, Restored, Wish},
    clock,
};

#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// The back-up, as `conducto backup` wrote it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The base directory to restore into [default: as in the settings]
    #[arg(long, value_name = "DIR")]
    base_dir: Option<String>,
    /// Move what is there now aside, into a folder `replaced-<time>` in it
    #[arg(long)]
    replace: bool,
    /// Make another server of it: the one it was taken from still runs
    #[arg(long)]
    copy: bool,
    /// Print what was restored as JSON
    #[arg(long)]
    json: bool,
    /// Settings file, to find the base directory
    #[arg(long, value_name = "FILE", hide = true)]
    config: Option<PathBuf>,
}

pub(crate) async fn run(verb: Restore, printer: &mut Printer) -> Outcome {
    let base = place::settings(verb.config.as_deref(), verb.base_dir.as_deref())?.base_dir;
    let wish = Wish { replace: verb.replace, fresh: verb.copy.then(clock::new_uuid) };
    let (file, to) = (verb.file, base.clone());
    let restored = tokio::task::spawn_blocking(move || backup::restore(&file, &to, wish, clock::now()));
    let Restored { manifest, replaced, live } = restored.await.map_err(Failure::new)?.map_err(explain)?;
    if verb.json {
        return Ok(printer.json(&serde_json::json!({
            "base_dir": base, "manifest": manifest, "replaced": replaced, "live_attempts": live,
        }))?);
    }
    printer.line(&format!(
        "restored {} pipelines and {} logs of {} into {}",
        manifest.pipelines,
        manifest.logs,
        manifest.made_at.strftime("%Y-%m-%d %H:%M UTC"),
        base.display()
    ))?;
    if let Some(replaced) = replaced {
        printer.remark(&format!("what was there before is in {}", replaced.display()))?;
    }
    if live > 0 {
        let words = "nodes ran when the back-up was made; the next start ends them as lost, and `conducto reset` runs them again";
        printer.remark(&format!("{live} {words}"))?;
    }
    Ok(())
}
