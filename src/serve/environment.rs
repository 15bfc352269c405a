//! What plain processes see of the environment of the process that starts them. Knows no node.

use std::{ffi::OsString, path::PathBuf};

use super::Purpose;

/// What says nothing about who starts them.
const ALWAYS: [&str; 8] = ["PATH", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Where tools are that people have installed for themselves, with the folder in their home where that is if nothing is said.
/// Nodes have a home of their own, in which no tool finds them.
const TOOLS: [(&str, &str); 6] = [
    ("CARGO_HOME", ".cargo"),
    ("RUSTUP_HOME", ".rustup"),
    ("PYENV_ROOT", ".pyenv"),
    ("NVM_DIR", ".nvm"),
    ("GOPATH", "go"),
    ("PUB_CACHE", ".pub-cache"),
];

/// How this machine reaches others.
const NETWORK: [&str; 6] = ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

/// Chooses. On somebody's own machine nodes find the tools that are installed there; a server hands on nothing of that kind.
pub(super) fn of_processes(
    purpose: Purpose,
    all: impl Iterator<Item = (OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    let all: Vec<(OsString, OsString)> = all.collect();
    let is_run = purpose == Purpose::Run;
    let tools = TOOLS.map(|(name, _)| name);
    let is_known = |name: &OsString| {
        let among = |names: &[&str]| names.iter().any(|known| name == known);
        among(&ALWAYS) || is_run && (among(&tools) || among(&NETWORK))
    };
    let mut chosen: Vec<_> = all.iter().filter(|(name, _)| is_known(name)).cloned().collect();
    let home = all.iter().find(|(name, _)| name == "HOME").map(|(_, home)| PathBuf::from(home));
    if let Some(home) = home.filter(|_| is_run) {
        for (name, folder) in TOOLS {
            let place = home.join(folder);
            if chosen.iter().all(|(known, _)| known != name) && place.is_dir() {
                chosen.push((name.into(), place.into()));
            }
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_of_a_person_are_found_by_a_run_and_not_by_a_server() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".rustup")).unwrap();
        let all = || {
            let home = home.path().as_os_str().to_owned();
            let pairs =
                [("PATH", "/bin".into()), ("HOME", home), ("CARGO_HOME", "/c".into()), ("TOKEN", "secret".into())];
            pairs.map(|(name, value)| (OsString::from(name), value)).into_iter()
        };
        let names = |purpose| -> Vec<_> {
            of_processes(purpose, all()).into_iter().map(|(name, _)| name.into_string().unwrap()).collect()
        };
        assert_eq!(names(Purpose::Service), ["PATH"]);
        assert_eq!(names(Purpose::Run), ["PATH", "CARGO_HOME", "RUSTUP_HOME"]);
    }
}
