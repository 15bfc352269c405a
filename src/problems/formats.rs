//! How programs name places in files: one function a shape of line. Knows no line but the one it is given.

use super::scanner::Weight;

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) weight: Weight,
    pub(super) title: String,
    pub(super) message: String,
}

/// Where, as the program names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) line: u32,
    pub(super) end_line: u32,
}

/// `::error file=src/a.rs,line=3,endLine=4,title=Oh::the message`, as actions of GitHub print it.
pub(super) fn command(line: &str) -> Option<(Place, Complaint)> {
    let rest = line.trim_start().strip_prefix("::")?;
    let (head, message) = rest.split_once("::")?;
    let (word, properties) = head.split_once(' ')?;
    let weight = weight(word)?;
    let property = |name: &str| {
        let pairs = properties.split(',').filter_map(|pair| pair.trim().split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| decoded(value))
    };
    let number = |name: &str| property(name).and_then(|text| text.parse::<u32>().ok());
    let line = number("line").unwrap_or(1);
    let place = Place { path: property("file")?, line, end_line: number("endLine").unwrap_or(line) };
    Some((place, Complaint { weight, title: property("title").unwrap_or_default(), message: decoded(message) }))
}

/// `src/a.c:3:7: error: the message`, as gcc, clang, mypy, Go and many others print it; the column may be left out.
pub(super) fn compiler(line: &str) -> Option<(Place, Complaint)> {
    let (path, rest) = path_before_line(line)?;
    let (number, rest) = leading_number(rest)?;
    let rest = rest.strip_prefix(':')?;
    let rest = match leading_number(rest) {
        Some((_, rest)) => rest.strip_prefix(':')?,
        None => rest,
    };
    let rest = rest.strip_prefix(' ')?;
    let (word, message) = rest.split_once(": ")?;
    let weight = weight(word.strip_prefix("fatal ").unwrap_or(word))?;
    let message = message.trim();
    if message.is_empty() {
        return None;
    }
    let place = Place { path: path.to_owned(), line: number, end_line: number };
    Some((place, Complaint { weight, title: String::new(), message: message.to_owned() }))
}

/// `error[E0277]: the message` or `warning: the message`, as rustc and clippy begin.
pub(super) fn rustc_headline(line: &str) -> Option<Complaint> {
    let (head, message) = line.split_once(": ")?;
    let (word, code) = match head.split_once('[') {
        Some((word, code)) => (word, code.strip_suffix(']')?),
        None => (head, ""),
    };
    let weight = weight(word).filter(|weight| *weight != Weight::Notice)?;
    Some(Complaint { weight, title: code.to_owned(), message: message.trim().to_owned() })
}

/// `  --> src/a.rs:3:7`, as rustc and clippy go on.
pub(super) fn rustc_place(line: &str) -> Option<Place> {
    let rest = line.trim_start().strip_prefix("--> ")?;
    let (path, rest) = path_before_line(rest)?;
    let (number, rest) = leading_number(rest)?;
    rest.starts_with(':').then(|| Place { path: path.to_owned(), line: number, end_line: number })
}

/// `E       assert 1 == 2`, as pytest says what was wrong.
pub(super) fn pytest_failure(line: &str) -> Option<String> {
    let message = line.strip_prefix("E   ")?.trim();
    (!message.is_empty()).then(|| message.to_owned())
}

/// `tests/test_a.py:12: AssertionError`, as pytest says where.
pub(super) fn pytest_place(line: &str) -> Option<(Place, String)> {
    let (path, rest) = path_before_line(line)?;
    let (number, rest) = leading_number(rest)?;
    let kind = rest.strip_prefix(": ")?.trim();
    let is_kind = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte));
    if !is_kind || !path.ends_with(".py") {
        return None;
    }
    Some((Place { path: path.to_owned(), line: number, end_line: number }, kind.to_owned()))
}

/// `/mnt/conducto/src/a.js` alone in its line, as eslint names the file of what follows.
pub(super) fn eslint_file(line: &str) -> Option<String> {
    let kinds = [".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".vue", ".svelte"];
    let is_file = kinds.iter().any(|kind| line.ends_with(kind)) && !line.starts_with(char::is_whitespace);
    (is_file && line.contains('/') && !line.contains(": ")).then(|| line.to_owned())
}

/// `  3:7  error  the message  no-undef`, as eslint complains about the file named before.
pub(super) fn eslint_complaint(line: &str) -> Option<(u32, Complaint)> {
    let rest = line.strip_prefix("  ")?.trim_start();
    let (number, rest) = leading_number(rest)?;
    let (_, rest) = leading_number(rest.strip_prefix(':')?)?;
    let rest = rest.trim_start();
    let (word, rest) = rest.split_once(' ')?;
    let weight = weight(word).filter(|weight| *weight != Weight::Notice)?;
    let rest = rest.trim();
    let (message, rule) = match rest.rsplit_once("  ") {
        Some((message, rule)) => (message.trim(), rule.trim()),
        None => (rest, ""),
    };
    Some((number, Complaint { weight, title: rule.to_owned(), message: message.to_owned() }))
}

fn weight(word: &str) -> Option<Weight> {
    match word {
        "error" => Some(Weight::Error),
        "warning" => Some(Weight::Warning),
        "notice" | "note" => Some(Weight::Notice),
        _ => None,
    }
}

/// Splits before the first colon that a number follows. Names of files that hold a blank are nobody's output.
fn path_before_line(line: &str) -> Option<(&str, &str)> {
    let (path, rest) = line.split_once(':')?;
    let is_path = !path.is_empty() && !path.contains(char::is_whitespace) && (path.contains('.') || path.contains('/'));
    (is_path && rest.starts_with(|letter: char| letter.is_ascii_digit())).then_some((path, rest))
}

fn leading_number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// Undoes what GitHub's toolkit does to values.
fn decoded(value: &str) -> String {
    let pairs = [("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")];
    pairs.iter().fold(value.to_owned(), |text, (code, letter)| text.replace(code, letter))
}
