//! Keys as data: name, kind of value, words for people. One table of them drives the reader, the JSON Schema and the tests of the documents.

use super::{
    document::{Entry, Value},
    report::Report,
    suggest::nearest,
};

/// What kind of value a key takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A text.
    Text,
    /// A list of texts.
    Texts,
    /// A list of texts, or `true` for what a file says.
    TextsOrTrue,
    /// A table of texts.
    TextTable,
    /// `true` or `false`.
    Flag,
    /// A number above zero.
    Number,
    /// A whole number, this one or a larger one.
    Whole(u32),
    /// Two numbers above zero, the second not below the first.
    Bounds,
    /// A duration: `"10m"`, or a number of seconds.
    Duration,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts, or one text that is taken apart as a shell would.
    Arguments,
    /// A text, a number, a day, or `true` or `false`.
    Scalar,
    /// A table of tables with these keys.
    Tables(&'static [Key]),
    /// A table with these keys, or a list of such tables.
    Records(&'static [Key]),
    /// A value in short, or a table with these keys.
    Short(&'static Self, &'static [Key]),
}

/// Larger whole numbers are slips of the pen.
pub(crate) const LARGEST_WHOLE: u32 = 1_000_000;

/// Whether this release understands a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Support {
    /// It does.
    Now,
    /// It is a word of the product, and this release refuses it, saying so. The text is the way out until then.
    Later(&'static str),
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) support: Support,
    /// A value as it is written in TOML.
    pub(crate) example: &'static str,
    /// One sentence for people, shown by editors.
    pub(crate) doc: &'static str,
}

impl Key {
    /// Makes a key that this release understands.
    pub(crate) const fn now(name: &'static str, kind: Kind, example: &'static str, doc: &'static str) -> Self {
        Self { name, kind, support: Support::Now, example, doc }
    }

    /// Makes a key that a later release will understand.
    pub(crate) const fn later(name: &'static str, kind: Kind, way_out: &'static str) -> Self {
        Self { name, kind, support: Support::Later(way_out), example: "", doc: "" }
    }

    /// Says whether this release understands it.
    pub(crate) fn is_supported(&self) -> bool {
        self.support == Support::Now
    }
}

impl Kind {
    fn words(self) -> String {
        match self {
            Self::Text => "a text in quotes".to_owned(),
            Self::Texts => "a list of texts".to_owned(),
            Self::TextsOrTrue => "a list of texts, or true".to_owned(),
            Self::TextTable => "a table of texts".to_owned(),
            Self::Flag => "true or false, without quotes".to_owned(),
            Self::Number => "a number, without quotes".to_owned(),
            Self::Whole(_) => "a whole number, without quotes".to_owned(),
            Self::Bounds => "a list of two numbers".to_owned(),
            Self::Duration => "a duration".to_owned(),
            Self::Choice(words) => {
                let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
                quoted.join(" or ")
            }
            Self::Arguments => "a list of texts, or one text".to_owned(),
            Self::Scalar => "a text, a number, or true or false".to_owned(),
            Self::Tables(_) => "a table of tables".to_owned(),
            Self::Records(_) => "a table, or a list of tables".to_owned(),
            Self::Short(kind, _) => format!("{}, or a table", kind.words()),
        }
    }

    /// Returns a value of the wrong kind as it was probably meant.
    fn mended(self, value: &Value, written: &str) -> Option<String> {
        match (self, value) {
            (Self::Texts | Self::TextsOrTrue, Value::Text(_)) => Some(format!("[{written}]")),
            (Self::Number, Value::Text(text)) => text.parse::<f64>().ok().map(|_| text.clone()),
            (Self::Flag, Value::Text(text)) => text.parse::<bool>().ok().map(|_| text.clone()),
            (Self::Whole(least), Value::Text(text)) => {
                text.parse::<u32>().ok().filter(|number| *number >= least).map(|_| text.clone())
            }
            (Self::Short(kind, _), value) => kind.mended(value, written),
            _ => None,
        }
    }

    fn fits(self, value: &Value) -> bool {
        if let Self::Short(kind, _) = self {
            return matches!(value, Value::Table(_)) || kind.fits(value);
        }
        matches!(
            (self, value),
            (Self::Text | Self::Choice(_) | Self::Duration, Value::Text(_))
                | (Self::Texts | Self::TextsOrTrue | Self::Arguments | Self::Bounds | Self::Records(_), Value::List(_))
                | (Self::Arguments, Value::Text(_))
                | (Self::Whole(_), Value::Integer(_))
                | (Self::TextTable | Self::Tables(_) | Self::Records(_), Value::Table(_))
                | (Self::Scalar, Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Flag(_) | Value::Date)
                | (Self::Flag | Self::TextsOrTrue, Value::Flag(_))
                | (Self::Number | Self::Duration, Value::Integer(_) | Value::Float(_))
        )
    }
}

/// Finds the key of an entry and checks the kind of its value; reports what is wrong. `place` says in words where it stands.
///
/// Nothing is returned for what cannot be used: an unknown key, one of a later release, a value of the wrong kind.
pub(crate) fn accept<'k>(keys: &'k [Key], entry: &Entry, place: &str, report: &mut Report) -> Option<&'k Key> {
    let name = entry.key.as_str();
    let codes = report.codes;
    let Some(key) = keys.iter().find(|key| key.name == name) else {
        let message = format!("unknown key `{name}` {place}");
        let diagnostic = report.error(codes.unknown_key, &entry.key_range, message, "not a key that can stand here");
        let help = match nearest(name, keys.iter().map(|key| key.name)) {
            Some(near) => format!("a key with a similar name exists: `{near}`"),
            None => format!("the keys are {}", names(keys)),
        };
        report.add(diagnostic.help(help));
        return None;
    };
    if let Support::Later(way_out) = key.support {
        let message = format!("`{name}` is not yet supported by this server");
        let diagnostic = report.error(codes.not_yet, &entry.key_range, message, "known, but not to this release");
        report.add(diagnostic.help(way_out));
        return None;
    }
    let value = &entry.value.value;
    if key.kind.fits(value) {
        return Some(key);
    }
    if !matches!(value, Value::Lost) {
        let message = format!("`{name}` {place} must be {}", key.kind.words());
        let label = format!("this is {}", value.words());
        let diagnostic = report.error(codes.wrong_type, &entry.value.range, message, label);
        let written = &report.text()[entry.value.range.clone()];
        let help = match key.kind.mended(value, written) {
            Some(mended) => format!("write `{}`", report.pair(name, &mended)),
            None => format!("write for example `{}`", report.pair(name, key.example)),
        };
        report.add(diagnostic.help(help));
    }
    None
}

/// Returns the supported keys' names for people.
pub(crate) fn names(keys: &[Key]) -> String {
    let names: Vec<_> = keys.iter().filter(|key| key.is_supported()).map(|key| format!("`{}`", key.name)).collect();
    names.join(", ")
}
