//! Reads the table `params` of a section for requests. Knows no request.

use super::super::{
    codes,
    document::{Entry, Located, Table, Value},
    key::{Key, Kind, accept},
    params::{Param, ParamKind, Params},
    report::Report,
    template::{ALWAYS, Name},
};

/// Words for the kinds of parameters.
const TYPES: &[&str] = &["text", "integer", "number", "flag", "choice", "date"];

/// Keys of one parameter.
pub(crate) const PARAM_KEYS: &[Key] = &[
    Key::now("type", Kind::Choice(TYPES), "\"choice\"", "What can be given for it. A text if absent."),
    Key::now("options", Kind::Texts, "[\"staging\", \"production\"]", "What can be chosen, of a choice."),
    Key::now(
        "default",
        Kind::Scalar,
        "\"staging\"",
        "What counts when nothing is given. Without one it must be given.",
    ),
    Key::now("doc", Kind::Text, "\"Where to deploy\"", "A sentence for people."),
];

/// So many are too many to be asked for.
const MOST: usize = 50;

/// Reads all parameters, and reports every mistake in them.
pub(super) fn read(entry: &Entry, section: &str, report: &mut Report) -> Params {
    let Some(table) = entry.table() else { return Params::default() };
    if table.entries.len() > MOST {
        let message =
            format!("section `[{section}]` has {} parameters; at most {MOST} can be asked for", table.entries.len());
        report.add(report.error(codes::CFG_BAD_PARAMETER, &entry.key_range, message, "too many"));
    }
    let mut found: Vec<Param> = Vec::new();
    for inner in &table.entries {
        if let Some((label, help)) = bad_name(&inner.key, &found) {
            let message = format!("`{}` cannot be the name of a parameter", inner.key);
            let diagnostic = report.error(codes::CFG_BAD_PARAMETER, &inner.key_range, message, label);
            report.add(diagnostic.help(help));
            continue;
        }
        // Of one with a mistake at least the name is known: a filter that uses it is not at fault.
        let unclear = || Param { name: inner.key.clone(), kind: ParamKind::Text, default: None, doc: None };
        let param = one(inner, report).unwrap_or_else(unclear);
        found.push(param);
    }
    Params(found)
}

fn one(entry: &Entry, report: &mut Report) -> Option<Param> {
    let name = entry.key.as_str();
    let Some(table) = entry.table() else {
        if !matches!(entry.value.value, Value::Lost) {
            let label = format!("this is {}", entry.value.value.words());
            let message = format!("parameter `{name}` is not described by a table");
            let diagnostic = report.error(codes::CFG_WRONG_TYPE, &entry.value.range, message, label);
            report.add(diagnostic.help(format!("write for example `{name} = {{ type = \"text\", default = \"\" }}`")));
        }
        return None;
    };
    let place = format!("of parameter `{name}`");
    let known: Vec<(&str, &Located)> = table
        .entries
        .iter()
        .filter_map(|inner| accept(PARAM_KEYS, inner, &place, report).map(|key| (key.name, &inner.value)))
        .collect();
    let value = |key: &str| known.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    let kind = kind(entry, table, value("type"), value("options"), report)?;
    let default = match value("default") {
        None => None,
        Some(value) => Some(default(&kind, name, value, report)?),
    };
    let doc = value("doc").and_then(|value| match &value.value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    });
    Some(Param { name: name.to_owned(), kind, default, doc })
}

fn bad_name(name: &str, before: &[Param]) -> Option<(&'static str, String)> {
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !letters || !name.starts_with(|c: char| c.is_ascii_alphabetic()) || name.len() > 64 {
        let help = "names are made of letters, digits and `_` and begin with a letter: they become variables";
        return Some(("not a name of a variable", help.to_owned()));
    }
    if [ALWAYS, &[Name::Branch]].concat().iter().any(|known| known.word() == name) {
        return Some((
            "every request has a name like this already",
            format!("choose another name, for example `my_{name}`"),
        ));
    }
    let twin = before.iter().find(|param| param.name.eq_ignore_ascii_case(name))?;
    let help = format!("both would be CONDUCTO_PARAM_{}", name.to_uppercase());
    Some((if twin.name == name { "it exists already" } else { "another differs from it in capitals only" }, help))
}

fn kind(
    entry: &Entry,
    table: &Table,
    word: Option<&Located>,
    options: Option<&Located>,
    report: &mut Report,
) -> Option<ParamKind> {
    let name = &entry.key;
    let (word, range) = match word {
        Some(Located { value: Value::Text(word), range }) => (word.as_str(), range),
        // A wrong one was reported already.
        _ if table.entries.iter().any(|inner| inner.key == "type") => return None,
        _ => ("text", &entry.key_range),
    };
    let kind = match word {
        "text" => ParamKind::Text,
        "integer" => ParamKind::Integer,
        "number" => ParamKind::Number,
        "flag" => ParamKind::Flag,
        "date" => ParamKind::Date,
        "choice" => {
            let texts = options.map(texts).unwrap_or_default();
            if texts.is_empty() {
                let message = format!("parameter `{name}` has nothing to choose from");
                let diagnostic = report.error(
                    codes::CFG_BAD_PARAMETER,
                    range,
                    message,
                    "`options` is missing or not a list of texts",
                );
                report.add(diagnostic.help("add for example `options = [\"staging\", \"production\"]`"));
                return None;
            }
            return Some(ParamKind::Choice(texts));
        }
        other => {
            let message = format!("there is no type `{other}` of parameters");
            let diagnostic = report.error(codes::CFG_BAD_PARAMETER, range, message, "no such type");
            report.add(diagnostic.help(format!("the types are {}", TYPES.join(", "))));
            return None;
        }
    };
    if let Some(options) = options {
        let message = format!("parameter `{name}` is no choice and has `options`");
        let diagnostic = report.error(codes::CFG_BAD_PARAMETER, &options.range, message, "only a choice has options");
        report.add(diagnostic.help("write `type = \"choice\"`, or leave the options out"));
    }
    Some(kind)
}

/// The texts of a list; nothing where something else is among them.
fn texts(list: &Located) -> Vec<String> {
    let Value::List(items) = &list.value else { return Vec::new() };
    let texts = items.iter().map(|item| match &item.value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    });
    texts.collect::<Option<_>>().unwrap_or_default()
}

fn default(kind: &ParamKind, name: &str, value: &Located, report: &mut Report) -> Option<String> {
    let json = match &value.value {
        Value::Text(text) => serde_json::Value::from(text.as_str()),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Flag(flag) => (*flag).into(),
        // A day of TOML's own stands in the file as we would write it.
        Value::Date => report.text()[value.range.clone()].into(),
        _ => return None,
    };
    let is_right_kind =
        !matches!((kind, &value.value), (ParamKind::Integer | ParamKind::Number | ParamKind::Flag, Value::Text(_)));
    if is_right_kind && let Some(text) = kind.accept(&json) {
        return Some(text);
    }
    let message = format!("the default of parameter `{name}` is not {}", kind.words());
    let diagnostic =
        report.error(codes::CFG_BAD_PARAMETER, &value.range, message, format!("this is {}", value.value.words()));
    report.add(diagnostic.help("give a default of the parameter's own type, or leave it out"));
    None
}
