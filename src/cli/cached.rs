//! `conducto cached`: a node's command between restoring and saving its caches. Started by the worker, in the node itself.
//!
//! What goes wrong with a cache is told and no more: the command runs as it would without one.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, anyhow};
use clap::Args;
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    args::Remote,
    data::{Kind, Local, Place, Source, unnamed},
    failure::Failure,
    place,
};
use crate::{
    data::{self, cache_name},
    model::{Cache, CacheKey},
    worker::Order,
};

#[derive(Args, Debug)]
pub(crate) struct Cached {
    /// What to restore and to save, as JSON
    #[arg(long, value_name = "JSON")]
    order: String,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Exit code when there is no command to run.
const NOT_STARTED: u8 = 127;

/// Runs the command, and what belongs before and after it.
pub(crate) fn run(cached: &Cached) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let order = serde_json::from_str::<Order>(&cached.order).map_err(io::Error::other);
    match runtime.and_then(|runtime| order.map(|order| (runtime, order))) {
        Ok((runtime, order)) => runtime.block_on(around(&order, &cached.command)),
        Err(error) => {
            tracing::error!(%error, "the command cannot be started");
            ExitCode::from(NOT_STARTED)
        }
    }
}

/// One cache of the node.
struct Kept<'a> {
    cache: &'a Cache,
    /// Its name in the store; nothing where it cannot be used.
    object: Option<data::Name>,
    /// Whether it is there already.
    is_there: bool,
}

async fn around(order: &Order, command: &[String]) -> ExitCode {
    let mut notices = Notices(File::options().write(true).open(&order.notices).ok());
    let remote = Remote { server: None, token: None, json: false, config: None };
    let place = Place::find(Kind::User, None, None, &Local::look(), &remote);
    let mut kept: Vec<Kept<'_>> = Vec::new();
    // Until the command begins, a signal ends this process as it would end the command.
    match &place {
        Ok(place) => {
            for cache in &order.caching.caches {
                kept.push(restore(place, cache, &mut notices).await);
            }
        }
        Err(failure) => notices.say(&format!("caches are not used: {:#}", failure.error)),
    }
    // From now on a signal is the command's own business: it gets each of them as well.
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup(), SignalKind::quit()];
    let heard: Vec<_> = kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect();
    let Some((program, arguments)) = command.split_first() else { return ExitCode::from(NOT_STARTED) };
    let ended = tokio::task::spawn_blocking({
        let (program, arguments) = (program.clone(), arguments.to_vec());
        move || Command::new(program).args(arguments).status()
    });
    let status = match ended.await.map_err(io::Error::other).and_then(|status| status) {
        Ok(status) => status,
        Err(error) => {
            notices.say(&format!("the command could not be started: {error}"));
            return ExitCode::from(NOT_STARTED);
        }
    };
    drop(heard);
    if let (true, Ok(place)) = (status.success(), &place) {
        for cache in kept.iter().filter(|cache| !cache.is_there) {
            save(place, cache, order.caching.budget, &mut notices).await;
        }
    }
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Puts a cache in its place, if there is one with this key.
async fn restore<'a>(place: &Place, cache: &'a Cache, notices: &mut Notices) -> Kept<'a> {
    let name = &cache.name;
    let object = match checksum(cache).and_then(|checksum| Ok(cache_name(name, &checksum)?)) {
        Ok(object) => object,
        Err(error) => {
            notices.say(&format!("cache {name}: not used: {error:#}"));
            return Kept { cache, object: None, is_there: true };
        }
    };
    let restored = async {
        let mut archive = unnamed()?;
        if place.read(object.as_str(), None, &mut archive).await?.is_none() {
            return Ok(None);
        }
        place.touch(&object);
        let places: Vec<(String, PathBuf)> =
            cache.paths.iter().enumerate().map(|(at, path)| (at.to_string(), resolved(path))).collect();
        Ok::<_, Failure>(Some(data::unpack(&mut archive, data::Place::Each(&places))?))
    };
    let is_there = match restored.await {
        Ok(Some(bytes)) => {
            notices.say(&format!("cache {name}: restored {}", size(bytes)));
            true
        }
        Ok(None) => {
            notices.say(&format!("cache {name}: there is none for this key yet"));
            false
        }
        Err(failure) => {
            notices.say(&format!("cache {name}: not restored: {:#}", failure.error));
            false
        }
    };
    Kept { cache, object: Some(object), is_there }
}

/// Saves a cache. Of those who do so at once, one wins; all of them were made from the same.
async fn save(place: &Place, kept: &Kept<'_>, budget: u64, notices: &mut Notices) {
    let Some(object) = &kept.object else { return };
    let name = &kept.cache.name;
    let paths: Vec<(String, PathBuf)> =
        kept.cache.paths.iter().enumerate().map(|(at, path)| (at.to_string(), resolved(path))).collect();
    let roots: Vec<(&str, &Path)> = paths
        .iter()
        .filter(|(_, path)| fs::symlink_metadata(path).is_ok())
        .map(|(at, path)| (at.as_str(), path.as_path()))
        .collect();
    if roots.is_empty() {
        return notices.say(&format!("cache {name}: not saved: there is nothing at its paths"));
    }
    let saved = async {
        let mut archive = unnamed()?;
        let mut writer = io::BufWriter::new(&mut archive);
        data::pack(&roots, &mut writer)?;
        writer.flush()?;
        drop(writer);
        archive.rewind()?;
        let bytes = place.write(object.as_str(), Source::File(archive)).await?;
        place.evict(budget, object)?;
        Ok::<_, Failure>(bytes)
    };
    match saved.await {
        Ok(bytes) => notices.say(&format!("cache {name}: saved {}", size(bytes))),
        Err(failure) => notices.say(&format!("cache {name}: not saved: {:#}", failure.error)),
    }
}

/// Returns what stands for all that a cache was made from.
fn checksum(cache: &Cache) -> anyhow::Result<String> {
    let mut sum = Sha256::new();
    let mut add = |kind: &str, text: &[u8]| {
        sum.update(format!("{kind} {} ", text.len()));
        sum.update(text);
    };
    // Another form of archive, other paths: another cache.
    add("form", b"1");
    cache.paths.iter().for_each(|path| add("path", path.as_bytes()));
    match &cache.key {
        CacheKey::Text(text) => add("text", text.as_bytes()),
        CacheKey::Files(files) => {
            for file in files {
                let mut opened = File::open(file).with_context(|| format!("`{file}` of its key cannot be read"))?;
                if !opened.metadata()?.is_file() {
                    return Err(anyhow!("`{file}` of its key is not a file"));
                }
                let content = sum_of(&mut opened).with_context(|| format!("`{file}` of its key cannot be read"))?;
                add("file", file.as_bytes());
                add("content", &content);
            }
        }
    }
    Ok(hex::encode(&sum.finalize()[..16]))
}

fn sum_of(file: &mut File) -> io::Result<[u8; 32]> {
    let mut sum = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(sum.finalize().into()),
            length => sum.update(&buffer[..length]),
        }
    }
}

/// Returns where a path of a cache leads in this node.
fn resolved(path: &str) -> PathBuf {
    let home = || place::environment().get("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let path = match path.strip_prefix("~/") {
        Some(rest) => home().join(rest),
        None => std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path)),
    };
    // Without `.` and slashes at its end: its last part is a name.
    path.components().collect()
}

fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{} {name}", (bytes + unit / 2) / unit),
        None => format!("{bytes} bytes"),
    }
}

/// Where words go that are not the command's.
struct Notices(Option<File>);

impl Notices {
    fn say(&mut self, words: &str) {
        let line = format!("{}\n", words.replace('\n', " "));
        if let Some(Err(error)) = self.0.as_mut().map(|pipe| pipe.write_all(line.as_bytes())) {
            tracing::debug!(%error, "a notice is lost");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(paths: &[&str], key: CacheKey) -> Cache {
        Cache { name: "deps".into(), paths: paths.iter().map(|path| (*path).to_owned()).collect(), key }
    }

    #[test]
    fn a_key_changes_with_all_that_a_cache_is_made_from() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lock").to_str().unwrap().to_owned();
        let of_file = || checksum(&cache(&["a"], CacheKey::Files(vec![file.clone()])));
        assert!(of_file().unwrap_err().to_string().contains("lock` of its key cannot be read"));
        fs::write(&file, "1").unwrap();
        let first = of_file().unwrap();
        assert_eq!(of_file().unwrap(), first);
        fs::write(&file, "2").unwrap();
        assert_ne!(of_file().unwrap(), first);
        let text = |paths: &[&str], text: &str| checksum(&cache(paths, CacheKey::Text(text.into()))).unwrap();
        let sums = [text(&["a"], "v1"), text(&["a"], "v2"), text(&["a", "b"], "v1"), text(&["ab"], "v1"), first];
        assert_eq!(sums.iter().collect::<std::collections::BTreeSet<_>>().len(), sums.len());
    }

    #[test]
    fn sizes_are_told_in_words() {
        let told = [0, 999, 1_499, 12_345_678, 2_500_000_000].map(size);
        assert_eq!(told, ["0 bytes", "999 bytes", "1 kB", "12 MB", "3 GB"]);
    }
}
