//! Ways to damage an input: bytes and lines of any text, values of JSON, words that formats are made of.

use serde_json::{Map, Value, json};

use crate::random::Random;

/// Words that mean something to one of the readers, and characters that are easily mistaken.
const WORDS: &[&str] = &[
    "[push]\n",
    "[pr.",
    "[push production]\n",
    "[DEFAULT]\n",
    "[[push]]\n",
    ".general",
    "command = ",
    "pipeline = ",
    "filter = ",
    "paths = [",
    "env = {",
    "image: ",
    "duplicate = SLEEP_OLD\n",
    "max_time = \"1h30m\"",
    "exec = ",
    "generate = ",
    "type = ",
    "\"/\"",
    "\"/a/b\"",
    "[\"/a\"]\n",
    "retry = ",
    "callbacks",
    "docker_run_args",
    "max_concurrent",
    "{branch}",
    "{{",
    "}}",
    "{",
    "}",
    "%(command)s",
    "%%",
    "%",
    "$(",
    "`",
    "\"",
    "'",
    "'''",
    "\"\"\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\u{0}",
    "\u{1b}[31m",
    "==",
    "!=",
    "&&",
    "||",
    "!",
    "(",
    ")",
    "*",
    "?",
    "[",
    "]",
    "[!",
    "#",
    ";",
    "=",
    ":",
    ",",
    ".",
    "\n",
    "\r\n",
    "\n    ",
    "\t",
    " ",
    "\u{feff}",
    "\u{2028}",
    "é",
    "🙂",
    "\u{301}",
    "<<EOF\n",
    "EOF\n",
    "${{HOME}}",
    "__env__",
    "inf",
    "nan",
    "1979-05-27",
    "0x1",
    "1e400",
    "-0",
    "null",
    "true",
    "<__conducto_serialization>",
    "</__conducto_serialization>",
    "/*",
    "//",
    "**",
    "\0",
];

/// Numbers at the edges of what fits.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "255",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "18446744073709551616",
    "1e308",
    "1e-320",
    "-0.0",
    "0.1",
    "100000",
    "100001",
    "99999999999999999999999999999999999999",
];

/// Damages any text at one place.
pub(crate) fn text(random: &mut Random, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    let range = random.range(bytes.len());
    match random.below(12) {
        0 => {
            let byte = u8::try_from(random.below(256)).expect("it is below 256");
            bytes.splice(range.start..range.start, [byte]);
        }
        1 if !bytes.is_empty() => {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        2 => drop(bytes.drain(range)),
        3 => {
            let again = bytes[range.clone()].to_vec();
            bytes.splice(range.end..range.end, again);
        }
        // Deep nesting, long runs.
        4 => {
            let doublings = if random.once_in(8) { 14 } else { 6 };
            let again = bytes[range.clone()].repeat(1 << random.below(doublings));
            bytes.splice(range.end..range.end, again.into_iter().take(32 << 10));
        }
        5 => {
            let part = random.range(other.len());
            bytes.splice(range, other[part].iter().copied());
        }
        6 => {
            let (mut lines, theirs) = (lines(&bytes), lines(other));
            let (from, to) = (random.below(theirs.len()), random.below(lines.len() + 1));
            lines.insert(to, theirs[from]);
            bytes = lines.concat();
        }
        7 => {
            let mut lines = lines(&bytes);
            let (one, two) = (random.below(lines.len()), random.below(lines.len()));
            lines.swap(one, two);
            bytes = lines.concat();
        }
        8 => {
            let number = random.pick(NUMBERS);
            bytes.splice(range, number.bytes());
        }
        9 => {
            let word = random.pick(WORDS);
            bytes.splice(range, word.bytes());
        }
        _ => {
            let word = random.pick(WORDS);
            bytes.splice(range.start..range.start, word.bytes());
        }
    }
    bytes
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').chain(bytes.is_empty().then_some(&b""[..])).collect()
}

/// Damages JSON: mostly its values, sometimes its text.
pub(crate) fn json(random: &mut Random, input: &[u8], other: &[u8]) -> Vec<u8> {
    let parsed = serde_json::from_slice::<Value>(input).ok().filter(|_| !random.once_in(6));
    let Some(mut value) = parsed else { return text(random, input, other) };
    let places = count(&value);
    let (place, from) = (random.below(places), random.below(places));
    let donor = match serde_json::from_slice::<Value>(other) {
        Ok(theirs) if random.once_in(2) => {
            let at = random.below(count(&theirs));
            nth(&theirs, &mut { at }).cloned()
        }
        _ => nth(&value, &mut { from }).cloned(),
    };
    if let Some(found) = nth_mut(&mut value, &mut { place }) {
        damage_value(random, found, donor.unwrap_or(Value::Null));
    }
    serde_json::to_vec(&value).expect("a value is JSON")
}

fn damage_value(random: &mut Random, value: &mut Value, donor: Value) {
    match random.below(10) {
        0 | 1 => *value = donor,
        2 => {
            let all =
                [json!(null), json!(true), json!([]), json!({}), json!(""), json!("False"), json!(["a", ["b", {}]])];
            *value = all[random.below(all.len())].clone();
        }
        3 => *value = serde_json::from_str(random.pick(NUMBERS)).unwrap_or(Value::Null),
        4 => {
            let doublings = if random.once_in(6) { 8 } else { 3 };
            for _ in 0..1 << random.below(doublings) {
                *value = if random.once_in(2) { json!([value.take()]) } else { json!({ "/a": value.take() }) };
            }
        }
        _ => match value {
            Value::Object(map) => damage_object(random, map, donor),
            Value::Array(items) => {
                let (one, two) = (random.below(items.len().max(1)), random.below(items.len().max(1)));
                match random.below(4) {
                    0 if !items.is_empty() => drop(items.remove(one)),
                    1 if !items.is_empty() => items.swap(one, two),
                    2 if !items.is_empty() => items.insert(one, items[two].clone()),
                    _ => items.push(donor),
                }
            }
            Value::String(words) => {
                let other = random.pick(WORDS);
                let damaged = text(random, words.as_bytes(), other.as_bytes());
                *words = String::from_utf8_lossy(&damaged).into_owned();
            }
            Value::Number(_) => *value = serde_json::from_str(random.pick(NUMBERS)).unwrap_or(Value::Null),
            Value::Bool(flag) => *flag = !*flag,
            Value::Null => *value = donor,
        },
    }
}

fn damage_object(random: &mut Random, map: &mut Map<String, Value>, donor: Value) {
    let Some(key) = map.keys().nth(random.below(map.len().max(1))).cloned() else {
        map.insert(random.pick(WORDS).trim().to_owned(), donor);
        return;
    };
    match random.below(4) {
        0 => drop(map.shift_remove(&key)),
        1 => {
            let renamed = text(random, key.as_bytes(), b"/a/b");
            let value = map.shift_remove(&key).unwrap_or_default();
            map.insert(String::from_utf8_lossy(&renamed).into_owned(), value);
        }
        2 => {
            let child = format!("{}/{}", key.trim_end_matches('/'), random.below(3));
            map.insert(child, donor);
        }
        _ => drop(map.insert(random.pick(WORDS).trim_matches([' ', '=', '"']).to_owned(), donor)),
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

fn nth<'v>(value: &'v Value, left: &mut usize) -> Option<&'v Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter().find_map(|item| nth(item, left)),
        Value::Object(map) => map.values().find_map(|item| nth(item, left)),
        _ => None,
    }
}

fn nth_mut<'v>(value: &'v mut Value, left: &mut usize) -> Option<&'v mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth_mut(item, left)),
        Value::Object(map) => map.values_mut().find_map(|item| nth_mut(item, left)),
        _ => None,
    }
}
