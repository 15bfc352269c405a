//! Words in a commit's message that ask for nothing to be started. Knows no commit.

/// Words that may stand anywhere in a message, in capitals or not.
const MARKERS: [&str; 6] = ["[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]", "***NO_CI***"];

/// A line of the last paragraph that says the same.
const TRAILER: &str = "skip-checks";

/// Returns the marker in a message that asks for nothing to be started, as the documentation writes it.
pub fn skip_marker(message: &str) -> Option<&'static str> {
    let small = message.to_lowercase();
    let marker = MARKERS.into_iter().find(|marker| small.contains(&marker.to_lowercase()));
    marker.or_else(|| has_trailer(&small).then_some("skip-checks: true"))
}

/// Trailers are the lines of the last paragraph, and a message of one paragraph is all subject.
fn has_trailer(message: &str) -> bool {
    let paragraph: Vec<&str> =
        message.trim_end().lines().rev().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let is_first = paragraph.len() == message.trim().lines().count();
    let says = |line: &&str| line.split_once(':').is_some_and(|(key, value)| key == TRAILER && value.trim() == "true");
    !is_first && paragraph.iter().any(says)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Mend the till", None)]
    #[case("Mend the till [skip ci]", Some("[skip ci]"))]
    #[case("[CI Skip] Mend the till", Some("[ci skip]"))]
    #[case("Mend the till\n\nIt rang. [no ci]\n", Some("[no ci]"))]
    #[case("x [skip actions]", Some("[skip actions]"))]
    #[case("x [actions skip]", Some("[actions skip]"))]
    #[case("x ***no_ci***", Some("***NO_CI***"))]
    #[case("skip ci", None)]
    #[case("Mend the till\n\nIt rang.\n\nSigned-off-by: Ada\nskip-checks: true\n", Some("skip-checks: true"))]
    #[case("Mend the till\n\n\nskip-checks:true", Some("skip-checks: true"))]
    #[case("Mend the till\n\nskip-checks: false", None)]
    #[case("Mend the till\n\nskip-checks: true\n\nIt rang.", None)]
    #[case("skip-checks: true", None)]
    fn only_the_documented_markers_count(#[case] message: &str, #[case] expected: Option<&str>) {
        assert_eq!(skip_marker(message), expected);
    }
}
