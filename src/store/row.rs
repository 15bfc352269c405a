//! Small conversions between rows and nouns. Knows no table.

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};

use super::error::Error;

pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

pub(super) fn timestamp(micros: i64) -> Result<Timestamp, Error> {
    Timestamp::from_microsecond(micros).map_err(|error| Error::Unreadable(error.to_string()))
}

pub(super) fn signed(number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(|_| Error::Failed(format!("{number} is too large for the store")))
}

pub(super) fn unsigned(number: i64) -> Result<u64, Error> {
    u64::try_from(number).map_err(|_| Error::Unreadable(format!("{number} is negative")))
}

/// A word of a closed set (a state, an ending) as its bare text.
pub(super) fn word<T: Serialize>(value: &T) -> Result<String, Error> {
    match serde_json::to_value(value)? {
        serde_json::Value::String(text) => Ok(text),
        other => Err(Error::Unreadable(format!("{other} is not a word"))),
    }
}

pub(super) fn from_word<T: DeserializeOwned>(text: String) -> Result<T, Error> {
    Ok(serde_json::from_value(serde_json::Value::String(text))?)
}
