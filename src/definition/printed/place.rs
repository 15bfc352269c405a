//! Paths as a serialization has them (`compat.md` §3.6, §3.7): of the machine or container in which a pipeline was printed. Knows
//! which of them lie in the commit, and what they are in a node's container.
//!
//! A path is a list of names, and of *marks* that say: here is the root of a repository, or of a share. Only what lies in the
//! commit is ever used (`decisions.md` 24).

use serde::Deserialize;
use serde_json::Value;

/// Where nodes find their working copy.
pub(super) const WORK: &str = "/mnt/conducto";

const BEGIN: &str = "__conducto_path:";
const END: &str = ":endpath__";

/// A path of the machine on which the pipeline was printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Name(String),
    Mark(Value),
}

#[derive(Deserialize)]
struct Written {
    path: Vec<Value>,
}

impl Path {
    /// Reads a path object, or a text: absolute, or relative to a folder.
    pub(super) fn of(value: &Value, folder: Option<&str>) -> Result<Self, String> {
        match value {
            Value::String(text) if text.starts_with('/') => Ok(Self::of_text(text)),
            Value::String(text) => match folder {
                Some(folder) => Ok(Self::of_text(&format!("{folder}/{text}"))),
                None => Err(format!("`{text}` is a relative path, and it is not said of what folder")),
            },
            _ => {
                let written = Written::deserialize(value).map_err(|error| format!("is no path: {error}"))?;
                let part = |part| match part {
                    Value::String(name) => Ok(Part::Name(name)),
                    Value::Object(_) => Ok(Part::Mark(part)),
                    other => Err(format!("`{other}` is no part of a path")),
                };
                Ok(Self(written.path.into_iter().map(part).collect::<Result<_, _>>()?))
            }
        }
    }

    /// Reads the linear form: JSON in a text.
    pub(super) fn of_linear(text: &str, folder: Option<&str>) -> Result<Self, String> {
        match serde_json::from_str(text) {
            Ok(value @ Value::Object(_)) => Self::of(&value, folder),
            _ => Self::of(&Value::String(text.to_owned()), folder),
        }
    }

    fn of_text(text: &str) -> Self {
        Self(text.split('/').filter(|name| !name.is_empty()).map(|name| Part::Name(name.to_owned())).collect())
    }

    /// Returns the path as people write it.
    pub(super) fn shown(&self) -> String {
        self.names().iter().fold(String::new(), |shown, name| format!("{shown}/{name}"))
    }

    fn names(&self) -> Vec<&str> {
        names(&self.0)
    }

    /// Says whether it is the folder of a file, written without the marks that the file's path has: so old clients write it where
    /// they print in a container.
    pub(super) fn is_bare_folder_of(&self, file: &Self) -> bool {
        let is_bare = self.0.iter().all(|part| matches!(part, Part::Name(_)));
        is_bare && file.names().split_last().is_some_and(|(_, above)| above == self.names())
    }

    /// Returns where in the commit it lies, without a slash at either end; empty for the root.
    pub(super) fn in_commit(&self) -> Result<String, String> {
        let outside = || format!("`{}` does not lie in the repository", self.shown());
        let mark = self.0.iter().rposition(|part| matches!(part, Part::Mark(_)));
        let below = match mark {
            Some(at) if is_git(&self.0[at]) => names(&self.0[at + 1..]),
            Some(_) => return Err(format!("`{}` lies in a share, which a server does not have", self.shown())),
            None => {
                let work: Vec<_> = WORK.split('/').filter(|name| !name.is_empty()).collect();
                self.names().strip_prefix(work.as_slice()).ok_or_else(outside)?.to_vec()
            }
        };
        let mut clean: Vec<&str> = Vec::new();
        for name in below {
            match name {
                "." | "" => {}
                ".." => drop(clean.pop().ok_or_else(outside)?),
                name if name.contains(['/', '\0']) => return Err(outside()),
                name => clean.push(name),
            }
        }
        Ok(clean.join("/"))
    }

    /// Returns what follows a folder, if it lies below that: compared from the last mark that both have.
    fn below<'s>(&'s self, folder: &'s Self) -> Option<Vec<&'s str>> {
        let shared = self.0.iter().rposition(|part| matches!(part, Part::Mark(_)) && folder.0.contains(part));
        let (own, other) = match shared {
            Some(at) => {
                let there = folder.0.iter().rposition(|part| *part == self.0[at])?;
                (&self.0[at + 1..], &folder.0[there + 1..])
            }
            // One of them may say more of the same repository than the other.
            None => (&self.0[..], &folder.0[..]),
        };
        Some(names(own).strip_prefix(names(other).as_slice())?.to_vec())
    }
}

fn names(parts: &[Part]) -> Vec<&str> {
    parts.iter().filter_map(Part::name).collect()
}

impl Part {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Mark(_) => None,
        }
    }
}

fn is_git(part: &Part) -> bool {
    matches!(part, Part::Mark(mark) if mark.get("type").and_then(Value::as_str) == Some("git"))
}

/// What lies where in the containers of an image, in the order in which it is asked.
#[derive(Clone, Debug, Default)]
pub(super) struct PathMap {
    pub(super) folders: Vec<(Path, String)>,
    /// Whether nodes begin elsewhere than in their working copy, so that nothing is named from there.
    pub(super) is_absolute: bool,
}

impl PathMap {
    /// Puts paths of the container in the place of those that a command names.
    pub(super) fn expand(&self, command: &str) -> Result<String, String> {
        let mut done = String::with_capacity(command.len());
        let mut rest = command;
        while let Some((before, after)) = rest.split_once(BEGIN) {
            let Some((linear, after)) = after.split_once(END) else { break };
            done.push_str(before);
            let path = Path::of_linear(linear, None).map_err(|bad| format!("its command names a path that {bad}"))?;
            done.push_str(&self.inside(&path)?);
            rest = after;
        }
        done.push_str(rest);
        Ok(done)
    }

    fn inside(&self, path: &Path) -> Result<String, String> {
        let found = self.folders.iter().find_map(|(folder, inside)| Some((path.below(folder)?, inside)));
        let Some((below, inside)) = found else {
            return Err(format!(
                "its command names `{}`, which its image does not have; give the image copy_dir, copy_repo or a path_map",
                path.shown()
            ));
        };
        let whole = below.iter().fold(inside.trim_end_matches('/').to_owned(), |whole, name| format!("{whole}/{name}"));
        // What lies in the working copy is named from there, wherever that is.
        let shown = match whole.strip_prefix(WORK).filter(|_| !self.is_absolute) {
            Some("") => ".",
            Some(relative) if relative.starts_with('/') => &relative[1..],
            _ => &whole,
        };
        shlex::try_quote(shown).map(Into::into).map_err(|_| "its command names a path with a null character".to_owned())
    }
}
