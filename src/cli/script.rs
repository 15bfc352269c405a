//! `conducto file.py function --argument=value`: what native functions of the Python package run in containers. The package
//! does it; this finds an interpreter for it.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::failure::{Failure, USAGE};

/// In the order in which they are preferred.
const INTERPRETERS: [&str; 2] = ["python3", "python"];

/// Returns the arguments of this process if the first is a program in Python.
pub(super) fn asked(mut arguments: env::ArgsOs) -> Option<Vec<OsString>> {
    let given: Vec<OsString> = arguments.by_ref().skip(1).collect();
    let is_python = Path::new(given.first()?).extension() == Some(OsStr::new("py"));
    is_python.then_some(given)
}

/// Becomes the interpreter; comes back only when that fails.
pub(super) fn run(arguments: &[OsString]) -> Failure {
    for name in INTERPRETERS {
        let mut command = Command::new(name);
        command.args(["-m", "conducto"]).args(arguments);
        if let Some(path) = package() {
            let own = env::var_os("PYTHONPATH").filter(|own| !own.is_empty());
            let mut all: Vec<PathBuf> = own.iter().flat_map(env::split_paths).collect();
            if !all.contains(&path) {
                all.push(path);
            }
            if let Ok(all) = env::join_paths(all) {
                command.env("PYTHONPATH", all);
            }
        }
        let error = command.exec();
        if error.kind() != io::ErrorKind::NotFound {
            return Failure::usage(anyhow::Error::new(error).context(format!("cannot start {name}")));
        }
    }
    let file = arguments.first().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
    let error = anyhow::anyhow!("{file} is a program in Python, and there is no python3 here");
    let help = Some("choose an image with Python, such as python:3.12-slim".to_owned());
    Failure { code: USAGE, error, help }
}

/// Where the package lies beside this binary, if it does.
fn package() -> Option<PathBuf> {
    let package = env::current_exe().ok()?.parent()?.join("sdk");
    package.exists().then_some(package)
}
