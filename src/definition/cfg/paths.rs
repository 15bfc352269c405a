//! Patterns over changed files. Knows no repository.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Longer patterns and longer lists are nobody's; the limits keep their compilation cheap.
const MOST_PATTERNS: usize = 500;
const LONGEST_PATTERN: usize = 500;

/// An ordered list of patterns; of those that match a file, the last decides.
#[derive(Clone, Debug)]
pub struct Paths {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    is_negated: bool,
    glob: GlobSet,
}

/// What is wrong with a list of patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadPattern {
    /// Which pattern, nothing for the list as a whole.
    pub(super) at: Option<usize>,
    pub(super) message: String,
    pub(super) label: String,
    pub(super) help: String,
}

impl Paths {
    /// Compiles patterns; every wrong one is reported.
    pub(super) fn parse(patterns: &[&str]) -> Result<Self, Vec<BadPattern>> {
        let mut rules = Vec::new();
        let mut bad = Vec::new();
        if patterns.is_empty() {
            bad.push(whole("`paths` is empty", "matches no file", "leave the key out to launch whatever changed"));
        } else if patterns.len() > MOST_PATTERNS {
            bad.push(whole("`paths` is too long", "too many patterns", "use wildcards; 500 patterns are read at most"));
        } else if patterns.iter().all(|pattern| pattern.starts_with('!')) {
            let help = format!("say first what is included: `paths = [\"**\", \"{}\"]`", patterns[0]);
            bad.push(whole("`paths` only excludes", "no pattern includes a file", &help));
        }
        for (at, pattern) in patterns.iter().enumerate().take(MOST_PATTERNS) {
            match Rule::parse(pattern) {
                Ok(rule) => rules.push(rule),
                Err((label, help)) => {
                    let message = format!("`{pattern}` is not a path pattern");
                    bad.push(BadPattern { at: Some(at), message, label, help });
                }
            }
        }
        if bad.is_empty() { Ok(Self { rules }) } else { Err(bad) }
    }

    /// Says whether a changed file is meant. Paths start at the root of the repository and use `/`.
    pub fn is_match(&self, file: &str) -> bool {
        self.rules.iter().rev().find(|rule| rule.glob.is_match(file)).is_some_and(|rule| !rule.is_negated)
    }
}

fn whole(message: &str, label: &str, help: &str) -> BadPattern {
    BadPattern { at: None, message: message.to_owned(), label: label.to_owned(), help: help.to_owned() }
}

impl Rule {
    fn parse(pattern: &str) -> Result<Self, (String, String)> {
        let is_negated = pattern.starts_with('!');
        let rest = pattern.strip_prefix('!').unwrap_or(pattern);
        let example = "a pattern looks like `src/**`, `docs/*.md` or `!**/*.txt`".to_owned();
        if rest.is_empty() {
            return Err(("it is empty".to_owned(), example));
        }
        if rest.len() > LONGEST_PATTERN {
            return Err((format!("longer than {LONGEST_PATTERN} bytes"), example));
        }
        if rest.starts_with('/') || rest.starts_with("./") {
            let relative = rest.trim_start_matches(['/', '.']);
            let mark = if is_negated { "!" } else { "" };
            let label = "it matches no file: paths start at the root of the repository, without `/` or `./`";
            return Err((label.to_owned(), format!("write `{mark}{relative}`")));
        }
        // A folder means everything in it.
        let glob_text = if rest.ends_with('/') { format!("{rest}**") } else { rest.to_owned() };
        let compiled = GlobBuilder::new(&glob_text)
            .literal_separator(true)
            .build()
            .and_then(|glob| GlobSetBuilder::new().add(glob).build());
        match compiled {
            Ok(glob) => Ok(Self { is_negated, glob }),
            Err(error) => Err((error.kind().to_string(), example)),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&["src/**"], "src/a/b.rs", true)]
    #[case(&["src/**"], "docs/a.md", false)]
    #[case(&["src/*"], "src/a/b.rs", false)]
    #[case(&["*.md"], "docs/a.md", false)]
    #[case(&["**/*.md"], "a.md", true)]
    #[case(&["docs/"], "docs/a/b.md", true)]
    #[case(&["**", "!docs/**"], "docs/a.md", false)]
    #[case(&["**", "!docs/**"], "src/a.rs", true)]
    #[case(&["**", "!docs/**", "docs/api/*"], "docs/api/a.md", true)]
    #[case(&["!docs/**", "**"], "docs/a.md", true)]
    #[case(&["src/*.{rs,toml}"], "src/a.toml", true)]
    #[case(&["\\!odd"], "!odd", true)]
    fn the_last_pattern_that_matches_a_file_decides(
        #[case] patterns: &[&str],
        #[case] file: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(Paths::parse(patterns).unwrap().is_match(file), expected);
    }

    #[test]
    fn patterns_that_could_never_match_are_refused() {
        for patterns in [&["!docs/**"][..], &[], &["/src"], &["./src"], &["a", ""], &["src/[a"], &["!"]] {
            assert!(Paths::parse(patterns).is_err(), "{patterns:?}");
        }
    }
}
