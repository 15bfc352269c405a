//! From what was typed to what is asked for: a section, a definition file or a program. Starts nothing.

use std::path::{Component, Path};

use anyhow::anyhow;
use serde_json::Value;

use super::args::Run;
use crate::{
    cli::{failure::Failure, init},
    definition,
    dispatch::LocalRequest,
    git::{self, WorkingCopy},
    present::shell_word,
};

/// Image of a program in Python that names none.
const PYTHON: &str = "python:3.12-slim";

/// The names of the file that says which events run what.
const CFGS: [&str; 2] = ["conducto.cfg", ".conducto.cfg"];

/// What is asked for, and what is to be said of it.
pub(super) struct Wish {
    pub(super) request: LocalRequest,
    pub(super) remark: Option<String>,
}

impl Wish {
    /// Reads the arguments; `current` is the folder they were typed in.
    pub(super) fn read(run: &Run, current: &Path, user: &str) -> Result<Self, Failure> {
        let copy = git::working_copy(current).map_err(|error| {
            Failure::usage(error).help("`conducto run` runs what lies in a git repository; `git init` makes one")
        })?;
        let mut request = LocalRequest {
            folder: copy.root.clone(),
            section: "push".to_owned(),
            branch: run.branch.clone(),
            base: run.base.clone(),
            tag: run.tag.clone(),
            image: run.image.clone(),
            user: user.to_owned(),
            executor: match (run.process, run.docker) {
                (true, _) => Some("process".to_owned()),
                (_, true) => Some("docker".to_owned()),
                _ => None,
            },
            hold: run.only.is_some() || run.from.is_some() || run.rerun_failed,
            ..LocalRequest::default()
        };
        for (name, value) in &run.parameters {
            if request.parameters.insert(name.clone(), Value::from(value.as_str())).is_some() {
                return Err(Failure::usage(anyhow!("parameter `{name}` is given twice")));
            }
        }
        let mut remark = None;
        match Path::new(&run.what).extension().and_then(|extension| extension.to_str()) {
            Some("py") => {
                let file = inside(&run.what, current, &copy)?;
                request.cfg = Some(program(&file, &run.arguments));
                request.image = request.image.or_else(|| Some(PYTHON.to_owned()));
            }
            _ if !run.arguments.is_empty() => {
                let help = "only a program in Python is given arguments: conducto run FILE.py FUNCTION …";
                return Err(Failure::usage(anyhow!("`{}` takes no arguments", run.what)).help(help));
            }
            Some("toml" | "json") => {
                let file = inside(&run.what, current, &copy)?;
                request.cfg = Some(format!("[push]\npipeline = {}\n", quoted(&file)));
            }
            _ => {
                request.section.clone_from(&run.what);
                if !CFGS.iter().any(|name| copy.root.join(name).exists()) {
                    remark = Some(begin_without(&mut request, &copy)?);
                }
            }
        }
        Ok(Self { request, remark })
    }
}

/// Runs what `conducto init` would write, without writing it.
fn begin_without(request: &mut LocalRequest, copy: &WorkingCopy) -> Result<String, Failure> {
    let starter = init::Starter::of(&copy.root);
    let found = starter.found();
    request.cfg = Some(starter.cfg.clone());
    request.files = starter.files().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
    Ok(format!("there is no conducto.cfg here; this is what `conducto init` would write for {found}"))
}

/// A section whose script is the program; braces in it are meant as they are.
fn program(file: &str, arguments: &[String]) -> String {
    let words: Vec<String> =
        std::iter::once(file).chain(arguments.iter().map(String::as_str)).map(shell_word).collect();
    let script = format!("conducto {}", words.join(" ")).replace('{', "{{").replace('}', "}}");
    format!("[push]\ncommand = {}\n", quoted(&script))
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Returns the path of a file from the root of the repository.
fn inside(file: &str, current: &Path, copy: &WorkingCopy) -> Result<String, Failure> {
    let missing = |error: std::io::Error| Failure::usage(anyhow!("cannot read {file}: {error}"));
    let path = current.join(file).canonicalize().map_err(missing)?;
    let Ok(inside) = path.strip_prefix(&copy.root) else {
        let help = format!("a run sees what lies in {}", copy.root.display());
        return Err(Failure::usage(anyhow!("{file} is not in this repository")).help(help));
    };
    let parts = inside.components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    Ok(parts.collect::<Vec<_>>().join("/"))
}

/// Returns the name that was probably meant, of those there are.
pub(super) fn meant<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> String {
    definition::nearest(name, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}
