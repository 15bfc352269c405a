//! Profiles on the disk: `<base>/config` names the default one, `<base>/<id>/config` says where its server is and who asks there.
//! Keeps what it does not know.

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use crate::layout::profile_id;

/// The address that stands for no server.
pub(super) const LOCAL: &str = "local";

/// One profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) id: String,
    /// Address of its server, or `local`.
    pub(crate) url: String,
    pub(crate) organisation: String,
    pub(crate) email: String,
    pub(crate) token: Option<String>,
    pub(crate) is_default: bool,
}

/// All profiles of a base directory.
#[derive(Clone, Debug)]
pub(crate) struct Profiles {
    base: PathBuf,
}

impl Profiles {
    pub(crate) fn of(base: &Path) -> Self {
        Self { base: base.to_owned() }
    }

    /// Lists them by their ids. A folder counts as one if it holds a file `config`.
    pub(crate) fn list(&self) -> Vec<Known> {
        let default = self.default();
        let entries = fs::read_dir(&self.base).into_iter().flatten().flatten();
        let mut known: Vec<Known> = entries
            .filter_map(|entry| {
                let id = entry.file_name().into_string().ok()?;
                let text = fs::read_to_string(entry.path().join("config")).ok()?;
                let value = |key: &str| value(&text, key).unwrap_or_default().to_owned();
                Some(Known {
                    url: value("url"),
                    organisation: value("org_id"),
                    email: value("email"),
                    token: Some(value("token")).filter(|token| !token.is_empty()),
                    is_default: default.as_ref() == Some(&id),
                    id,
                })
            })
            .collect();
        known.sort_by(|one, other| one.id.cmp(&other.id));
        known
    }

    /// Returns the server of the default profile, and the token for it; nothing where that is this machine.
    pub(crate) fn server(&self) -> Option<(String, Option<String>)> {
        let known = self.list().into_iter().find(|known| known.is_default)?;
        known.url.starts_with("http").then_some((known.url, known.token))
    }

    fn default(&self) -> Option<String> {
        let text = fs::read_to_string(self.base.join("config")).ok()?;
        value(&text, "default").map(str::to_owned)
    }

    /// Writes one down. One with the same address, organisation and e-mail is written over.
    pub(super) fn add(&self, url: &str, organisation: &str, email: &str, token: Option<&str>) -> io::Result<Known> {
        let id = profile_id(url, organisation, email);
        let file = self.base.join(&id).join("config");
        fs::create_dir_all(self.base.join(&id).join("data"))?;
        let mut text = fs::read_to_string(&file).unwrap_or_default();
        let pairs = [("url", Some(url)), ("org_id", Some(organisation)), ("email", Some(email)), ("token", token)];
        for (key, new) in pairs {
            if let Some(new) = new {
                text = with_value(&text, key, new);
            }
        }
        write(&file, &text)?;
        let (url, organisation, email) = (url.to_owned(), organisation.to_owned(), email.to_owned());
        Ok(Known { id, url, organisation, email, token: token.map(str::to_owned), is_default: false })
    }

    /// Makes one the default.
    pub(super) fn set_default(&self, id: &str) -> io::Result<()> {
        let file = self.base.join("config");
        let text = fs::read_to_string(&file).unwrap_or_default();
        write(&file, &with_value(&text, "default", id))
    }

    /// Says whether it holds anything beside its configuration.
    pub(super) fn holds_data(&self, id: &str) -> bool {
        let is_filled =
            |name: &str| fs::read_dir(self.base.join(id).join(name)).is_ok_and(|mut entries| entries.next().is_some());
        is_filled("data") || is_filled("pipelines")
    }

    /// Removes one with everything in it.
    pub(super) fn remove(&self, id: &str) -> io::Result<()> {
        fs::remove_dir_all(self.base.join(id))
    }
}

/// Returns what a key of the section `[general]` is set to.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    general(text).find_map(|line| assigned(line, key))
}

fn general(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim).skip_while(|line| *line != "[general]").skip(1);
    lines.take_while(|line| !line.starts_with('['))
}

fn assigned<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    Some(line.trim().strip_prefix(key)?.trim_start().strip_prefix('=')?.trim())
}

/// Sets a key of the section `[general]`; everything else stays.
fn with_value(text: &str, key: &str, value: &str) -> String {
    let new = format!("{key} = {value}");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let head = lines.iter().position(|line| line.trim() == "[general]").unwrap_or_else(|| {
        lines.insert(0, "[general]".to_owned());
        0
    });
    let end = (head + 1..lines.len()).find(|at| lines[*at].trim().starts_with('[')).unwrap_or(lines.len());
    match (head + 1..end).find(|at| assigned(&lines[*at], key).is_some()) {
        Some(at) => lines[at] = new,
        None => lines.insert(end, new),
    }
    lines.join("\n") + "\n"
}

/// Writes a file whole or not at all; it may hold a token.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let draft = file.with_extension(format!("new-{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    let mut opened = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    io::Write::write_all(&mut opened, text.as_bytes())?;
    opened.sync_all()?;
    fs::rename(&draft, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_set_in_their_section_and_everything_else_stays() {
        let text = "[dev]\nwho = me\n[general]\ndefault=one\nshow_app = true\n[shares]\ndefault = x\n";
        assert_eq!(value(text, "default"), Some("one"));
        let new = with_value(text, "default", "two");
        assert_eq!(new, "[dev]\nwho = me\n[general]\ndefault = two\nshow_app = true\n[shares]\ndefault = x\n");
        assert_eq!(with_value("", "default", "a"), "[general]\ndefault = a\n");
        assert_eq!(with_value("[general]\na = 1\n[b]\n", "c", "2"), "[general]\na = 1\nc = 2\n[b]\n");
    }
}
