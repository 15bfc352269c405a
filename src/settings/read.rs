//! Gathers values from file, environment and flags, and reports every mistake in them at once. Knows no default and no use of a value.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::de::{DeTable, DeValue};

use super::{
    keys::{KEYS, Key, Kind},
    nearest::nearest,
    registries,
    values::{Registry, Settings},
};
use crate::model::{Diagnostic, SourceFile, Span};

/// Where settings may come from; later ones win: file, environment, flags.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Settings file, if there is one.
    pub file: Option<PathBuf>,
    /// The process's environment.
    pub environment: BTreeMap<String, String>,
    /// Flags of the command line: name of the setting, value.
    pub flags: Vec<(&'static str, String)>,
}

/// One value and where it came from.
struct Given {
    key: &'static Key,
    /// Whether the text is the path of a file that holds the value.
    is_file: bool,
    text: String,
    /// Its place in the settings file, or the words that name another origin.
    origin: Result<Span, String>,
}

/// Resolves the settings.
///
/// # Errors
/// Every mistake found, in the order of the sources.
pub fn load(sources: &Sources) -> Result<Settings, Vec<Diagnostic>> {
    let mut diagnostics = Vec::new();
    let mut given = Vec::new();
    let registries = match &sources.file {
        Some(path) => read_file(path, &mut given, &mut diagnostics),
        None => Vec::new(),
    };
    read_environment(&sources.environment, &mut given);
    read_flags(&sources.flags, &mut given);

    let mut settings = Settings { registries, ..Settings::default() };
    for value in &given {
        if let Err(message) = apply(value, &mut settings) {
            diagnostics.push(wrong_value(value, &message));
        }
    }
    if !diagnostics.is_empty() {
        diagnostics.sort_by_key(|diagnostic| match &diagnostic.primary {
            Some(label) => label.span.range.start,
            None => usize::MAX,
        });
        return Err(diagnostics);
    }
    fill_from_environment(&mut settings, &sources.environment)?;
    Ok(settings)
}

/// Finds the settings file: the one asked for, else `/etc/conducto/conducto.toml`, else the one in the base directory.
pub fn find_file(asked: Option<&Path>, sources: &Sources) -> Option<PathBuf> {
    if let Some(path) = asked {
        return Some(path.to_owned());
    }
    let base = sources
        .flags
        .iter()
        .rev()
        .find(|(name, _)| *name == "base_dir")
        .map(|(_, value)| value.as_str())
        .or_else(|| sources.environment.get("CONDUCTO_BASE_DIR").map(String::as_str))
        .unwrap_or("~/.conducto");
    let base = expand_home(Path::new(base), &sources.environment)?;
    [PathBuf::from("/etc/conducto/conducto.toml"), base.join("conducto.toml")].into_iter().find(|path| path.is_file())
}

fn read_file(path: &Path, given: &mut Vec<Given>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Registry> {
    let name = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("cannot read the settings file `{name}`: {error}");
            diagnostics.push(Diagnostic::error("settings::unreadable", message));
            return Vec::new();
        }
    };
    let file = Arc::new(SourceFile { name, text });
    let (table, errors) = DeTable::parse_recoverable(&file.text);
    for error in errors {
        let span = Span::new(&file, error.span().unwrap_or_default());
        diagnostics.push(Diagnostic::error("settings::syntax", error.message()).at(span, ""));
    }
    let mut found = Vec::new();
    read_table("", table.get_ref(), &file, given, &mut found, diagnostics);
    found
}

fn read_table(
    section: &str,
    table: &DeTable<'_>,
    file: &Arc<SourceFile>,
    given: &mut Vec<Given>,
    found: &mut Vec<Registry>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for (name, value) in table {
        let full =
            if section.is_empty() { name.get_ref().to_string() } else { format!("{section}.{}", name.get_ref()) };
        if let DeValue::Table(inner) = value.get_ref()
            && section.is_empty()
            && sections().any(|known| known == full)
        {
            read_table(&full, inner, file, given, found, diagnostics);
            continue;
        }
        if let (DeValue::Table(inner), registries::SECTION) = (value.get_ref(), full.as_str()) {
            found.extend(registries::read(inner, file, diagnostics));
            continue;
        }
        let Some((key, is_file)) = find(&full) else {
            diagnostics.push(unknown_key(section, &full, Span::new(file, name.span())));
            continue;
        };
        let span = Span::new(file, value.span());
        match as_text(key, is_file, value.get_ref()) {
            Ok(text) => given.push(Given { key, is_file, text, origin: Ok(span) }),
            Err(expected) => {
                let message = format!("`{full}` is {} where {expected} is expected", with_article(value.get_ref()));
                diagnostics.push(Diagnostic::error("settings::wrong-type", message).at(span, ""));
            }
        }
    }
}

fn read_environment(environment: &BTreeMap<String, String>, given: &mut Vec<Given>) {
    for key in KEYS {
        let variable = key.variable();
        for (is_file, name) in [(false, variable.clone()), (true, format!("{variable}_FILE"))] {
            if is_file && key.kind != Kind::Secret {
                continue;
            }
            if let Some(text) = environment.get(&name) {
                let origin = Err(format!("environment variable {name}"));
                given.push(Given { key, is_file, text: text.clone(), origin });
            }
        }
    }
}

fn read_flags(flags: &[(&'static str, String)], given: &mut Vec<Given>) {
    for (name, text) in flags {
        let (key, is_file) = find(name).expect("flags name settings that exist");
        let origin = Err(format!("flag --{}", name.replace(['_', '.'], "-")));
        given.push(Given { key, is_file, text: text.clone(), origin });
    }
}

fn apply(value: &Given, settings: &mut Settings) -> Result<(), String> {
    if !value.is_file {
        return value.key.apply(settings, &value.text);
    }
    let text =
        std::fs::read_to_string(&value.text).map_err(|error| format!("cannot read `{}`: {error}", value.text))?;
    value.key.apply(settings, text.trim_end_matches(['\r', '\n']))
}

/// Settles what depends on who runs the process: the home folder and the login.
fn fill_from_environment(
    settings: &mut Settings,
    environment: &BTreeMap<String, String>,
) -> Result<(), Vec<Diagnostic>> {
    let home_missing = || {
        let diagnostic = Diagnostic::error("settings::no-home", "`base_dir` begins with `~`, but HOME is not set");
        vec![diagnostic.help("set CONDUCTO_BASE_DIR to an absolute path")]
    };
    settings.base_dir = expand_home(&settings.base_dir, environment).ok_or_else(home_missing)?;
    if settings.user.is_empty() {
        let login = ["USER", "LOGNAME"].into_iter().find_map(|name| environment.get(name)).filter(|l| !l.is_empty());
        settings.user = login.cloned().unwrap_or_else(|| "conducto".to_owned());
    }
    Ok(())
}

fn expand_home(path: &Path, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    match path.strip_prefix("~") {
        Ok(rest) => environment.get("HOME").filter(|home| !home.is_empty()).map(|home| Path::new(home).join(rest)),
        Err(_) => Some(path.to_owned()),
    }
}

/// Finds a setting by its full name, and says whether the name is that of its `_file` twin.
fn find(name: &str) -> Option<(&'static Key, bool)> {
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        return Some((key, false));
    }
    let secret = name.strip_suffix("_file")?;
    KEYS.iter().find(|key| key.name == secret && key.kind == Kind::Secret).map(|key| (key, true))
}

fn sections() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|key| key.split().0).filter(|section| !section.is_empty())
}

fn as_text(key: &Key, is_file: bool, value: &DeValue<'_>) -> Result<String, &'static str> {
    let kind = if is_file { Kind::Text } else { key.kind };
    match (kind, value) {
        (Kind::Switch, DeValue::Boolean(on)) => Ok(on.to_string()),
        (Kind::Switch, _) => Err("`true` or `false`"),
        (Kind::Count | Kind::CountOrAuto | Kind::AmountOrAuto, DeValue::Integer(number)) => Ok(number.to_string()),
        (Kind::AmountOrAuto, DeValue::Float(number)) => Ok(number.to_string()),
        (Kind::List, DeValue::Array(items)) => {
            let texts: Option<Vec<&str>> = items
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(text) if !text.contains(',') => Some(&**text),
                    _ => None,
                })
                .collect();
            texts.map(|texts| texts.join(",")).ok_or("a list of texts in quotes")
        }
        (Kind::Lines, DeValue::Array(items)) => {
            let texts: Option<Vec<&str>> = items
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(text) if !text.contains('\n') => Some(&**text),
                    _ => None,
                })
                .collect();
            texts.map(|texts| texts.join("\n")).ok_or("a list of texts in quotes, each of one line")
        }
        (Kind::List | Kind::Lines, _) => Err("a list of texts in quotes"),
        (_, DeValue::String(text)) => Ok(text.to_string()),
        (Kind::Count, _) => Err("a whole number"),
        (Kind::CountOrAuto, _) => Err("a whole number or \"auto\""),
        (Kind::AmountOrAuto, _) => Err("a number or \"auto\""),
        _ => Err("a text in quotes"),
    }
}

fn with_article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn unknown_key(section: &str, full: &str, span: Span) -> Diagnostic {
    let message = if section.is_empty() {
        format!("unknown setting `{full}`")
    } else {
        format!("unknown setting `{}` in section `[{section}]`", full.rsplit('.').next().unwrap_or(full))
    };
    let diagnostic = Diagnostic::error("settings::unknown-key", message).at(span, "not a setting");
    // A name that exists in another section was probably only put in the wrong place.
    let last = full.rsplit('.').next().unwrap_or(full);
    let moved = KEYS.iter().find(|key| key.split().1 == last).map(|key| key.name);
    let names = KEYS.iter().map(|key| key.name).chain(sections());
    match moved.or_else(|| nearest(full, names)) {
        Some(near) => diagnostic.help(format!("a setting with a similar name exists: `{near}`")),
        None => diagnostic.help("`config/conducto.toml` lists every setting"),
    }
}

fn wrong_value(value: &Given, message: &str) -> Diagnostic {
    let suffix = if value.is_file { "_file" } else { "" };
    let name = value.key.name;
    match &value.origin {
        Ok(span) => Diagnostic::error("settings::bad-value", format!("bad value for `{name}{suffix}`"))
            .at(span.clone(), message),
        Err(origin) => {
            Diagnostic::error("settings::bad-value", format!("bad value for `{name}{suffix}` in {origin}: {message}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::settings::values::{ExecutorChoice, Slots};

    fn home() -> BTreeMap<String, String> {
        [("HOME".to_owned(), "/home/ada".to_owned()), ("USER".to_owned(), "ada".to_owned())].into()
    }

    fn with_file(text: &str) -> (tempfile::TempDir, Sources) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("conducto.toml");
        std::fs::write(&path, text).unwrap();
        (directory, Sources { file: Some(path), environment: home(), flags: vec![] })
    }

    fn words(diagnostics: Vec<Diagnostic>) -> Vec<String> {
        let line = |d: Diagnostic| {
            let place = d.primary.as_ref().map(|label| (label.span.line_column(), label.text.clone()));
            format!("{} {place:?} {} | {}", d.code, d.message, d.help.unwrap_or_default())
        };
        diagnostics.into_iter().map(line).collect()
    }

    #[test]
    fn later_sources_win_and_the_home_folder_is_expanded() {
        let (_directory, mut sources) =
            with_file("organisation = \"file\"\nexecutor = \"docker\"\n[containers]\nslots = 3\n");
        sources.environment.insert("CONDUCTO_ORGANISATION".into(), "environment".into());
        sources.environment.insert("CONDUCTO_EXECUTOR".into(), "docker".into());
        sources.flags.push(("executor", "process".into()));
        let settings = load(&sources).unwrap();
        assert_eq!(settings.organisation, "environment");
        assert_eq!(settings.executor, ExecutorChoice::Process);
        assert_eq!(settings.containers.slots, Slots::Count(3.try_into().unwrap()));
        assert_eq!(settings.base_dir, Path::new("/home/ada/.conducto"));
        assert_eq!(settings.user, "ada");
        assert_eq!(settings.link_base(), "http://127.0.0.1:8080");
    }

    #[test]
    fn secrets_come_from_files_too_and_never_show() {
        let (directory, mut sources) = with_file("");
        let path = directory.path().join("secret");
        std::fs::write(&path, "It's a Secret\n").unwrap();
        sources.environment.insert("CONDUCTO_GITHUB_WEBHOOK_SECRET_FILE".into(), path.display().to_string());
        sources.environment.insert("CONDUCTO_SLACK_BOT_TOKEN".into(), "xoxb-1".into());
        let settings = load(&sources).unwrap();
        assert_eq!(settings.github.webhook_secret.as_ref().unwrap().expose_secret(), "It's a Secret");
        assert!(!format!("{settings:?}").contains("xoxb-1"));
    }

    #[test]
    fn every_mistake_is_reported_at_once_with_its_place() {
        let (_directory, mut sources) = with_file(
            "listen = 8080\nexecuter = \"docker\"\ntoken = \"x\"\n[github]\napi_url = \"api\"\nhosts = 1\n[slak]\n[containers]\nslots = 0\n",
        );
        sources.environment.insert("CONDUCTO_ALLOW_PROCESS".into(), "yes".into());
        insta::assert_snapshot!(words(load(&sources).unwrap_err()).join("\n"), @r#"
        settings::wrong-type Some(((1, 10), "")) `listen` is a whole number where a text in quotes is expected | 
        settings::unknown-key Some(((2, 1), "not a setting")) unknown setting `executer` | a setting with a similar name exists: `executor`
        settings::unknown-key Some(((3, 1), "not a setting")) unknown setting `token` | a setting with a similar name exists: `github.token`
        settings::bad-value Some(((5, 11), "expected http:// or https:// and a host, without user name, query or fragment")) bad value for `github.api_url` | 
        settings::unknown-key Some(((6, 1), "not a setting")) unknown setting `hosts` in section `[github]` | a setting with a similar name exists: `github.host`
        settings::unknown-key Some(((7, 2), "not a setting")) unknown setting `slak` | a setting with a similar name exists: `slack`
        settings::bad-value Some(((9, 9), "expected a number from 1, or \"auto\"")) bad value for `containers.slots` | 
        settings::bad-value None bad value for `allow_process` in environment variable CONDUCTO_ALLOW_PROCESS: expected true or false | 
        "#);
    }

    #[test]
    fn a_file_that_is_not_toml_is_reported_where_it_breaks() {
        let (_directory, sources) = with_file("listen = \"127.0.0.1:1\nexecutor = \"docker\"\n");
        let diagnostics = load(&sources).unwrap_err();
        assert_eq!(diagnostics[0].code, "settings::syntax");
        assert_eq!(diagnostics[0].primary.as_ref().unwrap().span.line_column().0, 1);
    }

    #[test]
    fn without_a_home_folder_the_base_directory_must_be_given() {
        let error = load(&Sources::default()).unwrap_err();
        assert_eq!(error[0].code, "settings::no-home");
        let environment = [("CONDUCTO_BASE_DIR".to_owned(), "/srv/conducto".to_owned())].into();
        let settings = load(&Sources { environment, ..Sources::default() }).unwrap();
        assert_eq!(settings.base_dir, Path::new("/srv/conducto"));
    }
}
