//! Finds the server on this machine: the base directory, and what a running server has written there.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{args::Remote, failure::Failure};
use crate::settings::{self, Layout, Settings, Sources};

/// What a running server tells the command line, in `<base>/server.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ServerFile {
    /// Where it can be reached on this machine.
    pub(crate) url: String,
    /// Process id.
    pub(crate) pid: u32,
    /// Whether it is there for a `conducto run` only, and gone with it.
    #[serde(default)]
    pub(crate) run: bool,
}

/// The process's environment, read once.
pub(crate) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Reads the settings as the server on this machine would, for verbs that work on its base directory.
pub(crate) fn settings(config: Option<&Path>, base_dir: Option<&str>) -> Result<Settings, Failure> {
    let flags = base_dir.map(|base| ("base_dir", base.to_owned())).into_iter().collect();
    let mut sources = Sources { file: None, environment: environment(), flags };
    sources.file = settings::find_file(config, &sources);
    settings::load(&sources).map_err(|diagnostics| {
        let words = crate::definition::text(&diagnostics, false);
        Failure::usage(anyhow::anyhow!("the settings cannot be read:\n{words}"))
    })
}

/// Returns the layout of the base directory that client verbs look into, made if it is not there yet.
///
/// A client may lack the right to read the server's settings; then the environment alone decides.
pub(crate) fn layout(config: Option<&Path>, environment: &BTreeMap<String, String>) -> Option<Layout> {
    let mut sources = Sources { file: None, environment: environment.clone(), flags: Vec::new() };
    sources.file = settings::find_file(config, &sources);
    let settings: Settings =
        settings::load(&sources).or_else(|_| settings::load(&Sources { file: None, ..sources })).ok()?;
    let layout = Layout::find(&settings.base_dir, &settings.organisation, &settings.user);
    if let Err(error) = layout.create() {
        tracing::debug!(%error, "the base directory cannot be made; a client can do without");
    }
    Some(layout)
}

/// Where to ask, and with what token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) token: Option<String>,
}

/// Decides where to ask. The admin's token of this machine goes to the server of this machine only, never to another address.
pub(crate) fn target(remote: &Remote, layout: Option<&Layout>) -> Option<Target> {
    let local = layout.and_then(|layout| {
        let text = std::fs::read_to_string(layout.server_file()).ok()?;
        let file: ServerFile = serde_json::from_str(&text).ok()?;
        if file.run && !Path::new("/proc").join(file.pid.to_string()).exists() {
            // It was there for a run that was killed.
            return None;
        }
        Some((file.url, layout.admin_token()))
    });
    let asked = remote.server.as_deref().map(|url| url.trim_end_matches('/').to_owned());
    let (url, token_file): (String, Option<PathBuf>) = match (asked, local) {
        (Some(asked), Some((url, file))) if asked == url => (asked, Some(file)),
        (Some(asked), _) => (asked, None),
        (None, Some((url, file))) => (url, Some(file)),
        (None, None) => return None,
    };
    let read = |path: PathBuf| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    Some(Target { url, token: remote.token.clone().or_else(|| token_file.and_then(read)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(server: Option<&str>) -> Remote {
        Remote { server: server.map(Into::into), token: None, json: false, config: None }
    }

    #[test]
    fn the_admin_token_is_sent_to_the_server_of_this_machine_only() {
        let base = tempfile::tempdir().unwrap();
        let layout = Layout::find(base.path(), "acme", "ada");
        assert_eq!(target(&remote(None), Some(&layout)), None);
        std::fs::write(layout.server_file(), r#"{"url": "http://127.0.0.1:8080", "pid": 1}"#).unwrap();
        std::fs::write(layout.admin_token(), "t0ken\n").unwrap();
        let local = Target { url: "http://127.0.0.1:8080".into(), token: Some("t0ken".into()) };
        assert_eq!(target(&remote(None), Some(&layout)), Some(local));
        assert_eq!(target(&remote(Some("http://127.0.0.1:8080/")), Some(&layout)).unwrap().token.unwrap(), "t0ken");
        assert_eq!(target(&remote(Some("https://ci.example.org")), Some(&layout)).unwrap().token, None);
    }
}
