//! A text read into values that remember where they stood, the same for TOML and JSON. Knows no key and no rule about keys.

use std::ops::Range;

/// One value and the bytes it was written with.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    pub(crate) value: Value,
    pub(crate) range: Range<usize>,
}

/// What was written.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
    List(Vec<Located>),
    Table(Table),
    /// JSON's null.
    Null,
    /// A date or time of TOML.
    Date,
    /// Unreadable; the syntax error has been reported already.
    Lost,
}

/// Keys and values in the order of the text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
    /// Whether it has a header or braces of its own, not only children that mention it.
    pub(crate) is_explicit: bool,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_range: Range<usize>,
    pub(crate) value: Located,
}

impl Entry {
    /// Returns the table below the key, where there is one.
    pub(crate) fn table(&self) -> Option<&Table> {
        match &self.value.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }
}

impl Value {
    /// Returns words for what it is, with an article.
    pub(crate) fn words(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Null => "null",
            Self::Date => "a date or time",
            Self::Lost => "unreadable",
        }
    }
}
