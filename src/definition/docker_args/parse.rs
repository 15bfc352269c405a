//! Reads a list of words as options of `docker run`. Knows how options are written, not what each means.

use super::{
    super::suggest::nearest,
    DockerArg,
    allowed::{ALLOWED, Allowed, Takes},
    refused,
};

/// One word that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {reason}; {help}")]
pub struct BadDockerArg {
    /// Which word of the list, from 0.
    pub at: usize,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// Why it is.
    pub reason: String,
    /// The way out.
    pub help: String,
}

/// Reads a list of words as they would follow `docker run`.
///
/// # Errors
/// Every word that is refused, in the order of the list.
///
/// ```
/// use conducto::definition::docker_args::{DockerArg, parse};
/// let words = ["--shm-size".to_owned(), "64m".to_owned()];
/// assert_eq!(parse(&words), Ok(vec![DockerArg::ShmSize(64 << 20)]));
/// ```
pub fn parse(words: &[String]) -> Result<Vec<DockerArg>, Vec<BadDockerArg>> {
    let (mut read, mut refused) = (Vec::new(), Vec::new());
    let mut rest = words.iter().enumerate().peekable();
    while let Some((at, word)) = rest.next() {
        let (name, attached) = split(word);
        let mut next = || rest.next_if(|(_, next)| !next.starts_with('-')).map(|(_, next)| next.as_str());
        let arg = match ALLOWED.iter().find(|allowed| allowed.names.contains(&name)) {
            Some(Allowed { takes: Takes::Flag(make), .. }) => flag(name, attached).map(make),
            Some(Allowed { takes: Takes::Value(make), example, .. }) => {
                value(name, attached.or_else(next), example, *make)
            }
            None if !name.starts_with('-') => Err(no_option(word)),
            None => {
                // The value of an option that is refused is not a mistake of its own.
                if attached.is_none() {
                    next();
                }
                Err(not_allowed(name))
            }
        };
        match arg {
            Ok(arg) => read.push(arg),
            Err(bad) => refused.push(BadDockerArg { at, ..bad }),
        }
    }
    if refused.is_empty() { Ok(read) } else { Err(refused) }
}

/// Takes a word apart: `--name=value`, `-nvalue`.
fn split(word: &str) -> (&str, Option<&str>) {
    if word.starts_with("--") {
        return word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
    }
    match word.char_indices().nth(2) {
        Some((end, _)) if word.starts_with('-') => {
            let value = &word[end..];
            (&word[..end], Some(value.strip_prefix('=').unwrap_or(value)))
        }
        _ => (word, None),
    }
}

fn bad(message: String, reason: impl Into<String>, help: impl Into<String>) -> BadDockerArg {
    BadDockerArg { at: 0, message, reason: reason.into(), help: help.into() }
}

fn flag(name: &str, attached: Option<&str>) -> Result<bool, BadDockerArg> {
    match attached {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => {
            let message = format!("`{name}` cannot be `{other}`");
            Err(bad(message, "it is there or not", format!("write `{name}`")))
        }
    }
}

fn value(
    name: &str,
    value: Option<&str>,
    example: &str,
    make: fn(&str) -> Result<DockerArg, String>,
) -> Result<DockerArg, BadDockerArg> {
    let help = format!("write for example `{name}{}{example}`", if name.starts_with("--") { '=' } else { ' ' });
    let Some(value) = value else { return Err(bad(format!("`{name}` has no value"), "one must follow", help)) };
    let made =
        if value.contains(char::is_control) { Err("it holds a control character".to_owned()) } else { make(value) };
    made.map_err(|reason| bad(format!("`{name}` cannot be `{}`", value.escape_debug()), reason, help))
}

fn no_option(word: &str) -> BadDockerArg {
    let message = format!("`{}` is not an option of `docker run`", word.escape_debug());
    bad(message, "options begin with `-`", "image and command are keys of the node")
}

fn not_allowed(name: &str) -> BadDockerArg {
    if let Some(refused) = refused::find(name) {
        return bad(format!("`{name}` cannot be used here"), refused.reason, refused.help);
    }
    let names = || ALLOWED.iter().map(|allowed| allowed.names[0]);
    let help = match nearest(name, names()) {
        Some(near) => format!("an option with a similar name exists: `{near}`"),
        None => {
            let quoted: Vec<_> = names().map(|name| format!("`{name}`")).collect();
            format!("the options are {}", quoted.join(", "))
        }
    };
    bad(format!("`{}` is not an option that can be used here", name.escape_debug()), "not on the list", help)
}
