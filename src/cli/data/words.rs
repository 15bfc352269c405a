//! The words after `conducto data KIND`: a command, and arguments in their order or by their names (`compat.md` §4.6). Knows
//! no store.

use std::collections::BTreeMap;

use anyhow::anyhow;

use crate::cli::failure::Failure;

/// What can be typed.
pub(super) const HELP: &str = "\
Commands:
  list PREFIX                            Print the names in a folder
  exists NAME                            Say whether anything is stored
  size NAME                              Print how many bytes are stored
  get NAME FILE                          Copy what is stored to a file
  gets NAME [--byte_range=BEGIN,END]     Write what is stored to standard output
  put NAME FILE                          Store a file
  puts NAME                              Store what comes from standard input
  delete NAME [--recursive]              Delete what is stored
  url NAME [--no-path_only]              Print where the server shows it
  save-cache NAME CHECKSUM DIR           Store a folder under a name and a checksum
  restore-cache NAME CHECKSUM DIR        Restore it into another folder
  cache-exists NAME CHECKSUM             Say whether it is stored
  clear-cache NAME [CHECKSUM]            Delete it, or all of that name

Options of every command:
  --id=PIPELINE    Of this pipeline, as in abc-def
  --local          Outside of nodes: on the disk of this machine, without asking a server";

/// How an argument is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Required,
    Optional,
    /// `--name` or `--no-name`.
    Flag,
}

use Form::{Flag, Optional, Required};

type Parameters = &'static [(&'static str, Form)];

const COMMANDS: [(&str, Parameters); 13] = [
    ("delete", &[("name", Required), ("recursive", Flag)]),
    ("exists", &[("name", Required)]),
    ("get", &[("name", Required), ("file", Required)]),
    ("gets", &[("name", Required), ("byte_range", Optional)]),
    ("list", &[("prefix", Required)]),
    ("put", &[("name", Required), ("file", Required)]),
    ("puts", &[("name", Required)]),
    ("size", &[("name", Required)]),
    ("url", &[("name", Required), ("path_only", Flag)]),
    ("cache-exists", &[("name", Required), ("checksum", Required)]),
    ("clear-cache", &[("name", Required), ("checksum", Optional)]),
    ("save-cache", &[("name", Required), ("checksum", Required), ("save_dir", Required)]),
    ("restore-cache", &[("name", Required), ("checksum", Required), ("restore_dir", Required)]),
];

const COMMON: Parameters = &[("id", Optional), ("local", Flag), ("server", Optional), ("token", Optional)];

/// A command with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) command: &'static str,
    values: BTreeMap<&'static str, String>,
}

impl Call {
    /// Returns an argument; empty for one that was not given.
    pub(super) fn value(&self, name: &str) -> &str {
        self.given(name).unwrap_or_default()
    }

    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Returns whether a flag was given, and how.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.given(name).map(|value| value == "true")
    }

    /// Reads the half-open range of bytes.
    pub(super) fn byte_range(&self) -> Result<Option<(u64, u64)>, Failure> {
        let Some(text) = self.given("byte_range") else { return Ok(None) };
        let bounds = text.trim_matches(|c| "[]() ".contains(c)).split_once(',');
        let number = |digits: &str| digits.trim().parse::<u64>().ok();
        let range = bounds.and_then(|(begin, end)| Some((number(begin)?, number(end)?)));
        match range.filter(|(begin, end)| begin <= end) {
            Some(range) => Ok(Some(range)),
            None => Err(Failure::usage(anyhow!("`{text}` is no range of bytes"))
                .help("write for example --byte_range=0,10 for the first ten")),
        }
    }
}

/// What every command can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) id: Option<String>,
    pub(super) local: Option<bool>,
    pub(super) server: Option<String>,
    pub(super) token: Option<String>,
}

/// Reads the words; nothing when they ask for help.
pub(super) fn read(words: &[String]) -> Result<Option<(Call, Options)>, Failure> {
    let (command, rest) = words.split_first().ok_or_else(|| usage("a command is missing".to_owned()))?;
    if command == "-h" || rest.iter().any(|word| word == "--help") || command == "--help" {
        return Ok(None);
    }
    let known = COMMANDS.iter().find(|(name, _)| name == command);
    let (command, own) = *known.ok_or_else(|| usage(format!("`{command}` is not a command")))?;
    let mut values: BTreeMap<&'static str, String> = BTreeMap::new();
    let mut in_order = Vec::new();
    let mut waiting = rest.iter();
    while let Some(word) = waiting.next() {
        if word == "--" {
            in_order.extend(waiting.by_ref().cloned());
            break;
        }
        let Some(option) = word.strip_prefix("--") else {
            in_order.push(word.clone());
            continue;
        };
        let (name, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
        let name = name.replace('-', "_");
        let find = |name: &str| own.iter().chain(COMMON).find(|(known, _)| *known == name);
        let (parameter, value) = match (find(&name), name.strip_prefix("no_").and_then(find)) {
            (Some((known, Flag)), _) => (known, value.unwrap_or("true").to_lowercase()),
            (Some((known, _)), _) => {
                let next = value.map(str::to_owned).or_else(|| waiting.next().cloned());
                (known, next.ok_or_else(|| usage(format!("`{word}` needs a value")))?)
            }
            (None, Some((known, Flag))) => (known, "false".to_owned()),
            _ => return Err(usage(format!("`{word}` is not an option of {command}"))),
        };
        if values.insert(parameter, value).is_some() {
            return Err(usage(format!("`{word}` is given twice")));
        }
    }
    let mut in_order = in_order.into_iter();
    for (name, _) in own {
        if !values.contains_key(name)
            && let Some(word) = in_order.next()
        {
            values.insert(name, word);
        }
    }
    if let Some(word) = in_order.next() {
        return Err(usage(format!("`{word}` is one argument too many for {command}")));
    }
    if let Some((name, _)) = own.iter().find(|(name, form)| *form == Required && !values.contains_key(name)) {
        return Err(usage(format!("{command} needs `{name}`")));
    }
    let mut common = |name: &str| values.remove(name);
    let (id, local) = (common("id"), common("local").map(|value| value == "true"));
    let (server, token) = (common("server"), common("token"));
    Ok(Some((Call { command, values }, Options { id, local, server, token })))
}

fn usage(words: String) -> Failure {
    Failure::usage(anyhow!(words)).help("`conducto data --help` names all commands")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn call(line: &str) -> Result<Option<(Call, Options)>, Failure> {
        read(&shlex::split(line).unwrap())
    }

    #[rstest]
    #[case("get a b", "get", &[("name", "a"), ("file", "b")])]
    #[case("get --name=a b", "get", &[("name", "a"), ("file", "b")])]
    #[case("get --file b a", "get", &[("name", "a"), ("file", "b")])]
    #[case("get a -- --b", "get", &[("name", "a"), ("file", "--b")])]
    #[case("list ''", "list", &[("prefix", "")])]
    #[case("delete x --recursive", "delete", &[("name", "x"), ("recursive", "true")])]
    #[case("url x --no-path_only", "url", &[("name", "x"), ("path_only", "false")])]
    #[case("url x --no-path-only", "url", &[("name", "x"), ("path_only", "false")])]
    #[case("save-cache n c --save-dir=d", "save-cache", &[("name", "n"), ("checksum", "c"), ("save_dir", "d")])]
    #[case("save-cache n c --save_dir d", "save-cache", &[("name", "n"), ("checksum", "c"), ("save_dir", "d")])]
    #[case("clear-cache n", "clear-cache", &[("name", "n")])]
    fn arguments_come_in_their_order_or_by_name(
        #[case] line: &str,
        #[case] command: &str,
        #[case] values: &[(&'static str, &str)],
    ) {
        let (call, options) = call(line).unwrap().unwrap();
        let expected = values.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        assert_eq!((call.command, &call.values), (command, &expected));
        assert_eq!(options, Options::default());
    }

    #[test]
    fn options_stand_anywhere() {
        let (_, options) = call("puts --id=abc-def x --no-local --token t").unwrap().unwrap();
        let expected =
            Options { id: Some("abc-def".into()), local: Some(false), server: None, token: Some("t".into()) };
        assert_eq!(options, expected);
        assert!(call("list --help").unwrap().is_none());
    }

    #[rstest]
    #[case("", "a command is missing")]
    #[case("steal x", "`steal` is not a command")]
    #[case("size", "size needs `name`")]
    #[case("size a b", "`b` is one argument too many for size")]
    #[case("size a --name=b --name=c", "`--name=c` is given twice")]
    #[case("size a --what", "`--what` is not an option of size")]
    #[case("size --name", "`--name` needs a value")]
    fn mistakes_are_told(#[case] line: &str, #[case] words: &str) {
        let failure = call(line).unwrap_err();
        assert_eq!((failure.code, failure.error.to_string().as_str()), (crate::cli::failure::USAGE, words));
    }

    #[test]
    fn ranges_of_bytes_are_half_open() {
        let range = |text: &str| call(&format!("gets x --byte_range={text}")).unwrap().unwrap().0.byte_range();
        assert_eq!(range("0,10").unwrap(), Some((0, 10)));
        assert_eq!(range("'[2, 4]'").unwrap(), Some((2, 4)));
        for bad in ["10", "4,2", "a,b", "-1,2"] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
