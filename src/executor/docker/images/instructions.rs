//! What a Dockerfile says, as far as it is to be known before the engine reads it: where its instructions stand, and the images
//! it begins with. Whether it is right, the engine finds out.

use std::collections::BTreeMap;

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    /// Line of its first word, from 1.
    pub(super) line: usize,
    /// The first word, in capitals.
    pub(super) word: String,
    /// The rest, continued lines put together.
    pub(super) rest: String,
}

/// Lists the instructions, in the order of the engine's steps.
pub(super) fn instructions(text: &str) -> Vec<Instruction> {
    let escape = escape(text);
    let mut all: Vec<Instruction> = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (at, raw) in text.lines().enumerate() {
        let line = raw.trim();
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let (begun, mut whole) = open.take().unwrap_or((at + 1, String::new()));
        match line.strip_suffix(escape) {
            Some(part) => {
                whole.push_str(part);
                whole.push(' ');
                open = Some((begun, whole));
            }
            None => {
                whole.push_str(line);
                all.push(instruction(begun, &whole));
            }
        }
    }
    all.extend(open.map(|(begun, whole)| instruction(begun, &whole)));
    all
}

fn instruction(line: usize, whole: &str) -> Instruction {
    let whole = whole.trim();
    let (word, rest) = whole.split_once(char::is_whitespace).unwrap_or((whole, ""));
    Instruction { line, word: word.to_uppercase(), rest: rest.trim().to_owned() }
}

/// The sign that continues a line: a backslash, unless a comment at the very beginning chooses the other.
fn escape(text: &str) -> char {
    for line in text.lines().map_while(|line| line.trim().strip_prefix('#')) {
        match line.split_once('=') {
            Some((name, "`")) if name.trim().eq_ignore_ascii_case("escape") => return '`',
            Some((_, value)) if value.trim() == "`" && line.to_lowercase().contains("escape") => return '`',
            Some(_) => {}
            None => break,
        }
    }
    '\\'
}

/// The images from outside that a Dockerfile uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outside {
    /// By their names.
    pub(super) references: Vec<String>,
    /// What cannot be known without carrying it out.
    pub(super) unknown: Vec<String>,
}

/// Finds the images that a Dockerfile begins with or copies from, its own stages left out.
pub(super) fn outside(text: &str, arguments: &BTreeMap<String, String>) -> Outside {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let mut stages: Vec<String> = Vec::new();
    let mut found = Outside::default();
    let mut is_before = true;
    for Instruction { word, rest, .. } in instructions(text) {
        let from = match word.as_str() {
            "ARG" if is_before => {
                for declared in rest.split_whitespace() {
                    let (name, default) = declared.split_once('=').unwrap_or((declared, ""));
                    let value = arguments.get(name).map_or(default.trim_matches(['"', '\'']), String::as_str);
                    known.insert(name.to_owned(), value.to_owned());
                }
                continue;
            }
            "FROM" => {
                is_before = false;
                let mut words = rest.split_whitespace().filter(|word| !word.starts_with("--"));
                let from = words.next().map(str::to_owned);
                let name = words.next().filter(|word| word.eq_ignore_ascii_case("as")).and_then(|_| words.next());
                let own = stages.clone();
                stages.push(name.unwrap_or_default().to_lowercase());
                from.filter(|from| !own.contains(&from.to_lowercase()))
            }
            "COPY" | "ADD" => {
                let from = rest.split_whitespace().find_map(|word| word.strip_prefix("--from="));
                let is_stage = |from: &&str| from.parse::<usize>().is_ok() || stages.contains(&from.to_lowercase());
                from.filter(|from| !is_stage(from)).map(str::to_owned)
            }
            _ => None,
        };
        let Some(reference) = from.map(|from| filled(&from, &known)).filter(|from| from != "scratch") else { continue };
        let place = if reference.contains('$') { &mut found.unknown } else { &mut found.references };
        if !place.contains(&reference) {
            place.push(reference);
        }
    }
    found
}

/// Puts in the values of arguments, in the two plain forms.
fn filled(text: &str, known: &BTreeMap<String, String>) -> String {
    let mut filled = text.to_owned();
    // Longer names first: one may begin with another.
    let mut names: Vec<_> = known.iter().collect();
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    for (name, value) in names {
        filled = filled.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# syntax=docker/dockerfile:1\nARG VERSION=20 BASE=\"debian\"\n\nFROM node:${VERSION} AS build\n\
                        RUN one && \\\n    # a word between\n    two\nFROM $BASE\ncopy --from=build /a /a\n\
                        COPY --from=busybox:1 /b /b\nCOPY --from=0 /c /c\nFROM scratch\nFROM build\nRUN x\\\n";

    #[test]
    fn instructions_stand_where_they_begin() {
        let lines: Vec<_> = instructions(TEXT).into_iter().map(|found| (found.line, found.word)).collect();
        let expected = [
            (2, "ARG"),
            (4, "FROM"),
            (5, "RUN"),
            (8, "FROM"),
            (9, "COPY"),
            (10, "COPY"),
            (11, "COPY"),
            (12, "FROM"),
            (13, "FROM"),
            (14, "RUN"),
        ];
        assert_eq!(lines, expected.map(|(line, word)| (line, word.to_owned())));
        assert_eq!(instructions(TEXT)[2].rest, "one &&  two");
        let other = instructions("# escape=`\nFROM a\nRUN b `\n c\nRUN d \\\n");
        assert_eq!(other.iter().map(|found| found.line).collect::<Vec<_>>(), [2, 3, 5]);
    }

    #[test]
    fn images_from_outside_are_found_with_their_arguments() {
        let given = [("VERSION".to_owned(), "22".to_owned())].into();
        assert_eq!(outside(TEXT, &given).references, ["node:22", "debian", "busybox:1"]);
        assert_eq!(outside(TEXT, &BTreeMap::new()).references[0], "node:20");
        let open = outside("ARG A\nFROM $A$B\n", &BTreeMap::new());
        assert_eq!((open.references.len(), open.unknown), (0, vec!["$B".to_owned()]));
    }
}
