//! `.dockerignore`: which files of a folder a Dockerfile does not get to see. Knows no disk and no Dockerfile.

use globset::{GlobBuilder, GlobMatcher};

/// More patterns than this are nobody's.
const MOST_PATTERNS: usize = 1_000;

/// The patterns of one file, in its order; of those that match, the last decides.
#[derive(Clone, Debug, Default)]
pub struct Dockerignore {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    is_exception: bool,
    glob: GlobMatcher,
}

impl Dockerignore {
    /// Reads the file. A line that is no pattern matches nothing.
    pub fn parse(text: &str) -> Self {
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { rules: lines.take(MOST_PATTERNS).filter_map(Rule::parse).collect() }
    }

    /// Says whether a file is passed over. Its path starts at the folder and uses `/`.
    pub fn ignores(&self, path: &str) -> bool {
        let is_met = |rule: &Rule| {
            // What matches a folder holds for all in it.
            let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
            ends.into_iter().any(|end| rule.glob.is_match(&path[..end]))
        };
        self.rules.iter().rev().find(|rule| is_met(rule)).is_some_and(|rule| !rule.is_exception)
    }
}

impl Rule {
    fn parse(line: &str) -> Option<Self> {
        let is_exception = line.starts_with('!');
        let pattern = line.strip_prefix('!').unwrap_or(line).trim();
        let parts = pattern.split('/').filter(|part| !part.is_empty() && *part != ".");
        let pattern = parts.collect::<Vec<_>>().join("/");
        let glob = GlobBuilder::new(&pattern).literal_separator(true).backslash_escape(true).build().ok()?;
        (!pattern.is_empty()).then(|| Self { is_exception, glob: glob.compile_matcher() })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("node_modules", "node_modules/a/b.js", true)]
    #[case("node_modules", "web/node_modules/a.js", false)]
    #[case("**/node_modules", "web/node_modules/a.js", true)]
    #[case("/target/", "target/x", true)]
    #[case("*.md", "README.md", true)]
    #[case("*.md", "docs/a.md", false)]
    #[case("*.md\n!README.md", "README.md", false)]
    #[case("!README.md\n*.md", "README.md", true)]
    #[case("*\n!src", "src/a.rs", false)]
    #[case("*\n!src", "other/a.rs", true)]
    #[case("docs\n!docs/keep.md", "docs/keep.md", false)]
    #[case("# docs\n\n", "docs", false)]
    #[case("temp?", "tempa", true)]
    #[case("./a/../b", "a", false)]
    #[case("[", "[", false)]
    fn the_last_pattern_that_matches_a_file_or_a_folder_above_it_decides(
        #[case] text: &str,
        #[case] path: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(Dockerignore::parse(text).ignores(path), expected);
    }
}
