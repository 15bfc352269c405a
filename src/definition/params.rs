//! Parameters of a section for requests: what may be given, and whether what was given is that. Knows no file.

use std::{collections::BTreeMap, fmt};

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;

use super::suggest::nearest;

/// Longest text that is taken for a parameter, in bytes.
const LONGEST: usize = 4096;

/// The parameters of a section, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(pub(crate) Vec<Param>);

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name, as it stands in braces.
    pub name: String,
    /// What can be given for it.
    pub kind: ParamKind,
    /// What counts when nothing is given; it must be given where there is none.
    pub default: Option<String>,
    /// A sentence for people.
    pub doc: Option<String>,
}

/// What can be given for a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Flag,
    /// One of these.
    Choice(Vec<String>),
    /// A day, as in 2026-01-31.
    Date,
}

/// Something given for a parameter that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ParamProblem {
    /// Name of the parameter.
    pub parameter: String,
    /// What was given, where anything was.
    pub given: Option<String>,
    /// What could have been given, in words.
    pub expected: String,
}

impl Params {
    /// Returns the parameters in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Param> {
        self.0.iter()
    }

    /// Returns a value for every parameter: what was given, or else its default. Values may be given as JSON of their own kind or
    /// as texts that say the same, as on a command line.
    ///
    /// # Errors
    /// Everything that is missing, wrong or unknown, not only the first.
    pub fn check(&self, given: &BTreeMap<String, Value>) -> Result<BTreeMap<String, String>, Vec<ParamProblem>> {
        let (mut values, mut problems) = (BTreeMap::new(), Vec::new());
        for param in &self.0 {
            let problem = |given| ParamProblem { parameter: param.name.clone(), given, expected: param.kind.words() };
            let value = match given.get(&param.name) {
                Some(value) => param.kind.accept(value).ok_or_else(|| problem(Some(shown(value)))),
                None => param.default.clone().ok_or_else(|| problem(None)),
            };
            match value {
                Ok(value) => drop(values.insert(param.name.clone(), value)),
                Err(problem) => problems.push(problem),
            }
        }
        let unknown = given.iter().filter(|(name, _)| self.0.iter().all(|param| param.name != **name));
        problems.extend(unknown.map(|(name, value)| ParamProblem {
            parameter: name.clone(),
            given: Some(shown(value)),
            expected: self.names_near(name),
        }));
        if problems.is_empty() { Ok(values) } else { Err(problems) }
    }

    fn names_near(&self, wrong: &str) -> String {
        let names = || self.0.iter().map(|param| param.name.as_str());
        match nearest(wrong, names()) {
            Some(near) => format!("no parameter of this name; did you mean `{near}`?"),
            None if self.0.is_empty() => "no parameter at all".to_owned(),
            None => format!("one of the parameters {}", list(names())),
        }
    }
}

impl ParamKind {
    /// Returns words for what can be given.
    pub fn words(&self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Integer => "a whole number".to_owned(),
            Self::Number => "a number".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Choice(options) => format!("one of {}", list(options.iter().map(String::as_str))),
            Self::Date => "a day, as in 2026-01-31".to_owned(),
        }
    }

    /// Returns a value as the text that reaches nodes; nothing when it is of another kind.
    pub(crate) fn accept(&self, value: &Value) -> Option<String> {
        let text = match (self, value) {
            (_, Value::String(text)) => text.clone(),
            (Self::Flag, Value::Bool(flag)) => flag.to_string(),
            (Self::Integer | Self::Number, Value::Number(number)) => number.to_string(),
            _ => return None,
        };
        // What ends up in an environment cannot hold a NUL.
        if text.len() > LONGEST || text.contains('\0') {
            return None;
        }
        let fits = match self {
            Self::Text => true,
            Self::Integer => text.parse::<i64>().is_ok(),
            Self::Number => text.parse::<f64>().is_ok_and(f64::is_finite),
            Self::Flag => matches!(text.as_str(), "true" | "false"),
            Self::Choice(options) => options.contains(&text),
            Self::Date => text.len() == 10 && text.parse::<Date>().is_ok(),
        };
        fits.then_some(text)
    }
}

impl fmt::Display for ParamProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parameter, given, expected } = self;
        match given {
            Some(given) => write!(f, "`{parameter}` is {given}, and expected is {expected}"),
            None => write!(f, "`{parameter}` is missing; expected is {expected}"),
        }
    }
}

/// What was given, as JSON and not for ever long.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn params() -> Params {
        let param = |name: &str, kind, default: Option<&str>| Param {
            name: name.into(),
            kind,
            default: default.map(str::to_owned),
            doc: None,
        };
        let targets = ParamKind::Choice(vec!["staging".into(), "production".into()]);
        Params(vec![
            param("target", targets, Some("staging")),
            param("count", ParamKind::Integer, None),
            param("share", ParamKind::Number, Some("0.5")),
            param("day", ParamKind::Date, Some("2026-01-31")),
            param("dry", ParamKind::Flag, Some("false")),
            param("note", ParamKind::Text, Some("")),
        ])
    }

    fn check(given: Value) -> Result<BTreeMap<String, String>, Vec<String>> {
        let given = serde_json::from_value(given).unwrap();
        params().check(&given).map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        let values = check(json!({"count": 3})).unwrap();
        let expected = [
            ("count", "3"),
            ("day", "2026-01-31"),
            ("dry", "false"),
            ("note", ""),
            ("share", "0.5"),
            ("target", "staging"),
        ];
        assert_eq!(values, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(check(json!({"count": "3", "dry": true, "share": 2})).unwrap()["share"], "2");
    }

    #[test]
    fn everything_wrong_is_named_at_once() {
        let problems = check(json!({"target": "prod", "share": "much", "day": "31.1.2026", "dry": 1, "notes": "x"}));
        assert_eq!(
            problems.unwrap_err(),
            [
                "`target` is \"prod\", and expected is one of `staging`, `production`",
                "`count` is missing; expected is a whole number",
                "`share` is \"much\", and expected is a number",
                "`day` is \"31.1.2026\", and expected is a day, as in 2026-01-31",
                "`dry` is 1, and expected is true or false",
                "`notes` is \"x\", and expected is no parameter of this name; did you mean `note`?",
            ]
        );
    }

    #[rstest]
    #[case(ParamKind::Integer, json!(1.5))]
    #[case(ParamKind::Integer, json!("1e3"))]
    #[case(ParamKind::Integer, json!(null))]
    #[case(ParamKind::Number, json!("NaN"))]
    #[case(ParamKind::Number, json!(true))]
    #[case(ParamKind::Text, json!(["x"]))]
    #[case(ParamKind::Text, json!("a\u{0}b"))]
    #[case(ParamKind::Text, json!(1))]
    #[case(ParamKind::Flag, json!("yes"))]
    #[case(ParamKind::Date, json!("2026-02-30"))]
    #[case(ParamKind::Date, json!("2026-02-03T10:00"))]
    fn another_kind_is_refused(#[case] kind: ParamKind, #[case] value: Value) {
        assert_eq!(kind.accept(&value), None);
    }
}
